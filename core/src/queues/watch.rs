//! Watches: one wait of one task for one descriptor; whose they are.
//!
//! | a watch is                         | and belongs to                                          |
//! |------------------------------------|---------------------------------------------------------|
//! | never used yet                     | nobody: the store above what was `made`                 |
//! | free                               | the runtime: the chain of the `Store`, under its lock   |
//! | in use, in a slot or claimed there | its task: the chain `used`, under the task's lock       |
//! | spare                              | its task: the chain `spare`, under the same lock        |
//!
//! A task takes a spare watch, or else a free one; at the end of its wait they are spare, for its
//! next, and at the end of the task free again. A watch is taken while its wait lasts, and the
//! newest comes first: so those of the present wait come before those of waits that have ended,
//! and no watch is ever looked for.
//!
//! A call that waits inside has watches in its frame instead (`wait/readiness/poll_many.rs`): they
//! are linked in slots as the others are, and unlinked before it returns.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: watches of a store are written before they are handed
//! out, and never unmapped; others stay in place while they are linked.
#![allow(unsafe_code)]

use core::iter;
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
    /// The next in its chain.
    next: AtomicU32,
    /// A registration writes these four under both locks; a call that has the watch in its frame
    /// writes them before it links it.
    task: AtomicPtr<State>,
    ticket: AtomicU64,
    is_inside: AtomicBool,
    pub(crate) interest: AtomicU32,
    /// In a list of its slot; under the slot's lock.
    pub(crate) linked: AtomicBool,
}

// SAFETY: `link` is a plain field, and a watch stays in place while it is linked.
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
            next: AtomicU32::new(0),
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

    /// The state word of the task that waits; of a watch in use.
    pub(crate) fn task(&self) -> NonNull<State> {
        NonNull::new(self.task.load(Relaxed)).expect("a watch in use has a task")
    }

    /// For which descriptor; of one of a store.
    pub(crate) fn source(&self) -> u32 {
        self.source.load(Relaxed)
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
#[must_use]
#[derive(Debug)]
pub(crate) struct Chain(Number);

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

    /// Takes a free watch, or 0 if all are in use and there is no room.
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
    pub(crate) fn give_back(&self, chain: Chain) {
        if let Some(last) = chain.iter(self).last() {
            self.free.lock().put_before(chain, Watch::at(last));
        }
    }
}

impl Chain {
    /// The first, or 0.
    fn pop(&mut self, store: &Store) -> Number {
        let first = self.0;
        if first != 0 {
            self.0 = store.at(first).next.swap(0, Relaxed);
        }
        first
    }

    fn push(&mut self, store: &Store, number: Number) {
        store.at(number).next.store(self.0, Relaxed);
        self.0 = number;
    }

    /// Puts all of `other`, to its `last`, before the first.
    fn put_before(&mut self, other: Self, last: &Watch) {
        last.next.store(mem::replace(&mut self.0, other.0), Relaxed);
    }

    pub(crate) fn iter(&self, store: &Store) -> impl Iterator<Item = NonNull<Watch>> {
        let next = |watch: &NonNull<Watch>| store.get(Watch::at(*watch).next.load(Relaxed));
        iter::successors(store.get(self.0), next)
    }
}

/// The watches of one task. Each call has the store that they are from.
#[derive(Debug)]
pub(crate) struct Watches {
    used: Chain,
    spare: Chain,
}

impl Watches {
    pub(crate) fn new() -> Self {
        Self { used: Chain(0), spare: Chain(0) }
    }

    /// Takes one for a source. None if there is none to be had.
    pub(crate) fn take(&mut self, store: &Store, source: u32) -> Option<NonNull<Watch>> {
        let spare = self.spare.pop(store);
        let number = if spare == 0 { store.take() } else { spare };
        let watch = store.get(number)?;
        Watch::at(watch).source.store(source, Relaxed);
        self.used.push(store, number);
        Some(watch)
    }

    /// The newest, if it is for that source in that wait.
    pub(crate) fn newest(
        &self,
        store: &Store,
        source: u32,
        ticket: Ticket,
    ) -> Option<NonNull<Watch>> {
        let is_same = |own: &Watch| own.source() == source && own.ticket() == ticket;
        store.get(self.used.0).filter(|watch| is_same(Watch::at(*watch)))
    }

    /// Gives the newest back, which is in no slot.
    pub(crate) fn give_back(&mut self, store: &Store) {
        store.give_back(Chain(self.used.pop(store)));
    }

    /// Takes out those of waits that have ended: all but those of `keep`.
    pub(crate) fn take_ended(&mut self, store: &Store, keep: Ticket) -> Chain {
        let is_kept = |watch: &NonNull<Watch>| Watch::at(*watch).ticket() == keep;
        Chain(match self.used.iter(store).take_while(is_kept).last() {
            Some(last) => Watch::at(last).next.swap(0, Relaxed),
            None => mem::replace(&mut self.used.0, 0),
        })
    }

    /// Keeps a chain that was taken out, to its `last`, for the next waits.
    pub(crate) fn keep(&mut self, ended: Chain, last: NonNull<Watch>) {
        self.spare.put_before(ended, Watch::at(last));
    }

    /// Takes the spare ones out, to be given back.
    pub(crate) fn take_spare(&mut self) -> Chain {
        mem::replace(&mut self.spare, Chain(0))
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
