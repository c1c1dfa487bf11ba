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
//! The generation goes up with every question and travels in the event. Asking anew makes the
//! kernel look again, so dropping an old event loses nothing.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: watches are never unmapped, and linked ones are touched
//! under the slot's lock.
#![allow(unsafe_code)]

use core::mem::offset_of;
use core::ptr::{self, NonNull};

use crate::link::list::List;
use crate::link::{Link, Linked};
use crate::platform::Interest;
use crate::prim::SpinLock;
use crate::task::header::{InQueue, Task};
use crate::task::state::{Then, Ticket};

/// Marks the list of a [`Slot`].
#[derive(Debug)]
pub(crate) struct InSlot;

/// One wait of one task for one descriptor. Belongs to its task for ever, once it was taken.
#[derive(Debug)]
pub(crate) struct Watch {
    link: Link<Watch>,
    /// The task's next watch; under the lock of its `watches`.
    next: *mut Watch,
    task: NonNull<Task>,
    ticket: Ticket,
    interest: Interest,
    /// The generation it was first asked for with; 0 before. Under the slot's lock.
    generation: u32,
    source: u32,
    /// In use by its task's present wait; under the lock of `watches`.
    busy: bool,
    /// In the list of its slot; under the slot's lock.
    linked: bool,
}

// SAFETY: `link` is a plain field, and watches are never unmapped.
unsafe impl Linked<InSlot> for Watch {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live watch, so `link` lies inside the same allocation.
        unsafe { node.byte_add(offset_of!(Watch, link)) }.cast()
    }
}

impl Watch {
    pub(crate) fn new(task: NonNull<Task>) -> Self {
        Self {
            link: Link::new(),
            next: ptr::null_mut(),
            task,
            ticket: Ticket::NONE,
            interest: Interest::NONE,
            generation: 0,
            source: 0,
            busy: false,
            linked: false,
        }
    }
}

/// The watches of one task, in use or not.
#[derive(Debug)]
pub(crate) struct Watches(*mut Watch);

// SAFETY: the chain is touched under the lock around it only.
unsafe impl Send for Watches {}

impl Watches {
    pub(crate) fn new() -> Self {
        Self(ptr::null_mut())
    }

    /// A watch of this task that is not in use.
    pub(crate) fn idle(&self) -> Option<NonNull<Watch>> {
        let mut next = NonNull::new(self.0);
        while let Some(watch) = next {
            // SAFETY: the chain holds watches; `busy` and `next` are under this lock.
            let (busy, rest) = unsafe { ((*watch.as_ptr()).busy, (*watch.as_ptr()).next) };
            if !busy {
                return Some(watch);
            }
            next = NonNull::new(rest);
        }
        None
    }

    /// Gives the task one more.
    pub(crate) fn add(&mut self, watch: NonNull<Watch>) {
        // SAFETY: a watch that was just made is in no chain, and nobody else's.
        unsafe { (*watch.as_ptr()).next = self.0 };
        self.0 = watch.as_ptr();
    }

    /// Takes back a watch that is in no slot.
    pub(crate) fn give_back(&mut self, watch: NonNull<Watch>) {
        // SAFETY: the watch is in this chain, so `busy` is under this lock.
        unsafe { (*watch.as_ptr()).busy = false };
    }

    /// Calls `visit` with each watch in use, but for those of `keep`, and its source; they are
    /// not in use afterwards.
    pub(crate) fn retire(&mut self, keep: Ticket, mut visit: impl FnMut(NonNull<Watch>, u32)) {
        let mut next = NonNull::new(self.0);
        while let Some(watch) = next {
            let own = watch.as_ptr();
            // SAFETY: the chain holds watches; these four are under this lock, the ticket
            // because it is written once, when the watch gets busy.
            let (after, busy, ticket, source) =
                unsafe { ((*own).next, (*own).busy, (*own).ticket, (*own).source) };
            next = NonNull::new(after);
            if busy && ticket != keep {
                self.give_back(watch);
                visit(watch, source);
            }
        }
    }
}

/// What an asker must do next.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Nothing: somebody else asks, or nobody waits.
    Nothing,
    /// Arm the source for this, with this generation, and come back with the answer.
    Arm(Interest, u32),
}

/// Tasks that were claimed under a lock, to be scheduled after it.
pub(crate) type Claimed = List<InQueue, Task>;

/// A descriptor's entry in the reactor's table.
#[derive(Debug)]
pub(crate) struct Slot(pub SpinLock<SlotState>);

