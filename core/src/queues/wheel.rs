//! A hierarchical timer wheel: deadlines in, expired nodes out, everything in constant time.
//!
//! (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.)
//!
//! Time is cut into ticks of 2^16 ns. A deadline counts as the first tick not before it, so a
//! node is never early, and less than a tick late. A tick has 48 bits: eight digits of six, one
//! for each level. A node is on the level of the highest digit in which its tick differs from
//! `elapsed`, in the slot that this digit names:
//!
//! ```text
//!            level 7        ...     level 2      level 1      level 0
//! elapsed    0                      5            17           60
//! tick a     0                      5            17           63     level 0, slot 63
//! tick b     0                      5            18            2     level 1, slot 18
//! tick c     0                      9            ...          ...    level 2, slot 9
//! ```
//!
//! So on level 0 a slot is one tick, not before `elapsed`; on a higher one, occupied slots are
//! those after the digit of `elapsed`, and everything on a lower level comes before everything
//! on a higher one. The first occupied slot of the lowest occupied level is what comes next.
//!
//! | step of `advance`, if the next slot starts by `now` | then                                |
//! |-----------------------------------------------------|-------------------------------------|
//! | it is on level 0                                    | `elapsed` := its tick; give a node  |
//! | it is on a higher level                             | `elapsed` := its start; its oldest  |
//! |                                                     | node goes down (it cascades)        |
//! | none starts by `now`                                | `elapsed` := the tick of `now`      |
//!
//! One step moves one node, so that the caller can give the lock away between any two, however
//! many nodes a slot has. A slot that has begun to cascade is `cascading` until it is empty: it is
//! the next slot, and a node whose tick it covers is inserted behind its others, which keeps equal
//! ticks in order of insertion. A node knows its level, since in a cascade that does not follow
//! from its deadline and `elapsed`; its slot does. `elapsed` never passes the start of an occupied
//! slot, so no digit of it that decides where a node is changes while the node is linked. A
//! deadline that is over counts as `elapsed`. Empty slots are skipped by the bitmaps, however far
//! time goes.
//!
//! The last deadlines of all round up to 2^48, a ninth digit: they have a level of their own, and
//! come at [`Instant::FAR`].
//!
//! A level has 64 slots, and a bit for each that has anything in it. A slot of level `n` covers
//! 64^n ticks.
//!
//! Not thread-safe: the caller owns the wheel or holds the lock it is behind.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: nodes in the wheel are alive and in place, as the callers
//! of `insert` promised, and where the paragraphs above say; those in a carrier's wheel are touched
//! under its lock only.
#![allow(unsafe_code)]

#[cfg(all(any(test, feature = "fuzzing"), not(loom)))]
pub(crate) mod model;

#[cfg(all(test, not(loom)))]
mod tests;

use core::mem::offset_of;
use core::ptr::NonNull;

use crate::link::list::List;
use crate::link::{Link, Linked};
use crate::prim::{AtomicU8, AtomicU64, Ordering, SpinGuard, SpinLock};
use crate::time::Instant;

/// Nanoseconds in a tick: 65.536 us.
pub(crate) const TICK: u64 = 1 << 16;

/// Eight digits, and the tick after the last.
const LEVELS: usize = 9;

/// Marks the slots of wheels.
#[derive(Debug)]
pub(crate) struct InWheel;

/// A deadline in a wheel, or none; part of the record that it is about.
#[derive(Debug)]
pub(crate) struct TimerNode {
    link: Link<TimerNode>,
    /// In nanoseconds. Changes under the lock of the wheel; atomic, so that reading it is safe.
    deadline: AtomicU64,
    /// Of the slot that it is in; the same.
    level: AtomicU8,
    kind: Kind,
}

/// What a node is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The record of a task: the deadline of the user's wait.
    Task,
    /// An alarm: the deadline of a wait inside the runtime.
    Alarm,
}

// SAFETY: `link` is a plain field; `Wheel::insert` demands that the node stays in place.
unsafe impl Linked<InWheel> for TimerNode {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live `TimerNode`, so `link` lies inside the same allocation.
        unsafe { node.byte_add(offset_of!(TimerNode, link)) }.cast()
    }
}

impl TimerNode {
    /// A node in no wheel.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            link: Link::new(),
            deadline: AtomicU64::new(u64::MAX),
            level: AtomicU8::new(0),
            kind,
        }
    }

    /// What it is part of.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What it was last inserted with.
    #[inline]
    pub(crate) fn deadline(&self) -> Instant {
        Instant(self.deadline.load(Ordering::Relaxed))
    }
}

