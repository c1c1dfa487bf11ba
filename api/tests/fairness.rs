//! A call that need not wait does not keep its carrier.
//!
//! | file          | what                                                                      |
//! |---------------|---------------------------------------------------------------------------|
//! | `programs.rs` | loops that keep a carrier if nobody sees to it, and those beside them     |
//! | `calls.rs`    | every public call, repeated; the calls are in the folder                  |
//! | `listed.rs`   | that none is left out                                                     |

#[macro_use]
mod harness;
#[path = "fairness/calls.rs"]
mod calls;
#[path = "fairness/listed.rs"]
mod listed;
#[path = "fairness/programs.rs"]
mod programs;

use std::process::ExitCode;

fn main() -> ExitCode {
    if programs::is_child() {
        return programs::child();
    }
    let calls: Vec<_> = calls::TABLES.iter().map(|(name, case, _)| (*name, *case)).collect();
    harness::main(&[1, 2, 4], &[programs::CASES, &calls, listed::CASES].concat())
}
