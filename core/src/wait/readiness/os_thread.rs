//! How an OS thread waits for descriptors: it asks the platform itself, whoever runs beside it.
//!
//! No wait of an OS thread needs a carrier, but for what virtual threads alone can do:
//!
//! | it waits for                                | what ends the wait                             |
//! |---------------------------------------------|------------------------------------------------|
//! | a descriptor: `wait_ready`, `poll_many`     | the platform (`thread_poll`); a close, by who  |
//! |                                             | closes                                         |
//! | a lock, a channel, an event, `select`, ...  | who hands it over (`wait/wait_queue.rs`): if   |
//! |                                             | that is a virtual thread, it must get to run   |
//! | a join, a submit at a limit                 | the carrier on which a virtual thread ends     |
//! | a shutdown                                  | the last carrier of the executor               |
//! | a deadline of any of these, `sleep`         | the platform (`thread_wait`)                   |
//! | `park`                                      | it does not wait                               |
//!
//! The OS threads that wait for one direction of an owned descriptor are a **leader** and its
//! **followers** (Leader/Followers: Schmidt and others, Pattern-Oriented Software Architecture 2).
//! The leader alone sleeps beside the descriptor. It has a turn (`line.rs`), which lasts while it
//! sleeps and tries; when it ends, however it ends, the first follower leads. So an event wakes as
//! many threads as it can serve, one after the other, first come, first served.
//!
//! | what happens                                | leader                       | followers    |
//! |---------------------------------------------|------------------------------|--------------|
//! | a thread comes, and nobody leads            | it; tries if the word says   |              |
//! |                                             | ready, sleeps if not         |              |
//! | a thread comes, and another leads           |                              | it is last   |
//! | the leader finds the descriptor ready       | says so in the word; tries   |              |
//! | its try found nothing                       | goes on: as one that comes   |              |
//! | its turn ends: success, error, deadline,    | the first follower, if there | first leaves |
//! | unwinding                                   | is one; it sleeps            |              |
//! | deadline of a follower                      |                              | it leaves    |
//! | the descriptor is given up                  | none: the turn is void       | all leave    |
//! | the same registration is made again         | tries                        | all leave,   |
//! |                                             |                              | and come     |
//! | another registration, without a close       | none: the turn is void, and  | the same     |
//! |                                             | its owner comes              |              |
//!
//! | step of the leader                          | step of who closes                          |
//! |---------------------------------------------|---------------------------------------------|
//! | lock; link, if its turn is not void; unlock | lock; count the close; unlock               |
//! | sleep beside the descriptor, a level: what  | lock; pop the leader and the followers;     |
//! | came before is seen                         | unlock; wake them                           |
//! | lock; unlink; compare the number of closes; |                                             |
//! | if ready, say so in the word; unlock; try   |                                             |
//!
//! **No event is lost.** A leader looks at the level after it became the leader, and whoever takes
//! something leads until its try has ended: what it leaves, or leaves untouched, is there when the
//! next leader looks. Who ends a turn promotes under the lock under which others come and leave, so
//! there is a leader while there are followers.
//!
//! The threads take nothing from the poller: an edge of the descriptor is still told to whoever
//! polls, and wakes the virtual threads that wait for it. They are in no line with those: the first
//! in line may be on a carrier that does not get to run. A leader that slept has promised the line
//! nothing; from the word that it changes on, it owes it what it leaves.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a waiter is unlinked before its frame ends.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::platform::{Interest, Poll};
use crate::queues::waiters::{Sleeper, Waiter, Waiters};
use crate::source::slot::{LEADS, Slot, SlotState, threads};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::readiness::line::{Side, Turn};
use crate::wait::wait_queue::{Queue, Waited};
use crate::wait::wake::wake_all;

/// How often the descriptor had been closed when a wait first looked.
type Closes = Cell<Option<u32>>;

/// Whether the descriptor is closed, or was since the first look.
fn is_closed(first: &Closes, state: &SlotState) -> bool {
    let before = first.get().unwrap_or(state.closes());
    first.set(Some(before));
    !state.is_owned() || before != state.closes()
}

/// The generation of a leader's turn.
fn generation_of(state: &SlotState) -> Option<u32> {
    state.owned_generation().map(|own| own | LEADS)
}

impl<'a> Side<'a> {
    /// `wait_ready` of an OS thread.
    pub(super) fn wait_itself(
        self,
        wait: &Wait,
        turn: &mut Option<Turn<'a>>,
    ) -> Result<(), ConcurrencyError> {
        let closes = Closes::new(None);
        loop {
            let (own, has_followed) = match turn.take() {
                Some(own) => (own, false),
                None => self.lead(wait, &closes)?,
            };
            // What the word says after the turn of another is of before that one's try.
            let tries = !has_followed && self.slot.direction(self.direction).look().is_ready();
            *turn = if tries { Some(own) } else { self.sleep_beside(wait, own, &closes)? };
            if turn.is_some() {
                return Ok(());
            }
        }
    }

