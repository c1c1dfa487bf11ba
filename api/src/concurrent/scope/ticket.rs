//! Whether a child has failed, and whose failure that is: a word of flags, which only go up.
//!
//! | flag    | means                       | set by                    | then                     |
//! |---------|-----------------------------|---------------------------|--------------------------|
//! | TAKEN   | its executor has taken it   | who spawns it             | if UNRUN, not ASKED: it  |
//! |         |                             |                           | has failed               |
//! | UNRUN   | it was dropped; never runs  | who drops closure, ticket | if TAKEN, not ASKED: the |
//! |         |                             |                           | same                     |
//! | ASKED   | its own handle cancelled it | the handle                |                          |
//! | FAILED  | the scope keeps its error   | the child; who tells of   | if SETTLED: the error is |
//! |         |                             | UNRUN, or of a refusal    | the scope's              |
//! | SETTLED | a join has its result, or   | the handle                | if FAILED: the error is  |
//! |         | the handle is gone          |                           | nobody's, or the scope's |
//!
//! So the later of TAKEN and UNRUN tells, and the later of FAILED and SETTLED decides. A child
//! that is not TAKEN was refused, and its spawner tells of the refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::shared::Shared;

const TAKEN: u8 = 1;
const UNRUN: u8 = 2;
const ASKED: u8 = 4;
const FAILED: u8 = 8;
const SETTLED: u8 = 16;

/// The word, for the child, its spawner and its handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<Word>);

#[derive(Debug, Default)]
struct Word {
    flags: AtomicU8,
    /// Of the error that the scope keeps; written before FAILED, by who sets it.
    number: AtomicU64,
}

impl Fate {
    /// True if the child has failed by that.
    pub(super) fn take(&self) -> bool {
        self.set(TAKEN) & (UNRUN | ASKED) == UNRUN
    }

    pub(super) fn ask(&self) {
        self.set(ASKED);
    }

    /// The scope keeps the child's error under `number`. True if it is the scope's at once.
    pub(super) fn fail(&self, number: u64) -> bool {
        self.0.number.store(number, Ordering::Relaxed);
        self.set(FAILED) & SETTLED != 0
    }

    /// The handle has done what it will. The number of the error that is kept for it, once.
    pub(super) fn settle(&self) -> Option<u64> {
        let before = self.set(SETTLED) & (FAILED | SETTLED);
        (before == FAILED).then(|| self.0.number.load(Ordering::Relaxed))
    }

    /// The flags before.
    fn set(&self, flag: u8) -> u8 {
        // AcqRel: who comes later finds what was written before the other flag, in the scope too.
        self.0.flags.fetch_or(flag, Ordering::AcqRel)
    }
}

/// What a child's closure keeps until it runs.
pub(super) struct Ticket<'scope> {
    shared: &'scope Shared,
    fate: Fate,
    is_used: bool,
}

impl<'scope> Ticket<'scope> {
    pub(super) fn new(shared: &'scope Shared, fate: &Fate) -> Self {
        Self { shared, fate: fate.clone(), is_used: false }
    }

    /// It runs.
    pub(super) fn enter(mut self) -> Fate {
        self.is_used = true;
        self.fate.clone()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_used && self.fate.set(UNRUN) & (TAKEN | ASKED) == TAKEN {
            self.shared.miss(&self.fate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ConcurrencyError;

    /// What the scope has of it; `what` is given the ticket.
    fn errors(what: impl FnOnce(&Shared, &Fate, Ticket<'_>)) -> Vec<ConcurrencyError> {
        let shared = Shared::new(None);
        let fate = Fate::default();
        what(&shared, &fate, Ticket::new(&shared, &fate));
        shared.errors()
    }

    #[test]
    fn the_later_of_two_flags_tells() {
        let told_by_the_ticket = errors(|_, fate, ticket| {
            assert!(!fate.take());
            drop(ticket);
        });
        assert_eq!(told_by_the_ticket, [ConcurrencyError::Cancelled]);
        let told_by_the_spawner = errors(|_, fate, ticket| {
            drop(ticket);
            assert!(fate.take());
        });
        assert_eq!(told_by_the_spawner, []);
    }

    #[test]
    fn who_runs_or_is_asked_has_not_failed() {
        let runs = errors(|_, fate, ticket| {
            ticket.enter();
            assert!(!fate.take());
        });
        assert_eq!(runs, []);
        let asked = errors(|_, fate, ticket| {
            assert!(!fate.take());
            fate.ask();
            drop(ticket);
        });
        assert_eq!(asked, []);
    }

    #[test]
    fn the_later_of_failure_and_handle_decides() {
        let joined = errors(|shared, fate, ticket| {
            assert!(!fate.take());
            drop(ticket);
            shared.forgive(fate.settle().unwrap());
            assert_eq!(fate.settle(), None, "the drop that follows");
        });
        assert_eq!(joined, []);
        let dropped_before = errors(|_, fate, ticket| {
            assert!(!fate.take());
            assert_eq!(fate.settle(), None);
            drop(ticket);
        });
        assert_eq!(dropped_before, [ConcurrencyError::Cancelled]);
        let dropped_after = errors(|shared, fate, ticket| {
            assert!(!fate.take());
            drop(ticket);
            assert!(!shared.is_cancelled(), "it is the handle's");
            shared.lose(fate.settle().unwrap());
            assert!(shared.is_cancelled());
        });
        assert_eq!(dropped_after, [ConcurrencyError::Cancelled]);
    }
}
