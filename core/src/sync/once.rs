//! Something that is done once, by whoever comes first.
//!
//! | event        | phase     | becomes   | then                                  |
//! |--------------|-----------|-----------|---------------------------------------|
//! | begin        | New       | Running   | the caller does it, then `finish`     |
//! | begin        | Running   | unchanged | waits for `finish`, and begins anew   |
//! | begin        | Done      | unchanged | `Done`                                |
//! | begin        | Poisoned  | unchanged | `Poisoned`, or the caller does it     |
//! | wait         | Done      | unchanged | `Done`                                |
//! | wait         | Poisoned  | unchanged | `Poisoned`, or as New                 |
//! | wait         | New,      | unchanged | waits for `finish`, and looks again   |
//! |              | Running   |           |                                       |
//! | finish       | Running   | Done, or  | all who wait look again               |
//! |              |           | Poisoned  |                                       |

use crate::error::ConcurrencyError;
use crate::prim::{AtomicBool, Ordering, SpinLock, const_unless_loom};
use crate::queues::waiters::Waiters;
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::{Queue, Waited};
use crate::wait::wake;

/// Whether something was done, and who does it.
#[derive(Debug)]
pub struct Once {
    is_done: AtomicBool,
    state: SpinLock<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    waiters: Waiters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Done,
    Poisoned,
}

/// What the caller of [`Once::begin`] must do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It, and then `finish`.
    Run,
    /// The same, after somebody else failed.
    RunAgain,
    /// Nothing: it is done.
    Done,
    /// Who did it failed.
    Poisoned,
}

impl Once {
    const_unless_loom! {
        /// Not done.
        pub fn new() -> Self {
            let state = State { phase: Phase::New, waiters: Waiters::new() };
            Self { is_done: AtomicBool::new(false), state: SpinLock::new(state) }
        }
    }

    /// Whether it is done, and what was written by it visible.
    pub fn is_done(&self) -> bool {
        // Acquire pairs with the release in `finish`.
        self.is_done.load(Ordering::Acquire)
    }

    /// Waits until it is done or the caller's to do; `again` also when it was poisoned.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it, while somebody else does it.
    pub fn begin(&self, again: bool, wait: &Wait) -> Result<Begun, ConcurrencyError> {
        let queue = self.queue();
        loop {
            let mut begun = Begun::Done;
            let waits = |state: &mut State| {
                begun = match state.phase {
                    Phase::Running => return true,
                    Phase::Done => Begun::Done,
                    Phase::Poisoned if !again => Begun::Poisoned,
                    Phase::New => Begun::Run,
                    Phase::Poisoned => Begun::RunAgain,
                };
                if matches!(begun, Begun::Run | Begun::RunAgain) {
                    state.phase = Phase::Running;
                }
                false
            };
            if queue.wait(wait, waits, |_| {})? == Waited::No {
                return Ok(begun);
            }
        }
    }

    /// Waits until somebody has done it, and does not begin it: false if who did failed; with
    /// `again` it waits on then.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it.
    pub fn wait(&self, again: bool, wait: &Wait) -> Result<bool, ConcurrencyError> {
        let queue = self.queue();
        loop {
            let mut is_done = true;
            let waits = |state: &mut State| {
                is_done = state.phase == Phase::Done;
                let ends = is_done || state.phase == Phase::Poisoned && !again;
                !ends
            };
            if queue.wait(wait, waits, |_| {})? == Waited::No {
                return Ok(is_done);
            }
        }
    }

    fn queue(&self) -> Queue<'_, State> {
        Queue::new(WaitsFor::Once, &self.state, |state| &mut state.waiters)
    }

    /// After `Run`: it is done, or could not be.
    pub fn finish(&self, done: bool) {
        let mut state = self.state.lock();
        state.phase = if done { Phase::Done } else { Phase::Poisoned };
        // Release publishes what was done; pairs with the acquire in `is_done`. With the lock: who
        // sees it finds it done in `begin` too.
        self.is_done.store(done, Ordering::Release);
        wake::wake_all(&self.state, state, |state| &mut state.waiters);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
