//! Deadlines: arm, disarm, fire.
//!
//! Every carrier has a wheel; a task has one node, for the earliest deadline of its present wait.
//!
//! | `timer_home` | the node                             | who may change it                   |
//! |--------------|--------------------------------------|-------------------------------------|
//! | 0            | is in no wheel                       | who exchanges 0 for the number of a |
//! |              |                                      | wheel, holding that wheel's lock    |
//! | n            | is in the wheel of carrier n - 1     | who holds that wheel's lock         |
//!
//! A deadline belongs to the wait of its ticket. Whoever ends a wait disarms it when it runs
//! again; until then the claim refuses it. Arming from outside may race with the end of the wait:
//! the armer looks at the state after it has put the node in, the other looks at `timer_home`
//! after it has changed the state, all four SeqCst, so one of them takes the node out again.
//!
//! A deadline is never early: a node fires at the first tick of the wheel not before it. It is late
//! by less than a tick (65.536 us) plus what the sleep and the run queue add. A carrier serves its
//! own wheel; while it is busy in one virtual thread, an idle one does (`sched/idle.rs`). It wakes
//! a batch under each hold of the wheel's lock.
//!
//! **An alarm** is the deadline of a wait inside a call (a timed join, a timed submit), on the
//! stack of the virtual thread that waits. The record's own node stays with the user's wait, whose
//! deadline the inner wait must not touch. Only the task itself arms and disarms its alarm; the
//! wheel may fire it in between.
//!
//! | field     | who writes it                                                            |
//! |-----------|--------------------------------------------------------------------------|
//! | `carrier` | the task itself, when it arms: whose wheel has it, plus one; 0 for none  |
//! | `linked`  | under that wheel's lock: on by the task, off by the expiry or the task   |
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the tables above; an alarm stays in its frame until
//! `disarm` has seen it out of every wheel, under the wheel's lock.
#![allow(unsafe_code)]

use core::mem::offset_of;
use core::ptr::NonNull;

use crate::link::list::List;
use crate::prim::{AtomicBool, AtomicU32, Ordering, SpinGuard};
use crate::queues::wheel::{Kind, Step, TimerNode, Wheel};
use crate::sched::here::{current_carrier, schedule};
use crate::sched::parts::{Carrier, Runtime};
use crate::state::{Then, Ticket};
use crate::task::handle::Handle;
use crate::task::header::{InQueue, Task};
use crate::time::Instant;

/// Arms `task` for `deadline` within the wait of `ticket`; an earlier deadline of the same wait
/// stays. On a carrier, that one's wheel serves it; elsewhere, the executor's first carrier's.
///
/// # Safety
/// `task` is a record of `runtime`.
pub(crate) unsafe fn arm(
    runtime: &'static Runtime,
    task: &'static Task,
    ticket: Ticket,
    deadline: Instant,
) {
    if deadline == Instant::FAR {
        return;
    }
    // SAFETY: as the caller says.
    unsafe { arm_at(runtime, task, ticket, deadline, server) }
}

