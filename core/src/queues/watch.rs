//! Watches: one wait of one task for one descriptor; whose they are, and how they are found.
//!
//! | a watch is                         | and belongs to                                          |
//! |------------------------------------|---------------------------------------------------------|
//! | never used yet                     | nobody: the store above what was `made`                 |
//! | free                               | the runtime: the chain `Store`, under its lock          |
//! | in use, in a slot or claimed there | its task: the tree of `Watches`, under the task's lock  |
//! | spare                              | its task: the chain of `Watches`, under the same lock   |
//!
//! A task takes a spare watch, or else a free one; at the end of its wait they are spare, for its
//! next, and at the end of the task free again.
//!
//! A task has one watch at most for each descriptor, and finds it in a few steps, however many it
//! has: they are a tree in which the bits of the number, lowest first, say where to go. Numbers of
//! descriptors are dense, so that it is as deep as they are many, in bits, and never deeper than
//! they are long (Knuth, The Art of Computer Programming, volume 3, section 6.3: digital search
//! trees).
//!
//! A call that waits inside has watches in its frame instead (`wait/readiness/poll_many.rs`): they
//! are linked in slots as the others are, and unlinked before it returns.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: watches of a store are written before they are handed
//! out, and never unmapped; others stay in place while they are linked.
#![allow(unsafe_code)]

use core::array;
use core::mem::{self, offset_of};
use core::ptr::{self, NonNull};

use crate::link::{Link, Linked};
use crate::platform::{Interest, Platform, PlatformError};
use crate::prim::Ordering::Relaxed;
use crate::prim::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, SpinLock};
use crate::state::{State, Then, Ticket};
use crate::table::Table;

/// Watches of a runtime: waits for descriptors that there can be at once. Numbers have 32 bits.
pub(crate) const MAX_WATCHES: usize = 1 << 23;

/// Watches in the first step of their table.
const FIRST: usize = 1 << 10;

/// The number of a watch: its place in the table, from 1. 0 is none.
type Number = u32;

/// Marks the list of a slot (`source/slot.rs`).
#[derive(Debug)]
pub(crate) struct InSlot;

/// One wait of one task for one descriptor. The atomics are all Relaxed: a lock orders them, as
/// said for each.
#[derive(Debug)]
pub(crate) struct Watch {
    link: Link<Watch>,
    /// Written by who takes the watch from the store, before anybody else knows it.
    source: AtomicU32,
    /// Under the lock of the task's watches: the two that follow in the tree; of one that is spare
    /// or free the first is the next.
    below: [AtomicU32; 2],
    /// These four are written under both locks, or before it is linked by who has it for itself.
    task: AtomicPtr<State>,
    ticket: AtomicU64,
    is_inside: AtomicBool,
    pub(crate) interest: AtomicU32,
    /// In a list of its slot; under the slot's lock.
    pub(crate) linked: AtomicBool,
}

// SAFETY: `link` is a plain field, and watches are never unmapped.
unsafe impl Linked<InSlot> for Watch {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live watch, so `link` lies inside the same allocation.
        unsafe { node.byte_add(offset_of!(Watch, link)) }.cast()
    }
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            link: Link::new(),
            task: AtomicPtr::new(ptr::null_mut()),
            source: AtomicU32::new(0),
            below: array::from_fn(|_| AtomicU32::new(0)),
            ticket: AtomicU64::new(0),
            is_inside: AtomicBool::new(false),
            interest: AtomicU32::new(0),
            linked: AtomicBool::new(false),
        }
    }

    /// The watch at `place`: of a store, for as long as the caller likes; or any that is linked,
    /// for as long as the caller holds the lock of its slot.
    pub(crate) fn at<'a>(place: NonNull<Self>) -> &'a Self {
        // SAFETY: those of a store are never unmapped, and linked ones stay in place.
        unsafe { place.as_ref() }
    }

    /// Who waits; of a watch in use.
    pub(crate) fn task(&self) -> NonNull<State> {
        NonNull::new(self.task.load(Relaxed)).expect("a watch in use has a task")
    }

    pub(crate) fn ticket(&self) -> Ticket {
        Ticket::from_bits(self.ticket.load(Relaxed))
    }

    /// Makes it the watch of that wait: of the user's own, or of one inside a call.
    pub(crate) fn set(
        &self,
        task: NonNull<State>,
        ticket: Ticket,
        interest: Interest,
        is_inside: bool,
    ) {
        self.task.store(task.as_ptr(), Relaxed);
        self.ticket.store(ticket.to_bits(), Relaxed);
        self.interest.store(interest.0, Relaxed);
        self.is_inside.store(is_inside, Relaxed);
    }

    /// Claims its task for an event; only in its own wait.
    pub(crate) fn wake(&self) -> Then {
        // SAFETY: records are never unmapped; the ticket says whether it still waits.
        let state = unsafe { self.task().as_ref() };
        match self.is_inside.load(Relaxed) {
            true => state.wake_inside(self.ticket()),
            false => state.wake(self.ticket()),
        }
    }
}

