//! The records of virtual threads, and handles to them and back.
//!
//! Records lie in one table, which grows as they become more. Free ones wait in a short list of
//! each carrier, which gives the last one out first, while it is warm, and in a shared one. They
//! keep the stack that was reserved for them, until the platform has refused one: from then on what
//! is free is everybody's, and carriers keep neither records nor stacks (`sched/cache.rs`).
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: every index below `used` is a record.
#![allow(unsafe_code)]

use crate::link::list::List;
use crate::platform::{Platform, PlatformError};
use crate::prim::{AtomicBool, AtomicU32, Ordering, SpinLock};
use crate::queues::pile::Pile;
use crate::table::Table;
use crate::task::handle::{Handle, INDEX_BITS, Kind, pack, unpack};
use crate::task::header::{InQueue, Task};

/// Virtual threads that can be alive at once.
pub const MAX_TASKS: usize = 1 << 22;

/// Records in the first step of their table: 256 KiB.
const FIRST: usize = 1 << 10;

/// Records that move between a carrier's list and the shared one at a time.
pub(crate) const BATCH: usize = 32;

const _: () = assert!(MAX_TASKS <= 1 << INDEX_BITS);

/// Free records of one carrier, which gives the last one out first, while it is warm.
pub(crate) type Warm = Pile<&'static Task, { 2 * BATCH }>;

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

    /// A free record, the caller's alone: from its carrier's warm ones if it has a list of them, or
    /// else from all. None if there is none, and [`extend`](Self::extend) has to make one.
    pub(crate) fn take(&self, warm: Option<&Warm>) -> Option<&'static Task> {
        let Some(warm) = warm else { return self.free.lock().pop_front().map(Task::at) };
        if warm.len() == 0 {
            let mut free = self.free.lock();
            while warm.len() < BATCH {
                let Some(task) = free.pop_front() else { break };
                assert!(warm.push(Task::at(task)).is_ok(), "the list has room for a batch");
            }
        }
        warm.pop()
    }

    /// Writes a record that was never used. Under no lock.
    ///
    /// # Errors
    /// When there is no room for one more.
    pub(crate) fn extend(&self, platform: &dyn Platform) -> Result<&'static Task, PlatformError> {
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
                    return Ok(Task::at(task));
                }
                // Others may have ended meanwhile.
                if let Some(task) = free.pop_front() {
                    return Ok(Task::at(task));
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
    pub(crate) fn give_back(&self, task: &'static Task) {
        // SAFETY: the caller owns the record, so it is in no list.
        unsafe { self.free.lock().push_back(task.into()) };
    }

    /// Keeps a free record warm.
    pub(crate) fn keep(&self, warm: &Warm, task: &'static Task) {
        if warm.len() == 2 * BATCH {
            let mut free = self.free.lock();
            for _ in 0..BATCH {
                let cold = warm.pop().expect("a full list has a batch");
                // SAFETY: a record in a carrier's list is in no other.
                unsafe { free.push_back(cold.into()) };
            }
        }
        assert!(warm.push(task).is_ok(), "there is room now");
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

    /// The record and the generation that a handle names; none if it never named one here.
    #[inline]
    pub(crate) fn find(&self, handle: Handle) -> Option<(&'static Task, u32)> {
        let (index, generation) = unpack(Kind::Task, self.birth, handle.0)?;
        // Acquire pairs with the release in `extend`.
        if index >= self.used.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: every index below `used` is a record, which was claimed before that was stored.
        Some((Task::at(unsafe { self.records.at(index as usize) }), generation))
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
        Task::at(unsafe { self.records.at(index as usize) })
    }

    /// The name of one life of a record.
    #[inline]
    pub(crate) fn handle(&self, index: u32, generation: u32) -> Handle {
        Handle(pack(Kind::Task, self.birth, generation, index))
    }
}

#[cfg(all(test, loom))]
mod loom;

#[cfg(all(test, not(loom)))]
mod tests;
