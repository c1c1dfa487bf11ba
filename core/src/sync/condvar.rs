//! Waiting for a change of what a mutex protects.

use core::ptr;

use crate::error::ConcurrencyError;
use crate::prim::{SpinLock, const_unless_loom};
use crate::queues::waiters::{Popped, Waiters};
use crate::sync::mutex::Mutex;
use crate::task::reason::WaitsFor;
use crate::time::Instant;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::Queue;
use crate::wait::wake;
use crate::wait::wake::EPOCHS;

/// A condition variable. A wait ends when it was notified, timed out or cancelled, and never
/// without a cause.
#[derive(Debug)]
pub struct Condvar(SpinLock<State>);

#[derive(Debug)]
struct State {
    /// How often all were notified, modulo `EPOCHS`.
    epoch: u32,
    waiters: Waiters,
}

fn waiters(state: &mut State) -> &mut Waiters {
    &mut state.waiters
}

impl Condvar {
    const_unless_loom! {
        /// Nobody waits.
        pub fn new() -> Self {
            Self(SpinLock::new(State { epoch: 0, waiters: Waiters::new() }))
        }
    }

    /// Unlocks `mutex`, which is the caller's, and waits; locks it again before it returns, in
    /// any case. A notification after the unlock is not missed.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it.
    pub fn wait(&self, mutex: &Mutex, wait: &Wait) -> Result<(), ConcurrencyError> {
        let queue = Queue { waits_for: WaitsFor::Condvar, lock: &self.0, list: waiters };
        let unlock = || {
            mutex.unlock();
        };
        let waits = |state: &mut State| Some(state.epoch);
        let waited = queue.wait_and(wait, ptr::null_mut(), waits, unlock, |_, _| {});
        let locked = mutex.lock(&wait.uncancellable().until(Instant::FAR));
        // No `expect`: it would bring the formatting of errors into every program.
        assert!(locked.is_ok(), "a wait that nothing ends but the lock");
        waited.map(|_| ())
    }

    /// Wakes the first who waits; false if nobody does.
    pub fn notify_one(&self) -> bool {
        let popped = self.0.lock().waiters.pop();
        popped.map(Popped::resume).is_some()
    }

    /// Wakes all who wait now. How many.
    pub fn notify_all(&self) -> usize {
        let mut state = self.0.lock();
        state.epoch = (state.epoch + 1) % EPOCHS;
        let epoch = state.epoch;
        wake::wake_before(&self.0, state, waiters, epoch)
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}
