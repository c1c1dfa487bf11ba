//! The one who waits inside a call: how it begins, sleeps and ends.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the record of the task that runs here is alive.
#![allow(unsafe_code)]

use crate::error::ConcurrencyError;
use crate::platform::Poll;
use crate::prim::Ordering;
use crate::queues::waiters::{HELD, Sleeper};
use crate::sched::carrier;
use crate::sched::parts::Runtime;
use crate::state::Heeds;
use crate::task::header::{Request, Task};
use crate::task::reason::WaitsFor;
use crate::time::Instant;
use crate::wait::bounds::Wait;
use crate::wait::timers::Alarm;

impl Sleeper {
    /// Of whoever calls; for one list, or for several.
    pub(crate) fn new(wait: &Wait, is_shared: bool) -> Self {
        Self::of(wait.task().map(|(task, _)| task.state_word()), is_shared, wait.platform)
    }

    /// Sleeps until claimed, or `wait` ends. Only its owner.
    pub(crate) fn sleep(&self, wait: &Wait, waits_for: WaitsFor) {
        if wait.until == Instant::ZERO {
            return;
        }
        let (Some(state), Some(runtime)) = (self.task, wait.runtime) else {
            let _ = self.block(wait.until, &[]);
            return;
        };
        let task = Task::of_state(state);
        task.reason.set(waits_for, wait.until);
        let heeds = match wait.heeds_cancel(task) {
            true => Heeds::CancellableInside,
            false => Heeds::Inside,
        };
        // SAFETY: it is the current one, and stays so across the park.
        unsafe { wait_inside(runtime, task, heeds, wait.until) };
    }

    /// After everything is unlinked: forgets what came late. Only its owner.
    #[inline(never)]
    pub(crate) fn forget(&self) {
        if let Some(state) = self.task {
            // Both the deadline and a popper may have come; nobody can any more.
            // SAFETY: it runs here, so its record is alive.
            unsafe { state.as_ref() }.end_inside();
            return;
        }
        loop {
            // Acquire pairs with the release in `let_go`.
            let claim = self.claim.load(Ordering::Acquire);
            if claim & HELD == 0 {
                return;
            }
            self.platform.thread_wait(&self.claim, claim, None);
        }
    }

    /// As `sleep`, of an OS thread that waits for `sources` too; true if one of them may be ready.
    pub(crate) fn sleep_beside(&self, wait: &Wait, sources: &[Poll]) -> bool {
        wait.until != Instant::ZERO && self.block(wait.until, sources)
    }

    /// Until claimed, or `until`; true if a source ended it.
    fn block(&self, until: Instant, sources: &[Poll]) -> bool {
        let deadline = (until != Instant::FAR).then_some(until);
        let (platform, claim) = (self.platform, &self.claim);
        // Acquire pairs with the release in `claim`.
        while claim.load(Ordering::Acquire) == 0 {
            if deadline.is_some_and(|deadline| platform.now() >= deadline) {
                return false;
            }
            if sources.is_empty() {
                platform.thread_wait(claim, 0, deadline);
            } else if platform.thread_poll(claim, 0, deadline, sources) {
                return true;
            }
        }
        false
    }
}

/// A wait inside a call of the runtime, until its cause or `until`. The user's own wait, and what
/// is registered for it, is not touched.
///
/// # Safety
/// `task` is the current task of `runtime`.
pub(crate) unsafe fn wait_inside(
    runtime: &'static Runtime,
    task: &'static Task,
    heeds: Heeds,
    until: Instant,
) {
    let state = &task.state;
    let alarm = Alarm::new(task, state.own_ticket());
    // SAFETY: disarmed below, in this frame.
    unsafe { alarm.arm(runtime, until) };
    if !state.end_wait(heeds) {
        // SAFETY: it is the current task.
        unsafe { carrier::leave(task, Request::Park(heeds)) };
    }
    alarm.disarm(runtime);
}

/// Sleeps until `wait` is over.
///
/// # Errors
/// `Cancelled`, if that ends it early.
pub fn sleep(wait: &Wait) -> Result<(), ConcurrencyError> {
    let sleeper = Sleeper::new(wait, false);
    sleeper.sleep(wait, WaitsFor::Time);
    sleeper.forget();
    wait.check()
}
