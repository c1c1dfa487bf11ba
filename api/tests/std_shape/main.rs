//! Programs as they are written for std, with the names of this crate.
//!
//! Each uses one type as a program for std would, on 1, 2 and 4 carriers and on plain OS threads.
//! What differs on purpose is in `docs/coming-from.md`. Those of `sockets.rs` and `data.rs` are one
//! text for both: they are compiled with std's types, then with ours, and both must pass.

/// One text, compiled twice: with the names of std, and with those of this crate in their place.
macro_rules! both {
    (
        std { $($std:item)* }
        drift { $($own:item)* }
        $($(#[$about:meta])* fn $name:ident() $body:block)*
    ) => {
        mod with_std {
            use super::*;
            $($std)*
            $($(#[$about])* #[test] fn $name() $body)*
        }
        mod with_drift {
            use super::*;
            $($own)*
            $($(#[$about])* #[test] fn $name() {
                fn program() $body
                $crate::everywhere(program);
            })*
        }
    };
}

mod channels;
mod data;
mod listed;
mod locks;
mod once;
mod sockets;
mod threads;

use std::sync::{Mutex, PoisonError};

use drift::{Executor, ExecutorPolicy};

/// The default executor is the process's: one program at a time has its own.
static DEFAULT: Mutex<()> = Mutex::new(());

/// Runs a program on a virtual thread of 1, 2 and 4 carriers, which are the default ones
/// meanwhile, and on an OS thread.
fn everywhere(program: fn()) {
    let _default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
    for carriers in [1, 2, 4] {
        let policy = ExecutorPolicy::new().min_threads(carriers).max_threads(carriers);
        let executor = Executor::new(policy).unwrap();
        executor.default_set();
        drift::spawn_on(&executor, program).unwrap().join().unwrap();
    }
    std::thread::spawn(program).join().unwrap();
}
