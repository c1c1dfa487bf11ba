//! Executors from Rust, on the host: how they are shut down, and virtual threads that stay.
//!
//! | file          | what                                                                      |
//! |---------------|---------------------------------------------------------------------------|
//! | `world.rs`    | a runtime of a test's own; closures as virtual threads; counting carriers |
//! | `homes.rs`    | which carrier a virtual thread that does not migrate starts on            |
//! | `limits.rs`   | more carriers than there are                                              |
//! | `shutdown.rs` | drain, cancel, deadline; who waits, who submits; threads and places       |
//! | `stay.rs`     | virtual threads that do not migrate                                       |
//! | `threads.rs`  | OS threads of carriers that take their time to end                        |
#![cfg(not(loom))]

#[path = "executors/homes.rs"]
mod homes;
#[path = "executors/limits.rs"]
mod limits;
#[path = "executors/shutdown.rs"]
mod shutdown;
#[path = "executors/stay.rs"]
mod stay;
#[path = "executors/threads.rs"]
mod threads;
#[path = "executors/world.rs"]
mod world;