/// `arm`, in the wheel that `server` names if the node is in none.
///
/// # Safety
/// As for `arm`.
pub(super) unsafe fn arm_at(
    runtime: &'static Runtime,
    task: &'static Task,
    ticket: Ticket,
    deadline: Instant,
    server: impl Fn(&'static Runtime, &Task) -> &'static Carrier,
) {
    loop {
        // SeqCst, here and in the exchange: see the module's head.
        let home = task.timer_home.load(Ordering::SeqCst);
        let carrier = match home {
            0 => server(runtime, task),
            n => runtime.carrier(n as usize - 1),
        };
        let number = carrier.id().0 + 1;
        let mut wheel = carrier.timers.lock();
        if home == 0 {
            let entered =
                task.timer_home.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
            if entered.is_err() {
                continue;
            }
        } else {
            if task.timer_home.load(Ordering::SeqCst) != home {
                continue;
            }
            // A late caller must not take the deadline of the present wait away.
            if task.state.is_over(ticket) {
                return;
            }
            // SAFETY: `home` names this wheel, whose lock is held.
            let same = task.timer_ticket.with(|own| unsafe { *own } == ticket);
            if same && task.timer.deadline() <= deadline {
                return;
            }
            // SAFETY: the node is in this wheel, as `home` says.
            unsafe { wheel.remove(task.timer_node()) };
        }
        // SAFETY: `home` names this wheel, whose lock is held, and the node is in none.
        task.timer_ticket.with_mut(|own| unsafe { *own = ticket });
        // SAFETY: the same.
        unsafe { wheel.insert(task.timer_node(), deadline) };
        if task.state.is_over(ticket) {
            // SAFETY: it was just put in.
            unsafe { wheel.remove(task.timer_node()) };
            task.timer_home.store(0, Ordering::SeqCst);
            return;
        }
        return announce(carrier, wheel);
    }
}

/// The carrier whose wheel takes a deadline: the one that runs here, or else the executor's first;
/// not one that ends when it is idle.
pub(super) fn server(runtime: &'static Runtime, task: &Task) -> &'static Carrier {
    current_carrier(runtime)
        .filter(|carrier| !carrier.may_end())
        .unwrap_or_else(|| server_of(runtime, task))
}

/// After an insert: tells the carrier if its next deadline is sooner now.
pub(super) fn announce(carrier: &Carrier, wheel: SpinGuard<'_, Wheel>) {
    let sooner = wheel.next_expiry().unwrap_or(Instant::FAR);
    if sooner.0 < carrier.timers.next.load(Ordering::Relaxed) {
        // SeqCst pairs with the load in `Carrier::sleep`: either the sleeper sees this
        // deadline, or `hurry` sees that it sleeps.
        carrier.timers.next.store(sooner.0, Ordering::SeqCst);
        drop(wheel);
        carrier.hurry(sooner);
    }
}

/// The task has ended: takes its deadline back, of whichever wait.
pub(super) fn disarm_all(runtime: &'static Runtime, task: &'static Task) {
    // SAFETY: a record of that runtime, which `Wakers::forget` names.
    unsafe { disarm(runtime, task, Ticket::NONE) };
}

/// Takes the deadline of an ended wait back; one that belongs to the wait of `keep` stays.
///
/// # Safety
/// `task` is a record of `runtime`.
pub(crate) unsafe fn disarm(runtime: &'static Runtime, task: &'static Task, keep: Ticket) {
    loop {
        // SeqCst: see the module's head.
        let home = task.timer_home.load(Ordering::SeqCst);
        if home == 0 {
            return;
        }
        let mut wheel = runtime.carrier(home as usize - 1).timers.lock();
        if task.timer_home.load(Ordering::SeqCst) == home {
            // SAFETY: `home` names this wheel, whose lock is held.
            if task.timer_ticket.with(|own| unsafe { *own } == keep) {
                return;
            }
            // SAFETY: the node is in this wheel, as `home` says.
            unsafe { wheel.remove(task.timer_node()) };
            task.timer_home.store(0, Ordering::SeqCst);
            return;
        }
    }
}

/// The carrier whose wheel serves `task` when it is armed from outside: its executor's first,
/// which does not end before its tasks.
fn server_of(runtime: &'static Runtime, task: &Task) -> &'static Carrier {
    match task.executor() {
        Some(executor) => {
            // As in `lasting_carrier`.
            let _ = executor.ensure_carrier();
            runtime.carrier(executor.first as usize)
        }
        None => runtime.lasting_carrier(task),
    }
}

impl Runtime {
    /// Unparks the virtual thread once at `deadline`, if its present wait lasts until then.
    pub fn unpark_at(&'static self, handle: Handle, deadline: Instant) {
        let Some((task, generation)) = self.tasks.find(handle) else { return };
        let outsider = task.outsiders.enter();
        let Some(ticket) = outsider.ticket(&task.state, generation) else { return };
        if deadline == Instant::ZERO {
            return wake(task, ticket);
        }
        // SAFETY: a record of this runtime, as it was found there.
        unsafe { arm(self, task, ticket, deadline) };
    }
}

/// The wake of a registration that is over already.
pub(crate) fn wake(task: &'static Task, ticket: Ticket) {
    if task.state.wake(ticket) == Then::Enqueue {
        // SAFETY: `wake` claimed it.
        unsafe { schedule(task) };
    }
}

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
unsafe fn alarm_expired(node: NonNull<TimerNode>) -> Option<&'static Task> {
    // SAFETY: the caller's promise; the field lies inside the alarm.
    let alarm: NonNull<Alarm> = unsafe { node.byte_sub(offset_of!(Alarm, node)) }.cast();
    // SAFETY: its task takes the lock before it leaves the alarm's frame.
    let alarm = unsafe { alarm.as_ref() };
    alarm.linked.store(false, Ordering::Relaxed);
    (alarm.task.state.wake_inside(alarm.ticket) == Then::Enqueue).then_some(alarm.task)
}

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
        // SAFETY: of that kind, as was just seen.
        let task = unsafe { Task::of_timer(node) };
        // SAFETY: `timer_home` names this wheel, whose lock is held.
        let ticket = task.timer_ticket.with(|own| unsafe { *own });
        let deadline = task.timer.deadline();
        task.timer_home.store(0, Ordering::SeqCst);
        drop(wheel);
        // Who arms or disarms in between finds a node in no wheel, as if this came later: an
        // earlier deadline stays, and for an ended wait nothing is armed.
        // SAFETY: a record of this runtime.
        unsafe { arm_at(runtime, task, ticket, deadline, Runtime::lasting_carrier) };
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
                Kind::Alarm => unsafe { alarm_expired(node) },
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
    // SAFETY: the caller's promise.
    let task = unsafe { Task::of_timer(node) };
    // SAFETY: `timer_home` names the wheel whose lock is held.
    let ticket = task.timer_ticket.with(|own| unsafe { *own });
    task.timer_home.store(0, Ordering::SeqCst);
    (task.state.wake(ticket) == Then::Enqueue).then_some(task)
}

#[cfg(all(test, not(loom)))]
mod tests;
