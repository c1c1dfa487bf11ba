//! The contract of Drift's `std.concurrent`, by the names of Drift's end-to-end suite.
//!
//! Each case runs on 1, 2 and 4 carriers. Where Drift's test hopes that a task has not started or
//! ended yet, this one holds the carriers or the task at a gate.
//!
//! | name of the suite                                  | where                                 |
//! |----------------------------------------------------|---------------------------------------|
//! | `spawn_*`, `join_*`, `many_*`, `vt_*`, `park_*`    | `suite/spawn.rs`                      |
//! | `cancel_*`, `future_*`                             | `suite/cancel.rs`                     |
//! | `executor_*`, `queue_*`, `default_*`, `sleep_*` .. | `suite/executor.rs`                   |
//! | `reactor_*`, `block_on_io_*`, `std_*`              | `suite/io.rs`                         |
//! | `spawn_throwing_lambda_rejected`                   | none: closures have no `throws` here; |
//! |                                                    | one that returns an error is a value  |
//! | `lang_thread_import_ok`                            | none: there is no `lang.thread`       |

#[macro_use]
mod harness;
#[path = "suite/cancel.rs"]
mod cancel;
#[path = "suite/executor.rs"]
mod executor;
#[path = "suite/io.rs"]
mod io;
#[path = "suite/spawn.rs"]
mod spawn;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [spawn::CASES, cancel::CASES, executor::CASES, io::CASES].concat();
    harness::main(&[1, 2, 4], &cases)
}
