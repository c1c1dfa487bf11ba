//! Parking, as the virtual thread sees it.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a task is parked by itself only.
#![allow(unsafe_code)]

use crate::prim::Ordering;
use crate::sched::here::{current_task, here};
use crate::sched::parts::Runtime;
use crate::sched::{budget, carrier};
use crate::state::Heeds;
use crate::task::header::{Entry, Payload, Request, Run, Task};
use crate::task::reason::WaitsFor;
use crate::time::Instant;
use crate::wait::readiness::unwatch;
use crate::wait::timers;

impl Runtime {
    /// Parks the calling virtual thread until an unpark, a registration of this wait, a cancel
    /// request, or `until`; at once if one of them came before. False on an OS thread, which
    /// has nothing to park.
    pub fn park(&'static self, until: Instant) -> bool {
        let Some(task) = current_task(self) else { return false };
        // SAFETY: it is the current task.
        unsafe { wait(self, task, until) };
        true
    }

    /// Lets every other ready virtual thread of the carrier run first; an OS thread gives its
    /// CPU away.
    #[inline]
    pub fn yield_now(&'static self) {
        match current_task(self) {
            // SAFETY: it is the current task.
            Some(task) => unsafe { carrier::leave(task, Request::Yield) },
            None => self.platform().thread_yield(0),
        }
    }

    /// The runtime of the virtual thread that calls, if one does.
    #[must_use]
    #[inline]
    pub fn here() -> Option<&'static Self> {
        let carrier = here()?;
        carrier.current().map(|_| carrier.executor.runtime)
    }

    /// Begins (1) or ends (-1) a stretch in which waits of the calling virtual thread do not heed
    /// cancellation.
    pub fn shield(&'static self, change: i16) {
        if let Some(task) = current_task(self) {
            let shields = &task.shields;
            let changed = shields.load(Ordering::Relaxed).wrapping_add_signed(change);
            shields.store(changed, Ordering::Relaxed);
        }
    }

    /// What the calling virtual thread runs, and the words that it was given, which are its own
    /// since it started. None on an OS thread.
    pub fn entry(&'static self) -> Option<(Run, *mut Payload)> {
        let task = current_task(self)?;
        let entry = task.entry.with_mut(|entry| entry);
        // SAFETY: a task owns its entry since it started.
        Some(unsafe { Entry::running(entry) })
    }

    /// Whether the calling virtual thread was asked to end.
    pub fn is_cancelled(&'static self) -> bool {
        current_task(self).is_some_and(|task| task.state.is_cancelled())
    }
}

/// A park of the user's own, from its deadline to taking back what was registered for it.
///
/// # Safety
/// `task` is the current task of `runtime`.
unsafe fn wait(runtime: &'static Runtime, task: &'static Task, until: Instant) {
    let heeds = if task.is_shielded() { Heeds::ShieldedPark } else { Heeds::Park };
    if !task.state.end_wait(heeds) {
        task.reason.set(WaitsFor::Unpark, until);
        // SAFETY: a record of this runtime.
        unsafe { timers::arm(runtime, task, task.state.own_ticket(), until) };
        // SAFETY: it is the current task.
        unsafe { carrier::leave(task, Request::Park(heeds)) };
    } else {
        budget::did_not_wait();
    }
    let present = task.state.own_ticket();
    if present.begins_a_round() {
        forget_old_tickets(runtime, task);
    }
    // SAFETY: a record of this runtime.
    unsafe { timers::disarm(runtime, task, present) };
    unwatch(runtime, task, present);
}

/// Lets all threads finish that register something for an earlier wait: its number comes again.
#[cold]
fn forget_old_tickets(runtime: &'static Runtime, task: &Task) {
    for turn in 0.. {
        if task.outsiders.are_gone() {
            return;
        }
        runtime.platform().thread_yield(turn);
    }
}