/// Watches one behind the other, that nobody else knows: the first, or 0.
#[derive(Debug)]
struct Chain(Number);

/// The watches of a runtime: all of them, and which are free.
#[derive(Debug)]
pub(crate) struct Store {
    table: Table<Watch, FIRST>,
    made: AtomicU32,
    free: SpinLock<Chain>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let table = Table::new(MAX_WATCHES, "room for more waits for descriptors");
        Self { table, made: AtomicU32::new(0), free: SpinLock::new(Chain(0)) }
    }

    /// Sees that there is room for one more than were made. Under no lock.
    pub(crate) fn make_room(&self, platform: &dyn Platform) -> Result<(), PlatformError> {
        self.table.claim(platform, self.made.load(Relaxed) as usize).map(drop)
    }

    /// How many there ever were.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn made(&self) -> u32 {
        self.made.load(Relaxed)
    }

    /// Where the watch of that number is; none for 0.
    fn get(&self, number: Number) -> Option<NonNull<Watch>> {
        let index = number.checked_sub(1)?;
        // SAFETY: a number is that of a watch that was made, where `make_room` had claimed a place.
        Some(unsafe { self.table.at(index as usize) })
    }

    /// The watch of that number, which was made.
    fn at(&self, number: Number) -> &Watch {
        Watch::at(self.get(number).expect("a number that is one's"))
    }

    /// One that nobody has, or 0 if all are in use and there is no room.
    fn take(&self) -> Number {
        let free = self.free.lock().pop(self);
        if free != 0 {
            return free;
        }
        loop {
            let index = self.made.load(Relaxed);
            let Some(place) = self.table.find(index as usize) else { return 0 };
            if self.made.compare_exchange_weak(index, index + 1, Relaxed, Relaxed).is_ok() {
                // SAFETY: a place of the table, and the counter gave this one to us.
                unsafe { place.write(Watch::new()) };
                return index + 1;
            }
        }
    }

    /// Takes all of a chain back.
    fn give_back(&self, chain: Chain) {
        let Chain(first) = chain;
        if first == 0 {
            return;
        }
        let mut last = self.at(first);
        loop {
            match last.below[0].load(Relaxed) {
                0 => break,
                next => last = self.at(next),
            }
        }
        let mut free = self.free.lock();
        last.below[0].store(free.0, Relaxed);
        free.0 = first;
    }
}

impl Chain {
    /// The first, or 0.
    fn pop(&mut self, store: &Store) -> Number {
        let first = self.0;
        if first != 0 {
            self.0 = store.at(first).below[0].swap(0, Relaxed);
        }
        first
    }

    fn push(&mut self, store: &Store, number: Number) {
        store.at(number).below[0].store(self.0, Relaxed);
        self.0 = number;
    }
}

/// The watches of one task: the root of those in use, and the spare ones. Each call has the store
/// that they are from.
#[derive(Debug)]
pub(crate) struct Watches {
    root: AtomicU32,
    spare: Chain,
}

impl Watches {
    pub(crate) fn new() -> Self {
        Self { root: AtomicU32::new(0), spare: Chain(0) }
    }

    /// The watch in use for that source, if there is one.
    pub(crate) fn find(&self, store: &Store, source: u32) -> Option<NonNull<Watch>> {
        store.get(self.place_of(store, source).load(Relaxed))
    }

