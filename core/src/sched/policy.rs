//! What an executor promises, checked once.

use core::fmt;

use crate::platform::{MAX_CARRIERS, StackClass};
use crate::prim::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What `submit` does at the queue limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saturation {
    /// Wait in first-come order: a virtual thread parks, an OS thread blocks.
    Block,
    /// Refuse with `Busy`.
    ReturnBusy,
}

/// How many carriers an executor has, and how many virtual threads it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutorPolicy {
    /// Carriers kept; at least 1.
    pub min_threads: u32,
    /// Carriers at most. Above `min_threads`, one more joins in when no carrier got anything done
    /// for 10 ms while something may wait, and ends after a second without work.
    pub max_threads: u32,
    /// Ready and running virtual threads at most when one is submitted; 0 for no limit.
    pub queue_limit: u32,
    /// How long a blocking submit waits, in nanoseconds; 0 for no bound.
    pub timeout: u64,
    /// What a submit does at the limit.
    pub saturation: Saturation,
    /// The stack that whoever spawns for this executor should ask for; none for the spawner's own
    /// choice. Only kept, for them to read.
    pub stack: Option<StackClass>,
    /// Whether a virtual thread may go on on another carrier than it started on. If not, it stays
    /// on one OS thread for its whole life, as code with thread-locals demands; one that has not
    /// started runs wherever there is time, all the same.
    pub migrates: bool,
}

impl ExecutorPolicy {
    /// One carrier, no limit: what the default executor is.
    pub const DEFAULT: Self = Self {
        min_threads: 1,
        max_threads: 1,
        queue_limit: 0,
        timeout: 0,
        saturation: Saturation::ReturnBusy,
        stack: None,
        migrates: true,
    };

    /// Whether an executor can be made of it.
    ///
    /// # Errors
    /// The first field that makes no sense, with its value.
    pub fn check(&self) -> Result<(), PolicyError> {
        let refuse = |field, value, must| Err(PolicyError { field, value, must });
        if self.min_threads == 0 {
            return refuse("min_threads", 0, "be at least 1");
        }
        if self.max_threads < self.min_threads {
            return refuse("max_threads", self.max_threads, "be at least min_threads");
        }
        if self.max_threads as usize > MAX_CARRIERS {
            return refuse("max_threads", self.max_threads, "be at most 1024");
        }
        Ok(())
    }
}

/// What an executor keeps of its policy, but for `max_threads` and `queue_limit`. Changes only
/// when its place is given out again: written before the new life opens, and read within it, or
/// by somebody late who finds out, and then does not use it. So everything is Relaxed.
#[derive(Debug)]
pub(crate) struct Terms {
    min_threads: AtomicU32,
    timeout: AtomicU64,
    blocks: AtomicBool,
    /// The class plus one; 0 for none.
    stack: AtomicU8,
    migrates: AtomicBool,
}

impl Terms {
    pub(crate) fn new(policy: &ExecutorPolicy) -> Self {
        let terms = Self {
            min_threads: AtomicU32::new(0),
            timeout: AtomicU64::new(0),
            blocks: AtomicBool::new(false),
            stack: AtomicU8::new(0),
            migrates: AtomicBool::new(true),
        };
        terms.set(policy);
        terms
    }

    pub(crate) fn set(&self, policy: &ExecutorPolicy) {
        self.min_threads.store(policy.min_threads, Ordering::Relaxed);
        self.timeout.store(policy.timeout, Ordering::Relaxed);
        self.blocks.store(policy.saturation == Saturation::Block, Ordering::Relaxed);
        let stack = policy.stack.map_or(0, |class| class as u8 + 1);
        self.stack.store(stack, Ordering::Relaxed);
        self.migrates.store(policy.migrates, Ordering::Relaxed);
    }

    /// The policy again, with what is kept elsewhere.
    pub(crate) fn policy(&self, max_threads: u32, queue_limit: u32) -> ExecutorPolicy {
        let stack = self.stack.load(Ordering::Relaxed).checked_sub(1);
        ExecutorPolicy {
            min_threads: self.min_threads(),
            max_threads,
            queue_limit,
            timeout: self.timeout(),
            saturation: self.saturation(),
            stack: stack.map(|class| StackClass::ALL[usize::from(class)]),
            migrates: self.migrates(),
        }
    }

    #[inline]
    pub(crate) fn min_threads(&self) -> u32 {
        self.min_threads.load(Ordering::Relaxed)
    }

    pub(crate) fn timeout(&self) -> u64 {
        self.timeout.load(Ordering::Relaxed)
    }

    pub(crate) fn saturation(&self) -> Saturation {
        match self.blocks.load(Ordering::Relaxed) {
            true => Saturation::Block,
            false => Saturation::ReturnBusy,
        }
    }

    #[inline]
    pub(crate) fn migrates(&self) -> bool {
        self.migrates.load(Ordering::Relaxed)
    }
}

/// A policy that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The field.
    pub field: &'static str,
    /// Its value.
    pub value: u32,
    /// What it must do.
    pub must: &'static str,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "executor policy: {} is {}, and must {}", self.field, self.value, self.must)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
