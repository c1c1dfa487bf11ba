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
//! A deadline is never early: a node fires at the first tick of the wheel not before it. It is
//! late by less than a tick (65.536 us) plus what the sleep and the run queue add. A carrier
//! serves its own wheel; while it is busy in one virtual thread, an idle one does (`idle.rs`).
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the table above, and that records are never unmapped.
#![allow(unsafe_code)]

pub(crate) mod alarm;
pub(crate) mod level;
#[cfg(all(test, not(loom)))]
mod tests;
pub(crate) mod wheel;

use core::ptr::NonNull;

use crate::link::list::List;
use crate::prim::{AtomicU64, Ordering, SpinGuard, SpinLock};
use crate::runtime::Runtime;
use crate::sched::{self, Carrier};
use crate::task::header::{InQueue, Task};
use crate::task::state::{Then, Ticket};
use crate::time::Instant;
use crate::timer::wheel::{Kind, Step, TimerNode, Wheel};

/// Timers that fire or cascade under one hold of a wheel's lock.
const BATCH: usize = 64;

/// A carrier's wheel, and when it wants to be served.
#[derive(Debug)]
pub(crate) struct Timers {
    wheel: SpinLock<Wheel>,
    /// Not later than the next expiry, in nanoseconds; `u64::MAX` for none. It may be early,
    /// after a disarm, and is put right when the wheel is served.
    next: AtomicU64,
}

// SAFETY: the nodes in the wheel are touched under its lock only.
unsafe impl Sync for Timers {}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { wheel: SpinLock::new(Wheel::new()), next: AtomicU64::new(u64::MAX) }
    }

    fn lock(&self) -> SpinGuard<'_, Wheel> {
        self.wheel.lock()
    }

    /// When to serve this wheel next. SeqCst: see `arm` and `Carrier::sleep`.
    pub(crate) fn next(&self) -> Instant {
        Instant(self.next.load(Ordering::SeqCst))
    }
}

