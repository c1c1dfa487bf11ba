//! Everything at once on the real platform, for as long as asked, watched all along.
//!
//! | file        | what                                                                       |
//! |-------------|----------------------------------------------------------------------------|
//! | `jobs.rs`   | what goes on: storms, cancels, timers, sockets, descriptors, executors     |
//! | `machine.rs`| the two runtimes that it goes on in, on a platform with faults             |
//! | `watch.rs`  | threads, descriptors, memory, virtual threads; who gets on, who is late    |
//!
//! `DRIFT_SOAK_SECONDS` says how long; without it, for as long as a test may take. The scenarios of
//! `scenarios/` run here too, one after the other, and the mixed program of `faulty/`.
#![cfg(not(loom))]

#[path = "scenarios/ends.rs"]
mod ends;
#[path = "scenarios/executors.rs"]
mod executors;
#[path = "soak/jobs.rs"]
mod jobs;
#[path = "scenarios/locks.rs"]
mod locks;
#[path = "soak/machine.rs"]
mod machine;
#[path = "faulty/mixed.rs"]
mod mixed;
#[path = "scenarios/onces.rs"]
mod onces;
#[path = "scenarios/program.rs"]
mod program;
#[path = "faulty/refusal.rs"]
mod refusal;
#[path = "scenarios/waits.rs"]
mod waits;
#[path = "soak/watch.rs"]
mod watch;

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let seconds = match std::env::var("DRIFT_SOAK_SECONDS") {
        Ok(text) => text.parse().expect("DRIFT_SOAK_SECONDS is a number of seconds"),
        Err(_) => 5,
    };
    let report = watch::soak(Duration::from_secs(seconds));
    println!("{report}");
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}
