//! Who calls in one direction of an owned descriptor, one after the other.
//!
//! A caller that has to wait stands in **line**. An event gives a **turn** to the first in line:
//! it wakes that caller, which tries its system call. When the turn ends, however it ends, its
//! owner asks the platform whether anything is left, and gives the next one a turn if so. So an
//! event wakes as many callers as it can serve, first come, first served.
//!
//! | what happens                                | line, turns                  | wakes        |
//! |---------------------------------------------|------------------------------|--------------|
//! | a caller comes: ready, nobody in line       | turn + 1 if it came here     | it tries     |
//! | the same, and somebody's turn lasts         | the same; lets others run    | it tries     |
//! |                                             | once before it tries         |              |
//! | a caller comes: not ready, or others in line| it is the last in line       |              |
//! | an event                                    | first leaves, turn + 1       | the first    |
//! | an event that tells an end or an error      | all leave, with a turn each  | all          |
//! | a turn that found nothing: not ready        | turn - 1; it is in line      |              |
//! |                                             | before all that had none yet |              |
//! | a turn ends: not ready, or nobody in line   | turn - 1                     |              |
//! | a turn ends: ready, and the platform says   | the word is cleared, if it   |              |
//! | that it is not                              | is as it was seen; anew      |              |
//! | a turn ends: ready                          | turn - 1; first leaves,      | the first    |
//! |                                             | turn + 1                     |              |
//! | deadline or cancel of one in line           | it leaves                    |              |
//! | the descriptor is given up                  | all leave; turns are void    | all          |
//!
//! **No event is lost.** While the word says ready and somebody is in line, either a turn lasts
//! or an event is about to give one. For an event first changes the word, then gives a turn under
//! the lock; a caller looks at the word and gets in line under the lock, and so is popped, or has
//! seen ready and got in line behind others; and a turn ends under the lock, only if the word does
//! not say ready or the line is empty. A turn is a value whose drop ends it: a caller that
//! succeeds, fails, is cancelled, times out or unwinds passes on what it leaves.
//!
//! Watches take nothing away, so an event wakes all of them, and they have no turns. OS threads
//! look at the level by themselves, one of them at a time (`os_thread.rs`): they are in no line,
//! and that one has a turn, which counts as others' do, but gives those in line nothing before it
//! has changed the word.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a waiter is unlinked before its frame ends.
#![allow(unsafe_code)]

use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::platform::{Interest, Platform, Poll, Source};
use crate::prim::SpinGuard;
use crate::queues::waiters::{Popped, Sleeper, Waiter};
use crate::source::readiness::Direction;
use crate::source::slot::Line;
use crate::source::slot::{Slot, SlotState};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wake::wake_each;

/// One direction of one descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub slot: &'a Slot,
    pub platform: &'a dyn Platform,
    pub source: Source,
    pub direction: Interest,
}

/// The right to try, until it is dropped; then what is left is the next caller's.
#[must_use = "a turn that is dropped is the next caller's"]
#[derive(Debug)]
pub struct Turn<'a> {
    pub(super) side: Side<'a>,
    /// The registration's; with `LEADS`, of an OS thread (`os_thread.rs`).
    pub(super) generation: u32,
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.side.ends_turn(self.generation) {
            self.side.pass_on(self.generation);
        }
    }
}

