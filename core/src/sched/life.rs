//! What others may do to a virtual thread through its handle, and how it begins and ends.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: records are never unmapped, and the state word says who
//! owns an entry.
#![allow(unsafe_code)]

use crate::platform::{PlatformError, StackClass};
use crate::prim::{Ordering, fence};
use crate::sched::here::schedule;
use crate::sched::parts::Runtime;
use crate::state::{Cancelled, Hold, Then};
use crate::task::handle::Handle;
use crate::task::header::{Entry, Task};

impl Runtime {
    /// Makes a virtual thread in phase New; it runs only once it is submitted.
    ///
    /// # Safety
    /// Each function of `entry` may be called with a copy of its payload, once, and not both:
    /// `discard` on any thread from now on, `run` on a stack of `class` and on any carrier of the
    /// executor that it is submitted to. Neither unwinds.
    ///
    /// # Errors
    /// When there is no record or no stack to be had for one more; `entry` is then untouched.
    pub unsafe fn spawn(
        &'static self,
        entry: Entry,
        class: StackClass,
    ) -> Result<Handle, PlatformError> {
        let task = self.take_record()?;
        // SAFETY: a record from `take_record` is this call's alone until `open` publishes it.
        if task.reserved.with(|reserved| unsafe { *reserved }) != Some(class) {
            // SAFETY: this call's alone.
            if let Err(error) = unsafe { self.reserve_anew(task, class) } {
                self.tasks.give_back(task);
                return Err(error);
            }
        }
        // SAFETY: this call's alone.
        task.class.with_mut(|own| unsafe { *own = class });
        // SAFETY: this call's alone.
        task.entry.with_mut(|own| unsafe { *own = entry });
        let generation = task.state.open();
        Ok(self.tasks.handle(task.index, generation))
    }

    /// Asks for cancellation; false if it is too late, or there is no such virtual thread. One
    /// that has not started never will: its entry is dropped by this call.
    pub fn cancel(&'static self, handle: Handle) -> bool {
        let Some((task, generation)) = self.tasks.find(handle) else { return false };
        match task.state.cancel(generation) {
            Cancelled::Discard => {
                self.discard(task);
                true
            }
            Cancelled::Enqueue => {
                // SAFETY: `cancel` claimed it for us.
                unsafe { schedule(task) };
                true
            }
            Cancelled::Recorded => true,
            Cancelled::Gone => false,
        }
    }

    /// Gives the handle up. A virtual thread that was not submitted is dropped now; any other
    /// goes on, and its record is free when it ends: until then the handle is not stale.
    pub fn abandon(&'static self, handle: Handle) {
        let Some((task, generation)) = self.tasks.find(handle) else { return };
        let state = &task.state;
        match state.abandon(generation) {
            Cancelled::Discard => self.discard(task),
            Cancelled::Recorded => {
                if state.release(Hold::Handle, generation) {
                    self.recycle(task);
                }
            }
            Cancelled::Enqueue | Cancelled::Gone => {}
        }
    }

    /// Leaves one pending wake, or resumes a parked virtual thread.
    pub fn unpark(&'static self, handle: Handle) {
        let Some((task, generation)) = self.tasks.find(handle) else { return };
        if task.state.unpark(generation) == Then::Enqueue {
            // SAFETY: `unpark` claimed it for us.
            unsafe { schedule(task) };
        }
    }

    /// For the caller of a timed join that failed, and who will not come again if the virtual
    /// thread was cancelled: its record is free when it ends, and the handle good until then.
    pub fn abandon_if_cancelled(&'static self, handle: Handle) {
        let Some((task, generation)) = self.tasks.find(handle) else { return };
        let state = &task.state;
        if state.is_cancelled() && state.release(Hold::Handle, generation) {
            self.recycle(task);
        }
    }

    /// Whether it has ended, and its writes are visible. A stale handle's has.
    pub fn is_completed(&'static self, handle: Handle) -> bool {
        match self.tasks.find(handle) {
            Some((task, generation)) => task.state.is_completed(generation),
            None => true,
        }
    }

    /// Drops the entry of a task that will never run, and ends it.
    pub(crate) fn discard(&'static self, task: &'static Task) {
        let generation = task.state.generation();
        // SeqCst, after the cancellation; pairs with the fence in `ExecutorRef::hand_over`.
        fence(Ordering::SeqCst);
        if let Some(executor) = task.executor() {
            executor.uncount(task);
        }
        let entry = task.entry.with_mut(|entry| entry);
        // SAFETY: phase `Dropping` gives the entry to its canceller, which is this call.
        let (discard, payload) = unsafe { Entry::discarding(entry) };
        // SAFETY: `discard` is called here only, and `run` never will be.
        unsafe { discard(payload) };
        self.complete(task);
        // Again: a carrier that has let go of it meanwhile, and found it not over, is told.
        let executor = task.executor();
        if task.state.release(Hold::Pin, generation) {
            self.recycle(task);
        }
        if let Some(executor) = executor {
            executor.tell_end();
        }
    }

    /// Publishes the end and wakes who waits for it. The caller has a hold that it releases next.
    pub(crate) fn complete(&'static self, task: &'static Task) {
        let joined = task.state.complete();
        // What others registered before the end is taken back here.
        if task.has_registered() {
            self.wakers.forget(self, task);
        }
        if joined {
            wake_joiners(task);
        }
    }
}

/// Nobody links itself any more, and a record stays where it is: one after the other, without a
/// look for more behind the last.
fn wake_joiners(task: &Task) {
    loop {
        let (popped, is_last) = {
            let mut joiners = task.joiners.lock();
            (joiners.pop(), joiners.is_empty())
        };
        if let Some(popped) = popped {
            popped.resume();
        }
        if is_last {
            return;
        }
    }
}
