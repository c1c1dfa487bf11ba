//! The default executors of a runtime: one for each face of the process.
//!
//! A virtual thread from C may go on on another OS thread after it parked, if its executor lets it
//! migrate. A Rust closure must not, unless its author vouched for it: it may hold an `Rc` of a
//! thread-local. So each face has its own default, and nothing that one face sets reaches the
//! other.
//!
//! | face   | its own default                                   | who makes it                    |
//! |--------|---------------------------------------------------|---------------------------------|
//! | `C`    | the runtime's first executor, with one carrier    | [`Runtime::new`]                |
//! | `Rust` | keeps its virtual threads where they have started | the first call that asks for it |
//!
//! Neither is ever shut down. `preferred` is what the face has set instead; 0 for nothing.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: only declares an unsafe function, whose caller vouches
//! for what the face spawns.
#![allow(unsafe_code)]

use crate::platform::PlatformError;
use crate::prim::Ordering;
use crate::runtime::ExecutorError;
use crate::runtime::shutdown::Shutdown;
use crate::sched::parts::{ExecutorRef, Runtime};
use crate::sched::policy::ExecutorPolicy;
use crate::time::Instant;

/// Through which of the two a virtual thread is spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The C ABI: what runs there may change its OS thread, if the executor says so.
    C,
    /// The crate for Rust: what runs there stays on its OS thread.
    Rust,
}

impl Runtime {
    /// The handle of the executor that `face` has set as its default; 0 for its own.
    #[inline]
    pub fn preferred_executor(&self, face: Face) -> i64 {
        self.defaults.preferred[face as usize].load(Ordering::Relaxed)
    }

    /// Sets it; 0 goes back to the face's own. The handle is not checked.
    ///
    /// # Safety
    /// For [`Face::Rust`]: the executor does not migrate, or the caller vouches for everything
    /// that Rust code spawns from now on without naming an executor.
    pub unsafe fn prefer_executor(&self, face: Face, handle: i64) {
        self.defaults.preferred[face as usize].store(handle, Ordering::Relaxed);
    }

    /// Makes it, unless somebody did: that one is the answer then, whatever `policy` says.
    ///
    /// # Errors
    /// As [`create_executor`](Self::create_executor).
    ///
    /// # Panics
    /// If `policy` migrates.
    #[cold]
    pub fn make_rust_executor(
        &'static self,
        policy: ExecutorPolicy,
    ) -> Result<ExecutorRef, ExecutorError> {
        assert!(!policy.migrates, "what Rust spawns stays where it has started");
        if let Some(made) = self.rust_executor() {
            return Ok(made);
        }
        let executor = self.create_executor(policy)?;
        let handle = self.executor_handle(executor);
        // Release pairs with the acquire in `rust_executor`.
        let first =
            self.defaults.rust.compare_exchange(0, handle, Ordering::AcqRel, Ordering::Acquire);
        let Err(other) = first else { return Ok(executor) };
        // Nobody else knows this one: it ends at once, and its place is free for others.
        let _ = self.shutdown(handle, Shutdown::Cancel, Instant::ZERO);
        let gone = ExecutorError::Platform(PlatformError::Unsupported);
        self.find_executor(other).ok_or(gone)
    }

    /// Whether `executor` is a face's own default, which never ends.
    pub(crate) fn is_lasting(&'static self, executor: ExecutorRef) -> bool {
        let is = |other: ExecutorRef| core::ptr::eq(other.executor, executor.executor);
        is(self.default_executor()) || self.rust_executor().is_some_and(is)
    }
}
