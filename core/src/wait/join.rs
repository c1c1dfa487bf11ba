//! Joins: several at once, from virtual threads and OS threads alike.

use crate::error::ConcurrencyError;
use crate::queues::waiters;
use crate::sched::budget;
use crate::sched::parts::Runtime;
use crate::state::Hold;
use crate::task::handle::Handle;
use crate::task::reason::WaitsFor;
use crate::time::Instant;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::{Queue, Waited};

impl Runtime {
    /// Waits until the virtual thread has ended and gives its handle up; false if `until` came
    /// first, and the handle is still good. Of a stale handle: true at once. A virtual thread
    /// that joins itself would never end: it is told false at once.
    ///
    /// When it is true, the entry has run and was dropped, its writes are visible here, and its
    /// stack is not in use any more.
    pub fn join(&'static self, handle: Handle, until: Instant) -> bool {
        self.join_as(handle, &Wait::new(self).until(until).uncancellable()).is_ok()
    }

    /// The same, for a caller that may be cancelled. Paid for if it did not wait.
    ///
    /// # Errors
    /// `Closed` for a virtual thread that joins itself; `Cancelled` and `Timeout` of the caller,
    /// if the other has not ended. The handle is then still good.
    pub fn join_as(&'static self, handle: Handle, wait: &Wait) -> Result<(), ConcurrencyError> {
        match self.join_unpaid(handle, wait) {
            Ok(Waited::Yes) => Ok(()),
            at_once => {
                budget::did_not_wait();
                at_once.map(|_| ())
            }
        }
    }

    fn join_unpaid(&'static self, handle: Handle, wait: &Wait) -> Result<Waited, ConcurrencyError> {
        let Some((task, generation)) = self.tasks.find(handle) else { return Ok(Waited::No) };
        if crate::sched::here::current_task(self) == Some(task) {
            let is_stale = task.state.generation() != generation;
            return if is_stale { Ok(Waited::No) } else { Err(ConcurrencyError::Closed) };
        }
        let joiners = Queue::new(WaitsFor::Join, &task.joiners, waiters::all);
        let waited = joiners.wait(wait, |_| task.state.expect_joiner(generation), |_| {});
        if let Err(error) = waited
            && !task.state.is_completed(generation)
        {
            return Err(error);
        }
        if task.state.release(Hold::Handle, generation) {
            self.recycle(task);
        }
        Ok(waited.unwrap_or(Waited::No))
    }

    /// The virtual thread that calls, if one does.
    #[must_use]
    pub fn current(&'static self) -> Option<Handle> {
        let task = crate::sched::here::current_task(self)?;
        Some(self.tasks.handle(task.index, task.state.generation()))
    }
}

#[cfg(all(test, loom))]
mod loom;
