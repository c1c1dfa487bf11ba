//! Handles to records and back.
//!
//! ```text
//!  62  61 60   55 54          24 23    0
//! +------+-------+--------------+-------+
//! | kind | birth | generation   | index |    an i64 above zero
//! +------+-------+--------------+-------+
//! ```
//!
//! `kind` keeps handles of virtual threads, executors and reactors apart; `birth` those of a
//! process and of its forked child; `generation` the lives of one record. Records lie in one
//! table, which grows as they become more. Free ones wait in a short list of each carrier, which
//! gives the last one out first, while it is warm, and in a shared one. They keep the stack that
//! was reserved for them, until the platform has refused one: from then on what is free is
//! everybody's, and carriers keep neither records nor stacks.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: every index below `used` is a record.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::link::list::List;
use crate::platform::{Platform, PlatformError};
use crate::prim::{AtomicBool, AtomicU32, Ordering, SpinLock};
use crate::runtime::Runtime;
use crate::sched;
use crate::table::Table;
use crate::task::Handle;
use crate::task::header::{InQueue, Task};

/// Virtual threads that can be alive at once.
pub const MAX_TASKS: usize = 1 << 22;

/// Records in the first step of their table: 256 KiB.
const FIRST: usize = 1 << 10;

/// Records that move between a carrier's list and the shared one at a time.
pub(crate) const BATCH: usize = 32;

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 31;
const BIRTH_BITS: u32 = 6;
const _: () = assert!(MAX_TASKS <= 1 << INDEX_BITS);

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Task = 1,
    Executor = 2,
    Reactor = 3,
}

/// Packs a handle.
pub(crate) fn pack(kind: Kind, birth: u8, generation: u32, index: u32) -> i64 {
    let birth = i64::from(birth) & ((1 << BIRTH_BITS) - 1);
    ((kind as i64) << (INDEX_BITS + GENERATION_BITS + BIRTH_BITS))
        | (birth << (INDEX_BITS + GENERATION_BITS))
        | (i64::from(generation) << INDEX_BITS)
        | i64::from(index)
}

/// The index and the generation in a handle, if it is of that kind and birth.
pub(crate) fn unpack(kind: Kind, birth: u8, handle: i64) -> Option<(u32, u32)> {
    let index = handle & ((1 << INDEX_BITS) - 1);
    let generation = (handle >> INDEX_BITS) & ((1 << GENERATION_BITS) - 1);
    let (index, generation) = (index as u32, generation as u32);
    (pack(kind, birth, generation, index) == handle).then_some((index, generation))
}

/// All records of a runtime.
#[derive(Debug)]
pub(crate) struct Slab {
    records: Table<Task, FIRST>,
    /// Records below are written.
    used: AtomicU32,
    free: SpinLock<List<InQueue, Task>>,
    /// Whether the platform has refused a stack. Relaxed: whoever sees it late keeps one more.
    scarce: AtomicBool,
    birth: u8,
}

// SAFETY: entries never move, and records are shared by their own rules.
unsafe impl Sync for Slab {}
// SAFETY: the same.
unsafe impl Send for Slab {}

impl Slab {
    pub(crate) fn new(birth: u8) -> Self {
        let records = Table::new(MAX_TASKS, "room for more virtual threads");
        let (used, scarce) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { records, used, free: SpinLock::new(List::new()), scarce, birth }
    }

    /// A free record, the caller's alone.
    pub(crate) fn take(&self, runtime: &'static Runtime) -> Result<NonNull<Task>, PlatformError> {
        let warm = sched::with_carrier(runtime, |carrier| {
            carrier.with_records(|records| {
                if records.is_empty() {
                    let mut free = self.free.lock();
                    while records.len() < BATCH {
                        let Some(task) = free.pop_front() else { break };
                        records.push(task).expect("the list has room for a batch");
                    }
                }
                records.pop()
            })
        });
        match warm {
            Some(Some(task)) => Ok(task),
            Some(None) => self.extend(runtime.platform()),
            None => {
                let task = self.free.lock().pop_front();
                task.map_or_else(|| self.extend(runtime.platform()), Ok)
            }
        }
    }

    /// Writes a record that was never used.
    fn extend(&self, platform: &dyn Platform) -> Result<NonNull<Task>, PlatformError> {
        loop {
            let next = {
                let mut free = self.free.lock();
                let index = self.used.load(Ordering::Relaxed);
                if let Some(task) = self.records.find(index as usize) {
                    // SAFETY: `used` says that nobody has this record yet, and the lock that nobody
                    // else is about to.
                    unsafe { task.write(Task::new(index)) };
                    // Release publishes the record; pairs with the acquire in `find`. SeqCst:
                    // before a submit of it; pairs with the load in `used`.
                    self.used.store(index + 1, Ordering::SeqCst);
                    return Ok(task);
                }
                // Others may have ended meanwhile.
                if let Some(task) = free.pop_front() {
                    return Ok(task);
                }
                index as usize
            };
            if next >= MAX_TASKS {
                let what = "virtual threads alive at once (MAX_TASKS of the slab)";
                return Err(PlatformError::Limit { what, limit: MAX_TASKS });
            }
            self.records.claim(platform, next)?;
        }
    }

