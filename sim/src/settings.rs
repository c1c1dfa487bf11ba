//! What a world is made of, and its temper: how the choices of one seed differ from another's.

use crate::dice::Dice;
use crate::faults::Faults;

/// Everything that a world follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub seed: u64,
    pub carriers: u32,
    pub migrates: bool,
    pub faults: Faults,
    pub limit: u64,
    pub temper: Temper,
}

/// How choices are made in one world. Each seed has a temper of its own, because no single one
/// finds everything: a race may need many interruptions, or one at the right place and nobody else
/// in the way (Groce and others, "Swarm testing", 2012).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Temper {
    /// Accesses between two interruptions, on average. Never without: a loop that waits for what
    /// another carrier is about to do has to end.
    pub points: u64,
    /// Parts per million of the calls to the platform after which somebody else may go on.
    pub pauses: u32,
    /// Parts per million of the choices that fall on who ran last, if it can go on.
    pub sticks: u32,
    /// What a step takes at most, in nanoseconds.
    pub step: u64,
}

impl Temper {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let points = [3, 10, 30, 100, 300, 1_000, 100_000];
        let pauses = [0, 100_000, 500_000];
        let sticks = [0, 0, 500_000, 900_000];
        let steps = [1_000, 10_000, 100_000];
        Self {
            points: points[dice.below(points.len() as u64) as usize],
            pauses: pauses[dice.below(pauses.len() as u64) as usize],
            sticks: sticks[dice.below(sticks.len() as u64) as usize],
            step: steps[dice.below(steps.len() as u64) as usize],
        }
    }
}
