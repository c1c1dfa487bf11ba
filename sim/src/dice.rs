//! Choices that follow from a seed, the same on every machine.

use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// One stream of choices.
#[derive(Debug)]
pub(crate) struct Dice(Pcg64Mcg);

/// What a stream is for: one does not disturb another, so a fault more leaves the schedule alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Schedule = 1,
    Faults = 2,
    Entropy = 3,
    Temper = 4,
}

impl Dice {
    pub(crate) fn new(seed: u64, stream: Stream) -> Self {
        // The seeds of tests are small numbers; the generator's own seeding spreads them.
        Self(Pcg64Mcg::seed_from_u64(seed.rotate_left(32) ^ stream as u64))
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `bound`, which is not zero. Lemire, "Fast random integer generation in an interval",
    /// 2019, without its correction: the bias is below `bound / 2^64`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// True `parts` times in a million.
    pub(crate) fn hits(&mut self, parts: u32) -> bool {
        parts > 0 && self.below(1_000_000) < u64::from(parts)
    }
}
