//! How far an executor's life has come: one word, which every use of a handle is checked against.
//!
//! ```text
//!  63                      3 2     0
//! +-------------------------+-------+
//! | generation              | stage |
//! +-------------------------+-------+
//! ```
//!
//! `generation` names one life of the executor's place; it is part of the handle.
//!
//! | from    | event | by                                          | to                     |
//! |---------|-------|---------------------------------------------|------------------------|
//! | Open    | close | a shutdown                                  | Closed                 |
//! | Closed  | end   | a shutdown or carrier that finds none alive | Ending                 |
//! | Ending  | claim | a shutdown; who looks for a free place      | Claimed                |
//! | Claimed | leave | the same, if a carrier's thread is left     | Ending                 |
//! | Claimed | free  | the same, when the carriers are gone        | Free                   |
//! | Free    | take  | who creates an executor                     | Claimed, the next life |
//! | Claimed | open  | the same                                    | Open                   |
//!
//! **No submit is missed**, and it pays no read-modify-write for that: a submitter changes the
//! task's state word and then loads this one; a shutdown closes this one and then loads the state
//! words of all records. All four are SeqCst: either the submitter sees Closed and takes the
//! submit back, or the shutdown sees the task. One whose executor is not yet written down may be
//! anybody's; the shutdown looks again. So does another submit of it, which would else be told that
//! it was accepted, and see it taken back.
//!
//! **No carrier starts late.** Who starts one claims the carrier's `life` and then loads this
//! word; who ends the executor changes this word and then loads every `life`. SeqCst as well.

use crate::prim::{AtomicU64, Ordering};

/// See the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Stage {
    /// Takes virtual threads.
    Open = 0,
    /// Takes no more; some may be alive.
    Closed = 1,
    /// None is alive; carriers end.
    Ending = 2,
    /// Somebody alone looks whether the carriers' OS threads are gone, or prepares the next life.
    Claimed = 3,
    /// Can be given out again.
    Free = 4,
}

const SHIFT: u32 = 3;
const STAGE: u64 = (1 << SHIFT) - 1;

/// The last generation that fits a handle; a place that reaches it is not used again.
const LAST: u32 = (1 << 31) - 1;

const fn word(generation: u32, stage: Stage) -> u64 {
    (generation as u64) << SHIFT | stage as u64
}

/// The word of one executor's place.
#[derive(Debug)]
pub(crate) struct Lives(AtomicU64);

impl Lives {
    /// The first life, open.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(word(1, Stage::Open)))
    }

    /// The present life.
    pub(crate) fn generation(&self) -> u32 {
        (self.load() >> SHIFT) as u32
    }

    /// Whether the life `generation` takes virtual threads. The submitter's look.
    #[inline]
    pub(crate) fn is_open(&self, generation: u32) -> bool {
        self.load() == word(generation, Stage::Open)
    }

    /// Whether the life `generation` has come to `stage` just now.
    pub(crate) fn is(&self, generation: u32, stage: Stage) -> bool {
        self.load() == word(generation, stage)
    }

    /// Whether the life `generation` has ended, and its place is not free.
    pub(crate) fn is_left(&self, generation: u32) -> bool {
        let seen = self.load();
        [Stage::Ending, Stage::Claimed].iter().any(|stage| seen == word(generation, *stage))
    }

    /// The present life, if it is closed and may have live tasks.
    pub(crate) fn closed(&self) -> Option<u32> {
        let seen = self.load();
        (seen & STAGE == Stage::Closed as u64).then_some((seen >> SHIFT) as u32)
    }

    /// Whether no carrier is to run: from the end of one life to the beginning of the next.
    pub(crate) fn is_ending(&self) -> bool {
        self.load() & STAGE >= Stage::Ending as u64
    }

    /// No more virtual threads. False if it was closed before.
    pub(crate) fn close(&self, generation: u32) -> bool {
        self.step(generation, Stage::Open, Stage::Closed)
    }

    /// The last one has ended.
    pub(crate) fn end(&self, generation: u32) -> bool {
        self.step(generation, Stage::Closed, Stage::Ending)
    }

    /// The caller alone looks whether the carriers are gone.
    pub(crate) fn claim(&self, generation: u32) -> bool {
        self.step(generation, Stage::Ending, Stage::Claimed)
    }

    /// Some are not.
    pub(crate) fn leave(&self, generation: u32) {
        let left = self.step(generation, Stage::Claimed, Stage::Ending);
        debug_assert!(left, "who claimed it is alone with it");
    }

    /// They are gone.
    pub(crate) fn free(&self, generation: u32) {
        let freed = self.step(generation, Stage::Claimed, Stage::Free);
        debug_assert!(freed, "who claimed it is alone with it");
    }

    /// The caller alone prepares the next life, whose number this is. `is_empty` is asked when the
    /// place is free: then nobody of its life comes any more.
    pub(crate) fn take(&self, is_empty: impl FnOnce() -> bool) -> Option<u32> {
        let generation = self.generation();
        let free = word(generation, Stage::Free);
        if generation == LAST || self.load() != free || !is_empty() {
            return None;
        }
        self.change(free, word(generation + 1, Stage::Claimed)).then_some(generation + 1)
    }

    /// It begins. What was written before is seen by whoever finds it open.
    pub(crate) fn open(&self, generation: u32) {
        let opened = self.step(generation, Stage::Claimed, Stage::Open);
        debug_assert!(opened, "who takes a place is alone with it");
    }

    fn step(&self, generation: u32, from: Stage, to: Stage) -> bool {
        self.change(word(generation, from), word(generation, to))
    }

    /// SeqCst: see the module's head.
    fn load(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// The only writer. SeqCst: see the module's head.
    fn change(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;
