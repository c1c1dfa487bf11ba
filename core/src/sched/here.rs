//! Who runs on this OS thread, and the one call of whoever wakes: this task is claimed, run it.
//!
//! The carrier that runs here is named by the slot (`drift_asm::slot`), which is read again after
//! every switch.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the slot holds null or the carrier of this OS thread.
#![allow(unsafe_code)]

use core::ptr;

use crate::queues::waiters::{Popped, Sleeper, Who};
use crate::sched::parts::{Carrier, Runtime};
use crate::task::header::Task;

/// The carrier of this OS thread, of whichever runtime.
#[inline]
pub(crate) fn here() -> Option<&'static Carrier> {
    let carrier: *const Carrier = drift_asm::slot::get().cast_const().cast();
    // SAFETY: `Carrier::run` is the only writer of the slot; carriers live for ever.
    unsafe { carrier.as_ref() }
}

/// The carrier of this OS thread, if it is one of `runtime`.
#[inline]
pub(crate) fn current_carrier(runtime: &'static Runtime) -> Option<&'static Carrier> {
    here().filter(|carrier| ptr::eq(carrier.executor.runtime, runtime))
}

/// The task that runs here, if it is one of `runtime`.
#[inline]
pub(crate) fn current_task(runtime: &'static Runtime) -> Option<&'static Task> {
    current_carrier(runtime)?.current()
}

/// Queues a task that a wake has claimed.
///
/// # Safety
/// The caller has claimed `task`, which was submitted.
pub(crate) unsafe fn schedule(task: &'static Task) {
    let executor = task.executor().expect("a task that parked was submitted");
    executor.count(task);
    // SAFETY: the caller has claimed it.
    unsafe { executor.enqueue(task) };
}

impl Who {
    /// Sets them going. Once.
    #[inline(never)]
    pub(crate) fn resume(&self) {
        match *self {
            // SAFETY: a claimed task is its claimer's until it is scheduled.
            Self::Task(task) => unsafe { schedule(Task::of_state(task)) },
            // SAFETY: popped, and let go only here, once.
            Self::Thread(held) => unsafe { Sleeper::let_go(held) },
            Self::Late => {}
        }
    }
}

impl Popped {
    /// Sets them going.
    pub(crate) fn resume(self) {
        self.who.resume();
    }
}
