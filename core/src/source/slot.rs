//! One descriptor: who waits for it, and what the platform was asked.
//!
//! | `arming` | event                        | does                                             |
//! |----------|------------------------------|--------------------------------------------------|
//! | no       | a watch is added             | arming; a new generation; asks outside the lock  |
//! | yes      | a watch is added             | `again`: the one who is asking asks once more    |
//! | either   | event of this generation     | wakes who wants it; the rest is asked for anew   |
//! | either   | event of another generation  | nothing: it was replaced, or the descriptor was  |
//! | yes      | the platform knew the source | done, or once more                               |
//! | yes      | it did not                   | watches from before wait for a closed descriptor:|
//! |          |                              | they are woken; the rest as above                |
//! | yes      | the platform refused         | wakes all: their next call tells them why        |
//!
//! An owned descriptor is not asked for at all: its edges come by themselves, and who adds a watch
//! looks at the level once. Those that call on it are in line (`line.rs`).
//!
//! A watch takes nothing away: an event wakes all that asked for it.
//!
//! The generation goes up with every question and travels in the event. Asking anew makes the
//! kernel look again, so dropping an old event loses nothing.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a linked watch stays in place, and is touched under the
//! slot's lock; the frame of a linked follower has a cell for its turn.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::platform::Interest;
use crate::prim::Ordering::Relaxed;
use crate::prim::SpinLock;
use crate::queues::waiters::{Popped, Waiters};
use crate::queues::watch::Watch;
use crate::source::readiness::Direction;
use crate::source::waiting::{Claimed, Waiting};

/// What an asker must do next.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Nothing: somebody else asks, or nobody waits.
    Nothing,
    /// Arm the source for this, with this generation, and come back with the answer.
    Arm(Interest, u32),
    /// Look once whether any of this is so.
    Look(Interest),
}

/// A descriptor's entry in the reactor's table. What a call on an owned descriptor and its event
/// touch comes first, in two cache lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// What is known of an owned descriptor.
    pub read: Direction,
    pub write: Direction,
    pub state: SpinLock<SlotState>,
}

/// What the lock of a [`Slot`] protects.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SlotState {
    generation: u32,
    /// How often the reactor was told that the descriptor closes.
    closes: u32,
    is_owned: bool,
    arming: bool,
    again: bool,
    pub read_line: Line,
    pub write_line: Line,
    waiting: Waiting,
    /// OS threads that sleep beside the descriptor: woken when it closes.
    pub threads: Waiters,
    read_crew: Crew,
    write_crew: Crew,
}

/// OS threads that sleep beside it.
pub(crate) fn threads(state: &mut SlotState) -> &mut Waiters {
    &mut state.threads
}

// SAFETY: linked watches are touched under the lock around this only.
unsafe impl Send for SlotState {}

impl Slot {
    /// What a slot of zeroes is.
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        let state = SlotState {
            waiting: Waiting::NONE,
            read_crew: Crew::new(),
            write_crew: Crew::new(),
            threads: Waiters::new(),
            read_line: Line::new(),
            write_line: Line::new(),
            generation: 0,
            arming: false,
            again: false,
            is_owned: false,
            closes: 0,
        };
        Self { state: SpinLock::new(state), read: Direction::new(), write: Direction::new() }
    }
}

impl Slot {
    /// What is known of one direction, if the descriptor is owned.
    #[inline]
    pub(crate) fn direction(&self, direction: Interest) -> &Direction {
        if direction == Interest::READ { &self.read } else { &self.write }
    }
}

impl SlotState {
    /// Who calls in one direction (`line.rs`).
    pub(crate) fn line(&mut self, direction: Interest) -> &mut Line {
        if direction == Interest::READ { &mut self.read_line } else { &mut self.write_line }
    }

    /// OS threads that call in one direction (`wait/readiness/os_thread.rs`).
    pub(crate) fn crew(&mut self, direction: Interest) -> &mut Crew {
        if direction == Interest::READ { &mut self.read_crew } else { &mut self.write_crew }
    }

    /// Links a watch, which is set and in no slot.
    pub(crate) fn add(&mut self, watch: NonNull<Watch>) {
        self.waiting.add(watch);
    }

    /// Lets a watch wait for more; links it anew, as a question has to ask for it.
    pub(crate) fn widen(&mut self, watch: NonNull<Watch>, interest: Interest) {
        let own = Watch::at(watch);
        let before = match own.linked.load(Relaxed) {
            true => Interest(own.interest.load(Relaxed)),
            false => Interest::NONE,
        };
        self.waiting.remove(watch);
        own.interest.store(before.union(interest).0, Relaxed);
        self.waiting.add(watch);
    }

    /// Unlinks a watch; false if an event has done so, or it was not linked.
    pub(crate) fn remove(&mut self, watch: NonNull<Watch>) -> bool {
        self.waiting.remove(watch)
    }

    /// Whether the reactor has taken the descriptor over.
    pub(crate) fn is_owned(&self) -> bool {
        self.is_owned
    }

    /// How often the reactor was told that the descriptor closes.
    pub(crate) fn closes(&self) -> u32 {
        self.closes
    }

    /// The descriptor is owned now: the generation of its events. Watches of a descriptor of the
    /// past are due.
    pub(crate) fn take_over(&mut self) -> u32 {
        self.is_owned = true;
        self.read_line.begin();
        self.write_line.begin();
        self.read_crew.begin();
        self.write_crew.begin();
        self.again = false;
        self.waiting.end();
        self.next_generation()
    }

