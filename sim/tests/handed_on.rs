//! Work behind work is found by a carrier that sleeps, because it is woken; not because somebody
//! looks around now and then. The difference is only in time, and a world's time is exact.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(missing_docs, unsafe_code)]

use std::cell::Cell;

use drift::{Duration, sleep};
use drift_core::platform::StackClass;
use drift_core::prim::AtomicU32;
use drift_core::runtime::defaults::Face;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::{self, Handle, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;
use drift_sim::{Entry, Faults, Log, Sim, What, Who, seeds, thread};

/// How often a carrier on the lookout looks around.
const TICK: u64 = 10 * MILLISECOND;

thread_local! {
    /// When the one that tells was, in the world that this OS thread plays.
    static SUBMITTED: Cell<u64> = const { Cell::new(0) };
    static STARTED: Cell<u64> = const { Cell::new(0) };
}

fn now() -> Instant {
    process::runtime().unwrap().platform().now()
}

unsafe fn nothing(_: *mut Payload) {}

/// Keeps its carrier for longer than a tick, as a call into foreign code may.
unsafe fn blocks(_: *mut Payload) {
    let until = now() + TICK * 11 / 10;
    while now() < until {
        process::runtime().unwrap().platform().thread_wait(&AtomicU32::new(0), 0, Some(until));
    }
}

unsafe fn starts(_: *mut Payload) {
    STARTED.set(now().0);
}

/// Keeps its carrier until the one that tells has started, for a second at most.
fn rely_on_the_one_that_tells() {
    let platform = process::runtime().unwrap().platform();
    let until = now() + 100 * TICK;
    while STARTED.get() == 0 && now() < until {
        platform.thread_wait(&AtomicU32::new(0), 0, Some(now() + TICK));
    }
}

unsafe fn parks_and_relies(_: *mut Payload) {
    process::runtime().unwrap().park(Instant::FAR);
    rely_on_the_one_that_tells();
}

fn new(run: unsafe fn(*mut Payload)) -> Handle {
    let entry = task::Entry { run, discard: nothing, payload: Payload::EMPTY };
    // SAFETY: nothing is in its payload.
    unsafe { process::runtime().unwrap().spawn(entry, StackClass::K64) }.unwrap()
}

fn submit(one: Handle) {
    let runtime = process::runtime().unwrap();
    let executor = runtime.find_executor(runtime.preferred_executor(Face::Rust)).unwrap();
    // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
    unsafe { executor.submit(one) }.unwrap();
}

fn join(one: Handle) {
    assert!(process::runtime().unwrap().join(one, Instant::FAR));
}

/// One that tells when it starts.
fn submit_the_one_that_tells() -> Handle {
    let told = new(starts);
    SUBMITTED.set(now().0);
    submit(told);
    told
}

/// An OS thread submits two, of which the first blocks.
fn one_behind_another() {
    // Everybody sleeps, and nobody looks around any more.
    sleep(Duration::from_millis(200)).unwrap();
    let pusher = thread::spawn(|| {
        let first = new(blocks);
        submit(first);
        join(submit_the_one_that_tells());
        join(first);
    });
    sleep(Duration::from_millis(30)).unwrap();
    pusher.join();
}

/// Whether all carriers but one slept for most of a tick after the submit, and nobody woke them,
/// while the one that was submitted had not started.
fn was_lost(log: &Log, carriers: u16) -> bool {
    let (submitted, started) = (SUBMITTED.get(), STARTED.get());
    let (from, to) = (submitted + TICK / 10, submitted + TICK * 9 / 10);
    let sleeps = |id: &u16| {
        let of_it = |entry: &&Entry| {
            entry.at < to && (entry.who == Who::Carrier(*id) || entry.what == What::Wakes(*id))
        };
        let last = log.entries().iter().rfind(of_it);
        last.is_some_and(|last| matches!(last.what, What::Sleeps(_)) && last.at < from)
    };
    started > to && (0..carriers).filter(sleeps).count() + 1 >= carriers.into()
}

/// The first one's carrier was taken for a searcher by who submitted the second: it wakes somebody.
#[test]
fn the_last_searcher_wakes_somebody_for_the_rest() {
    for seed in seeds(1_000) {
        let carriers = 2 + (seed % 2) as u16;
        let sim = Sim::new(seed).carriers(carriers.into());
        let run = sim.try_run(one_behind_another).unwrap_or_else(|failure| panic!("{failure}"));
        let lost = was_lost(&run.log, carriers);
        assert!(!lost, "others slept; replay with DRIFT_SIM_SEED={seed}\n{}", run.log);
    }
}

/// The first one had no stack at once: its carrier runs it all the same as one that was found.
#[test]
fn one_that_had_no_stack_keeps_nobody_asleep() {
    for seed in seeds(1_000) {
        let carriers = 2 + (seed % 2) as u16;
        let faults = Faults { stack_alloc: 300_000, ..Faults::NONE };
        let sim = Sim::new(seed).carriers(carriers.into()).faults(faults);
        let run = sim.try_run(one_behind_another).unwrap_or_else(|failure| panic!("{failure}"));
        let lost = was_lost(&run.log, carriers);
        assert!(!lost, "others slept; replay with DRIFT_SIM_SEED={seed}\n{}", run.log);
    }
}

/// One that had no stack, whose carrier goes on with one that blocks: somebody else tries, though
/// nobody is woken for it.
#[test]
fn one_that_had_no_stack_does_not_wait_for_its_carrier() {
    for seed in seeds(1_000) {
        let faults = Faults { stack_alloc: 300_000, ..Faults::NONE };
        Sim::new(seed).carriers(1 + (seed % 2) as u32).faults(faults).run(|| {
            STARTED.set(0);
            let runtime = process::runtime().unwrap();
            // Whoever looks out may be a carrier of another executor, or this one's standby.
            let min_threads = 1 + (seed / 4 % 2) as u32;
            let policy = ExecutorPolicy { min_threads, max_threads: 2, ..ExecutorPolicy::DEFAULT };
            let executor = runtime.create_executor(policy).unwrap();
            let [first, told] = [new(parks_and_relies), new(starts)];
            // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
            unsafe { executor.submit(first) }.unwrap();
            sleep(Duration::from_millis(200)).unwrap();
            let pusher = thread::spawn(move || {
                // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
                unsafe { executor.submit(told) }.unwrap();
                runtime.unpark(first);
                join(first);
                assert_ne!(STARTED.get(), 0, "it waited behind the one that blocks");
                join(told);
            });
            // Or nobody looks out at all.
            if seed % 4 < 2 {
                rely_on_the_one_that_tells();
            }
            sleep(Duration::from_millis(2_000)).unwrap();
            pusher.join();
        });
    }
}