    /// Takes one for a source that has none in use. None if there is none to be had.
    pub(crate) fn take(&mut self, store: &Store, source: u32) -> Option<NonNull<Watch>> {
        let spare = self.spare.pop(store);
        let number = if spare == 0 { store.take() } else { spare };
        let watch = store.get(number)?;
        let own = Watch::at(watch);
        own.source.store(source, Relaxed);
        self.place_of(store, source).store(number, Relaxed);
        Some(watch)
    }

    /// Gives the one of that source back, which is in no slot.
    pub(crate) fn give_back(&mut self, store: &Store, source: u32) {
        let place = self.place_of(store, source);
        let number = place.load(Relaxed);
        let own = store.at(number);
        let leaf = take_leaf(store, place);
        // Any leaf below may stand in its place: the bits that lead there are its own, too.
        if leaf != number {
            for (of_leaf, below) in store.at(leaf).below.iter().zip(&own.below) {
                of_leaf.store(below.swap(0, Relaxed), Relaxed);
            }
            place.store(leaf, Relaxed);
        }
        store.give_back(Chain(number));
    }

    /// Calls `visit` with each watch in use and its source, but for those of `keep`; they are spare
    /// afterwards. True if it was enough for once: some may be left.
    pub(crate) fn retire(
        &mut self,
        store: &Store,
        keep: Ticket,
        mut visit: impl FnMut(NonNull<Watch>, u32),
    ) -> bool {
        let root = self.root.load(Relaxed);
        if let Some(watch) = store.get(root)
            && Watch::at(watch).below.iter().all(|below| below.load(Relaxed) == 0)
        {
            // One only, as nearly always.
            if Watch::at(watch).ticket() != keep {
                visit(watch, Watch::at(watch).source.load(Relaxed));
                self.root.store(0, Relaxed);
                self.spare.push(store, root);
            }
            return false;
        }
        self.retire_some(store, keep, visit)
    }

    #[inline(never)]
    fn retire_some(
        &mut self,
        store: &Store,
        keep: Ticket,
        mut visit: impl FnMut(NonNull<Watch>, u32),
    ) -> bool {
        let mut kept = Chain(0);
        let mut left = AT_ONCE;
        while left > 0 && self.root.load(Relaxed) != 0 {
            let number = take_leaf(store, &self.root);
            let own = store.at(number);
            if own.ticket() == keep {
                kept.push(store, number);
                continue;
            }
            visit(store.get(number).expect("it is one's"), own.source.load(Relaxed));
            self.spare.push(store, number);
            left -= 1;
        }
        loop {
            match kept.pop(store) {
                0 => break,
                number => {
                    let source = store.at(number).source.load(Relaxed);
                    self.place_of(store, source).store(number, Relaxed);
                }
            }
        }
        left == 0
    }

    /// Hands the spare ones out, to be given back.
    pub(crate) fn empty(&mut self) -> Spares {
        Spares(mem::replace(&mut self.spare, Chain(0)))
    }

    /// Where the number of the watch of that source is, or would be.
    fn place_of<'a>(&'a self, store: &'a Store, source: u32) -> &'a AtomicU32 {
        let (mut place, mut bits) = (&self.root, source);
        loop {
            let number = place.load(Relaxed);
            if number == 0 {
                return place;
            }
            let own = store.at(number);
            if own.source.load(Relaxed) == source {
                return place;
            }
            place = &own.below[(bits & 1) as usize];
            bits >>= 1;
        }
    }
}

/// Takes out a leaf at or below `place`, where something is.
fn take_leaf<'a>(store: &'a Store, mut place: &'a AtomicU32) -> Number {
    loop {
        let number = place.load(Relaxed);
        let mut below = store.at(number).below.iter().filter(|below| below.load(Relaxed) != 0);
        match below.next() {
            Some(below) => place = below,
            None => {
                place.store(0, Relaxed);
                return number;
            }
        }
    }
}

/// Watches that are retired under one hold of a task's lock.
const AT_ONCE: u32 = 64;

/// What a task that ended had.
#[must_use]
#[derive(Debug)]
pub(crate) struct Spares(Chain);

impl Spares {
    pub(crate) fn give_back(self, store: &Store) {
        store.give_back(self.0);
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
