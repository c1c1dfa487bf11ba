//! Programs as they are written for std, with the names of this crate.
//!
//! Each uses one type as a program for std would, on one and two carriers and on plain OS threads.
//! What differs on purpose is in `docs/coming-from.md`.

mod channels;
mod locks;
mod once;

use drift::{Executor, ExecutorPolicy};

/// Runs a program on a virtual thread of one and of two carriers, and on an OS thread.
fn everywhere(program: fn()) {
    for carriers in [1, 2] {
        let policy = ExecutorPolicy::new().min_threads(carriers).max_threads(carriers);
        let executor = Executor::new(policy).unwrap();
        drift::spawn_on(&executor, program).unwrap().join().unwrap();
    }
    std::thread::spawn(program).join().unwrap();
}
