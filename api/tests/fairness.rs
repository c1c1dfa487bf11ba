//! A call that need not wait does not keep its carrier.
//!
//! | file          | what                                                                      |
//! |---------------|---------------------------------------------------------------------------|
//! | `programs.rs` | loops that keep a carrier if nobody sees to it, and those beside them     |

#[macro_use]
mod harness;
#[path = "fairness/programs.rs"]
mod programs;

use std::process::ExitCode;

fn main() -> ExitCode {
    if programs::is_child() {
        return programs::child();
    }
    harness::main(&[1, 2, 4], programs::CASES)
}