impl<'a> Side<'a> {
    #[inline]
    fn word(self) -> &'a Direction {
        self.slot.direction(self.direction)
    }

    /// Changes the line, and tells those that do not take the lock.
    #[inline]
    pub(super) fn change<R>(self, state: &mut SlotState, change: impl FnOnce(&mut Line) -> R) -> R {
        let line = state.line(self.direction);
        let changed = change(line);
        self.word().set_line(line.has_any());
        changed
    }

    /// Waits for a turn, and puts it into `turn`. The caller may have one there already, which
    /// found nothing. Whether others should run once before the caller tries.
    ///
    /// # Errors
    /// `Closed` if the descriptor is, or was given up meanwhile; `Cancelled`, `Timeout`.
    pub(crate) fn wait(
        self,
        wait: &Wait,
        turn: &mut Option<Turn<'a>>,
    ) -> Result<bool, ConcurrencyError> {
        // Ended below, or gone on with, under the lock that its drop would take.
        let had_turn = turn.take().map(|turn| ManuallyDrop::new(turn).generation);
        let sleeper = Sleeper::new(wait, false);
        let mut waiter = Waiter::new(&raw const sleeper, 0, ptr::null_mut());
        let node = NonNull::from(&mut waiter);
        let (generation, closes) = {
            let mut state = self.slot.state.lock();
            let generation = state.owned_generation().ok_or(ConcurrencyError::Closed)?;
            let has_turn = had_turn == Some(generation);
            let leads = state.crew(self.direction).has_leader();
            let line = state.line(self.direction);
            self.word().set_line(true);
            if self.word().look().is_ready() && (has_turn || line.length == 0) {
                // An OS thread that leads is on its own: no yield lets it run.
                let is_behind = !has_turn && line.turns > u32::from(leads);
                line.turns += u32::from(!has_turn);
                *turn = Some(Turn { side: self, generation });
                return Ok(is_behind);
            }
            line.turns -= u32::from(has_turn);
            line.length += 1;
            // SAFETY: both stay in this frame until they are unlinked below.
            unsafe { line.list(had_turn.is_some()).push(node) };
            (generation, state.closes())
        };
        sleeper.sleep(wait, WaitsFor::Readiness);
        let (is_popped, is_closed) = {
            let mut state = self.slot.state.lock();
            let is_popped = sleeper.is_popped();
            if !is_popped {
                self.change(&mut state, |line| {
                    line.length -= 1;
                    // SAFETY: pushed above, in the same list.
                    unsafe { line.list(had_turn.is_some()).remove(node) };
                });
            }
            let is_same = state.owned_generation() == Some(generation);
            (is_popped, !is_same || state.closes() != closes)
        };
        sleeper.forget();
        if !is_popped {
            return Err(wait.why());
        }
        if is_closed {
            // The turn that it was given.
            drop(Turn { side: self, generation });
            return Err(ConcurrencyError::Closed);
        }
        *turn = Some(Turn { side: self, generation });
        Ok(false)
    }

    /// Ends a turn that leaves nothing, or nothing to anybody; false if it leaves something.
    #[inline]
    fn ends_turn(self, generation: u32) -> bool {
        let mut state = self.slot.state.lock();
        if state.owned_generation() != Some(generation) {
            drop(state);
            self.end_of_leader(generation);
            return true;
        }
        let line = state.line(self.direction);
        if line.length > 0 && self.word().look().is_ready() {
            return false;
        }
        line.turns -= 1;
        self.word().set_line(line.has_any());
        true
    }

    /// Ends a turn: what it leaves is the next one's.
    #[inline(never)]
    fn pass_on(self, generation: u32) {
        loop {
            let seen = self.word().look();
            if !self.has_nothing() {
                break;
            }
            self.word().clear(seen);
            if self.ends_turn(generation) {
                return;
            }
        }
        let next = {
            let mut state = self.slot.state.lock();
            match state.owned_generation() == Some(generation) {
                true => self.change(&mut state, |line| {
                    line.turns -= 1;
                    line.pop()
                }),
                false => None,
            }
        };
        if let Some(next) = next {
            next.resume();
        }
    }

    /// Whether the platform says that a try would find nothing.
    fn has_nothing(self) -> bool {
        let mut level = [Poll::new(self.source, self.direction)];
        self.platform.io_poll(&mut level) == Ok(0)
    }
}

impl Slot {
    /// Gives a turn to the first in each line of the directions that are `ready`, and ends the hold
    /// of the lock. After the words say why.
    #[inline]
    pub(super) fn give_turns(&self, mut state: SpinGuard<'_, SlotState>, ready: Interest) {
        let mut pop = |direction| {
            let line = state.line(direction);
            // A pop turns a place in line into a turn, so that there is a line as before.
            if ready.intersects(direction) { line.pop() } else { None }
        };
        let popped = [pop(Interest::READ), pop(Interest::WRITE)];
        drop(state);
        popped.into_iter().flatten().for_each(Popped::resume);
    }

    /// Gives turns in the directions that are `ready`: to the first in line, or in the directions
    /// of `all` to all that are in line now. After the words or the state say why.
    pub(super) fn wake(&self, ready: Interest, all: Interest) {
        let directions = ready.directions();
        let mut state = self.state.lock();
        let mut left = [Interest::READ, Interest::WRITE].map(|direction| {
            let most = if all.intersects(direction) { u32::MAX } else { 1 };
            let length = state.line(direction).length;
            (direction, if directions.intersects(direction) { length.min(most) } else { 0 })
        });
        wake_each(&self.state, state, |state| {
            left.iter_mut().find_map(|(direction, left)| {
                *left = left.checked_sub(1)?;
                let line = state.line(*direction);
                let caller = line.pop();
                self.direction(*direction).set_line(line.has_any());
                caller
            })
        });
    }

    /// Wakes all who wait, OS threads too.
    pub(super) fn wake_all(&self) {
        self.wake(Interest::BOTH, Interest::BOTH);
        self.wake_threads();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom;
