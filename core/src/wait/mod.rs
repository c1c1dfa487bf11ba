//! The ways in which a virtual thread waits: parked, for a time, a descriptor, an end, a place, and
//! in the list of a lock.
//!
//! **What it knows** is how a wait begins, what is registered for it, and who claims it. It does
//! not know who runs next: whoever has claimed a task calls `schedule` (`sched/here.rs`). `sync`
//! and the runtime's own calls are above it; from below, `sched` asks it by `Wakers` only.

pub(crate) mod bounds;
mod join;
mod park;
pub mod readiness;
pub(crate) mod sleeper;
mod submit;
pub(crate) mod timers;
pub(crate) mod wait_queue;
pub(crate) mod wake;

use crate::platform::Event;
use crate::sched::parts::{Carrier, Runtime, Wakers};
use crate::task::header::Task;
use crate::time::Instant;

pub use crate::wait::bounds::Wait;
pub use crate::wait::sleeper::sleep;

/// What `sched` asks of deadlines and readiness.
#[derive(Debug)]
pub(crate) struct Waits;

impl Wakers for Waits {
    fn fire(&self, carrier: &Carrier, now: Instant) -> bool {
        timers::fire(carrier, now)
    }

    fn deliver(&self, runtime: &'static Runtime, event: Event) {
        readiness::deliver(runtime, event);
    }

    fn forget(&self, runtime: &'static Runtime, task: &'static Task) {
        timers::disarm_all(runtime, task);
        readiness::forget(runtime, task);
    }

    fn evacuate(&self, carrier: &Carrier) {
        timers::evacuate(carrier);
    }
}