/// Deadlines in order.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Every tick before this one is over, and nothing is left of it.
    elapsed: u64,
    /// A bit for each level that is not empty.
    occupied: u16,
    /// The level of the slot at `elapsed` that cascades; 0 for none.
    cascading: u8,
    levels: [Level; LEVELS],
}

/// What a step of [`Wheel::advance`] came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The deadline of this node has come; it is in the wheel no more.
    Due(NonNull<TimerNode>),
    /// A node cascaded: there may be more to do.
    Cascaded,
    /// Nothing is left to do.
    Over,
}

/// A slot of the wheel.
#[derive(Clone, Copy)]
struct Place {
    level: usize,
    slot: u32,
}

impl Wheel {
    /// A wheel with nothing in it, at the beginning of time.
    pub(crate) const fn new() -> Self {
        Self { elapsed: 0, occupied: 0, cascading: 0, levels: [const { Level::new() }; LEVELS] }
    }

    /// Whether nothing is in it.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// Puts `node` in for `deadline`.
    ///
    /// # Safety
    /// `node` is in no wheel, and stays alive and in place until it is removed or given as due.
    #[inline]
    pub(crate) unsafe fn insert(&mut self, node: NonNull<TimerNode>, deadline: Instant) {
        // SAFETY: alive, as the caller says.
        unsafe { node.as_ref() }.deadline.store(deadline.0, Ordering::Relaxed);
        let mut place = self.place(deadline);
        // All ticks below the level that cascades are of its slot, as it starts at `elapsed`.
        if place.level < self.cascading.into() {
            place = self.at(deadline, self.cascading.into());
        }
        // SAFETY: as the caller says.
        unsafe { self.link(node, place) };
    }

    /// # Safety
    /// `node` is in no wheel, and stays alive and in place until it is removed or given as due.
    #[inline]
    unsafe fn link(&mut self, node: NonNull<TimerNode>, place: Place) {
        // SAFETY: alive, as the caller says.
        unsafe { node.as_ref() }.level.store(place.level as u8, Ordering::Relaxed);
        // SAFETY: in no wheel, alive and in place, as the caller says.
        unsafe { self.levels[place.level].push_back(place.slot, node) };
        self.occupied |= 1 << place.level;
    }

    /// Takes `node` out.
    ///
    /// # Safety
    /// `node` is in this wheel.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, node: NonNull<TimerNode>) {
        // SAFETY: alive while it is in the wheel.
        let known = unsafe { node.as_ref() };
        let place = self.at(known.deadline(), known.level.load(Ordering::Relaxed).into());
        let cascading = self.digit(self.cascading.into());
        let level = &mut self.levels[place.level];
        // SAFETY: the level of a linked node is written down, and its slot follows from its
        // deadline.
        unsafe { level.remove(place.slot, node) };
        if level.is_empty() {
            self.occupied &= !(1 << place.level);
        }
        if place.level == usize::from(self.cascading) && !level.has(cascading) {
            self.cascading = 0;
        }
    }

    /// When to call `advance` next: never later than the first tick that has a node, earlier only
    /// to let nodes cascade, and after the last `now` for which all was over.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let (_, start) = self.first()?;
        // Saturates for the tick after the last.
        Some(Instant(start.saturating_mul(TICK)))
    }

    /// One step towards `now`, in constant time. Gives nodes whose deadline has come, the earliest
    /// tick first, within a tick the one that was inserted first. A `now` before an earlier one
    /// finds nothing.
    pub(crate) fn advance(&mut self, now: Instant) -> Step {
        let now = now.0 / TICK + u64::from(now == Instant::FAR);
        let Some((place, start)) = self.first().filter(|(_, start)| *start <= now) else {
            self.elapsed = self.elapsed.max(now);
            return Step::Over;
        };
        self.elapsed = start;
        let node = self.levels[place.level].front(place.slot).expect("an occupied slot has a node");
        if place.level == 0 {
            // SAFETY: found in this wheel.
            unsafe { self.remove(node) };
            return Step::Due(node);
        }
        self.cascading = place.level as u8;
        // SAFETY: found in this wheel.
        unsafe { self.remove(node) };
        // SAFETY: it was in the wheel until now, so it is alive.
        let deadline = unsafe { node.as_ref() }.deadline();
        // SAFETY: just taken out; its inserter promised the rest.
        unsafe { self.link(node, self.place(deadline)) };
        Step::Cascaded
    }

    /// Takes out any node, for the owner of a wheel that is not served any more.
    pub(crate) fn take_any(&mut self) -> Option<NonNull<TimerNode>> {
        let (place, _) = self.first()?;
        let node = self.levels[place.level].front(place.slot)?;
        // SAFETY: found in this wheel.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// What comes next: a slot, and the tick at which it starts.
    #[inline]
    fn first(&self) -> Option<(Place, u64)> {
        if self.is_empty() {
            return None;
        }
        if self.cascading != 0 {
            let level = self.cascading.into();
            return Some((Place { level, slot: self.digit(level) }, self.elapsed));
        }
        let level = self.occupied.trailing_zeros();
        let slot = self.levels[level as usize].first();
        // Digits above the level are those of `elapsed`, digits below are zero.
        let above = self.elapsed >> (BITS * level) >> BITS << BITS;
        let start = (above | u64::from(slot)) << (BITS * level);
        Some((Place { level: level as usize, slot }, start))
    }

    /// The digit of `elapsed` that names a slot of `level`.
    #[inline]
    fn digit(&self, level: usize) -> u32 {
        (self.elapsed >> (BITS * level as u32)) as u32 % (1 << BITS)
    }

    /// The tick that a deadline counts as.
    #[inline]
    fn tick(&self, deadline: Instant) -> u64 {
        deadline.0.div_ceil(TICK).max(self.elapsed)
    }

    /// Where a node of this deadline belongs when nothing cascades.
    #[inline]
    fn place(&self, deadline: Instant) -> Place {
        let tick = self.tick(deadline);
        let level = ((tick ^ self.elapsed) | 1).ilog2() / BITS;
        self.at(deadline, level as usize)
    }

    /// The slot of that level for a node of this deadline.
    #[inline]
    fn at(&self, deadline: Instant, level: usize) -> Place {
        let tick = self.tick(deadline);
        Place { level, slot: (tick >> (BITS * level as u32)) as u32 % (1 << BITS) }
    }
}

