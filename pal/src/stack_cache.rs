//! Stacks: reserved in segments, guarded when first used, reused warm.
//!
//! ```text
//! slot, from low to high addresses; the stack grows to the left
//! +-------+----------------------------------------------+------------------+
//! | guard | usable: at least the class's bytes           | one page, of it  |
//! | page  |                                              | the colour on top |
//! +-------+----------------------------------------------+------------------+
//! ^ start ^ limit                                              top ^        ^ next slot
//! ```
//!
//! | list  | its stacks                        | taken | filled by                            |
//! |-------|-----------------------------------|-------|--------------------------------------|
//! | warm  | free, memory still there          | first | `free`, up to the class's high water |
//! | cold  | free, memory given back           | then  | `free` above that, in batches        |
//! | bare  | never used: the guard was refused | then  | `alloc` that failed                  |
//! | fresh | never used: a number, no list     | last  | `reserve`                            |
//!
//! Segments are one mapping each, but for the kernel they are all alike and touch each other, so
//! a million stacks are a few mappings, which are never unmapped.
//!
//! This is the shared pool; each carrier keeps a few stacks of its own above it. One lock per
//! class, last in the order of `docs/locks.md`, and no system call under it.
//!
//! # Safety
//!
//! The tables are cut once from one mapping, which nobody else has, and which goes with the cache.
//! A slot is in one list, or out with one owner, or in the batch of one thread that trims.
#![allow(unsafe_code)]

use core::slice;

use drift_core::platform::{PlatformError, Stack, StackClass};
use drift_core::prim::{AtomicUsize, Ordering, SpinLock};

use crate::sys::stack::{Guards, give_back, map_stacks, page_bytes};
use crate::sys::thread;
use crate::table::Table;

/// Stacks that a class can ever have: 4 TiB of the 1 MiB ones, where processes have 128.
const STACKS_MAX: usize = 1 << 22;

/// Tops differ by this many cache lines, each of 64 bytes; a full turn stays within the page
/// that is there for it, and leaves that page's larger part to the first frames.
const COLOURS: usize = 16;
const COLOUR_BYTES: usize = 64;

/// Segments are whole huge pages long: some kernels start larger mappings at a multiple of one,
/// and would leave gaps between others, so that they were not one mapping.
const SEGMENT_ALIGN: usize = 2 << 20;

/// Stacks that are given back at once: enough for neighbours to be found, and given back by one
/// call, which costs a tenth per stack then.
const BATCH_MAX: usize = 128;

/// How a class is kept.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Usable bytes, colour aside.
    bytes: usize,
    /// Stacks in a segment, a power of two: some 64 MiB.
    segment: usize,
    /// High water of the warm list. A free stack keeps what its users have touched, mostly one
    /// to three pages: 1024 are some 8 MiB, and save two page faults' and a system call's worth
    /// of time each (4 us, against 15 ns) for a burst of as many. The bound at the worst, every
    /// page touched, is 256 MiB for the small classes and 1 GiB for the large ones.
    warm: usize,
    /// Stacks given back at once.
    batch: usize,
}

impl Plan {
    const fn of(class: StackClass) -> Self {
        let bytes = class.bytes();
        match class {
            StackClass::K64 => Self { bytes, segment: 1024, warm: 4096, batch: BATCH_MAX },
            StackClass::K256 => Self { bytes, segment: 256, warm: 1024, batch: BATCH_MAX },
            StackClass::M1 => Self { bytes, segment: 64, warm: 1024, batch: BATCH_MAX },
            StackClass::M8 => Self { bytes, segment: 8, warm: 128, batch: 32 },
        }
    }

    /// From one slot to the next: guard, usable, colour.
    const fn stride(&self, page: usize) -> usize {
        self.bytes + 2 * page
    }

    const fn segment_bytes(&self, page: usize) -> usize {
        (self.segment * self.stride(page)).next_multiple_of(SEGMENT_ALIGN)
    }

    const fn segments_max(&self) -> usize {
        STACKS_MAX / self.segment
    }

    /// Room of the warm list.
    const fn warm_max(&self) -> usize {
        self.warm + self.batch
    }

    const fn table_bytes(&self) -> usize {
        self.segments_max() * size_of::<usize>()
            + (STACKS_MAX + self.warm_max()).next_multiple_of(2) * size_of::<u32>()
    }
}

