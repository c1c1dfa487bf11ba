//! Waiting for a change of what a mutex protects.

use core::ptr;

use crate::error::ConcurrencyError;
use crate::prim::const_unless_loom;
use crate::queues::waiters::{self, Popped, WaitQueue, Waiters};
use crate::sync::mutex::Mutex;
use crate::task::reason::WaitsFor;
use crate::time::Instant;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::Queue;
use crate::wait::wake;

/// A condition variable. A wait ends when it was notified, timed out or cancelled, and never
/// without a cause.
#[derive(Debug)]
pub struct Condvar(WaitQueue);

impl Condvar {
    const_unless_loom! {
        /// Nobody waits.
        pub fn new() -> Self {
            Self(WaitQueue::new(Waiters::new()))
        }
    }

    /// Unlocks `mutex`, which is the caller's, and waits; locks it again before it returns, in
    /// any case. A notification after the unlock is not missed.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it.
    pub fn wait(&self, mutex: &Mutex, wait: &Wait) -> Result<(), ConcurrencyError> {
        let queue = Queue::new(WaitsFor::Condvar, &self.0, waiters::all);
        let unlock = || {
            mutex.unlock();
        };
        let waited = queue.wait_and(wait, ptr::null_mut(), |_| Some(0), unlock, |_, _| {});
        let locked = mutex.lock(&wait.uncancellable().until(Instant::FAR));
        // No `expect`: it would bring the formatting of errors into every program.
        assert!(locked.is_ok(), "a wait that nothing ends but the lock");
        waited.map(|_| ())
    }

    /// Wakes the first who waits; false if nobody does.
    pub fn notify_one(&self) -> bool {
        let popped = self.0.lock().pop();
        popped.map(Popped::resume).is_some()
    }

    /// Wakes all who wait now. How many.
    pub fn notify_all(&self) -> usize {
        wake::wake_all(&self.0, self.0.lock(), waiters::all)
    }
}
