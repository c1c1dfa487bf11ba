//! Deadlines that have come: who serves a wheel wakes their tasks, a batch under each hold of its
//! lock. How they got there is in `timers.rs`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the table of `timers.rs`, and that records are never
//! unmapped.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::link::list::List;
use crate::prim::Ordering;
use crate::queues::wheel::{Kind, Step, TimerNode, Wheel};
use crate::sched::here::schedule;
use crate::sched::parts::{Carrier, Runtime};
use crate::state::Then;
use crate::task::header::{InQueue, Task};
use crate::time::Instant;
use crate::wait::alarm;
use crate::wait::timers::arm_at;

/// Timers that fire or cascade under one hold of a wheel's lock.
const BATCH: usize = 64;

/// Moves what is left in the wheel of `carrier`, which ends with its executor, to the default
/// executor. That is deadlines that the executor's virtual threads armed for those of others: its
/// own have none any more, and none of them runs here to arm another.
pub(crate) fn evacuate(carrier: &Carrier) {
    let runtime = carrier.executor.runtime;
    loop {
        let mut wheel = carrier.timers.lock();
        let Some(node) = wheel.take_any() else {
            carrier.timers.next.store(u64::MAX, Ordering::SeqCst);
            return;
        };
        // SAFETY: a node in a wheel is alive, and its kind never changes.
        let kind = unsafe { node.as_ref() }.kind();
        assert_eq!(kind, Kind::Task, "a wait inside a call ends before its executor does");
        let task = Task::of_timer(node);
        // SAFETY: `timer_home` names this wheel, whose lock is held.
        let ticket = task.timer_ticket.with(|own| unsafe { *own });
        let deadline = task.timer.deadline();
        task.timer_home.store(0, Ordering::SeqCst);
        drop(wheel);
        // Who arms or disarms in between finds a node in no wheel, as if this came later: an
        // earlier deadline stays, and for an ended wait nothing is armed.
        // SAFETY: a record of this runtime.
        unsafe { arm_at(runtime, task, ticket, deadline, |runtime, _| last_server(runtime)) };
    }
}

/// Wakes whose deadline has come in the wheel of `carrier`; whether there was any.
pub(crate) fn fire(carrier: &Carrier, now: Instant) -> bool {
    let mut fired = false;
    while carrier.timers.next() <= now {
        let mut due: List<InQueue, Task> = List::new();
        let mut wheel = carrier.timers.lock();
        let is_over = advance(&mut wheel, now, |node| {
            // SAFETY: a node in a wheel is alive, and its kind never changes.
            let claimed = match unsafe { node.as_ref() }.kind() {
                // SAFETY: it was in this wheel, whose lock is held.
                Kind::Task => unsafe { expired(node) },
                // SAFETY: the same.
                Kind::Alarm => unsafe { alarm::expired(node) },
            };
            if let Some(task) = claimed {
                // SAFETY: the expiry claimed the task, so it is in no queue.
                unsafe { due.push_back(task.into()) };
            }
        });
        if is_over {
            let next = wheel.next_expiry().map_or(u64::MAX, |next| next.0);
            carrier.timers.next.store(next, Ordering::SeqCst);
        }
        drop(wheel);
        while let Some(task) = due.pop_front() {
            fired = true;
            // SAFETY: claimed above.
            unsafe { schedule(Task::at(task)) };
        }
        if is_over {
            break;
        }
    }
    fired
}

/// The steps of one hold of the wheel's lock: at most `BATCH` towards `now`, each node that is due
/// to `due`; whether nothing is left to do.
fn advance(wheel: &mut Wheel, now: Instant, mut due: impl FnMut(NonNull<TimerNode>)) -> bool {
    for _ in 0..BATCH {
        match wheel.advance(now) {
            Step::Due(node) => due(node),
            Step::Cascaded => {}
            Step::Over => return true,
        }
    }
    false
}

/// The task of a deadline that has come, if this claimed it.
///
/// # Safety
/// `node` was in the wheel whose lock is held, and is part of a record.
unsafe fn expired(node: NonNull<TimerNode>) -> Option<&'static Task> {
    let task = Task::of_timer(node);
    // SAFETY: `timer_home` names the wheel whose lock is held.
    let ticket = task.timer_ticket.with(|own| unsafe { *own });
    task.timer_home.store(0, Ordering::SeqCst);
    (task.state.wake(ticket) == Then::Enqueue).then_some(task)
}

/// The carrier whose wheel never has to be moved: the first of an executor that never ends.
fn last_server(runtime: &'static Runtime) -> &'static Carrier {
    let executor = runtime.lasting_executor();
    // As in `server_of`.
    let _ = executor.ensure_carrier();
    runtime.carrier(executor.first as usize)
}

#[cfg(all(test, not(loom)))]
mod tests;
