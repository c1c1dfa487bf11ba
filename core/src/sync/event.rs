//! Something that happens, and has happened until it is reset.

use crate::error::ConcurrencyError;
use crate::prim::{SpinLock, const_unless_loom};
use crate::queues::waiters::Waiters;
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::Queue;
use crate::wait::wake;

/// A flag to wait for.
#[derive(Debug)]
pub struct Event(SpinLock<State>);

#[derive(Debug)]
struct State {
    is_set: bool,
    waiters: Waiters,
}

impl Event {
    const_unless_loom! {
        /// Not set.
        pub fn new() -> Self {
            Self(SpinLock::new(State { is_set: false, waiters: Waiters::new() }))
        }
    }

    /// Sets it and lets all who wait go on.
    pub fn set(&self) {
        let mut state = self.0.lock();
        if core::mem::replace(&mut state.is_set, true) {
            return;
        }
        wake::wake_all(&self.0, state, |state| &mut state.waiters);
    }

    /// Unsets it: who comes from now on waits.
    pub fn reset(&self) {
        self.0.lock().is_set = false;
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.lock().is_set
    }

    /// Waits until it is set.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it, if it was not set meanwhile.
    pub fn wait(&self, wait: &Wait) -> Result<(), ConcurrencyError> {
        let queue = Queue::new(WaitsFor::Event, &self.0, |state| &mut state.waiters);
        let mut was_set = false;
        let gives_up = |state: &mut State| was_set = state.is_set;
        let waited = queue.wait(wait, |state| !state.is_set, gives_up);
        match waited {
            Err(error) if !was_set => Err(error),
            _ => Ok(()),
        }
    }
}
