//! What a wait for many descriptors costs, and the next one after it: counted in accesses to what
//! threads share, on the real platform.
#![cfg(feature = "points")]
#![allow(missing_docs)]

use std::cell::Cell;

use drift::{Executor, ExecutorPolicy, spawn_on};
use drift_core::platform::{Interest, Source};
use drift_core::prim::set_hook;
use drift_core::runtime::Runtime;
use drift_core::time::Instant;

thread_local! {
    static ACCESSES: Cell<u64> = const { Cell::new(0) };
}

/// Accesses of the calling OS thread in `f`, which does not change it.
fn count(f: impl FnOnce()) -> u64 {
    let before = ACCESSES.get();
    f();
    ACCESSES.get() - before
}

/// Numbers that no descriptor has: each registration is refused, which changes nothing here.
const FIRST: u32 = 600_000;

fn register(source: u32) {
    let runtime = Runtime::here().expect("a virtual thread registers");
    let own = runtime.current().expect("the same");
    runtime.unpark_ready(own, Source(source), Interest::READ, Instant::FAR);
}

fn park() {
    Runtime::here().expect("a virtual thread parks").park(Instant::FAR);
}

/// A wait for so many: what the registrations cost, and what the end costs.
fn wait_for(sources: u32) -> (u64, u64) {
    let begins = count(|| (FIRST..FIRST + sources).for_each(register));
    (begins, count(park))
}

#[test]
fn ten_thousand_descriptors_cost_ten_thousand_times_one() {
    set_hook(|_| {
        ACCESSES.set(ACCESSES.get() + 1);
        false
    });
    for carriers in [1, 2, 4] {
        let policy = ExecutorPolicy::new().min_threads(carriers);
        let executor = Executor::new(policy).unwrap();
        many_and_then_one(&executor);
    }
}

fn many_and_then_one(executor: &Executor) {
    let many = || {
        let (begins, ends) = wait_for(1);
        assert!(begins > 0, "accesses are counted");
        let (begin_all, end_all) = wait_for(10_000);
        // The way in a tree of 10 000 is 14 long.
        assert!(begin_all < 10_000 * (begins + 100), "{begin_all}, where one takes {begins}");
        assert!(end_all < 10_000 * (ends + 100), "{end_all}, where one takes {ends}");
        for _ in 0..10_000 {
            // Within one wait it is the same registration.
            register(FIRST + 7);
        }
        park();
        let after = wait_for(1);
        assert!(after.0 + after.1 < begins + ends + 50, "{after:?} after {:?}", (begins, ends));
    };
    spawn_on(executor, many).unwrap().join().unwrap();
    // The next ones, which get that record too, have no more than they use.
    for _ in 0..20 {
        let (begins, ends) = spawn_on(executor, || wait_for(1)).unwrap().join().unwrap();
        assert!(begins + ends < 500, "{begins} and {ends}");
    }
}
