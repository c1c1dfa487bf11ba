//! Whether it is a failure that a child has never run: a word of three flags, which only go up.
//!
//! | flag  | means                       | set by                       | the child has failed |
//! |-------|-----------------------------|------------------------------|----------------------|
//! | TAKEN | its executor has taken it   | who spawns it                | if UNRUN, not ASKED  |
//! | UNRUN | it was dropped; never runs  | who drops closure and ticket | if TAKEN, not ASKED  |
//! | ASKED | its own handle cancelled it | the handle                   | no                   |
//!
//! So the later of TAKEN and UNRUN tells. One that is not taken was refused, which is told of
//! anyway. Relaxed: nothing but the word itself is passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Shared;

const TAKEN: u8 = 1;
const UNRUN: u8 = 2;
const ASKED: u8 = 4;

/// The word, for the spawner and the handle.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

impl Fate {
    /// True if the child has failed by that.
    pub(super) fn take(&self) -> bool {
        self.set(TAKEN) == UNRUN
    }

    pub(super) fn ask(&self) {
        self.set(ASKED);
    }

    /// The flags before.
    fn set(&self, flag: u8) -> u8 {
        self.0.fetch_or(flag, Ordering::Relaxed)
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
    pub(super) fn enter(mut self) {
        self.is_used = true;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_used && self.fate.set(UNRUN) == TAKEN {
            self.shared.miss();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::State;
    use super::*;
    use crate::error::ConcurrencyError;
    use crate::runtime::runtime;

    /// What the scope has of it; `what` is given the ticket.
    fn errors(what: impl FnOnce(&Fate, Ticket<'_>)) -> Vec<ConcurrencyError> {
        let state = Mutex::new(State::default());
        let shared = Shared { runtime: runtime(), deadline: None, state };
        let fate = Fate::default();
        what(&fate, Ticket::new(&shared, &fate));
        shared.state().errors.clone()
    }

    #[test]
    fn the_later_of_two_flags_tells() {
        let told_by_the_ticket = errors(|fate, ticket| {
            assert!(!fate.take());
            drop(ticket);
        });
        assert_eq!(told_by_the_ticket, [ConcurrencyError::Cancelled]);
        let told_by_the_spawner = errors(|fate, ticket| {
            drop(ticket);
            assert!(fate.take());
        });
        assert_eq!(told_by_the_spawner, []);
    }

    #[test]
    fn who_runs_or_is_asked_has_not_failed() {
        let runs = errors(|fate, ticket| {
            ticket.enter();
            assert!(!fate.take());
        });
        assert_eq!(runs, []);
        let asked = errors(|fate, ticket| {
            assert!(!fate.take());
            fate.ask();
            drop(ticket);
        });
        assert_eq!(asked, []);
    }
}
