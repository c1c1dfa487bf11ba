//! What the crate promises beyond Drift's own suite; each case on 1, 2 and 4 carriers.
//!
//! | file          | of what                                                               |
//! |---------------|-----------------------------------------------------------------------|
//! | `results.rs`  | each result and capture is dropped once, in any order of events       |
//! | `panics.rs`   | messages, payloads, poison, destructors that panic, unwinding         |
//! | `threads.rs`  | spawning from anywhere, joins, names, stacks, shields, fairness       |
//! | `scopes.rs`   | borrowing, failing, cancelling, nesting, time-outs                    |
//! | `handled.rs`  | what of a scope's children was handled, and by whom                   |
//! | `channels.rs` | exactly once, meetings, back-pressure, closing, values that call back |
//! | `sizes.rs`    | values of any size through a channel: whole, aligned, dropped once    |
//! | `executors.rs`| shutdown, places, stacks                                              |
//! | `selects.rs`  | arms, bodies, races                                                   |
//! | `shapes.rs`   | the arms of `select!`: which expressions, commas and places it takes |
//! | `traits.rs`   | `Send` and `Sync` of every public type; compiles or not               |

#[macro_use]
mod harness;
#[path = "contract/channels.rs"]
mod channels;
#[path = "contract/executors.rs"]
mod executors;
#[path = "contract/handled.rs"]
mod handled;
#[path = "contract/panics.rs"]
mod panics;
#[path = "contract/results.rs"]
mod results;
#[path = "contract/scopes.rs"]
mod scopes;
#[path = "contract/selects.rs"]
mod selects;
#[path = "contract/shapes.rs"]
mod shapes;
#[path = "contract/sizes.rs"]
mod sizes;
#[path = "contract/threads.rs"]
mod threads;
#[path = "contract/traits.rs"]
mod traits;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [
        results::CASES,
        panics::CASES,
        threads::CASES,
        scopes::CASES,
        handled::CASES,
        channels::CASES,
        sizes::CASES,
        executors::CASES,
        selects::CASES,
        shapes::CASES,
    ];
    harness::main(&[1, 2, 4], &cases.concat())
}
