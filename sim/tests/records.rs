//! Records of virtual threads in a world: who keeps them, and until when.
#![allow(missing_docs, unsafe_code)]

use std::cell::Cell;

use drift_core::platform::StackClass;
use drift_core::runtime::Runtime;
use drift_core::runtime::Standing;
use drift_core::runtime::defaults::Face;
use drift_core::task::{Entry, Handle, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_sim::{Faults, Sim, seeds};

thread_local! {
    /// Of the world that this OS thread plays: whether the one in question is being dropped.
    static IS_DROPPED: Cell<bool> = const { Cell::new(false) };
}

unsafe fn nothing(_: *mut Payload) {}

/// Sleeps for 20 ms, cancelled or not.
unsafe fn sleeps_on(_: *mut Payload) {
    let runtime = Runtime::here().expect("a virtual thread runs it");
    runtime.shield(1);
    let until = runtime.platform().now() + 20 * MILLISECOND;
    while runtime.platform().now() < until {
        runtime.park(until);
    }
    runtime.shield(-1);
}

unsafe fn is_long_in_being_dropped(payload: *mut Payload) {
    IS_DROPPED.set(true);
    // SAFETY: the payload is as it was.
    unsafe { sleeps_on(payload) };
}

fn spawn(runtime: &'static Runtime) -> Handle {
    let entry = Entry { run: sleeps_on, discard: nothing, payload: Payload::EMPTY };
    // SAFETY: nothing is in its payload.
    let handle = unsafe { runtime.spawn(entry, StackClass::K64) }.unwrap();
    let executor = runtime.find_executor(runtime.preferred_executor(Face::Rust)).unwrap();
    // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
    unsafe { executor.submit(handle) }.unwrap();
    handle
}

/// As many records as there are virtual threads that anybody can name; `main` is one.
fn records(runtime: &'static Runtime) -> usize {
    runtime.virtual_threads().count()
}

/// A carrier lets go a little after the end was told.
fn wait_until_alone(runtime: &'static Runtime) {
    for _ in 0..1_000 {
        if records(runtime) == 1 {
            return;
        }
        runtime.park(runtime.platform().now() + MILLISECOND);
    }
    panic!("{} records are kept", records(runtime));
}

fn in_worlds(program: fn(&'static Runtime)) {
    for seed in seeds(300) {
        let sim = Sim::new(seed).carriers(1 + (seed % 3) as u32).faults(Faults::QUIET);
        sim.run(|| program(Runtime::here().expect("the program is a virtual thread")));
    }
}

/// Nobody joins a cancelled one again after a timed join that failed, and nobody drops it: it must
/// be free when it ends.
#[test]
fn a_failed_timed_join_of_a_cancelled_one_keeps_no_record() {
    in_worlds(|runtime| {
        let one = spawn(runtime);
        runtime.park(runtime.platform().now() + MILLISECOND);
        runtime.cancel(one);
        if !runtime.join(one, runtime.platform().now() + MILLISECOND) {
            runtime.abandon_if_cancelled(one);
        }
        wait_until_alone(runtime);
    });
}

/// The same, of one that has not started, and is long in being dropped.
#[test]
fn a_failed_timed_join_of_one_that_was_cancelled_before_its_start_keeps_no_record() {
    in_worlds(|runtime| {
        IS_DROPPED.set(false);
        let entry =
            Entry { run: nothing, discard: is_long_in_being_dropped, payload: Payload::EMPTY };
        // SAFETY: nothing is in its payload.
        let one = unsafe { runtime.spawn(entry, StackClass::K64) }.unwrap();
        let cancels =
            drift::spawn(move || Runtime::here().expect("a virtual thread cancels").cancel(one));
        while !IS_DROPPED.get() {
            runtime.park(runtime.platform().now() + MILLISECOND);
        }
        if !runtime.join(one, runtime.platform().now() + MILLISECOND) {
            runtime.abandon_if_cancelled(one);
        }
        assert!(cancels.join().unwrap());
        wait_until_alone(runtime);
    });
}

/// The end and the end of the time at once.
#[test]
fn a_timed_join_that_fails_as_a_cancelled_one_ends_keeps_no_record() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            let runtime = Runtime::here().expect("the program is a virtual thread");
            let begun = runtime.platform().now();
            let one = spawn(runtime);
            runtime.park(begun + MILLISECOND);
            runtime.cancel(one);
            // It sleeps for 20 ms from when it began, which was a little later.
            if !runtime.join(one, begun + 20 * MILLISECOND + seed % 400 * 1_000) {
                runtime.abandon_if_cancelled(one);
            }
            wait_until_alone(runtime);
        });
    }
}

/// The same without a cancel: it may be joined, and is there until it is.
#[test]
fn a_failed_timed_join_keeps_the_handle() {
    in_worlds(|runtime| {
        let one = spawn(runtime);
        let joined = runtime.join(one, runtime.platform().now() + MILLISECOND);
        if !joined {
            runtime.abandon_if_cancelled(one);
            assert_eq!(records(runtime), 2);
            assert!(runtime.join(one, Instant::FAR));
        }
        wait_until_alone(runtime);
    });
}

/// One that nobody has submitted is seen as well, and as what it is.
#[test]
fn one_that_is_new_is_seen() {
    in_worlds(|runtime| {
        let entry = Entry { run: sleeps_on, discard: nothing, payload: Payload::EMPTY };
        // SAFETY: nothing is in its payload.
        let one = unsafe { runtime.spawn(entry, StackClass::K64) }.unwrap();
        let view = runtime.virtual_threads().find(|view| view.handle == one).unwrap();
        assert_eq!(view.standing, Standing::New);
        runtime.abandon(one);
        assert_eq!(records(runtime), 1);
    });
}