    /// Becomes the leader; whether it followed another.
    fn lead(self, wait: &Wait, closes: &Closes) -> Result<(Turn<'a>, bool), ConcurrencyError> {
        let list = followers_of(self.direction);
        let queue = Queue::new(WaitsFor::Readiness, &self.slot.state, list);
        loop {
            // Of the turn; none.
            let generation = Cell::new(0);
            let was_closed = Cell::new(false);
            let follows = |state: &mut SlotState| {
                was_closed.set(is_closed(closes, state));
                if was_closed.get() {
                    return None;
                }
                let crew = state.crew(self.direction);
                if core::mem::replace(&mut crew.has_leader, true) {
                    return Some(0);
                }
                generation.set(generation_of(state).unwrap_or(0));
                self.change(state, |line| line.turns += 1);
                None
            };
            let ends =
                |state: &mut SlotState, _: bool, _: u32| was_closed.set(is_closed(closes, state));
            let place = generation.as_ptr().cast();
            let waited = queue.wait_to_end(wait, place, follows, || {}, ends);
            if generation.get() != 0 {
                let turn = Turn { side: self, generation: generation.get() };
                return Ok((turn, waited == Ok(Waited::Yes)));
            }
            let _ = waited?;
            if was_closed.get() {
                return Err(ConcurrencyError::Closed);
            }
            // It is another registration, or that was made anew.
        }
    }

    /// Sleeps beside the descriptor, by a turn that is given back when a try is worth it; none if
    /// it was void.
    fn sleep_beside(
        self,
        wait: &Wait,
        turn: Turn<'a>,
        closes: &Closes,
    ) -> Result<Option<Turn<'a>>, ConcurrencyError> {
        let slot = self.slot;
        let sleeper = Sleeper::new(wait, true);
        let mut waiter = Waiter::new(&raw const sleeper, 0, ptr::null_mut());
        let node = NonNull::from(&mut waiter);
        {
            let mut state = slot.state.lock();
            if is_closed(closes, &state) {
                return Err(ConcurrencyError::Closed);
            }
            if generation_of(&state) != Some(turn.generation) {
                return Ok(None);
            }
            // SAFETY: both stay in this frame until they are unlinked below.
            unsafe { state.threads.push(node) };
        }
        let is_ready = sleeper.sleep_beside(wait, &[Poll::new(self.source, self.direction)]);
        let (is_closed, is_void) = {
            let mut state = slot.state.lock();
            // SAFETY: pushed above, in the same list.
            unsafe { state.threads.remove(node) };
            let is_void = generation_of(&state) != Some(turn.generation);
            if is_ready && !is_void {
                slot.direction(self.direction).ready(false);
            }
            (is_closed(closes, &state), is_void)
        };
        let is_told = sleeper.end().is_some();
        sleeper.forget();
        match is_closed {
            true => Err(ConcurrencyError::Closed),
            false if is_void => Ok(None),
            false if is_ready || is_told => Ok(Some(turn)),
            false => Err(wait.why()),
        }
    }

    /// Ends the turn of one that leads, or one that is void.
    #[cold]
    pub(super) fn end_of_leader(self, generation: u32) {
        let (owes, next) = {
            let mut state = self.slot.state.lock();
            if generation_of(&state) != Some(generation) {
                return;
            }
            let next = state.crew(self.direction).promote(generation);
            let owes = state.line(self.direction).length > 0;
            self.change(&mut state, |line| {
                line.turns += u32::from(owes);
                line.turns -= u32::from(next.is_none());
            });
            (owes, next)
        };
        if let Some(next) = next {
            next.resume();
        }
        if owes {
            // One as those in line have, which ends at once.
            drop(Turn { side: self, generation: generation & !LEADS });
        }
    }
}

fn followers_of(direction: Interest) -> fn(&mut SlotState) -> &mut Waiters {
    match direction == Interest::READ {
        true => |state| &mut state.crew(Interest::READ).followers,
        false => |state| &mut state.crew(Interest::WRITE).followers,
    }
}

impl Slot {
    /// Wakes OS threads: it is another descriptor now, or none.
    pub(super) fn wake_threads(&self) {
        let lists = [threads, followers_of(Interest::READ), followers_of(Interest::WRITE)];
        let has_any = {
            let mut state = self.state.lock();
            lists.iter().any(|list| !list(&mut state).is_empty())
        };
        if has_any {
            for list in lists {
                wake_all(&self.state, self.state.lock(), list);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom;
