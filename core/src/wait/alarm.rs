//! The deadline of a wait inside the runtime (a timed join, a timed submit), on the stack of the
//! virtual thread that waits.
//!
//! The record's own node stays with the user's wait, whose deadline the inner wait must not touch.
//! Only the task itself arms and disarms its alarm; the wheel may fire it in between.
//!
//! | field     | who writes it                                                            |
//! |-----------|--------------------------------------------------------------------------|
//! | `carrier` | the task itself, when it arms: whose wheel has it, plus one; 0 for none  |
//! | `linked`  | under that wheel's lock: on by the task, off by the expiry or the task   |
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: an alarm stays in its frame until `disarm` has seen it
//! out of every wheel, under the wheel's lock.
#![allow(unsafe_code)]

use core::mem::offset_of;
use core::ptr::NonNull;

use crate::prim::{AtomicBool, AtomicU32, Ordering};
use crate::queues::wheel::{Kind, TimerNode};
use crate::sched::parts::Runtime;
use crate::state::{Then, Ticket};
use crate::task::header::Task;
use crate::time::Instant;
use crate::wait::timers::{announce, server};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Alarm {
    node: TimerNode,
    task: &'static Task,
    ticket: Ticket,
    carrier: AtomicU32,
    linked: AtomicBool,
}

impl Alarm {
    /// An alarm of `task`, which calls, in its present wait.
    pub(crate) fn new(task: &'static Task, ticket: Ticket) -> Self {
        Self {
            node: TimerNode::new(Kind::Alarm),
            task,
            ticket,
            carrier: AtomicU32::new(0),
            linked: AtomicBool::new(false),
        }
    }

    fn node(&self) -> NonNull<TimerNode> {
        // SAFETY: the field lies inside the alarm.
        unsafe { NonNull::from(self).byte_add(offset_of!(Alarm, node)) }.cast()
    }

    /// Wakes the task inside at `deadline`.
    ///
    /// # Safety
    /// The task calls `disarm` before the alarm leaves its frame.
    pub(crate) unsafe fn arm(&self, runtime: &'static Runtime, deadline: Instant) {
        if deadline == Instant::FAR {
            return;
        }
        let carrier = server(runtime, self.task);
        self.carrier.store(u32::from(carrier.id().0) + 1, Ordering::Relaxed);
        let mut wheel = carrier.timers.lock();
        self.linked.store(true, Ordering::Relaxed);
        // SAFETY: in no wheel, and in place until `disarm`, as the caller promises.
        unsafe { wheel.insert(self.node(), deadline) };
        announce(carrier, wheel);
    }

    /// Takes the alarm out of its wheel, if it is still there; waits for an expiry at work.
    pub(crate) fn disarm(&self, runtime: &'static Runtime) {
        let Some(carrier) = self.carrier.load(Ordering::Relaxed).checked_sub(1) else { return };
        let mut wheel = runtime.carrier(carrier as usize).timers.lock();
        if self.linked.load(Ordering::Relaxed) {
            self.linked.store(false, Ordering::Relaxed);
            // SAFETY: in that wheel, whose lock is held.
            unsafe { wheel.remove(self.node()) };
        }
    }
}

/// The task of an alarm that went off, if this claimed it.
///
/// # Safety
/// `node` was in the wheel whose lock is held, and is part of an alarm.
pub(super) unsafe fn expired(node: NonNull<TimerNode>) -> Option<&'static Task> {
    // SAFETY: the caller's promise; the field lies inside the alarm.
    let alarm: NonNull<Alarm> = unsafe { node.byte_sub(offset_of!(Alarm, node)) }.cast();
    // SAFETY: its task takes the lock before it leaves the alarm's frame.
    let alarm = unsafe { alarm.as_ref() };
    alarm.linked.store(false, Ordering::Relaxed);
    (alarm.task.state.wake_inside(alarm.ticket) == Then::Enqueue).then_some(alarm.task)
}
