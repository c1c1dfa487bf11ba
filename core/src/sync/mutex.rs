//! Mutual exclusion, handed to the first who waits.
//!
//! | event              | held | waiters | becomes                     |
//! |--------------------|------|---------|-----------------------------|
//! | lock, try_lock     | no   | none    | held                        |
//! | lock               | yes  | any     | linked                      |
//! | unlock             | yes  | none    | free                        |
//! | unlock             | yes  | some    | still held: the first has it|

use crate::error::ConcurrencyError;
use crate::prim::{SpinLock, const_unless_loom};
use crate::queues::waiters::Waiters;
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::{Queue, Waited};

/// A lock without data.
#[derive(Debug)]
pub struct Mutex(SpinLock<State>);

#[derive(Debug)]
struct State {
    held: bool,
    waiters: Waiters,
}

impl Mutex {
    const_unless_loom! {
        /// Free.
        pub fn new() -> Self {
            Self(SpinLock::new(State { held: false, waiters: Waiters::new() }))
        }
    }

    /// Locks it if it is free.
    #[inline]
    pub fn try_lock(&self) -> bool {
        !core::mem::replace(&mut self.0.lock().held, true)
    }

    /// Waits for it.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it; only if it had to wait.
    #[inline]
    pub fn lock(&self, wait: &Wait) -> Result<(), ConcurrencyError> {
        let queue = Queue::new(WaitsFor::Mutex, &self.0, |state| &mut state.waiters);
        let waits = |state: &mut State| core::mem::replace(&mut state.held, true);
        queue.wait(wait, waits, |_| {}).map(|waited| match waited {
            // Either way it is the caller's: taken by `waits`, or handed over by `unlock`.
            Waited::No | Waited::Yes => {}
        })
    }

    /// Gives it to the first who waits; false if nobody had it.
    #[inline]
    pub fn unlock(&self) -> bool {
        let (was_held, popped) = {
            let mut state = self.0.lock();
            let popped = state.waiters.pop();
            (core::mem::replace(&mut state.held, popped.is_some()), popped)
        };
        if let Some(popped) = popped {
            popped.resume();
        }
        was_held
    }

    /// Whether somebody has it just now.
    pub fn is_locked(&self) -> bool {
        self.0.lock().held
    }
}
