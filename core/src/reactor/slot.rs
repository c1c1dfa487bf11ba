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
use crate::prim::Ordering::Relaxed;
use crate::prim::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, SpinLock};
use crate::task::header::{InQueue, Task};
use crate::task::state::{Then, Ticket};

/// Marks the list of a [`Slot`].
#[derive(Debug)]
pub(crate) struct InSlot;

/// One wait of one task for one descriptor. Belongs to its task for ever, once it was taken.
/// The atomics are all Relaxed: a lock orders them, as said for each.
#[derive(Debug)]
pub(crate) struct Watch {
    link: Link<Watch>,
    task: NonNull<Task>,
    /// The task's next watch; under the lock of its `watches`.
    next: AtomicPtr<Watch>,
    /// In use by its task's present wait; under the lock of `watches`.
    busy: AtomicBool,
    /// These three are written under both locks, when it gets busy.
    ticket: AtomicU64,
    interest: AtomicU32,
    source: AtomicU32,
    /// The generation it was first asked for with; 0 before. Under the slot's lock.
    generation: AtomicU32,
    /// In the list of its slot; under the slot's lock.
    linked: AtomicBool,
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
            task,
            next: AtomicPtr::new(ptr::null_mut()),
            busy: AtomicBool::new(false),
            ticket: AtomicU64::new(0),
            interest: AtomicU32::new(0),
            source: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            linked: AtomicBool::new(false),
        }
    }

    /// The watch at `place`, for as long as the caller likes: watches are never unmapped.
    fn at<'a>(place: NonNull<Self>) -> &'a Self {
        // SAFETY: as said; a watch is written before its address is given to anybody.
        unsafe { place.as_ref() }
    }

    fn ticket(&self) -> Ticket {
        Ticket::from_bits(self.ticket.load(Relaxed))
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
            if !Watch::at(watch).busy.load(Relaxed) {
                return Some(watch);
            }
            next = NonNull::new(Watch::at(watch).next.load(Relaxed));
        }
        None
    }

    /// The watch of that wait for that source, if there is one.
    pub(crate) fn find(&self, ticket: Ticket, source: u32) -> Option<NonNull<Watch>> {
        let mut next = NonNull::new(self.0);
        while let Some(watch) = next {
            let own = Watch::at(watch);
            let is_same = own.ticket() == ticket && own.source.load(Relaxed) == source;
            if own.busy.load(Relaxed) && is_same {
                return Some(watch);
            }
            next = NonNull::new(own.next.load(Relaxed));
        }
        None
    }

    /// Gives the task one more.
    pub(crate) fn add(&mut self, watch: NonNull<Watch>) {
        Watch::at(watch).next.store(self.0, Relaxed);
        self.0 = watch.as_ptr();
    }

    /// Takes back a watch that is in no slot.
    pub(crate) fn give_back(&mut self, watch: NonNull<Watch>) {
        Watch::at(watch).busy.store(false, Relaxed);
    }

    /// Calls `visit` with each watch in use, but for those of `keep`, and its source; they are
    /// not in use afterwards.
    pub(crate) fn retire(&mut self, keep: Ticket, mut visit: impl FnMut(NonNull<Watch>, u32)) {
        let mut next = NonNull::new(self.0);
        while let Some(watch) = next {
            let own = Watch::at(watch);
            next = NonNull::new(own.next.load(Relaxed));
            if own.busy.load(Relaxed) && own.ticket() != keep {
                self.give_back(watch);
                visit(watch, own.source.load(Relaxed));
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
        let own = Watch::at(watch);
        own.ticket.store(ticket.to_bits(), Relaxed);
        own.interest.store(interest.0, Relaxed);
        own.source.store(source, Relaxed);
        own.generation.store(0, Relaxed);
        own.busy.store(true, Relaxed);
        own.linked.store(true, Relaxed);
        // SAFETY: it was in no slot.
        unsafe { self.waiting.push_back(watch) };
    }

    /// Lets a watch wait for more; links it anew if an event has unlinked it.
    pub(crate) fn widen(&mut self, watch: NonNull<Watch>, interest: Interest) {
        let own = Watch::at(watch);
        let before = match own.linked.load(Relaxed) {
            true => Interest(own.interest.load(Relaxed)),
            false => Interest::NONE,
        };
        own.interest.store(before.union(interest).0, Relaxed);
        if before == Interest::NONE {
            own.generation.store(0, Relaxed);
            own.linked.store(true, Relaxed);
            // SAFETY: it was in no slot.
            unsafe { self.waiting.push_back(watch) };
        }
    }

    /// Unlinks a watch, if an event has not done so.
    pub(crate) fn remove(&mut self, watch: NonNull<Watch>) {
        let linked = &Watch::at(watch).linked;
        if linked.load(Relaxed) {
            linked.store(false, Relaxed);
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
            self.claim(claimed, |watch| ![0, present].contains(&watch.generation.load(Relaxed)));
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
        self.claim(claimed, |watch| Interest(watch.interest.load(Relaxed)).intersects(ready));
        if self.waiting.is_empty() { Ask::Nothing } else { self.ask() }
    }

    fn question(&mut self) -> Ask {
        self.generation = self.generation.wrapping_add(1).max(1);
        let generation = self.generation;
        let mut union = Interest::NONE;
        let mut kept = List::new();
        while let Some(watch) = self.waiting.pop_front() {
            let own = Watch::at(watch);
            union = union.union(Interest(own.interest.load(Relaxed)));
            if own.generation.load(Relaxed) == 0 {
                own.generation.store(generation, Relaxed);
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
            let own = Watch::at(watch);
            if !wanted(own) {
                // SAFETY: it was just taken out.
                unsafe { kept.push_back(watch) };
                continue;
            }
            own.linked.store(false, Relaxed);
            // SAFETY: records are never unmapped; the ticket says whether it still waits.
            let task = unsafe { own.task.as_ref() };
            if task.state.wake(own.ticket()) == Then::Enqueue {
                // SAFETY: `wake` claimed the task, so it is in no queue.
                unsafe { claimed.push_back(own.task) };
            }
        }
        self.waiting = kept;
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
