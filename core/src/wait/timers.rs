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
//! own wheel; while it is busy in one virtual thread, an idle one does (`sched/idle.rs`).
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the table above, and that records are never unmapped.
#![allow(unsafe_code)]

use crate::prim::{Ordering, SpinGuard};
use crate::queues::wheel::Wheel;
use crate::sched::here::{current_carrier, schedule};
use crate::sched::parts::{Carrier, Runtime};
use crate::state::{Then, Ticket};
use crate::task::handle::Handle;
use crate::task::header::Task;
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
    let executor = task.executor().unwrap_or_else(|| runtime.lasting_executor());
    // Without a carrier the deadline waits until there is one; there is nobody to tell.
    let _ = executor.ensure_carrier();
    runtime.carrier(executor.first as usize)
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
        // SAFETY: the same.
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
