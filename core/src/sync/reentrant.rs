//! A lock that its owner may lock again.

use crate::error::ConcurrencyError;
use crate::prim::{AtomicU32, AtomicU64, Ordering, const_unless_loom};
use crate::sync::mutex::Mutex;
use crate::wait::bounds::Wait;

/// A lock without data, with an owner and a depth. Owners are numbers, not 0, that no two threads
/// (virtual or not) have at the same time.
#[derive(Debug)]
pub struct ReentrantMutex {
    mutex: Mutex,
    /// Relaxed: an owner finds its own number only if it has stored it, and 0 or another's else.
    owner: AtomicU64,
    /// The owner's alone.
    depth: AtomicU32,
}

impl ReentrantMutex {
    const_unless_loom! {
        /// Free.
        pub fn new() -> Self {
            Self { mutex: Mutex::new(), owner: AtomicU64::new(0), depth: AtomicU32::new(0) }
        }
    }

    /// Locks it if it is free or the caller's.
    pub fn try_lock(&self, caller: u64) -> bool {
        self.lock_again(caller) || self.mutex.try_lock() && self.own(caller)
    }

    /// Waits for it, unless it is the caller's.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it; only if it had to wait.
    pub fn lock(&self, caller: u64, wait: &Wait) -> Result<(), ConcurrencyError> {
        if !self.lock_again(caller) {
            self.mutex.lock(wait)?;
            self.own(caller);
        }
        Ok(())
    }

    /// Gives back what one `lock` took; false if it is not the caller's.
    pub fn unlock(&self, caller: u64) -> bool {
        if self.owner.load(Ordering::Relaxed) != caller {
            return false;
        }
        let depth = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            self.owner.store(0, Ordering::Relaxed);
            self.mutex.unlock();
        }
        true
    }

    /// How often the caller has locked it.
    pub fn depth(&self, caller: u64) -> u32 {
        let is_own = self.owner.load(Ordering::Relaxed) == caller;
        if is_own { self.depth.load(Ordering::Relaxed) } else { 0 }
    }

    /// Whether anybody has it.
    pub fn is_locked(&self) -> bool {
        self.mutex.is_locked()
    }

    fn lock_again(&self, caller: u64) -> bool {
        let is_own = self.owner.load(Ordering::Relaxed) == caller;
        if is_own {
            let depth = self.depth.load(Ordering::Relaxed);
            let deeper = depth.checked_add(1).expect("a lock is not taken 2^32 times");
            self.depth.store(deeper, Ordering::Relaxed);
        }
        is_own
    }

    fn own(&self, caller: u64) -> bool {
        self.owner.store(caller, Ordering::Relaxed);
        self.depth.store(1, Ordering::Relaxed);
        true
    }
}
