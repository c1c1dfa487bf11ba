//! The slots of one size class: where they lie, and in which chain they are.
//!
//! ```text
//! segment    0   1   2    3    4  ...   d      d+1    d+2
//! slots      F   F   2F   4F   8F ...   S/2    S      S       F: `first`, S: `segment`
//! ```
//!
//! A chain goes through the links, one for each slot, which lie at the start of the slot's
//! segment: they are there when the slots are, and no stack can run into them, because the first
//! slot's guard lies between.
//!
//! # Safety
//! The table of starts is cut from one mapping, which goes with the cache. A link is read and
//! written under the lock of its class only.
#![allow(unsafe_code)]

use core::ptr::with_exposed_provenance_mut;
use core::slice;

/// Stacks that a class can ever have: 4 TiB of the 1 MiB ones, where processes have 128.
pub(super) const STACKS_MAX: usize = 1 << 22;

/// Segments are whole huge pages long: some kernels start larger mappings at a multiple of one,
/// and would leave gaps between others, so that they were not one mapping.
const SEGMENT_ALIGN: usize = 2 << 20;

/// How a class is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Usable bytes, colour aside.
    pub bytes: usize,
    /// Stacks in the first segment, a power of two: some 5 MiB.
    pub first: usize,
    /// Stacks in each segment once there are as many, a power of two: some 70 MiB.
    pub segment: usize,
    /// High water of the warm chain. A free stack keeps what its users have touched, mostly one
    /// to three pages: 1024 are some 8 MiB, and save two page faults' and a system call's worth
    /// of time each (4 us, against 15 ns) for a burst of as many. The bound at the worst, every
    /// page touched, is 256 MiB for the small classes and 1 GiB for the large ones.
    pub warm: usize,
    /// Stacks given back at once.
    pub batch: usize,
}

impl Plan {
    /// Segments until there are `segment` slots.
    const fn small(&self) -> usize {
        (self.segment / self.first).ilog2() as usize + 1
    }

    const fn segments_max(&self) -> usize {
        self.small() + STACKS_MAX / self.segment - 1
    }

    pub(super) const fn table_bytes(&self) -> usize {
        self.segments_max() * size_of::<usize>()
    }

    /// Slots in the segment of that number.
    pub(super) const fn slots_of(&self, segment: usize) -> usize {
        match segment {
            0 => self.first,
            small if small < self.small() => self.first << (small - 1),
            _ => self.segment,
        }
    }

    /// The segment of a slot, and its number there.
    pub(super) const fn locate(&self, slot: usize) -> (usize, usize) {
        if slot >= self.segment {
            (self.small() + slot / self.segment - 1, slot % self.segment)
        } else if slot < self.first {
            (0, slot)
        } else {
            let doubled = (slot / self.first).ilog2() as usize;
            (doubled + 1, slot - (self.first << doubled))
        }
    }
}

/// How the slots of a class lie in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub plan: Plan,
    pub page: usize,
    /// Bytes of a guard.
    pub guard: usize,
}

impl Layout {
    /// From one slot to the next: guard, usable, colour.
    pub(super) const fn stride(&self) -> usize {
        self.guard + self.plan.bytes + self.page
    }

    /// Bytes for the links of a segment of `slots`.
    const fn links(&self, slots: usize) -> usize {
        (slots * size_of::<u32>()).next_multiple_of(self.page)
    }

    pub(super) const fn segment_bytes(&self, slots: usize) -> usize {
        (self.links(slots) + slots * self.stride()).next_multiple_of(SEGMENT_ALIGN)
    }
}

/// Names a slot: its number, and in the highest bit whether its guard is a mapping of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(pub u32);

impl Name {
    const MAPPING: u32 = 1 << 31;

    pub(super) const fn number(self) -> usize {
        (self.0 & !Self::MAPPING) as usize
    }

    pub(super) const fn with_mapping(self) -> Self {
        Self(self.0 | Self::MAPPING)
    }

    const fn bare(self) -> Self {
        Self(self.0 & !Self::MAPPING)
    }
}

/// A slot that is in no chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub name: Name,
    pub start: usize,
    pub guarded: bool,
}

/// Slots one behind the other, the latest first.
#[derive(Clone, Copy, Debug)]
struct Chain {
    /// The name of the first plus one; 0 for none. A link is alike. So it is above `Name::MAPPING`
    /// if the guard of the first is a mapping.
    first: u32,
    length: usize,
}

impl Chain {
    const EMPTY: Self = Self { first: 0, length: 0 };
}

/// What the lock of a class protects.
pub(super) struct Lists {
    layout: Layout,
    /// Where each segment begins.
    starts: &'static mut [usize],
    segments: usize,
    slots: usize,
    pub reserved: usize,
    pub out: usize,
    /// Slots from this number on were never used.
    fresh: usize,
    warm: Chain,
    cold: Chain,
    bare: Chain,
    /// Slots that a thread has taken off their chain, and that are not out.
    pub in_hand: usize,
}

impl Lists {
    /// # Safety
    /// `table` is `table_bytes()` of zeros, aligned for `usize`, and nobody else's.
    pub(super) unsafe fn at(layout: Layout, table: *mut u8) -> Self {
        // SAFETY: the caller's; zero is a number.
        let starts = unsafe { slice::from_raw_parts_mut(table.cast(), layout.plan.segments_max()) };
        Self {
            layout,
            starts,
            segments: 0,
            slots: 0,
            reserved: 0,
            out: 0,
            fresh: 0,
            warm: Chain::EMPTY,
            cold: Chain::EMPTY,
            bare: Chain::EMPTY,
            in_hand: 0,
        }
    }