/// Bits of a tick that one level looks at.
const BITS: u32 = 6;

/// Slots of a level, one for each bit of its bitmap.
const SLOTS: usize = 1 << BITS;

/// A level of the wheel.
#[derive(Debug)]
struct Level {
    occupied: u64,
    slots: [List<InWheel, TimerNode>; SLOTS],
}

impl Level {
    /// A level with nothing in it.
    const fn new() -> Self {
        Self { occupied: 0, slots: [const { List::new() }; SLOTS] }
    }

    #[inline]
    const fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// The lowest slot with anything in it. The level is not empty.
    #[inline]
    const fn first(&self) -> u32 {
        debug_assert!(!self.is_empty(), "an empty level has no first slot");
        self.occupied.trailing_zeros()
    }

    /// Puts `node` behind the others of `slot`.
    ///
    /// # Safety
    /// `node` is in no wheel, and stays alive and in place until it is taken out.
    #[inline]
    unsafe fn push_back(&mut self, slot: u32, node: NonNull<TimerNode>) {
        // SAFETY: as the caller says.
        unsafe { self.slots[slot as usize].push_back(node) };
        self.occupied |= 1 << slot;
    }

    /// Takes `node` out.
    ///
    /// # Safety
    /// `node` is in `slot` of this level.
    #[inline]
    unsafe fn remove(&mut self, slot: u32, node: NonNull<TimerNode>) {
        let list = &mut self.slots[slot as usize];
        // SAFETY: as the caller says.
        unsafe { list.remove(node) };
        if list.is_empty() {
            self.occupied &= !(1 << slot);
        }
    }

    /// Whether `slot` has a node.
    #[inline]
    const fn has(&self, slot: u32) -> bool {
        self.occupied & 1 << slot != 0
    }

    /// The oldest node in `slot`.
    #[inline]
    fn front(&self, slot: u32) -> Option<NonNull<TimerNode>> {
        self.slots[slot as usize].front()
    }
}

/// A carrier's wheel, and when it wants to be served.
#[derive(Debug)]
pub(crate) struct Timers {
    wheel: SpinLock<Wheel>,
    /// Not later than the next expiry, in nanoseconds; `u64::MAX` for none. It may be early,
    /// after a disarm, and is put right when the wheel is served.
    pub(crate) next: AtomicU64,
}

// SAFETY: the nodes in the wheel are touched under its lock only.
unsafe impl Sync for Timers {}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { wheel: SpinLock::new(Wheel::new()), next: AtomicU64::new(u64::MAX) }
    }

    pub(crate) fn lock(&self) -> SpinGuard<'_, Wheel> {
        self.wheel.lock()
    }

    /// When to serve this wheel next. SeqCst: see `arm` and `Carrier::sleep`.
    pub(crate) fn next(&self) -> Instant {
        Instant(self.next.load(Ordering::SeqCst))
    }

    /// Whether nothing is armed here.
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.lock().is_empty()
    }
}