    /// Puts back a record that was taken and not opened, or closed.
    pub(crate) fn give_back(&self, task: NonNull<Task>) {
        // SAFETY: the caller owns the record, so it is in no list.
        unsafe { self.free.lock().push_back(task) };
    }

    /// Ends the life of a record whose last hold was released.
    pub(crate) fn recycle(&self, runtime: &'static Runtime, task: NonNull<Task>) {
        // SAFETY: records are never unmapped.
        let record = unsafe { task.as_ref() };
        record.executor.store(core::ptr::null_mut(), Ordering::Relaxed);
        if !record.state.close() {
            // It has no next life.
            // SAFETY: nobody has a hold of it, nor will.
            return unsafe { unreserve(runtime, record) };
        }
        if self.is_scarce() {
            return self.give_up(runtime, task);
        }
        let kept = sched::with_carrier(runtime, |carrier| {
            carrier.with_records(|records| {
                if records.is_full() {
                    let mut free = self.free.lock();
                    for _ in 0..BATCH {
                        let cold = records.pop().expect("a full list has a batch");
                        // SAFETY: a record in a carrier's list is in no other.
                        unsafe { free.push_back(cold) };
                    }
                }
                records.push(task).expect("there is room now");
            })
        });
        if kept.is_none() {
            self.give_back(task);
        }
    }

    /// Whether what is free is better with others.
    #[inline]
    pub(crate) fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Relaxed)
    }

    /// The platform has refused a stack.
    pub(crate) fn set_scarce(&self) {
        self.scarce.store(true, Ordering::Relaxed);
    }

    /// Puts a closed record back for everybody, with all that this carrier keeps, and without
    /// stacks.
    #[cold]
    fn give_up(&self, runtime: &'static Runtime, task: NonNull<Task>) {
        let mut next = Some(task);
        while let Some(task) = next {
            // SAFETY: records are never unmapped.
            let record = unsafe { task.as_ref() };
            // SAFETY: a free one is its keeper's alone.
            unsafe { unreserve(runtime, record) };
            self.give_back(task);
            next = sched::with_carrier(runtime, |carrier| carrier.with_records(|all| all.pop()))
                .flatten();
        }
        sched::with_carrier(runtime, |carrier| carrier.give_up_stacks());
    }

    /// The record and the generation that a handle names; none if it never named one here.
    #[inline]
    pub(crate) fn find(&self, handle: Handle) -> Option<(NonNull<Task>, u32)> {
        let (index, generation) = unpack(Kind::Task, self.birth, handle.0)?;
        // Acquire pairs with the release in `extend`.
        if index >= self.used.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: every index below `used` is a record, which was claimed before that was stored.
        Some((unsafe { self.records.at(index as usize) }, generation))
    }

    /// No handle names a record any more, and no record is written anew. Only a store.
    pub(crate) fn forget(&self) {
        self.used.store(0, Ordering::Relaxed);
    }

    /// Records below are written: all that were submitted before a shutdown closed its executor.
    pub(crate) fn used(&self) -> u32 {
        // SeqCst: after the close; pairs with the store in `extend`.
        self.used.load(Ordering::SeqCst)
    }

    /// The record of that index, which is below `used`.
    pub(crate) fn record(&self, index: u32) -> &'static Task {
        assert!(index < self.used.load(Ordering::Acquire), "record {index} is not written yet");
        // SAFETY: every index below `used` is a record, which was claimed before that was stored.
        let task = unsafe { self.records.at(index as usize) };
        // SAFETY: the same; records are never unmapped.
        unsafe { task.as_ref() }
    }

    /// The name of one life of a record.
    #[inline]
    pub(crate) fn handle(&self, index: u32, generation: u32) -> Handle {
        Handle(pack(Kind::Task, self.birth, generation, index))
    }
}

/// Takes back the stack that was reserved for a record.
///
/// # Safety
/// The record is the caller's alone.
pub(super) unsafe fn unreserve(runtime: &'static Runtime, record: &Task) {
    // SAFETY: the caller's.
    let reserved = record.reserved.with_mut(|reserved| unsafe { (*reserved).take() });
    if let Some(class) = reserved {
        runtime.platform().stack_unreserve(class);
    }
}

#[cfg(all(test, loom))]
mod loom;

#[cfg(all(test, not(loom)))]
mod tests;
