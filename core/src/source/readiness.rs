//! What is known of one direction of an owned descriptor: one word, without a lock for its owner.
//!
//! ```text
//!  31                                                      2        1       0
//! +---------------------------------------------------------+--------+-------+
//! | tick: how often it was found ready                      | doubts | ready |
//! +---------------------------------------------------------+--------+-------+
//! ```
//!
//! | event                        | word           | becomes                 | by               |
//! |------------------------------|----------------|-------------------------|------------------|
//! | registered                   | any            | ready, tick + 1; doubts | the owner        |
//! |                              |                | as the owner says       |                  |
//! | the kernel's event           | any            | ready, tick + 1         | the poller       |
//! | the same: an end, an error   | any            | the same, and doubts    | the poller       |
//! | urgent data is on its way    | any            | doubts, tick + 1        | the poller       |
//! | a call found nothing         | as it was seen | not ready               | the caller       |
//! | a call moved less than asked | as it was seen | not ready               | the caller       |
//! | the same                     | doubts         | unchanged: it may have  | the caller       |
//! |                              |                | been ended early        |                  |
//! | either                       | another        | unchanged: an event     | the caller       |
//! |                              |                | came since              |                  |
//!
//! The caller looks at the word before it makes the system call. What comes after the call gives a
//! new event (the kernel tells edges), and so another tick: a word that is as it was seen means
//! that nothing came.
//!
//! Doubts stay until the next registration. Whatever ends a call early has raised its event before
//! the call could see it: either that event was delivered before the look, and the doubts are
//! seen, or it comes later and says ready again.

use crate::prim::{AtomicBool, AtomicU32, Ordering};

const READY: u32 = 1;
const DOUBTS: u32 = 2;
const TICK: u32 = 4;

/// What a call that moved something, and less than it was asked for, says of the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortCount {
    /// There is no more just now: the kernel ends a call early for no other reason, unless it
    /// tells an end, an error or urgent data. So for TCP.
    Exhausts,
    /// Nothing: the kernel keeps records or messages apart.
    Nothing,
}

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

    /// Whether a call that moved less than it was asked for says nothing.
    #[must_use]
    #[inline]
    pub fn has_doubts(self) -> bool {
        self.0 & DOUBTS != 0
    }
}

/// The word. Zero, as the table of slots comes, is not ready.
#[derive(Debug)]
pub(crate) struct Direction {
    word: AtomicU32,
    /// Whether callers are in line or have a turn (`line.rs`): for who comes, and decided under
    /// the slot's lock. Relaxed.
    has_line: AtomicBool,
}

impl Direction {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), has_line: AtomicBool::new(false) }
    }

    /// Acquire pairs with the release in `change`: who sees an event sees what came before it.
    #[inline]
    pub(crate) fn look(&self) -> Readiness {
        Readiness(self.word.load(Ordering::Acquire))
    }

    /// The same, for a caller that has no turn: not ready, if it may have to wait for others.
    #[inline]
    pub(crate) fn look_behind_others(&self) -> Readiness {
        let seen = self.look();
        if self.has_line.load(Ordering::Relaxed) { Readiness(seen.0 & !READY) } else { seen }
    }

    /// Whether there are others. Under the slot's lock.
    pub(crate) fn set_line(&self, has_line: bool) {
        self.has_line.store(has_line, Ordering::Relaxed);
    }

    /// Begins anew.
    pub(crate) fn register(&self, short: ShortCount) {
        let doubts = if short == ShortCount::Nothing { DOUBTS } else { 0 };
        self.change(|word| Some((word & !DOUBTS | READY | doubts).wrapping_add(TICK)));
    }

    /// An event; `doubts` if it is one after which a call may be ended early.
    pub(crate) fn ready(&self, doubts: bool) {
        let flags = READY | if doubts { DOUBTS } else { 0 };
        self.change(|word| Some((word | flags).wrapping_add(TICK)));
    }

    /// An event that makes nothing ready, but may end a call early. The tick counts it, so that
    /// one who is between the look and the call does not clear.
    pub(crate) fn doubt(&self) {
        self.change(|word| Some((word | DOUBTS).wrapping_add(TICK)));
    }

    /// A call found nothing, after the look that gave `seen`.
    #[inline]
    pub(crate) fn clear(&self, seen: Readiness) {
        self.change(|word| (word == seen.0).then_some(word & !READY));
    }

    /// A call moved less than it was asked for, after the look that gave `seen`.
    #[inline]
    pub(crate) fn clear_short(&self, seen: Readiness) {
        if !seen.has_doubts() {
            self.clear(seen);
        }
    }

    /// The only writer.
    #[inline]
    fn change(&self, step: impl Fn(u32) -> Option<u32>) {
        let mut word = self.word.load(Ordering::Acquire);
        while let Some(next) = step(word) {
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
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