/// The stacks of one host.
pub(crate) struct StackCache {
    page: usize,
    guards: Guards,
    /// Guards that are few, over all classes: those that were reserved, or that an `alloc` needed
    /// in locked memory.
    guarded: AtomicUsize,
    classes: [Class; StackClass::ALL.len()],
    /// What the classes' tables are cut from.
    _table: Table,
}

impl StackCache {
    pub(crate) fn new(guards: Guards) -> Result<Self, PlatformError> {
        let mut bytes = 0;
        for class in StackClass::ALL {
            bytes += Plan::of(class).table_bytes();
        }
        let table = Table::map(bytes)?;
        let mut rest = table.start().as_ptr();
        let classes = StackClass::ALL.map(|class| {
            let plan = Plan::of(class);
            // SAFETY: the mapping has `table_bytes` for each class, zero and nobody else's.
            let class = unsafe { Class::cut(plan, rest) };
            rest = rest.wrapping_add(plan.table_bytes());
            class
        });
        let guarded = AtomicUsize::new(0);
        Ok(Self { page: page_bytes(), guards, guarded, classes, _table: table })
    }

    /// As `Platform::stack_reserve`.
    pub(crate) fn reserve(&self, class: StackClass) -> Result<(), PlatformError> {
        self.if_counted(&self.guards, || self.grow(class))
    }

