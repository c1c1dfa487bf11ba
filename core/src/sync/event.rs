//! Something that happens, and has happened until it is reset.

use core::ptr;

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
    /// How often it was set; wraps.
    times: u32,
    waiters: Waiters,
}

impl Event {
    const_unless_loom! {
        /// Not set.
        pub fn new() -> Self {
            Self(SpinLock::new(State { is_set: false, times: 0, waiters: Waiters::new() }))
        }
    }

    /// Sets it and lets all who wait go on.
    pub fn set(&self) {
        let mut state = self.0.lock();
        if core::mem::replace(&mut state.is_set, true) {
            return;
        }
        state.times = state.times.wrapping_add(1);
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
        let waits = |state: &mut State| (!state.is_set).then_some(state.times);
        // It may be reset again, and this one not be popped yet.
        let gives_up = |state: &mut State, times| was_set = state.times != times;
        let waited = queue.wait_and(wait, ptr::null_mut(), waits, || {}, gives_up);
        match waited {
            Err(error) if !was_set => Err(error),
            _ => Ok(()),
        }
    }
}
