//! Parking, as the virtual thread sees it.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a task is parked by itself only.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::reactor;
use crate::runtime::Runtime;
use crate::sched;
use crate::task::header::{Request, Task};
use crate::task::state::Heeds;
use crate::time::Instant;
use crate::timer;

impl Runtime {
    /// Parks the calling virtual thread until an unpark, a registration of this wait, a cancel
    /// request, or `until`; at once if one of them came before. False on an OS thread, which
    /// has nothing to park.
    pub fn park(&'static self, until: Instant) -> bool {
        let Some(task) = sched::current_task() else { return false };
        // SAFETY: it is the current task.
        unsafe { wait(self, task, Heeds::PARK, until) };
        true
    }

    /// Lets every other ready virtual thread of the carrier run first; an OS thread gives its
    /// CPU away.
    pub fn yield_now(&'static self) {
        match sched::current_task() {
            // SAFETY: it is the current task.
            Some(task) => unsafe { sched::carrier::leave(task, Request::Yield) },
            None => self.platform().thread_yield(),
        }
    }

    /// Whether the calling virtual thread was asked to end.
    pub fn is_cancelled(&'static self) -> bool {
        // SAFETY: it is the current task.
        sched::current_task().is_some_and(|task| unsafe { task.as_ref() }.state.is_cancelled())
    }
}

/// One wait of the current task, from its deadline to taking back what was registered for it.
///
/// # Safety
/// `task` is the current task of `runtime`.
pub(crate) unsafe fn wait(
    runtime: &'static Runtime,
    task: NonNull<Task>,
    heeds: Heeds,
    until: Instant,
) {
    // SAFETY: it runs here, so its record is alive.
    let record = unsafe { task.as_ref() };
    if !record.state.end_wait(heeds) {
        // SAFETY: a record of this runtime.
        unsafe { timer::arm(runtime, task, record.state.own_ticket(), until) };
        // SAFETY: it is the current task.
        unsafe { sched::carrier::leave(task, Request::Park(heeds)) };
    }
    let present = record.state.own_ticket();
    // SAFETY: a record of this runtime.
    unsafe { timer::disarm(runtime, task, present) };
    reactor::unwatch(runtime, record, present);
}