/// What the lock of a [`Slot`] protects.
#[derive(Debug)]
pub(crate) struct SlotState {
    waiting: List<InSlot, Watch>,
    generation: u32,
    arming: bool,
    again: bool,
}

// SAFETY: linked watches are touched under the lock around this only.
unsafe impl Send for SlotState {}

impl Slot {
    /// What a slot of zeroes is.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn new() -> Self {
        Self(SpinLock::new(SlotState {
            waiting: List::new(),
            generation: 0,
            arming: false,
            again: false,
        }))
    }
}

impl SlotState {
    /// Links a watch of `task`, which has it in no slot.
    pub(crate) fn add(
        &mut self,
        watch: NonNull<Watch>,
        source: u32,
        ticket: Ticket,
        interest: Interest,
    ) {
        // SAFETY: an idle watch is its adder's, who holds the lock of its task's `watches`.
        let own = unsafe { &mut *watch.as_ptr() };
        own.ticket = ticket;
        own.interest = interest;
        own.source = source;
        own.generation = 0;
        own.busy = true;
        own.linked = true;
        // SAFETY: it was in no slot.
        unsafe { self.waiting.push_back(watch) };
    }

    /// Unlinks a watch, if an event has not done so.
    pub(crate) fn remove(&mut self, watch: NonNull<Watch>) {
        // SAFETY: `linked` is under this lock.
        if core::mem::take(unsafe { &mut (*watch.as_ptr()).linked }) {
            // SAFETY: it is linked, in this slot.
            unsafe { self.waiting.remove(watch) };
        }
    }

    /// After a watch was added or an event left some: what to ask, if nobody is asking.
    pub(crate) fn ask(&mut self) -> Ask {
        if core::mem::replace(&mut self.arming, true) {
            self.again = true;
            return Ask::Nothing;
        }
        self.question()
    }

    /// The answer to a question: what to ask now. Watches that wait for a descriptor of the past
    /// are claimed.
    pub(crate) fn armed(&mut self, is_new: bool, claimed: &mut Claimed) -> Ask {
        if is_new {
            let present = self.generation;
            self.claim(claimed, |watch| watch.generation != 0 && watch.generation != present);
        }
        if core::mem::take(&mut self.again) {
            return self.question();
        }
        self.arming = false;
        Ask::Nothing
    }

    /// The platform refused: everybody is claimed.
    pub(crate) fn refused(&mut self, claimed: &mut Claimed) {
        self.arming = false;
        self.again = false;
        self.claim(claimed, |_| true);
    }

    /// An event: claims who waits for it. What to ask for the rest.
    pub(crate) fn ready(&mut self, generation: u32, ready: Interest, claimed: &mut Claimed) -> Ask {
        if generation != self.generation {
            return Ask::Nothing;
        }
        self.claim(claimed, |watch| watch.interest.intersects(ready));
        if self.waiting.is_empty() { Ask::Nothing } else { self.ask() }
    }

    fn question(&mut self) -> Ask {
        self.generation = self.generation.wrapping_add(1).max(1);
        let generation = self.generation;
        let mut union = Interest::NONE;
        let mut kept = List::new();
        while let Some(watch) = self.waiting.pop_front() {
            // SAFETY: linked watches are this lock's.
            let own = unsafe { &mut *watch.as_ptr() };
            union = union.union(own.interest);
            if own.generation == 0 {
                own.generation = generation;
            }
            // SAFETY: it was just taken out.
            unsafe { kept.push_back(watch) };
        }
        self.waiting = kept;
        if self.waiting.is_empty() {
            self.arming = false;
            return Ask::Nothing;
        }
        Ask::Arm(union, generation)
    }

    fn claim(&mut self, claimed: &mut Claimed, wanted: impl Fn(&Watch) -> bool) {
        let mut kept = List::new();
        while let Some(watch) = self.waiting.pop_front() {
            // SAFETY: linked watches are this lock's.
            let own = unsafe { &mut *watch.as_ptr() };
            if !wanted(own) {
                // SAFETY: it was just taken out.
                unsafe { kept.push_back(watch) };
                continue;
            }
            own.linked = false;
            // SAFETY: records are never unmapped; the ticket says whether it still waits.
            let state = unsafe { &(*own.task.as_ptr()).state };
            if state.wake(own.ticket) == Then::Enqueue {
                // SAFETY: `wake` claimed the task, so it is in no queue.
                unsafe { claimed.push_back(own.task) };
            }
        }
        self.waiting = kept;
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
