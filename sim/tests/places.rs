//! Places at an executor that refuses at its limit: `Busy` is the truth.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(missing_docs, unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;

use drift_core::platform::StackClass;
use drift_core::runtime::Runtime;
use drift_core::sched::executor::ExecutorRef;
use drift_core::sched::policy::{ExecutorPolicy, Saturation};
use drift_core::task::{Entry, Handle, Payload};
use drift_core::time::Instant;
use drift_pal::process;
use drift_sim::{Sim, seeds, thread};

thread_local! {
    /// Of the world that this OS thread plays: whether a virtual thread was dropped unrun.
    static DISCARDED: Cell<bool> = const { Cell::new(false) };
}

unsafe fn nothing(_: *mut Payload) {}

unsafe fn tells(_: *mut Payload) {
    DISCARDED.set(true);
}

fn runtime() -> &'static Runtime {
    process::runtime().unwrap()
}

fn new() -> Handle {
    let entry = Entry { run: nothing, discard: tells, payload: [0; 7] };
    runtime().spawn(entry, StackClass::K64).unwrap()
}

/// With one place.
fn executor() -> ExecutorRef {
    let saturation = Saturation::ReturnBusy;
    let policy = ExecutorPolicy { queue_limit: 1, saturation, ..ExecutorPolicy::DEFAULT };
    runtime().create_executor(policy).unwrap()
}

#[test]
fn one_that_is_cancelled_while_it_is_submitted_makes_nobody_busy() {
    for seed in seeds(3_000) {
        Sim::new(seed).carriers(2).run(|| {
            DISCARDED.set(false);
            let (executor, one, other) = (executor(), new(), new());
            let submits = thread::spawn(move || executor.submit(one).unwrap());
            let cancels = thread::spawn(move || {
                runtime().cancel(one);
                let is_free = DISCARDED.get();
                let answer = executor.submit(other);
                assert!(answer.is_ok() || !is_free, "nobody has the place: {answer:?}");
            });
            submits.join();
            cancels.join();
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
                    executor.submit(one).unwrap();
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
