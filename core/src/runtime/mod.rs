//! One runtime: a platform, the tables, and who looks out. A process may have several.
//!
//! Everything lives in tables that the platform gives out: address space that is committed as it
//! fills and never given back, so that any handle and any pointer of ours stays harmless.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: an executor and its carriers are written before it is
//! `listed`, and never moved.
#![allow(unsafe_code)]

pub mod defaults;
pub mod shutdown;
mod view;
pub mod watch;

use core::ptr::NonNull;

use crate::platform::{CarrierId, MAX_CARRIERS, Platform, PlatformError};
use crate::prim::{AtomicBool, AtomicI64, AtomicU32, Ordering, SpinLock};
use crate::sched::here::current_carrier;
use crate::sched::idle::Lookout;
use crate::sched::parts::{Carrier, Defaults, Executor, ExecutorRef, Taken};
use crate::sched::policy::{ExecutorPolicy, PolicyError};
use crate::source::Sources;
use crate::task::handle::{Kind, pack};
use crate::task::slab::Slab;
use crate::wait::Waits;

pub use crate::runtime::view::{Standing, View};
pub use crate::sched::parts::{MAX_EXECUTORS, Runtime};

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
            sources: Sources::new(),
            wakers: &Waits,
            lookout: Lookout::new(),
            executors,
            carriers,
            taken: SpinLock::new(Taken { executors: 0, carriers: 0 }),
            listed: AtomicU32::new(0),
            defaults: Defaults {
                preferred: [AtomicI64::new(0), AtomicI64::new(0)],
                rust: AtomicI64::new(0),
            },
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

    /// Whether the calling OS thread is one of its carriers, also between virtual threads.
    pub fn is_here(&'static self) -> bool {
        current_carrier(self).is_some()
    }

    /// The executor that every runtime has: C's own default (`runtime/defaults.rs`).
    #[inline]
    pub fn default_executor(&'static self) -> ExecutorRef {
        ExecutorRef { executor: self.first_executor(), generation: 1 }
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
        // Behind those before it. Release publishes the executor and its carriers, and with the
        // acquire those before; pairs with the acquire in `executor`.
        let (this, next) = (index as u32, index as u32 + 1);
        let mut turn = 0;
        while self.listed.compare_exchange(this, next, Ordering::AcqRel, Ordering::Relaxed).is_err()
        {
            self.platform.thread_yield(turn);
            turn += 1;
        }
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

    /// The name of an executor.
    pub fn executor_handle(&'static self, executor: ExecutorRef) -> i64 {
        let ExecutorRef { executor, generation } = executor;
        pack(Kind::Executor, self.birth, generation, executor.index)
    }

    /// The name of the reactor; there is one.
    pub fn reactor_handle(&'static self) -> i64 {
        pack(Kind::Reactor, self.birth, 1, 0)
    }
}
