//! Whether a closed executor has live tasks: found by a walk over all records, once for all
//! together. The shutdown that closed it is in `runtime/shutdown.rs`.

use crate::prim::Ordering;
use crate::sched::parts::Executor;
use crate::sched::stage::Stage;

/// What a survey found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survey {
    /// No task is alive.
    Over,
    /// This one was.
    Alive(Found),
    /// A submit is halfway, to this executor or to another: look again.
    Undecided,
}

/// A task that a survey found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub index: u32,
    pub generation: u32,
    /// It has ended, and was not let go of yet.
    pub ended: bool,
}

impl Executor {
    /// Looks for a live task of the closed life `generation`.
    pub(crate) fn survey(&'static self, generation: u32) -> Survey {
        let mark = |index: u32| u64::from(generation) << 32 | u64::from(index);
        let used = self.runtime.tasks.used();
        // Acquire: whoever passes a record over sees of its end what the one before saw; pairs
        // with the release below. A mark of an earlier life is below all of this one's.
        let mut index = match self.surveyed.load(Ordering::Acquire) {
            seen if seen >= mark(0) => seen as u32,
            _ => 0,
        };
        let mut found = Survey::Over;
        while index < used {
            found = self.look_at(index, generation);
            if !matches!(found, Survey::Over) {
                break;
            }
            index += 1;
        }
        self.surveyed.fetch_max(mark(index), Ordering::Release);
        found
    }

    /// One record: `Over` if it is nothing to the closed life `generation`.
    pub(crate) fn look_at(&'static self, index: u32, generation: u32) -> Survey {
        let record = self.runtime.tasks.record(index);
        let Some(standing) = record.state.submitted() else { return Survey::Over };
        match record.executor() {
            Some(executor) if core::ptr::eq(executor, self) => {
                // After the look: one of the next life would have been seen after that began.
                if !self.lives.is(generation, Stage::Closed) {
                    return Survey::Over;
                }
                Survey::Alive(Found {
                    index,
                    generation: standing.generation,
                    ended: standing.ended,
                })
            }
            // Without an engagement: dropped before anybody submitted it.
            None if standing.engaged => Survey::Undecided,
            _ => Survey::Over,
        }
    }

    /// Whoever finds that none is alive tells the carriers.
    pub(crate) fn end(&'static self, generation: u32) {
        if self.lives.end(generation) {
            for carrier in self.carriers() {
                self.runtime.platform().carrier_wake(carrier.id());
            }
        }
    }

    /// Somebody who is not one of the carriers has ended a task.
    pub(crate) fn tell_end(&'static self) {
        if self.lives.closed().is_some() {
            self.runtime.platform().carrier_wake(self.runtime.carrier(self.first.into()).id());
        }
    }
}
