//! Who joins in when the carriers of an executor that may grow are stuck.
//!
//! Below `max_threads`, while anything runs, one carrier stands by: it looks every `STUCK_AFTER`,
//! and joins in when no carrier has finished a turn since its last look while work, a deadline or
//! readiness may wait.
//!
//! | who                     | does, in this order                                             |
//! |-------------------------|-----------------------------------------------------------------|
//! | one that starts to run  | counts itself awake (`idle.rs`); looks whether there is room    |
//! |                         | and nobody stands by; takes the place, starts a standby         |
//! | the standby, if needed  | counts itself as taking part; leaves the place, which the next  |
//! |                         | one that runs gives out again                                   |
//! | the standby, at the     | does not run any more; leaves the place; looks whether anybody  |
//! | `IDLE_LOOKS`th look at  | is awake, and starts a standby if so                            |
//! | an idle executor        |                                                                 |
//! | one that joined in, as  | stays if nobody stands by and another is awake, perhaps for     |
//! | long without work       | ever: it alone serves the deadlines then. Otherwise counts      |
//! |                         | itself out; does not run any more; looks as above               |
//!
//! One that starts to run and one that ends both write, then look, and all four are SeqCst: one
//! sees the other. It is the same with one that finds no carrier to start, leaves the place and
//! looks for one again, and a carrier that does not run any more and then looks at the place.
//! Nobody else starts a standby for one that runs for ever.
//!
//! A standby that cannot be started is tried again by the next turn or push.

use crate::prim::Ordering;
use crate::sched::idle::TICK;
use crate::sched::parts::{Carrier, Executor};

#[cfg(all(test, loom))]
mod loom;

/// How long no carrier may finish a turn before a standby joins in, in nanoseconds.
const STUCK_AFTER: u64 = TICK;

/// Looks at an idle executor before a standby ends: a second.
pub(super) const IDLE_LOOKS: u32 = 100;

/// The answer of a standby's look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Something may wait and nobody gets on: join in.
    Stuck,
    /// Somebody runs.
    Busy,
    /// Everybody sleeps.
    Quiet,
}

impl Executor {
    /// Whether it has carriers beyond those that stay.
    pub(super) fn may_grow(&self) -> bool {
        self.terms.min_threads() < self.max_threads
    }

    /// A standby's look; `progress` is what it saw the last time.
    fn look(&self, progress: &mut u32) -> Look {
        let turns = self
            .carriers()
            .fold(0u32, |sum, carrier| sum.wrapping_add(carrier.turns.load(Ordering::Relaxed)));
        let stuck = core::mem::replace(progress, turns) == turns;
        if self.idle.are_asleep(self.crew.active()) {
            return Look::Quiet;
        }
        let now = self.runtime.platform().now();
        let waits = self.has_work()
            || self.has_leftovers()
            || self.runtime.sources.is_used()
            || self.carriers().any(|carrier| carrier.timers.next() <= now);
        if stuck && waits { Look::Stuck } else { Look::Busy }
    }
}

impl Carrier {
    /// Waits for the executor to get stuck; true to join in, false to end.
    pub(super) fn stand_by(&'static self) -> bool {
        let executor = self.executor;
        let platform = executor.runtime.platform();
        let mut progress = 0;
        let mut quiet = 0;
        let _ = executor.look(&mut progress);
        loop {
            let until = platform.now() + STUCK_AFTER;
            while platform.now() < until {
                platform.carrier_sleep(self.id(), Some(until), None);
                if executor.lives.is_ending() {
                    return false;
                }
            }
            match executor.look(&mut progress) {
                Look::Stuck => {
                    self.own.stands_by.set(false);
                    executor.crew.join_in();
                    executor.crew.leave_standby();
                    return true;
                }
                Look::Busy => quiet = 0,
                Look::Quiet if quiet >= IDLE_LOOKS => return false,
                Look::Quiet => quiet += 1,
            }
        }
    }
}
