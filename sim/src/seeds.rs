//! Which seeds a test runs, and the line that replays one.

use std::env;
use std::ops::RangeInclusive;

/// One seed, to replay it.
const ONE: &str = "DRIFT_SIM_SEED";

/// How many, instead of what the test says.
const COUNT: &str = "DRIFT_SIM_SEEDS";

/// The seeds of a test; see [`seeds`].
pub type Seeds = RangeInclusive<u64>;

/// The seeds `0..count` for a test to run; one only if `DRIFT_SIM_SEED` names it, and as many as
/// `DRIFT_SIM_SEEDS` says if that is set.
///
/// # Panics
/// If one of these is set, and is no number.
///
/// # Examples
/// ```
/// assert_eq!(drift_sim::seeds(3).count(), 3);
/// ```
#[must_use]
pub fn seeds(count: u64) -> Seeds {
    if let Some(seed) = number(ONE) {
        return seed..=seed;
    }
    match number(COUNT).unwrap_or(count).checked_sub(1) {
        Some(last) => 0..=last,
        #[expect(clippy::reversed_empty_ranges, reason = "none")]
        None => 1..=0,
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is `{text}`, which is not a seed or a count")))
}

/// The line that replays a failure of the test that runs here.
pub(crate) fn replay(seed: u64) -> String {
    match std::thread::current().name() {
        None | Some("main") => format!("{ONE}={seed}"),
        Some(test) => format!("{ONE}={seed} cargo test {test}"),
    }
}
