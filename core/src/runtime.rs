//! One runtime: a platform, the tables, and who looks out. A process may have several.
//!
//! Everything lives in tables that the platform gives out: address space that is committed as it
//! fills and never given back, so that any handle and any pointer of ours stays harmless.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: an executor or carrier is written before its `ready`
//! flag, and never moved.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::defaults::Defaults;
use crate::platform::{CarrierId, MAX_CARRIERS, Platform, PlatformError};
use crate::prim::{AtomicBool, AtomicU32, Ordering, SpinLock};
use crate::reactor::Reactor;
use crate::sched::executor::{Executor, ExecutorRef};
use crate::sched::idle::Lookout;
use crate::sched::policy::{ExecutorPolicy, PolicyError};
use crate::sched::{self, Carrier};
use crate::task::header::Task;
use crate::task::slab::{self, Kind, Slab};

/// Executors that a runtime can ever have.
pub const MAX_EXECUTORS: usize = MAX_CARRIERS;

/// The index of the default executor: the first.
const DEFAULT: u32 = 0;

/// A runtime. Lives for ever.
#[derive(Debug)]
pub struct Runtime {
    platform: &'static dyn Platform,
    birth: u8,
    /// Of another process's life: set in the child of a fork(2).
    left_behind: AtomicBool,
    pub(crate) tasks: Slab,
    pub(crate) reactor: Reactor,
    pub(crate) lookout: Lookout,
    /// These two are tables of one step: they are small, and every wake looks at them.
    executors: NonNull<Executor>,
    carriers: NonNull<Carrier>,
    taken: SpinLock<Taken>,
    /// Set once the executor of that index and its carriers are written.
    ready: [AtomicBool; MAX_EXECUTORS],
    /// Executors below may be ready.
    listed: AtomicU32,
    pub(crate) defaults: Defaults,
}

/// How much of the tables is given out.
#[derive(Debug)]
struct Taken {
    executors: usize,
    carriers: usize,
}

// SAFETY: the pointers never change, and what they lead to has rules of its own.
unsafe impl Sync for Runtime {}

/// Why there is no new executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutorError {
    /// The policy makes no sense.
    Policy(PolicyError),
    /// The tables are full, or the platform has no memory.
    Platform(PlatformError),
}