    /// Does what needs one more guard of this kind; it counts if that succeeds.
    fn if_counted(
        &self,
        guards: &Guards,
        then: impl FnOnce() -> Result<(), PlatformError>,
    ) -> Result<(), PlatformError> {
        let Some(limit) = guards.limit() else { return then() };
        // Relaxed: a count.
        if self.guarded.fetch_add(1, Ordering::Relaxed) >= limit {
            self.guarded.fetch_sub(1, Ordering::Relaxed);
            let what = "stacks with mprotect guards (vm.max_map_count / 2)";
            return Err(PlatformError::Limit { what, limit });
        }
        then().inspect_err(|_| {
            self.guarded.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// Counts one more stack of `class`, and maps until there are as many.
    fn grow(&self, class: StackClass) -> Result<(), PlatformError> {
        let Class { plan, lists } = &self.classes[class as usize];
        loop {
            {
                let mut lists = lists.lock();
                if lists.reserved < lists.segments * plan.segment {
                    lists.reserved += 1;
                    return Ok(());
                }
                if lists.segments == plan.segments_max() {
                    let what = "stacks of one size class";
                    return Err(PlatformError::Limit { what, limit: STACKS_MAX });
                }
            }
            let start = map_stacks(plan.segment_bytes(self.page))?.as_ptr().expose_provenance();
            // Another thread may have mapped one, too: then both are used. At the very last
            // segment there is no place for the second, whose addresses are left alone.
            let mut lists = lists.lock();
            if lists.segments < plan.segments_max() {
                let segment = lists.segments;
                lists.starts[segment] = start;
                lists.segments += 1;
            }
        }
    }

    /// As `Platform::stack_alloc`.
    pub(crate) fn alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        let Class { plan, lists } = &self.classes[class as usize];
        let stride = plan.stride(self.page);
        let mut turn = 0;
        let slot = loop {
            let (slot, trimming) = {
                let mut lists = lists.lock();
                (lists.take(plan.segment, stride), lists.trimming)
            };
            match slot {
                Some(slot) => break slot,
                // What is missing is in a batch, for the length of a system call.
                None if trimming > 0 => {
                    thread::give_way(turn);
                    turn += 1;
                }
                None => {
                    let what = "stacks out at once; reserve one more first";
                    return Err(PlatformError::Limit { what, limit: lists.lock().reserved });
                }
            }
        };
        if !slot.guarded {
            // SAFETY: the lowest page of a slot that was never used and that is out to us.
            if let Err(refusal) = unsafe { self.guard(slot.start) } {
                lists.lock().put_bare(slot.id);
                return Err(refusal);
            }
        }
        let colour = slot.id as usize % COLOURS * COLOUR_BYTES;
        Ok(Stack {
            limit: slot.start + self.page,
            top: slot.start + stride - colour,
            id: slot.id,
            class,
        })
    }

    /// # Safety
    /// As `Guards::install`.
    unsafe fn guard(&self, start: usize) -> Result<(), PlatformError> {
        // SAFETY: the caller's.
        let Err(refusal) = (unsafe { self.guards.install(start) }) else { return Ok(()) };
        let Some(instead) = self.guards.instead(refusal) else { return Err(refusal) };
        // SAFETY: the caller's.
        self.if_counted(&instead, || unsafe { instead.install(start) })
    }

    /// As `Platform::stack_free`.
    ///
    /// # Safety
    /// `stack` came from `alloc` of this cache, and nobody uses it.
    pub(crate) unsafe fn free(&self, stack: &Stack) {
        let Class { plan, lists } = &self.classes[stack.class as usize];
        let stride = plan.stride(self.page);
        let mut batch = heapless::Vec::<Slot, BATCH_MAX>::new();
        {
            let mut lists = lists.lock();
            lists.put(stack.id);
            if lists.warm_length < plan.warm + plan.batch {
                return;
            }
            // The latest: those of a burst that ends lie side by side.
            while batch.len() < plan.batch {
                let slot = lists.take(plan.segment, stride).expect("the warm list is longer");
                batch.push(slot).expect("no plan's batch is longer than the longest");
            }
            lists.trimming += 1;
        }
        batch.sort_unstable_by_key(|slot| slot.start);
        for run in batch.chunk_by(|slot, next| slot.start + stride == next.start) {
            // SAFETY: free slots, taken off their list just now; their guards stay.
            unsafe { give_back(run[0].start, run.len() * stride) };
        }
        let mut lists = lists.lock();
        for slot in &batch {
            lists.put_cold(slot.id);
        }
        lists.trimming -= 1;
    }
}

/// One size class.
struct Class {
    plan: Plan,
    lists: SpinLock<Lists>,
}

impl Class {
    /// # Safety
    /// `tables` are `plan.table_bytes()` of zeros, aligned for `usize`, and nobody else's.
    unsafe fn cut(plan: Plan, tables: *mut u8) -> Self {
        let starts = tables.cast::<usize>();
        let cold = starts.wrapping_add(plan.segments_max()).cast::<u32>();
        let warm = cold.wrapping_add(STACKS_MAX);
        // SAFETY: the first part of the table, for numbers, to which zero is a valid one.
        let starts = unsafe { slice::from_raw_parts_mut(starts, plan.segments_max()) };
        // SAFETY: the second part.
        let cold = unsafe { slice::from_raw_parts_mut(cold, STACKS_MAX) };
        // SAFETY: the third part.
        let warm = unsafe { slice::from_raw_parts_mut(warm, plan.warm_max()) };
        let lists = Lists {
            starts,
            segments: 0,
            reserved: 0,
            fresh: 0,
            warm,
            warm_length: 0,
            cold,
            cold_length: 0,
            bare_length: 0,
            trimming: 0,
        };
        Self { plan, lists: SpinLock::new(lists) }
    }
}

/// A slot that is in no list.
#[derive(Clone, Copy, Debug)]
struct Slot {
    id: u32,
    start: usize,
    guarded: bool,
}

/// What the lock of a class protects.
struct Lists {
    /// Where each segment begins.
    starts: &'static mut [usize],
    segments: usize,
    reserved: usize,
    /// Slots from this number on were never used.
    fresh: usize,
    warm: &'static mut [u32],
    warm_length: usize,
    /// The cold list from the front, the bare one from the back; they cannot meet.
    cold: &'static mut [u32],
    cold_length: usize,
    bare_length: usize,
    /// Threads that have a batch out.
    trimming: usize,
}

impl Lists {
    fn take(&mut self, segment: usize, stride: usize) -> Option<Slot> {
        let (id, guarded) = if self.warm_length > 0 {
            self.warm_length -= 1;
            (self.warm[self.warm_length], true)
        } else if self.cold_length > 0 {
            self.cold_length -= 1;
            (self.cold[self.cold_length], true)
        } else if self.bare_length > 0 {
            self.bare_length -= 1;
            (self.cold[STACKS_MAX - 1 - self.bare_length], false)
        } else if self.fresh < self.reserved {
            self.fresh += 1;
            (self.fresh as u32 - 1, false)
        } else {
            return None;
        };
        let index = id as usize;
        let start = self.starts[index / segment] + index % segment * stride;
        Some(Slot { id, start, guarded })
    }

    /// Back, warm. There is room: whoever fills it up to the mark takes a batch out, under the same
    /// lock.
    fn put(&mut self, id: u32) {
        self.warm[self.warm_length] = id;
        self.warm_length += 1;
    }

    fn put_cold(&mut self, id: u32) {
        self.cold[self.cold_length] = id;
        self.cold_length += 1;
    }

    fn put_bare(&mut self, id: u32) {
        self.cold[STACKS_MAX - 1 - self.bare_length] = id;
        self.bare_length += 1;
    }
}

#[cfg(test)]
mod tests;
