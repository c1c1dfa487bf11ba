//! What is known of one direction of an owned descriptor: one word, without a lock for its owner.
//!
//! ```text
//!  31                                                        2      1       0
//! +-----------------------------------------------------------+-------+-------+
//! | tick: how often it was found ready                        | ended | ready |
//! +-----------------------------------------------------------+-------+-------+
//! ```
//!
//! | event                     | word           | becomes             | by                    |
//! |---------------------------|----------------|---------------------|-----------------------|
//! | registered                | any            | ready, tick + 1     | the owner             |
//! | the kernel's event        | any            | ready, tick + 1     | who polls             |
//! | the same, and the last    | any            | also ended, for good| who polls             |
//! | found not ready           | as it was seen | not ready           | who has tried         |
//! | the same                  | another        | unchanged: an event | who has tried         |
//! |                           |                | came since          |                       |
//!
//! Who tries reads the word before it does. What comes after the try gives a new event (the kernel
//! tells edges), and so another tick: a word that is as it was seen means that nothing came.

use crate::prim::{AtomicU32, Ordering};

const READY: u32 = 1;
const ENDED: u32 = 2;
const TICK: u32 = 4;

/// What was known of a direction when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness(u32);

impl Readiness {
    /// Whether a try is worth it.
    #[must_use]
    #[inline]
    pub fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    /// Whether the other side has ended it: there may be no further event, so only a try tells
    /// that nothing is there.
    #[must_use]
    pub fn is_ended(self) -> bool {
        self.0 & ENDED != 0
    }
}

/// The word. Zero, as the table of slots comes, is not ready.
#[derive(Debug)]
pub(crate) struct Direction(AtomicU32);

impl Direction {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Acquire pairs with the release in `change`: who sees an event sees what came before it.
    #[inline]
    pub(crate) fn look(&self) -> Readiness {
        Readiness(self.0.load(Ordering::Acquire))
    }

    /// Begins anew.
    pub(crate) fn register(&self) {
        self.change(|word| Some(((word | READY) & !ENDED).wrapping_add(TICK)));
    }

    /// An event.
    pub(crate) fn ready(&self, ended: bool) {
        let flags = READY | if ended { ENDED } else { 0 };
        self.change(|word| Some((word | flags).wrapping_add(TICK)));
    }

    /// A try found nothing, after the look that gave `seen`.
    #[inline]
    pub(crate) fn clear(&self, seen: Readiness) {
        self.change(|word| (word == seen.0).then_some(word & !READY));
    }

    /// The only writer.
    #[inline]
    fn change(&self, step: impl Fn(u32) -> Option<u32>) {
        let mut word = self.0.load(Ordering::Acquire);
        while let Some(next) = step(word) {
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom;