impl Runtime {
    /// A runtime on `platform`, with the default executor of C: one carrier, no limit, not started.
    /// Handles of runtimes with different `birth` (modulo 64) never pass for each other's.
    ///
    /// # Safety
    /// `platform` serves no other runtime: it knows carriers and sources by their numbers.
    ///
    /// # Errors
    /// When the platform has no room for the tables. It may then be asked again.
    pub unsafe fn new(
        platform: &'static dyn Platform,
        birth: u8,
    ) -> Result<&'static Self, PlatformError> {
        let place: NonNull<Self> = platform.table(size_of::<Self>())?.cast();
        let executors = platform.table(MAX_EXECUTORS * size_of::<Executor>())?.cast();
        let carriers = platform.table(MAX_CARRIERS * size_of::<Carrier>())?.cast();
        let runtime = Self {
            platform,
            birth,
            left_behind: AtomicBool::new(false),
            tasks: Slab::new(birth),
            reactor: Reactor::new(),
            lookout: Lookout::new(),
            executors,
            carriers,
            taken: SpinLock::new(Taken { executors: 0, carriers: 0 }),
            ready: core::array::from_fn(|_| AtomicBool::new(false)),
            listed: AtomicU32::new(0),
            defaults: Defaults::new(),
        };
        // SAFETY: a table of this size, which nobody else has.
        unsafe { place.write(runtime) };
        // SAFETY: just written, and never moved.
        let runtime: &'static Self = unsafe { place.as_ref() };
        runtime.make_executor(&ExecutorPolicy::DEFAULT)?;
        Ok(runtime)
    }

    /// In the child of a fork(2), whose parent this runtime belongs to: its handles name nobody
    /// from now on, its descriptors are refused, and what both processes have of the kernel's is
    /// not touched. Only stores: it is called as a signal handler is.
    ///
    /// # Safety
    /// In such a child, before anything else of it: whoever waits for one of these virtual threads
    /// takes a handle that names nobody for its end.
    pub unsafe fn leave_behind(&'static self) {
        self.left_behind.store(true, Ordering::Relaxed);
        self.tasks.forget();
        self.platform.leave_behind();
    }

    /// Whether it belongs to the parent of this forked process. Its locks may be held for ever.
    #[inline]
    pub fn is_left_behind(&self) -> bool {
        // Relaxed: set before anything else runs in the child.
        self.left_behind.load(Ordering::Relaxed)
    }

    /// The platform it runs on.
    #[inline]
    pub fn platform(&self) -> &'static dyn Platform {
        self.platform
    }

    /// Whether the calling OS thread is one of its carriers, also between virtual threads.
    pub fn is_here(&'static self) -> bool {
        sched::current_carrier(self).is_some()
    }

    /// The executor that every runtime has: C's own default (`defaults.rs`).
    #[inline]
    pub fn default_executor(&'static self) -> ExecutorRef {
        ExecutorRef { executor: self.first_executor(), generation: 1 }
    }

    fn first_executor(&'static self) -> &'static Executor {
        self.executor(DEFAULT).expect("`new` made it")
    }

    /// A new executor. Its carriers start when work comes. It takes the place of one that was
    /// shut down, had as many and did alike at its limit, if there is one.
    ///
    /// # Errors
    /// The policy's, or that no executor or not so many carriers are left.
    pub fn create_executor(
        &'static self,
        policy: ExecutorPolicy,
    ) -> Result<ExecutorRef, ExecutorError> {
        policy.check().map_err(ExecutorError::Policy)?;
        let renewed = self.executors().find_map(|executor| {
            executor.finish_if_left();
            executor.renew(&policy)
        });
        match renewed {
            Some(executor) => Ok(executor),
            None => self.make_executor(&policy).map_err(ExecutorError::Platform),
        }
    }

    /// An executor in a place of its own.
    fn make_executor(&'static self, policy: &ExecutorPolicy) -> Result<ExecutorRef, PlatformError> {
        let (index, first) = self.take_places(policy.max_threads as usize)?;
        // SAFETY: `take_places` gives places that the table has.
        let place = unsafe { self.executors.add(index) };
        // SAFETY: it gave this index to this call alone.
        unsafe { place.write(Executor::new(self, index as u32, policy, first as u16)) };
        // SAFETY: just written, and never moved.
        let executor: &'static Executor = unsafe { place.as_ref() };
        for id in first..first + policy.max_threads as usize {
            let carrier =
                Carrier::new(executor, CarrierId(id as u16), self.platform.entropy() as u32);
            // SAFETY: as above.
            let place = unsafe { self.carriers.add(id) };
            // SAFETY: it gave this place to this call alone.
            unsafe { place.write(carrier) };
        }
        // Release publishes the executor and its carriers; pairs with the acquire in `executor`.
        self.ready[index].store(true, Ordering::Release);
        self.listed.fetch_max(index as u32 + 1, Ordering::Release);
        Ok(ExecutorRef { executor, generation: 1 })
    }

    /// Places for an executor and so many carriers, side by side: the index of each first one.
    fn take_places(&self, carriers: usize) -> Result<(usize, usize), PlatformError> {
        let mut taken = self.taken.lock();
        let (index, first) = (taken.executors, taken.carriers);
        if first + carriers > MAX_CARRIERS {
            let what = "carriers of all executors together (MAX_CARRIERS)";
            return Err(PlatformError::Limit { what, limit: MAX_CARRIERS });
        }
        // An executor has a carrier at least, so there are places for as many.
        taken.executors += 1;
        taken.carriers += carriers;
        Ok((index, first))
    }

    /// The executor of that index.
    fn executor(&'static self, index: u32) -> Option<&'static Executor> {
        // Acquire pairs with the release in `make_executor`.
        if !self.ready.get(index as usize)?.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: `ready` has an index for each place of the table.
        let place = unsafe { self.executors.add(index as usize) };
        // SAFETY: it is ready, so written.
        Some(unsafe { place.as_ref() })
    }

    /// The executor that a handle names; none if it never named one here.
    #[inline]
    pub fn find_executor(&'static self, handle: i64) -> Option<ExecutorRef> {
        let (index, generation) = slab::unpack(Kind::Executor, self.birth, handle)?;
        let executor = self.executor(index)?;
        (1..=executor.lives.generation())
            .contains(&generation)
            .then_some(ExecutorRef { executor, generation })
    }

    /// The name of an executor.
    pub fn executor_handle(&'static self, executor: ExecutorRef) -> i64 {
        let ExecutorRef { executor, generation } = executor;
        slab::pack(Kind::Executor, self.birth, generation, executor.index)
    }

    /// The name of the reactor; there is one.
    pub fn reactor_handle(&'static self) -> i64 {
        slab::pack(Kind::Reactor, self.birth, 1, 0)
    }

    /// The carrier of that number, which some executor has.
    #[inline]
    pub(crate) fn carrier(&'static self, index: usize) -> &'static Carrier {
        debug_assert!(index < MAX_CARRIERS, "carrier {index} is out of the table");
        // SAFETY: numbers come from an executor's range, which lies in the table.
        let place = unsafe { self.carriers.add(index) };
        // SAFETY: the same, and written.
        unsafe { place.as_ref() }
    }

    /// All executors.
    pub(crate) fn executors(&'static self) -> impl Iterator<Item = &'static Executor> {
        // Acquire pairs with the release in `make_executor`.
        let listed = self.listed.load(Ordering::Acquire);
        (0..listed).filter_map(|index| self.executor(index))
    }

    /// All carriers of all executors.
    pub(crate) fn carriers(&'static self) -> impl Iterator<Item = &'static Carrier> {
        self.executors().flat_map(|executor| executor.carriers())
    }

    /// Whether more than one carrier takes part.
    pub(crate) fn has_many_carriers(&'static self) -> bool {
        self.executors().map(|executor| executor.crew.active()).sum::<u32>() > 1
    }

    /// The carrier whose wheel never has to be moved: the first of an executor that never ends.
    pub(crate) fn last_server(&'static self) -> &'static Carrier {
        let executor = self.lasting_executor();
        // As in `server_of`.
        let _ = executor.ensure_carrier();
        self.carrier(executor.first as usize)
    }

    /// The carrier whose wheel serves `task` when it is armed from outside: its executor's first,
    /// which does not end before its tasks.
    pub(crate) fn server_of(&'static self, task: &Task) -> &'static Carrier {
        let executor = task.executor().unwrap_or_else(|| self.lasting_executor());
        // Without a carrier the deadline waits until there is one; there is nobody to tell.
        let _ = executor.ensure_carrier();
        self.carrier(executor.first as usize)
    }
}
