//! What a scope, its children and who watches its time share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use drift_core::error::ConcurrencyError as CoreError;
use drift_core::runtime::Runtime;
use drift_core::task::Handle;
use drift_core::wait::Wait;

use super::ticket::Fate;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, runtime, wait_to_the_end};
use crate::time::Instant;

/// What the watcher of the scope's time shares with the scope, and may keep after its end.
#[derive(Debug)]
pub(super) struct Shared {
    runtime: &'static Runtime,
    deadline: Option<Instant>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that may not have ended.
    children: Vec<Handle>,
    /// In the order in which they came.
    errors: Vec<ConcurrencyError>,
    /// The errors of children whose handles are there: in the order in which they came, by the
    /// number that the fate has.
    kept: BTreeMap<u64, ConcurrencyError>,
    /// The number of the next.
    keeps: u64,
    is_cancelled: bool,
    /// Its time has run out.
    is_late: bool,
    /// Body and children have ended.
    is_over: bool,
    /// When `children` is next looked through for those that have ended.
    prune_at: usize,
}

impl Shared {
    pub(super) fn new(deadline: Option<Instant>) -> Self {
        Self { runtime: runtime(), deadline, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.state().is_cancelled
    }

    pub(super) fn cancel(&self) {
        let children = {
            let mut state = self.state();
            if std::mem::replace(&mut state.is_cancelled, true) {
                // All of them were, or are as they are adopted.
                return;
            }
            state.children.clone()
        };
        for child in children {
            self.runtime.cancel(child);
        }
    }

    /// All errors, when all have ended.
    pub(super) fn errors(&self) -> Vec<ConcurrencyError> {
        let mut state = self.state();
        let mut errors = std::mem::take(&mut state.errors);
        errors.extend(std::mem::take(&mut state.kept).into_values());
        errors
    }

    pub(super) fn adopt(&self, child: Handle) {
        let (is_cancelled, many) = {
            let mut state = self.state();
            state.children.push(child);
            let is_due = state.children.len() > state.prune_at.max(64);
            if is_due {
                // One looks at a time.
                state.prune_at = usize::MAX;
            }
            (state.is_cancelled, is_due.then(|| state.children.clone()))
        };
        if is_cancelled {
            self.runtime.cancel(child);
        }
        if let Some(many) = many {
            self.prune(many);
        }
    }

    /// Forgets those of `children` that have ended. They are asked without the lock, which is not
    /// the runtime's own: a virtual thread that waits for it keeps its carrier.
    fn prune(&self, mut children: Vec<Handle>) {
        children.retain(|child| self.runtime.is_completed(*child));
        children.sort_unstable_by_key(|child| child.0);
        let mut state = self.state();
        state
            .children
            .retain(|child| children.binary_search_by_key(&child.0, |ended| ended.0).is_err());
        state.prune_at = 2 * state.children.len();
    }

    pub(super) fn fail(&self, error: ConcurrencyError) {
        self.state().errors.push(error);
        self.cancel();
    }

    /// The child of `fate` has failed, which is the scope's failure unless the handle takes it.
    pub(super) fn blame(&self, fate: &Fate, error: ConcurrencyError) {
        let number = {
            let mut state = self.state();
            let number = state.keeps;
            state.keeps += 1;
            state.kept.insert(number, error);
            number
        };
        if fate.fail(number) {
            self.lose(number);
        }
    }

    /// A handle has taken the result whose error was kept.
    pub(super) fn forgive(&self, number: u64) {
        self.state().kept.remove(&number);
    }

    /// Nobody will take the result whose error was kept.
    pub(super) fn lose(&self, number: u64) {
        let kept = self.state().kept.remove(&number);
        if let Some(error) = kept {
            self.fail(error);
        }
    }

    /// A child was cancelled before it ran, which is its failure unless it was the scope that
    /// asked.
    pub(super) fn miss(&self, fate: &Fate) {
        if !self.is_cancelled() {
            self.blame(fate, ConcurrencyError::Cancelled);
        }
    }

    pub(super) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// The time is over; fails once, unless everything has ended.
    pub(super) fn expire(&self) {
        {
            let mut state = self.state();
            if state.is_over || std::mem::replace(&mut state.is_late, true) {
                return;
            }
        }
        self.fail(ConcurrencyError::Timeout);
    }

    /// Expires it if its time is over: who should have may wait for the caller's own carrier.
    pub(super) fn heed_time(&self) {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.expire();
        }
    }

    /// Waits for all children, also for those that children spawn meanwhile.
    pub(super) fn finish(&self, mut how: Wait) {
        loop {
            pay(CALL);
            self.heed_time();
            // It stays among the children until it has ended, to be cancelled with them.
            let child = {
                let mut state = self.state();
                let last = state.children.last().copied();
                state.is_over = last.is_none();
                last
            };
            let Some(child) = child else { return };
            match self.runtime.join_as(child, &how) {
                Ok(()) => {
                    let children = &mut self.state().children;
                    // It is still the last, or close to it.
                    if let Some(place) = children.iter().rposition(|other| *other == child) {
                        children.swap_remove(place);
                    }
                }
                Err(error) => {
                    how = wait_to_the_end();
                    match error {
                        CoreError::Timeout => self.expire(),
                        other => self.fail(other.into()),
                    }
                }
            }
        }
    }
}
