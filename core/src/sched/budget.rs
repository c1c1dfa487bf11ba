//! A budget for calls that need not wait, so that a loop of them does not keep its carrier.
//!
//! A call that waits gives its carrier away. One that succeeds, fails or times out at once does
//! not: a consumer of a channel that never runs empty, an accept loop that has no descriptors
//! left, a loop around a `try_` form. So each call of a face costs something, and a virtual thread
//! whose budget is used up lets others run.
//!
//! | who                            | does                                                       |
//! |--------------------------------|------------------------------------------------------------|
//! | the carrier, when what it ran  | fills the budget, for the next: `FULL`                     |
//! | has parked or ended            |                                                            |
//! | a call, before it does         | takes its cost; plain memory, no clock                     |
//! | anything else                  |                                                            |
//! | the call that finds none left  | fills it; yields, if somebody else is ready on the carrier,|
//! |                                | or the carrier has not served deadlines and poller for     |
//! |                                | `SERVE_WITHIN`; goes on, if not                            |
//! | the carrier, if it was that    | serves them in its next turn                               |
//!
//! The budget is taken *before* the call: what a call has taken (a value, a lock) is never held by
//! a virtual thread that waits for its next turn here, and what a call answers is as it is when the
//! call returns. A call that hands something out (a release, an unpark) may pay afterwards.
//!
//! What one leaves when it yields of its own accord is what the next has: the yield is the shortest
//! of all paths and stays so, and who is asked to yield early loses nothing but a turn.
//!
//! It is a yield and nothing else: it heeds no cancellation, no permit and no deadline. The
//! functions of `drift` and of the C ABI pay, at the border, where none of core's locks is held. A
//! park and a join, which nearly always wait, pay in core, and only if they did not. An OS thread
//! pays nothing.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: only the current task of this OS thread is made to leave.
#![allow(unsafe_code)]

use crate::sched::carrier;
use crate::sched::carrier::SERVE_EVERY;
use crate::sched::here::here;
use crate::sched::parts::{Carrier, FULL};
use crate::task::header::Request;
use crate::time::MILLISECOND;

/// The cost of a call that asks the runtime only.
pub const CALL: i32 = 1;

/// The cost of a call that asks the kernel.
pub const SYSTEM_CALL: i32 = FULL / 64;

/// The cost of a call that makes or ends what the kernel has to set up: a connection, a stack, an
/// OS thread.
pub const SETUP: i32 = FULL / 16;

/// Bytes that cost as much as [`CALL`]: a mebibyte is a whole budget.
const BYTES: usize = (1 << 20) / FULL as usize;

/// How long a carrier goes on without a look at deadlines and the poller while one virtual thread
/// makes calls that need not wait, in nanoseconds.
const SERVE_WITHIN: u64 = MILLISECOND / 2;

/// The cost of a call that asks the kernel about so many descriptors.
#[inline]
#[must_use]
pub const fn of_descriptors(count: usize) -> i32 {
    if count > FULL as usize { FULL } else { SYSTEM_CALL + count as i32 }
}

/// Takes `cost` from the budget of the virtual thread that calls; if it is used up, others may run
/// first. `may_yield` is asked then: a virtual thread whose OS thread keeps something for it just
/// now goes on.
#[inline]
pub fn spend(cost: i32, may_yield: fn() -> bool) {
    let Some(carrier) = here() else { return };
    let left = &carrier.own.budget.left;
    left.set(left.get().wrapping_sub(cost));
    if left.get() < 0 {
        run_out(carrier, may_yield);
    }
}

/// Takes the cost of a call that usually waits, and did not.
#[cold]
#[inline(never)]
pub(crate) fn did_not_wait() {
    spend(CALL, || true);
}

/// Takes what it costs to have moved so many bytes; the next call pays for it.
#[inline]
pub fn owe(bytes: usize) {
    if bytes >= BYTES
        && let Some(carrier) = here()
    {
        let cost = (bytes / BYTES).min(FULL as usize) as i32;
        let left = &carrier.own.budget.left;
        left.set(left.get().wrapping_sub(cost));
    }
}

#[cold]
#[inline(never)]
fn run_out(carrier: &'static Carrier, may_yield: fn() -> bool) {
    carrier.fill_budget();
    let Some(task) = carrier.current() else { return };
    if may_yield() && (carrier.is_due() | carrier.has_others()) {
        // SAFETY: it is the current task.
        unsafe { carrier::leave(task, Request::Yield) };
    }
}

impl Carrier {
    /// For the next task: this one has parked or ended.
    #[inline]
    pub(super) fn fill_budget(&self) {
        self.own.budget.left.set(FULL);
    }

    /// Whether it is time for deadlines and the poller: then the next turn serves them. Counts the
    /// used up budget as a turn, for a platform whose clock stands still.
    fn is_due(&self) -> bool {
        let now = self.executor.runtime.platform().now();
        let fires = self.timers.next() <= now;
        let own = &self.own;
        let tick = own.tick.get().wrapping_add(1);
        let left = SERVE_EVERY - 1 - tick % SERVE_EVERY;
        let is_due = left == 0 || fires || own.budget.serve_at.get() <= now;
        own.tick.set(if is_due { tick.wrapping_add(left) } else { tick });
        if is_due {
            own.budget.serve_at.set(now + SERVE_WITHIN);
        }
        is_due
    }

    /// Whether another virtual thread is ready that may run here.
    fn has_others(&self) -> bool {
        let executor = self.executor;
        let shared =
            !self.queue.is_empty() || !executor.injector.is_empty() || executor.has_leftovers();
        shared || (!executor.is_solo() && !self.keeps_none())
    }
}
