//! Stacks: reserved in segments, guarded before they are used, reused warm.
//!
//! ```text
//! segment: the links of its slots, then the slots
//!
//! slot, from low to high addresses; the stack grows to the left
//! +--------+---------------------------------------------+------------------+
//! | guard: | usable: at least the class's bytes          | one page, of it  |
//! | 64 KiB |                                             | the colour on top|
//! +--------+---------------------------------------------+------------------+
//! ^ start  ^ limit                                             top ^        ^ next slot
//! ```
//!
//! The guard is 64 KiB long because C code steps over one page: see `docs/foreign-code.md`.
//!
//! | chain | its stacks                        | taken | filled by                              |
//! |-------|-----------------------------------|-------|----------------------------------------|
//! | warm  | free, memory still there          | first | `free`, up to the class's high water   |
//! | cold  | free, no memory, with a guard     | then  | `free` above that, and guards ahead    |
//! | bare  | free, no memory, without a guard  | then  | a guard that was refused or moved away |
//! | fresh | never used: a number, no chain    | last  | a new segment                          |
//!
//! | number     | counts, in each class                                                         |
//! |------------|-------------------------------------------------------------------------------|
//! | `reserved` | stacks that may be out: goes up by `reserve`, down by `unreserve`             |
//! | `out`      | stacks that are out; never above `reserved`                                   |
//! | `slots`    | slots of all segments; never below `reserved`                                 |
//!
//! A guard that is a mapping of its own counts in `mapped`, over all classes, and there are at most
//! as many as the kernel allows. `reserved`, over all classes, is held below the same limit. So a
//! stack that was reserved and finds no mapping left finds a free stack that has one, of any class:
//! that one loses its guard and becomes bare. Without this, stacks of a class that nobody uses any
//! more would keep others from having theirs.
//!
//! Where the kernel has guards of another kind beside mappings (`Beyond`), there is no limit: a
//! stack that finds no mapping left gets one of those.
//!
//! Segments are one mapping each, but for the kernel they are all alike and touch each other, so
//! a million stacks are a few mappings, which are never unmapped. The first ones of a class are
//! small: a program with few virtual threads needs little address space.
//!
//! This is the shared pool; each carrier keeps a few stacks of its own above it. One lock per
//! class, last in the order of `docs/locks.md`, and no system call under it.
//!
//! # Safety
//!
//! A slot is in one chain, or out with one owner, or in the hand of one thread: that trims, makes
//! guards ahead, or moves a guard. What has no owner has no user.
#![allow(unsafe_code)]

mod lists;

use drift_core::platform::{PlatformError, Stack, StackClass};
use drift_core::prim::{AtomicUsize, Ordering, SpinLock};

use crate::stack_cache::lists::{Layout, Lists, Name, Plan, STACKS_MAX, Slot};
use crate::sys::stack::{Beyond, Guards, give_back, map_stacks, page_bytes, unmap};
use crate::sys::thread;
use crate::table::Table;

/// Tops differ by this many cache lines, each of 64 bytes; a full turn stays within the page
/// that is there for it, and leaves that page's larger part to the first frames.
const COLOURS: usize = 16;
const COLOUR_BYTES: usize = 64;

/// Stacks that are given back at once: enough for neighbours to be found, and given back by one
/// call, which costs a tenth per stack then.
const BATCH_MAX: usize = 128;

/// Bytes below a stack that fault. C code without stack probes touches its frames in any order, so
/// a frame larger than the guard may step over it; GCC and Clang probe every page with
/// `-fstack-clash-protection`, and Rust always does.
const GUARD_BYTES: usize = 64 << 10;

/// Guards that are made with one call, beside the one that is needed: no more than there are
/// already, and no more than this. Each marker is a page-table entry, and so may be a whole page of
/// the kernel's for a stack that nobody will use.
const AHEAD_MAX: usize = 63;

impl Plan {
    const fn of(class: StackClass) -> Self {
        let bytes = class.bytes();
        match class {
            StackClass::K64 => {
                Self { bytes, first: 32, segment: 512, warm: 4096, batch: BATCH_MAX }
            }
            StackClass::K256 => {
                Self { bytes, first: 16, segment: 256, warm: 1024, batch: BATCH_MAX }
            }
            StackClass::M1 => Self { bytes, first: 8, segment: 64, warm: 1024, batch: BATCH_MAX },
            StackClass::M8 => Self { bytes, first: 1, segment: 8, warm: 128, batch: 32 },
        }
    }
}

/// The stacks of one host.
pub(crate) struct StackCache {
    guards: Guards,
    /// Where guards are mappings: how those beyond their limit are made, if they can be.
    beyond: Option<Beyond>,
    /// Stacks that were reserved, over all classes, where guards are few.
    reserved: AtomicUsize,
    /// Guards that are mappings of their own.
    mapped: AtomicUsize,
    classes: [Class; StackClass::ALL.len()],
    /// Where the classes' segments begin.
    _table: Table,
}

/// One size class.
struct Class {
    layout: Layout,
    lists: SpinLock<Lists>,
}