    /// The generation of the events of a descriptor that is owned; none if it is not.
    pub(crate) fn owned_generation(&self) -> Option<u32> {
        self.is_owned.then_some(self.generation)
    }

    /// The descriptor is not owned any more; late events are nobody's.
    pub(crate) fn give_up(&mut self) {
        self.is_owned = false;
        self.next_generation();
    }

    /// The descriptor is about to close: all watches are due. The caller wakes the lists.
    pub(crate) fn close(&mut self) {
        self.closes = self.closes.wrapping_add(1);
        self.waiting.end();
    }

    fn next_generation(&mut self) -> u32 {
        self.generation = (self.generation.wrapping_add(1) & !LEADS).max(1);
        self.generation
    }

    /// After a watch was added or an event left some: what to ask, if nobody is asking.
    pub(crate) fn ask(&mut self) -> Ask {
        if self.is_owned {
            return match self.waiting.wanted() {
                Interest::NONE => Ask::Nothing,
                wanted => Ask::Look(wanted),
            };
        }
        if core::mem::replace(&mut self.arming, true) {
            self.again = true;
            return Ask::Nothing;
        }
        self.question()
    }

    /// The answer to a question: what to ask now. Watches that wait for a descriptor of the past
    /// are due.
    pub(crate) fn armed(&mut self, is_new: bool) -> Ask {
        if is_new {
            self.waiting.new_source();
        }
        if core::mem::take(&mut self.again) {
            return self.question();
        }
        self.arming = false;
        Ask::Nothing
    }

    /// The platform refused: all watches are due.
    pub(crate) fn refused(&mut self) {
        self.arming = false;
        self.again = false;
        self.waiting.end();
    }

    /// An event: whose watches want it is due; false if it is none of this descriptor's. `rest`
    /// says what to ask for.
    pub(crate) fn ready(&mut self, generation: u32, ready: Interest) -> bool {
        let is_present = generation == self.generation;
        if is_present {
            self.event(ready);
        }
        is_present
    }

    /// What to ask for those whom an event has left.
    pub(crate) fn rest(&mut self) -> Ask {
        if self.waiting.is_empty() || self.is_owned { Ask::Nothing } else { self.ask() }
    }

    fn question(&mut self) -> Ask {
        if self.waiting.is_empty() {
            self.arming = false;
            return Ask::Nothing;
        }
        let generation = self.next_generation();
        self.waiting.ask();
        Ask::Arm(self.waiting.wanted(), generation)
    }

    /// What is ready now: the watches that want it are due. Errors and hang-up always count.
    pub(crate) fn event(&mut self, ready: Interest) {
        self.waiting.event(ready.directions());
    }

    /// Whether watches are due.
    #[inline]
    pub(crate) fn has_due(&self) -> bool {
        self.waiting.has_due()
    }

    /// Claims the tasks of some whose watches are due; true if there are more.
    pub(crate) fn claim(&mut self, claimed: &mut Claimed) -> bool {
        self.waiting.claim(claimed)
    }
}

/// Who is in line, and how many have a turn. Behind the slot's lock.
#[derive(Debug)]
pub(crate) struct Line {
    /// Had a turn and found nothing: they go first.
    returned: Waiters,
    waiting: Waiters,
    /// How many are in either list.
    pub(crate) length: u32,
    /// Callers that may try, and have not ended their call; and the OS thread that leads others
    /// ([`Crew`]).
    pub(crate) turns: u32,
}

impl Line {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self { returned: Waiters::new(), waiting: Waiters::new(), length: 0, turns: 0 }
    }

    /// The turns of a registration that is over are void: whoever has one finds another
    /// generation.
    pub(crate) fn begin(&mut self) {
        self.turns = 0;
    }

    /// Who comes, or who had a turn and found nothing.
    pub(crate) fn list(&mut self, is_back: bool) -> &mut Waiters {
        if is_back { &mut self.returned } else { &mut self.waiting }
    }

    /// Gives a turn to the first in line.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        if self.length == 0 {
            return None;
        }
        let popped = self.returned.pop().or_else(|| self.waiting.pop())?;
        self.length -= 1;
        self.turns += 1;
        Some(popped)
    }

    /// Whether a caller that comes may have to wait for others.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.length > 0 || self.turns > 0
    }
}

/// In the generation of a turn: its owner leads. No generation of a slot has it.
pub(crate) const LEADS: u32 = 1 << 31;

/// OS threads that wait in one direction. Behind the slot's lock.
#[derive(Debug)]
pub(crate) struct Crew {
    /// Each with a place for the generation of its turn, when it leads.
    pub followers: Waiters,
    pub has_leader: bool,
}

impl Crew {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self { followers: Waiters::new(), has_leader: false }
    }

    /// Whether one of them has a turn.
    pub(crate) fn has_leader(&self) -> bool {
        self.has_leader
    }

    /// Who leads in a registration that is over, has a void turn.
    pub(crate) fn begin(&mut self) {
        self.has_leader = false;
    }

    /// The first follower leads, by a turn of this generation.
    pub(crate) fn promote(&mut self, generation: u32) -> Option<Popped> {
        let next = self.followers.pop();
        if let Some(next) = &next {
            // SAFETY: `lead` gave the address of a cell in its frame, which stays there until the
            // lock around this is released.
            unsafe { next.value.cast::<u32>().write(generation) };
        }
        self.has_leader = next.is_some();
        next
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
