//! Joins: several at once, from virtual threads and OS threads alike.

use crate::runtime::Runtime;
use crate::sync::wait_queue::Ended;
use crate::task::Handle;
use crate::task::state::Hold;
use crate::time::Instant;

impl Runtime {
    /// Waits until the virtual thread has ended and gives its handle up; false if `until` came
    /// first, and the handle is still good. Of a stale handle: true at once. A virtual thread
    /// that joins itself would never end: it is told false at once.
    ///
    /// When it is true, the entry has run and was dropped, its writes are visible here, and its
    /// stack is not in use any more.
    #[allow(unsafe_code)]
    pub fn join(&'static self, handle: Handle, until: Instant) -> bool {
        let Some((task, generation)) = self.tasks.find(handle) else { return true };
        // SAFETY: records are never unmapped; each use below gives the generation.
        let record = unsafe { task.as_ref() };
        if crate::sched::current_task(self) == Some(task) {
            return record.state.generation() != generation;
        }
        let ended =
            record.joiners.wait(self, until, || record.state.expect_joiner(generation), || {});
        if ended == Some(Ended::Timeout) && !record.state.is_completed(generation) {
            return false;
        }
        if record.state.release(Hold::Handle, generation) {
            self.tasks.recycle(self, task);
        }
        true
    }

    /// The virtual thread that calls, if one does.
    #[must_use]
    pub fn current(&'static self) -> Option<Handle> {
        let task = crate::sched::current_task(self)?;
        // SAFETY: it is the one that runs here.
        #[allow(unsafe_code)]
        let record = unsafe { task.as_ref() };
        Some(self.tasks.handle(record.index, record.state.generation()))
    }
}

#[cfg(all(test, loom))]
mod loom;
