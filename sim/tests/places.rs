//! Places at an executor that refuses at its limit: `Busy` is the truth.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(missing_docs, unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;

use drift_core::error::ConcurrencyError;
use drift_core::platform::StackClass;
use drift_core::runtime::Runtime;
use drift_core::runtime::shutdown::Shutdown;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::{ExecutorPolicy, Saturation};
use drift_core::task::{Entry, Handle, Payload, Run};
use drift_core::time::Instant;
use drift_pal::process;
use drift_sim::{Sim, seeds, thread};

thread_local! {
    /// Of the world that this OS thread plays: whether a virtual thread was dropped unrun.
    static DISCARDED: Cell<bool> = const { Cell::new(false) };
    /// Whether those that `run_on` may end.
    static LET_GO: Cell<bool> = const { Cell::new(false) };
}

unsafe fn nothing(_: *mut Payload) {}

unsafe fn tells(_: *mut Payload) {
    DISCARDED.set(true);
}

/// Keeps its place.
unsafe fn runs_on(_: *mut Payload) {
    while !LET_GO.get() && !runtime().is_cancelled() {
        runtime().yield_now();
    }
}

fn runtime() -> &'static Runtime {
    process::runtime().unwrap()
}

fn new() -> Handle {
    new_that(nothing)
}

fn submit(executor: ExecutorRef, handle: Handle) -> Result<(), ConcurrencyError> {
    // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
    unsafe { executor.submit(handle) }
}

fn new_that(run: Run) -> Handle {
    let entry = Entry { run, discard: tells, payload: Payload::EMPTY };
    // SAFETY: nothing is in its payload.
    unsafe { runtime().spawn(entry, StackClass::K64) }.unwrap()
}

/// With one place.
fn executor() -> ExecutorRef {
    executor_that(Saturation::ReturnBusy)
}

fn executor_that(saturation: Saturation) -> ExecutorRef {
    let policy = ExecutorPolicy { queue_limit: 1, saturation, ..ExecutorPolicy::DEFAULT };
    runtime().create_executor(policy).unwrap()
}

/// With one place, for which nobody waits longer than a nanosecond.
fn impatient_executor() -> ExecutorRef {
    let (saturation, timeout) = (Saturation::Block, 1);
    let policy = ExecutorPolicy { queue_limit: 1, saturation, timeout, ..ExecutorPolicy::DEFAULT };
    runtime().create_executor(policy).unwrap()
}

/// The executor's place in the table, which another one may get.
fn place_of(executor: ExecutorRef) -> i64 {
    runtime().executor_handle(executor) & 0xff
}

fn shut_down(executor: ExecutorRef, how: Shutdown) {
    let handle = runtime().executor_handle(executor);
    runtime().shutdown(handle, how, Instant::FAR).unwrap();
}

/// Cancels `one`, and submits another, which is only refused if `one` may have the place still.
fn cancel_and_take_its_place(executor: ExecutorRef, one: Handle) {
    let other = new();
    runtime().cancel(one);
    let is_free = DISCARDED.get();
    let answer = submit(executor, other);
    assert!(answer.is_ok() || !is_free, "nobody has the place: {answer:?}");
    if answer.is_ok() {
        assert!(runtime().join(other, Instant::FAR));
    }
}

#[test]
fn one_that_is_cancelled_while_it_is_submitted_makes_nobody_busy() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            let executor = executor();
            for _ in 0..4 {
                DISCARDED.set(false);
                let one = new();
                let submits = thread::spawn(move || submit(executor, one).unwrap());
                let cancels = thread::spawn(move || cancel_and_take_its_place(executor, one));
                submits.join();
                cancels.join();
                assert!(runtime().join(one, Instant::FAR));
            }
            shut_down(executor, Shutdown::Drain);
            let next = self::executor();
            assert_eq!(place_of(next), place_of(executor), "somebody is counted who is gone");
        });
    }
}

/// A carrier may already have taken the virtual thread from its queue.
#[test]
fn one_that_is_cancelled_before_it_starts_makes_nobody_busy() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            let executor = executor();
            for _ in 0..8 {
                DISCARDED.set(false);
                let one = new();
                submit(executor, one).unwrap();
                thread::spawn(move || cancel_and_take_its_place(executor, one)).join();
                assert!(runtime().join(one, Instant::FAR));
            }
            shut_down(executor, Shutdown::Drain);
        });
    }
}

#[test]
fn one_that_two_submit_has_one_place_and_both_are_told_so() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            let (executor, one) = (executor(), new());
            let answers = Rc::new(Cell::new(0));
            let submits = [0, 1].map(|_| {
                let accepted = Rc::clone(&answers);
                thread::spawn(move || {
                    submit(executor, one).unwrap();
                    accepted.set(accepted.get() + 1);
                })
            });
            for submit in submits {
                submit.join();
            }
            assert_eq!(answers.get(), 2);
            assert!(runtime().join(one, Instant::FAR));
        });
    }
}

/// A second shutdown of an executor may come to who waits at the next one in its place.
#[test]
fn a_late_shutdown_lets_nobody_of_the_next_life_through() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            LET_GO.set(false);
            let executor = executor_that(Saturation::Block);
            let shuts = thread::spawn(move || shut_down(executor, Shutdown::Drain));
            let goes_on = thread::spawn(move || {
                shut_down(executor, Shutdown::Drain);
                let next = executor_that(Saturation::Block);
                submit(next, new_that(runs_on)).unwrap();
                let waits = thread::spawn(move || {
                    submit(next, new()).unwrap();
                    assert!(LET_GO.get(), "the only place is taken");
                });
                (0..20).for_each(|_| runtime().yield_now());
                LET_GO.set(true);
                waits.join();
                shut_down(next, Shutdown::Drain);
            });
            shuts.join();
            goes_on.join();
        });
    }
}

/// Who waited at an executor that was shut down runs later, and has no place at the next one.
#[test]
fn a_place_of_the_life_before_is_in_nobodys_way() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            LET_GO.set(false);
            let first = executor_that(Saturation::Block);
            submit(first, new_that(runs_on)).unwrap();
            let waits = drift::spawn(move || submit(first, new()));
            runtime().yield_now();
            shut_down(first, Shutdown::Cancel);
            let next = match seed % 2 {
                0 => executor(),
                _ => impatient_executor(),
            };
            assert_eq!(submit(next, new()), Ok(()), "nobody has the place");
            let answer = waits.join().unwrap();
            assert!(matches!(answer, Ok(()) | Err(ConcurrencyError::Closed)), "{answer:?}");
            shut_down(next, Shutdown::Drain);
        });
    }
}

/// A submit with the handle of an executor that was shut down neither tells of the next one, nor
/// is in its way.
#[test]
fn a_late_submit_and_the_next_life_know_nothing_of_each_other() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            LET_GO.set(false);
            let new_executor = if seed % 2 == 0 { executor } else { impatient_executor };
            let first = new_executor();
            let submits = thread::spawn(move || {
                let answer = submit(first, new());
                assert!(matches!(answer, Ok(()) | Err(ConcurrencyError::Closed)), "{answer:?}");
            });
            shut_down(first, Shutdown::Drain);
            let next = new_executor();
            assert_eq!(submit(next, new_that(runs_on)), Ok(()), "nobody has the place");
            submits.join();
            LET_GO.set(true);
            shut_down(next, Shutdown::Drain);
        });
    }
}
