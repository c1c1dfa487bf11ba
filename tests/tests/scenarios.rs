//! Programs that run unchanged in simulated worlds, over seeds, and on the real platform.
//!
//! | file           | programs about                                                          |
//! |----------------|-------------------------------------------------------------------------|
//! | `waits.rs`     | park, unpark, sleep, and that nothing left over ends the next wait      |
//! | `ends.rs`      | joins, cancels, dropped handles: everything once                        |
//! | `executors.rs` | limits, shutdown, queues, carriers that sleep and are woken             |
//! | `locks.rs`     | locks, channels, select                                                 |
//! | `onces.rs`     | what is done once, and tried again if it failed                         |
//! | `turns.rs`     | loops of calls that need not wait, and those beside them                |
//! | `program.rs`   | what they are made of                                                   |
//! | `harness.rs`   | runs them: `sim::NAME` over seeds, `host::NAME` some rounds             |
#![cfg(not(loom))]

#[path = "scenarios/ends.rs"]
mod ends;
#[path = "scenarios/executors.rs"]
mod executors;
#[path = "scenarios/harness.rs"]
mod harness;
#[path = "scenarios/locks.rs"]
mod locks;
#[path = "scenarios/onces.rs"]
mod onces;
#[path = "scenarios/program.rs"]
mod program;
#[path = "scenarios/turns.rs"]
mod turns;
#[path = "scenarios/waits.rs"]
mod waits;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::main(&[waits::ALL, ends::ALL, executors::ALL, locks::ALL, onces::ALL, turns::ALL])
}