/// What came of the search for a guard that is not needed.
enum Moved {
    /// A free stack gave its mapping up.
    One,
    /// Another thread has free stacks in its hand, for the length of a system call.
    Later,
    /// No free stack has one.
    None,
}

impl StackCache {
    pub(crate) fn new(guards: Guards, beyond: Option<Beyond>) -> Result<Self, PlatformError> {
        let mut bytes = 0;
        for class in StackClass::ALL {
            bytes += Plan::of(class).table_bytes();
        }
        let table = Table::map(bytes)?;
        let page = page_bytes();
        let mut rest = table.start().as_ptr();
        let classes = StackClass::ALL.map(|class| {
            let plan = Plan::of(class);
            let layout = Layout { plan, page, guard: GUARD_BYTES.next_multiple_of(page) };
            // SAFETY: the mapping has `table_bytes` for each class, zero and nobody else's.
            let lists = unsafe { Lists::at(layout, rest) };
            rest = rest.wrapping_add(plan.table_bytes());
            Class { layout, lists: SpinLock::new(lists) }
        });
        let (reserved, mapped) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Self { guards, beyond, reserved, mapped, classes, _table: table })
    }

    /// As `Platform::stack_reserve`.
    pub(crate) fn reserve(&self, class: StackClass) -> Result<(), PlatformError> {
        let Some(limit) = self.limit() else { return self.grow(class) };
        // Relaxed: a count.
        if self.reserved.fetch_add(1, Ordering::Relaxed) >= limit {
            self.reserved.fetch_sub(1, Ordering::Relaxed);
            return Err(too_many(limit));
        }
        self.grow(class).inspect_err(|_| {
            self.reserved.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// As `Platform::stack_unreserve`.
    pub(crate) fn unreserve(&self, class: StackClass) {
        self.classes[class as usize].lists.lock().reserved -= 1;
        if self.limit().is_some() {
            self.reserved.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many stacks there can be, if that is a question.
    fn limit(&self) -> Option<usize> {
        self.guards.limit().filter(|_| self.beyond.is_none())
    }

    /// Counts one more stack of `class`, and maps until there are as many.
    fn grow(&self, class: StackClass) -> Result<(), PlatformError> {
        let Class { layout, lists } = &self.classes[class as usize];
        loop {
            let count = {
                let mut lists = lists.lock();
                if lists.reserve() {
                    return Ok(());
                }
                lists.next_segment().ok_or(PlatformError::Limit {
                    what: "stacks of one size class",
                    limit: STACKS_MAX,
                })?
            };
            let bytes = layout.segment_bytes(count);
            let start = map_stacks(bytes)?;
            if let Some(beyond) = &self.beyond {
                beyond.adopt(start.as_ptr().expose_provenance(), bytes).inspect_err(|_| {
                    // SAFETY: mapped just now, and nobody has seen it.
                    unsafe { unmap(start, bytes) };
                })?;
            }
            let added = lists.lock().add_segment(start.as_ptr().expose_provenance(), count);
            if !added {
                // SAFETY: another thread was faster, and nobody has seen this one.
                unsafe { unmap(start, bytes) };
            }
        }
    }

    /// As `Platform::stack_alloc`.
    pub(crate) fn alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        let Class { layout, lists } = &self.classes[class as usize];
        let mut turn = 0;
        let (mut slot, ahead) = loop {
            let taken = {
                let mut lists = lists.lock();
                if lists.out == lists.reserved {
                    let what = "stacks out at once; reserve one more first";
                    return Err(PlatformError::Limit { what, limit: lists.reserved });
                }
                lists.take_out(if self.guards.limit().is_some() { 0 } else { AHEAD_MAX })
            };
            match taken {
                Some(taken) => break taken,
                // What is missing is in a hand, for the length of a system call.
                None => thread::give_way(turn),
            }
            turn += 1;
        };
        if ahead > 0 {
            self.guard_ahead(class, &mut slot, ahead);
        }
        if !slot.guarded {
            // SAFETY: the lowest bytes of a slot that is out to us, and has no user.
            if let Err(refusal) = unsafe { self.guard(layout, &mut slot) } {
                lists.lock().put_bare(slot.name);
                return Err(refusal);
            }
        }
        let colour = slot.name.number() % COLOURS * COLOUR_BYTES;
        Ok(Stack {
            limit: slot.start + layout.guard,
            top: slot.start + layout.stride() - colour,
            id: slot.name.0,
            class,
        })
    }

    /// Makes the guards of `slot` and of those that follow it, as far as the kernel goes along.
    fn guard_ahead(&self, class: StackClass, slot: &mut Slot, ahead: usize) {
        let Class { layout, lists } = &self.classes[class as usize];
        let count = ahead + 1;
        // SAFETY: slots that were never used, the first out to us, the rest in our hand.
        let made =
            unsafe { self.guards.install_all(slot.start, layout.stride(), count, layout.guard) };
        slot.guarded = made > 0;
        lists.lock().put_ahead(slot.name, ahead, made.saturating_sub(1));
    }

    /// # Safety
    /// As `Guards::install`, for the lowest bytes of `slot`.
    unsafe fn guard(&self, layout: &Layout, slot: &mut Slot) -> Result<(), PlatformError> {
        let mut guards = self.guards;
        if guards.limit().is_none() {
            // SAFETY: the caller's.
            match unsafe { guards.install(slot.start, layout.guard) } {
                Ok(()) => return Ok(()),
                Err(refusal) => guards = guards.instead(refusal).ok_or(refusal)?,
            }
        }
        let limit = guards.limit().expect("guards that are no markers are mappings");
        match &self.beyond {
            // SAFETY: the caller's; every segment was adopted.
            Some(beyond) if !self.count_mapping(limit) => unsafe {
                return beyond.install(slot.start, layout.guard);
            },
            Some(_) => {}
            None => self.take_mapping(limit)?,
        }
        // SAFETY: the caller's.
        unsafe { guards.install(slot.start, layout.guard) }.inspect_err(|_| {
            self.mapped.fetch_sub(1, Ordering::Relaxed);
        })?;
        slot.name = slot.name.with_mapping();
        Ok(())
    }

    /// Counts one more guard that is a mapping, if one is left.
    fn count_mapping(&self, limit: usize) -> bool {
        let one_more = |mapped| (mapped < limit).then_some(mapped + 1);
        // Relaxed: a count.
        self.mapped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// The same, or that of a free stack.
    fn take_mapping(&self, limit: usize) -> Result<(), PlatformError> {
        let mut turn = 0;
        while !self.count_mapping(limit) {
            match self.move_guard() {
                Moved::One => {}
                Moved::Later => thread::give_way(turn),
                Moved::None => return Err(too_many(limit)),
            }
            turn += 1;
        }
        Ok(())
    }

    /// Takes the guard from a free stack of any class.
    #[cold]
    fn move_guard(&self) -> Moved {
        let mut later = false;
        for Class { layout, lists } in &self.classes {
            let slot = {
                let mut lists = lists.lock();
                later |= lists.in_hand > 0;
                lists.take_mapped()
            };
            let Some(slot) = slot else { continue };
            // SAFETY: a free slot, in our hand; it may have been warm.
            unsafe { give_back(slot.start, layout.stride()) };
            // SAFETY: the same; `guard` made the mapping, as its name says.
            let removed = unsafe { self.guards.remove(slot.start, layout.guard) };
            lists.lock().put_stripped(slot.name, removed);
            if removed {
                self.mapped.fetch_sub(1, Ordering::Relaxed);
                return Moved::One;
            }
        }
        if later { Moved::Later } else { Moved::None }
    }

    /// As `Platform::stack_free`.
    ///
    /// # Safety
    /// `stack` came from `alloc` of this cache, and nobody uses it.
    pub(crate) unsafe fn free(&self, stack: &Stack) {
        let Class { layout, lists } = &self.classes[stack.class as usize];
        let (plan, stride) = (layout.plan, layout.stride());
        let mut batch = heapless::Vec::<Slot, BATCH_MAX>::new();
        {
            let mut lists = lists.lock();
            if lists.put_warm(Name(stack.id)) < plan.warm + plan.batch {
                return;
            }
            // The latest: those of a burst that ends lie side by side.
            while batch.len() < plan.batch {
                let slot = lists.take_warm().expect("the warm chain is longer");
                batch.push(slot).expect("no plan's batch is longer than the longest");
            }
        }
        batch.sort_unstable_by_key(|slot| slot.start);
        for run in batch.chunk_by(|slot, next| self.adjoin(slot.start + stride, next.start)) {
            // A guard of its own is left out: some kinds do not outlast it.
            let from = run[0].start + layout.guard;
            // SAFETY: free slots, taken off their chain just now; their guards stay.
            unsafe { give_back(from, run.len() * stride - layout.guard) };
        }
        let mut lists = lists.lock();
        for slot in &batch {
            lists.put_cold(slot.name);
        }
    }
}

impl StackCache {
    /// Whether memory goes back over a guard that lies there.
    fn adjoin(&self, end: usize, next: usize) -> bool {
        end == next && self.beyond.is_none()
    }
}

/// Makes the guard below a stack anew, as a mapping, because those of `Beyond` do not outlast
/// fork(2). The other stacks have no thread in the child. For a handler of pthread_atfork(3).
///
/// # Safety
/// `limit` is that of a stack that is out; what lies below is its guard.
pub(crate) unsafe fn guard_in_child(limit: usize) {
    let bytes = GUARD_BYTES.next_multiple_of(page_bytes());
    if let Some(guards) = Guards::mapping() {
        // SAFETY: the caller's. A refusal leaves what there is.
        let _ = unsafe { guards.install(limit - bytes, bytes) };
    }
}

/// The refusal where guards are mappings.
fn too_many(limit: usize) -> PlatformError {
    let what = "stacks with guards by mprotect (two of vm.max_map_count each: raise that sysctl, \
                allow userfaultfd(2), or use Linux 6.13)";
    PlatformError::Limit { what, limit }
}

#[cfg(test)]
mod tests;
