//! Who has kept a carrier for too long: for a watcher outside, who looks now and then.
//!
//! A turn is one stretch from a mount to the next leave. A carrier says by `current` and `turns`
//! which one it is in; both are guesses for others, and wrong for an instant at most. The watcher
//! counts from the look at which it saw a turn first, so no turn seems longer than it is.

use core::ptr::NonNull;

use crate::platform::{CarrierId, MAX_CARRIERS};
use crate::prim::Ordering;
use crate::sched::parts::{Carrier, ExecutorRef, Runtime};
use crate::task::header::Task;
use crate::time::Instant;

/// A virtual thread that keeps its carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its handle.
    pub handle: i64,
    /// The handle of its executor.
    pub executor: i64,
    /// The carrier that it keeps.
    pub carrier: CarrierId,
    /// For how long at least, in nanoseconds.
    pub kept: u64,
}

/// What one watcher has seen of each carrier.
#[derive(Debug)]
pub struct Watch {
    seen: [Seen; MAX_CARRIERS],
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    task: Option<NonNull<Task>>,
    turns: u32,
    since: Instant,
    /// It was told of this turn.
    told: bool,
}

impl Watch {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        let nothing = Seen { task: None, turns: 0, since: Instant::ZERO, told: false };
        Self { seen: [nothing; MAX_CARRIERS] }
    }

    /// Looks at every carrier of `runtime`, always the same, and tells of each turn once, when it
    /// lasts for `limit` nanoseconds.
    pub fn look(&mut self, runtime: &'static Runtime, limit: u64, mut tell: impl FnMut(&Stuck)) {
        let now = runtime.platform().now();
        for carrier in runtime.carriers() {
            let seen = &mut self.seen[usize::from(carrier.id().0)];
            let (task, turns) = carrier.turn_now();
            if (task, turns) != (seen.task, seen.turns) {
                *seen = Seen { task, turns, since: now, told: false };
            }
            let kept = now.0.saturating_sub(seen.since.0);
            let Some(task) = task.filter(|_| !seen.told && kept >= limit) else { continue };
            // It was seen there before, so that it is written by far.
            let record = Task::at(task);
            let handle = runtime.tasks.handle(record.index, record.state.generation()).0;
            // Else the turn has just ended, and the handle may be of the record's next life.
            if carrier.turn_now() == (Some(task), turns) {
                seen.told = true;
                let executor = carrier.executor;
                let generation = executor.lives.generation();
                let executor = runtime.executor_handle(ExecutorRef { executor, generation });
                tell(&Stuck { handle, executor, carrier: carrier.id(), kept });
            }
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Carrier {
    fn turn_now(&self) -> (Option<NonNull<Task>>, u32) {
        (self.current_elsewhere(), self.turns.load(Ordering::Relaxed))
    }
}