    /// Counts one more that may be out; false if there is no slot for it.
    pub(super) fn reserve(&mut self) -> bool {
        let fits = self.reserved < self.slots;
        self.reserved += usize::from(fits);
        fits
    }

    /// How many slots the next segment must have; none if there may be no more.
    pub(super) fn next_segment(&self) -> Option<usize> {
        let plan = self.layout.plan;
        (self.segments < plan.segments_max()).then(|| plan.slots_of(self.segments))
    }

    /// Adds a segment of `count` slots; false if that is not what comes next any more.
    pub(super) fn add_segment(&mut self, start: usize, count: usize) -> bool {
        let fits = self.next_segment() == Some(count);
        if fits {
            self.starts[self.segments] = start;
            self.segments += 1;
            self.slots += count;
        }
        fits
    }

    /// Takes a slot out, and how many fresh ones behind it, at most `most`, are now in the hand of
    /// the caller. None while all that are free are in hands.
    pub(super) fn take_out(&mut self, most: usize) -> Option<(Slot, usize)> {
        let mut ahead = 0;
        let taken = pop(&mut self.warm, self.starts, self.layout.plan)
            .or_else(|| pop(&mut self.cold, self.starts, self.layout.plan));
        let (name, guarded) = if let Some(name) = taken {
            (name, true)
        } else if let Some(name) = pop(&mut self.bare, self.starts, self.layout.plan) {
            (name, false)
        } else if self.fresh < self.slots {
            let plan = self.layout.plan;
            let (segment, within) = plan.locate(self.fresh);
            let name = Name(self.fresh as u32);
            ahead = most.min(self.fresh).min(plan.slots_of(segment) - within - 1);
            self.fresh += 1 + ahead;
            self.in_hand += ahead;
            (name, false)
        } else {
            assert!(self.in_hand > 0, "there are as many slots as were reserved");
            return None;
        };
        self.out += 1;
        Some((self.slot(name, guarded), ahead))
    }

    fn slot(&self, name: Name, guarded: bool) -> Slot {
        let (segment, within) = self.layout.plan.locate(name.number());
        let links = self.layout.links(self.layout.plan.slots_of(segment));
        let start = self.starts[segment] + links + within * self.layout.stride();
        Slot { name, start, guarded }
    }

    /// Of the fresh ones behind `name` that are in the caller's hand, the next `guarded` have a
    /// guard. The nearest is the next one out.
    pub(super) fn put_ahead(&mut self, name: Name, ahead: usize, guarded: usize) {
        self.in_hand -= ahead;
        for step in (1..=ahead).rev() {
            let chain = if step <= guarded { &mut self.cold } else { &mut self.bare };
            push(chain, self.starts, self.layout.plan, Name(name.0 + step as u32));
        }
    }

    /// A slot that was out: warm. How many are, with it.
    pub(super) fn put_warm(&mut self, name: Name) -> usize {
        self.out -= 1;
        push(&mut self.warm, self.starts, self.layout.plan, name);
        self.warm.length
    }

    /// A slot that was out, and has no guard.
    pub(super) fn put_bare(&mut self, name: Name) {
        self.out -= 1;
        push(&mut self.bare, self.starts, self.layout.plan, name.bare());
    }

    /// Into the hand of the caller.
    pub(super) fn take_warm(&mut self) -> Option<Slot> {
        let name = pop(&mut self.warm, self.starts, self.layout.plan)?;
        self.in_hand += 1;
        Some(self.slot(name, true))
    }

    /// From the hand of the caller, who has given its memory back.
    pub(super) fn put_cold(&mut self, name: Name) {
        self.in_hand -= 1;
        push(&mut self.cold, self.starts, self.layout.plan, name);
    }

    /// A free slot whose guard is a mapping, into the hand of the caller. Only the first of each
    /// chain is looked at: where guards are mappings, all are but for those of an earlier time.
    pub(super) fn take_mapped(&mut self) -> Option<Slot> {
        let is_mapped = |chain: &&mut Chain| chain.first > Name::MAPPING;
        let chain = [&mut self.cold, &mut self.warm].into_iter().find(is_mapped)?;
        let name = pop(chain, self.starts, self.layout.plan)?;
        self.in_hand += 1;
        Some(self.slot(name, true))
    }

    /// From the hand of the caller, who has given its memory back, and perhaps its mapping.
    pub(super) fn put_stripped(&mut self, name: Name, is_bare: bool) {
        self.in_hand -= 1;
        if is_bare {
            push(&mut self.bare, self.starts, self.layout.plan, name.bare());
        } else {
            push(&mut self.cold, self.starts, self.layout.plan, name);
        }
    }
}

/// The link of a slot.
fn link(starts: &[usize], plan: Plan, name: Name) -> *mut u32 {
    let (segment, within) = plan.locate(name.number());
    with_exposed_provenance_mut::<u32>(starts[segment]).wrapping_add(within)
}

fn push(chain: &mut Chain, starts: &[usize], plan: Plan, name: Name) {
    // SAFETY: within the links of a segment that is there; under the lock.
    unsafe { link(starts, plan, name).write(chain.first) };
    chain.first = name.0 + 1;
    chain.length += 1;
}

fn pop(chain: &mut Chain, starts: &[usize], plan: Plan) -> Option<Name> {
    let name = Name(chain.first.checked_sub(1)?);
    // SAFETY: as in `push`, which wrote it.
    chain.first = unsafe { link(starts, plan, name).read() };
    chain.length -= 1;
    Some(name)
}
