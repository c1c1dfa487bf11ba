//! A bounded pipeline: stages joined by small channels, so that the slowest sets the pace.
//!
//! ```text
//! numbers ──► 4 squarers ──► sum
//!         (8)            (8)
//! ```
//!
//! A stage ends when its receiver is closed and empty; dropping its sender tells the next.

use drift::sync::bounded;
use drift::{ConcurrencyError, ScopeError};

const NUMBERS: u64 = 10_000;

fn run() -> Result<u64, ScopeError> {
    drift::scope(|s| {
        let (numbers, to_square) = bounded(8);
        let (squares, to_sum) = bounded(8);
        s.spawn_fallible(move || (1..=NUMBERS).try_for_each(|n| numbers.send(n).map_err(lost)));
        for _ in 0..4 {
            let (to_square, squares) = (to_square.clone(), squares.clone());
            s.spawn_fallible(move || {
                to_square.iter().try_for_each(|n| squares.send(n * n).map_err(lost))
            });
        }
        // The stages have their own: when they end, the last sender is gone.
        drop(squares);
        to_sum.iter().sum()
    })
}

/// A stage has lost the one behind it.
fn lost<T>(error: drift::sync::SendError<T>) -> ConcurrencyError {
    error.error
}

#[drift::main]
fn main() {
    match run() {
        Ok(sum) => println!("the squares of 1 to {NUMBERS} sum up to {sum}"),
        Err(error) => println!("{error}"),
    }
}
