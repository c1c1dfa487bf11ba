//! Executors that may grow: while virtual threads keep carriers for themselves, somebody serves the
//! others, whatever ends just then.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(missing_docs, unsafe_code)]

use std::cell::Cell;

use drift_core::platform::StackClass;
use drift_core::prim::AtomicU32;
use drift_core::runtime::Runtime;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::{Entry, Handle, Payload, Run};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;
use drift_sim::{Sim, seeds};

/// More than a standby needs to see that nobody gets on.
const LONG: u64 = 3_000 * MILLISECOND;

thread_local! {
    /// Of the world that this OS thread plays: whether the one has run that all others rely on.
    static SERVED: Cell<bool> = const { Cell::new(false) };
}

fn runtime() -> &'static Runtime {
    process::runtime().unwrap()
}

fn now() -> Instant {
    runtime().platform().now()
}

fn sleep(time: u64) {
    let until = now() + time;
    while now() < until {
        runtime().park(until);
    }
}

/// Keeps the carrier, as a call into foreign code may, until all are served.
fn block() {
    let until = now() + LONG;
    while !SERVED.get() && now() < until {
        let soon = now() + 10 * MILLISECOND;
        runtime().platform().thread_wait(&AtomicU32::new(0), 0, Some(soon));
    }
}

unsafe fn nothing(_: *mut Payload) {}

unsafe fn blocks(_: *mut Payload) {
    block();
}

unsafe fn serves(_: *mut Payload) {
    SERVED.set(true);
}

/// Sleeps until somebody has to join in.
unsafe fn serves_later(_: *mut Payload) {
    sleep(20 * MILLISECOND);
    SERVED.set(true);
}

/// Sleeps again, for longer than that one stays without work.
unsafe fn serves_again(_: *mut Payload) {
    sleep(20 * MILLISECOND);
    sleep(1_500 * MILLISECOND);
    SERVED.set(true);
}

unsafe fn serves_after_a_second(_: *mut Payload) {
    sleep(1_050 * MILLISECOND);
    SERVED.set(true);
}

fn start(run: Run, executor: ExecutorRef) -> Handle {
    let entry = Entry { run, discard: nothing, payload: Payload::EMPTY };
    // SAFETY: nothing is in its payload.
    let one = unsafe { runtime().spawn(entry, StackClass::K64) }.unwrap();
    // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
    unsafe { executor.submit(one) }.unwrap();
    one
}

/// All carriers but one are kept; the last has to serve.
fn serve_while_the_others_block(executor: ExecutorRef, others: u32, kind: u64) {
    SERVED.set(false);
    let mut all: Vec<_> = match kind {
        0 => vec![start(serves_again, executor)],
        1 => vec![start(serves_later, executor)],
        _ => vec![],
    };
    all.extend((0..others).map(|_| start(blocks, executor)));
    if kind > 1 {
        all.push(start(serves, executor));
    }
    end_of(all);
}

/// The carrier of the caller neither serves nor looks out.
fn end_of(all: Vec<Handle>) {
    block();
    assert!(SERVED.get(), "nobody served");
    all.into_iter().for_each(|one| assert!(runtime().join(one, Instant::FAR)));
}

/// A carrier that joined in ends after a second without work, and so does the one that stands by.
/// Just then one comes that keeps its carrier.
fn serve_whoever_ends(executor: ExecutorRef) {
    SERVED.set(false);
    let serves = start(serves_after_a_second, executor);
    sleep(1_000 * MILLISECOND + runtime().platform().entropy() % (20 * MILLISECOND));
    end_of(vec![serves, start(blocks, executor)]);
}

#[test]
fn somebody_serves_whoever_ends_just_then() {
    for seed in seeds(2_000) {
        Sim::new(seed).carriers(1).run(|| {
            let most = 2 + (seed % 2) as u32;
            let policy =
                ExecutorPolicy { min_threads: 1, max_threads: most, ..ExecutorPolicy::DEFAULT };
            let executor = runtime().create_executor(policy).unwrap();
            for kind in [seed / 2 % 3, seed / 6 % 3] {
                serve_while_the_others_block(executor, most - 1, kind);
                serve_whoever_ends(executor);
            }
        });
    }
}
