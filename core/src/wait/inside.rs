//! A wait of the runtime's own, inside a call.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a task is parked by itself only.
#![allow(unsafe_code)]

use crate::sched::carrier;
use crate::sched::parts::Runtime;
use crate::state::Heeds;
use crate::task::header::{Request, Task};
use crate::time::Instant;
use crate::wait::alarm::Alarm;

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
