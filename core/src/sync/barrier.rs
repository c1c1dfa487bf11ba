//! A meeting of a fixed number.

use core::ptr;

use crate::error::ConcurrencyError;
use crate::prim::{SpinLock, const_unless_loom};
use crate::queues::waiters::{Leaving, Waiter, Waiters};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::{Queue, Waited};
use crate::wait::wake;

/// Holds everybody until as many have come as it was made for; then it starts anew.
#[derive(Debug)]
pub struct Barrier {
    parties: u32,
    state: SpinLock<State>,
}

#[derive(Debug)]
struct State {
    arrived: u32,
    /// Meetings so far; wraps.
    meeting: u32,
    waiters: Waiters,
}

impl Barrier {
    const_unless_loom! {
        /// For so many; 0 is 1.
        pub fn new(parties: u32) -> Self {
            let state = State { arrived: 0, meeting: 0, waiters: Waiters::new() };
            Self { parties, state: SpinLock::new(state) }
        }
    }

    /// Waits for the others; true for one of each meeting, the last to come.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it, if the meeting did not take place: the others
    /// then wait for somebody else.
    pub fn wait(&self, wait: &Wait) -> Result<bool, ConcurrencyError> {
        let queue = Queue::new(WaitsFor::Barrier, &self.state, |state| &mut state.waiters);
        let mut head = Waiter::head();
        let mut leaving = Leaving::new(&mut head);
        let mut met = false;
        let waits = |state: &mut State| {
            state.arrived += 1;
            if state.arrived < self.parties {
                return Some(state.meeting);
            }
            state.arrived = 0;
            state.meeting = state.meeting.wrapping_add(1);
            leaving.take(&mut state.waiters);
            None
        };
        let gives_up = |state: &mut State, meeting| {
            // The last may have come, and not have got as far as to pop this one.
            met = state.meeting != meeting;
            state.arrived -= u32::from(!met);
        };
        let waited = queue.wait_and(wait, ptr::null_mut(), waits, || {}, gives_up);
        match waited {
            Ok(Waited::No) => {
                wake::wake_each(&self.state, self.state.lock(), |_| leaving.pop());
                Ok(true)
            }
            Ok(Waited::Yes) => Ok(false),
            Err(_) if met => Ok(false),
            Err(error) => Err(error),
        }
    }
}