/// Arms `task` for `deadline` within the wait of `ticket`; an earlier deadline of the same wait
/// stays. On a carrier, that one's wheel serves it; elsewhere, the executor's first carrier's.
///
/// # Safety
/// `task` is a record of `runtime`.
pub(crate) unsafe fn arm(
    runtime: &'static Runtime,
    task: NonNull<Task>,
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
unsafe fn arm_at(
    runtime: &'static Runtime,
    task: NonNull<Task>,
    ticket: Ticket,
    deadline: Instant,
    server: impl Fn(&'static Runtime, &Task) -> &'static Carrier,
) {
    // SAFETY: records are never unmapped.
    let record = unsafe { task.as_ref() };
    loop {
        // SeqCst, here and in the exchange: see the module's head.
        let home = record.timer_home.load(Ordering::SeqCst);
        let carrier = match home {
            0 => server(runtime, record),
            n => runtime.carrier(n as usize - 1),
        };
        let number = carrier.id().0 + 1;
        let mut wheel = carrier.timers.lock();
        if home == 0 {
            let entered =
                record.timer_home.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
            if entered.is_err() {
                continue;
            }
        } else {
            if record.timer_home.load(Ordering::SeqCst) != home {
                continue;
            }
            // A late caller must not take the deadline of the present wait away.
            if record.state.is_over(ticket) {
                return;
            }
            // SAFETY: `home` names this wheel, whose lock is held.
            let same = record.timer_ticket.with(|own| unsafe { *own } == ticket);
            if same && record.timer.deadline() <= deadline {
                return;
            }
            // SAFETY: the node is in this wheel, as `home` says.
            unsafe { wheel.remove(Task::timer_node(task)) };
        }
        // SAFETY: `home` names this wheel, whose lock is held, and the node is in none.
        record.timer_ticket.with_mut(|own| unsafe { *own = ticket });
        // SAFETY: the same.
        unsafe { wheel.insert(Task::timer_node(task), deadline) };
        if record.state.is_over(ticket) {
            // SAFETY: it was just put in.
            unsafe { wheel.remove(Task::timer_node(task)) };
            record.timer_home.store(0, Ordering::SeqCst);
            return;
        }
        return announce(runtime, carrier, wheel);
    }
}

/// The carrier whose wheel takes a deadline: the one that runs here, or else the executor's first;
/// not one that ends when it is idle.
fn server(runtime: &'static Runtime, record: &Task) -> &'static Carrier {
    sched::current_carrier(runtime)
        .filter(|carrier| !carrier.may_end())
        .unwrap_or_else(|| runtime.server_of(record))
}

/// After an insert: tells the carrier if its next deadline is sooner now.
fn announce(runtime: &'static Runtime, carrier: &Carrier, wheel: SpinGuard<'_, Wheel>) {
    let sooner = wheel.next_expiry().unwrap_or(Instant::FAR);
    if sooner.0 < carrier.timers.next.load(Ordering::Relaxed) {
        // SeqCst pairs with the load in `Carrier::sleep`: either the sleeper sees this
        // deadline, or `hurry` sees that it sleeps.
        carrier.timers.next.store(sooner.0, Ordering::SeqCst);
        drop(wheel);
        carrier.hurry(runtime, sooner);
    }
}

/// Takes the deadline of an ended wait back; one that belongs to the wait of `keep` stays.
///
/// # Safety
/// `task` is a record of `runtime`.
pub(crate) unsafe fn disarm(runtime: &'static Runtime, task: NonNull<Task>, keep: Ticket) {
    // SAFETY: records are never unmapped.
    let record = unsafe { task.as_ref() };
    loop {
        // SeqCst: see the module's head.
        let home = record.timer_home.load(Ordering::SeqCst);
        if home == 0 {
            return;
        }
        let mut wheel = runtime.carrier(home as usize - 1).timers.lock();
        if record.timer_home.load(Ordering::SeqCst) == home {
            // SAFETY: `home` names this wheel, whose lock is held.
            if record.timer_ticket.with(|own| unsafe { *own } == keep) {
                return;
            }
            // SAFETY: the node is in this wheel, as `home` says.
            unsafe { wheel.remove(Task::timer_node(task)) };
            record.timer_home.store(0, Ordering::SeqCst);
            return;
        }
    }
}

/// Moves what is left in the wheel of `carrier`, which ends with its executor, to the default
/// executor. That is deadlines that the executor's virtual threads armed for those of others: its
/// own have none any more, and none of them runs here to arm another.
pub(crate) fn evacuate(runtime: &'static Runtime, carrier: &Carrier) {
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
        // SAFETY: records are never unmapped.
        let record = unsafe { task.as_ref() };
        // SAFETY: `timer_home` names this wheel, whose lock is held.
        let ticket = record.timer_ticket.with(|own| unsafe { *own });
        let deadline = record.timer.deadline();
        record.timer_home.store(0, Ordering::SeqCst);
        drop(wheel);
        // Who arms or disarms in between finds a node in no wheel, as if this came later: an
        // earlier deadline stays, and for an ended wait nothing is armed.
        // SAFETY: a record of this runtime.
        unsafe { arm_at(runtime, task, ticket, deadline, |runtime, _| runtime.last_server()) };
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
                unsafe { due.push_back(task) };
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
            unsafe { sched::schedule(task) };
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
unsafe fn expired(node: NonNull<TimerNode>) -> Option<NonNull<Task>> {
    let task = Task::of_timer(node);
    // SAFETY: records are never unmapped.
    let record = unsafe { task.as_ref() };
    // SAFETY: `timer_home` names the wheel whose lock is held.
    let ticket = record.timer_ticket.with(|own| unsafe { *own });
    record.timer_home.store(0, Ordering::SeqCst);
    (record.state.wake(ticket) == Then::Enqueue).then_some(task)
}

impl Carrier {
    /// Whether nothing is armed here.
    pub(crate) fn is_timeless(&self) -> bool {
        self.timers.lock().is_empty()
    }
}
