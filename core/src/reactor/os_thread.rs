//! How an OS thread waits for descriptors: it asks the platform itself, whoever runs beside it.
//!
//! No wait of an OS thread needs a carrier, but for what virtual threads alone can do:
//!
//! | it waits for                                | what ends the wait                             |
//! |---------------------------------------------|------------------------------------------------|
//! | a descriptor: `wait_ready`, `poll_many`     | the platform (`thread_poll`); a close, by who  |
//! |                                             | closes                                         |
//! | a lock, a channel, an event, `select`, ...  | who hands it over (`wait_queue.rs`): if that   |
//! |                                             | is a virtual thread, it must get to run        |
//! | a join, a submit at a limit                 | the carrier on which a virtual thread ends     |
//! | a shutdown                                  | the last carrier of the executor               |
//! | a deadline of any of these, `sleep`         | the platform (`thread_wait`)                   |
//! | `park`                                      | it does not wait                               |
//!
//! | step of the thread                          | step of who closes                             |
//! |---------------------------------------------|------------------------------------------------|
//! | lock; link, unless the word says ready, and | lock; count the close; pop the threads; unlock |
//! | keep the number of closes; unlock           |                                                |
//! | sleep beside the descriptor, a level: what  | wake them                                      |
//! | came before is seen                         |                                                |
//! | lock; unlink; compare the number; unlock    |                                                |
//! | ready: say so in the word; try              |                                                |
//!
//! The thread takes nothing from the poller: an edge of the descriptor is still told to whoever
//! polls, and wakes the virtual threads that wait for it. It stands in no line (`line.rs`), because
//! it looks at a level: all threads that wait for one descriptor are woken, beside the first in
//! line. But what it leaves is the next one's, so it has a turn when it goes on.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a waiter is unlinked before its frame ends.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::platform::Poll;
use crate::reactor::line::{Side, Turn};
use crate::sync::wait_queue::{Sleeper, Wait, Waiter};

impl<'a> Side<'a> {
    /// `wait_ready` of an OS thread.
    pub(super) fn wait_itself(self, wait: &Wait) -> Result<Turn<'a>, ConcurrencyError> {
        let slot = self.slot;
        let sleeper = Sleeper::new(wait, true);
        let mut waiter = Waiter::new(&raw const sleeper, 0, ptr::null_mut());
        let node = NonNull::from(&mut waiter);
        let closes = {
            let mut state = slot.state.lock();
            if !state.is_owned() {
                return Err(ConcurrencyError::Closed);
            }
            if slot.direction(self.direction).look().is_ready() {
                return self.take_turn(&mut state);
            }
            // SAFETY: both stay in this frame until they are unlinked below.
            unsafe { state.threads.push(node) };
            state.closes()
        };
        let is_ready = sleeper.sleep_beside(wait, &[Poll::new(self.source, self.direction)]);
        let is_closed = {
            let mut state = slot.state.lock();
            // SAFETY: pushed above, in the same list.
            unsafe { state.threads.remove(node) };
            state.closes() != closes
        };
        let is_told = sleeper.end().is_some();
        sleeper.forget();
        if is_closed {
            return Err(ConcurrencyError::Closed);
        }
        if !is_ready && !is_told {
            return Err(wait.why());
        }
        // First: a word that says ready needs one with a turn, if others are in line.
        let turn = self.take_turn(&mut slot.state.lock());
        if is_ready && turn.is_ok() {
            slot.direction(self.direction).ready(false);
        }
        turn
    }
}
