//! Permits, handed out in order: a large request is not overtaken by small ones.

use core::ptr;

use crate::error::ConcurrencyError;
use crate::prim::{SpinLock, const_unless_loom};
use crate::queues::waiters::{Popped, Waiters};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::Queue;
use crate::wait::wake;

/// A number of permits.
#[derive(Debug)]
pub struct Semaphore(SpinLock<State>);

#[derive(Debug)]
struct State {
    permits: u32,
    waiters: Waiters,
}

impl State {
    /// Takes `wanted` if they may be had at once.
    fn take(&mut self, wanted: u32) -> bool {
        let may = wanted <= self.permits && self.waiters.is_empty();
        if may {
            self.permits -= wanted;
        }
        may
    }

    /// Hands what the first who waits wants to it, if there is as much.
    fn hand_over(&mut self) -> Option<Popped> {
        let Self { permits, waiters } = self;
        let popped = waiters.pop_if(|wanted| wanted <= *permits)?;
        *permits -= popped.tag;
        Some(popped)
    }
}

impl Semaphore {
    /// More permits than this there are never; what would exceed it stays at it.
    pub const MAX_PERMITS: u32 = u32::MAX - 2;

    const_unless_loom! {
        /// With so many permits, at most [`MAX_PERMITS`](Self::MAX_PERMITS).
        pub fn new(permits: u32) -> Self {
            let too_many = permits > Self::MAX_PERMITS;
            let permits = if too_many { Self::MAX_PERMITS } else { permits };
            Self(SpinLock::new(State { permits, waiters: Waiters::new() }))
        }
    }

    /// Takes `wanted` permits if there are as many and nobody waits.
    pub fn try_acquire(&self, wanted: u32) -> bool {
        self.0.lock().take(wanted)
    }

    /// Waits for `wanted` permits.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it; only if it had to wait.
    pub fn acquire(&self, wanted: u32, wait: &Wait) -> Result<(), ConcurrencyError> {
        let wanted = wanted.min(Self::MAX_PERMITS);
        let queue = Queue::new(WaitsFor::Semaphore, &self.0, |state| &mut state.waiters);
        let waits = |state: &mut State| (!state.take(wanted)).then_some(wanted);
        let waited = queue.wait_and(wait, ptr::null_mut(), waits, || {}, |_, _| {});
        if waited.is_err() {
            // Smaller requests may have waited behind this one.
            wake::wake_each(&self.0, self.0.lock(), State::hand_over);
        }
        waited.map(|_| ())
    }

    /// Gives permits back, or adds some.
    pub fn release(&self, permits: u32) {
        let mut state = self.0.lock();
        state.permits = state.permits.saturating_add(permits).min(Self::MAX_PERMITS);
        wake::wake_each(&self.0, state, State::hand_over);
    }

    /// How many may be had just now.
    pub fn permits(&self) -> u32 {
        self.0.lock().permits
    }
}
