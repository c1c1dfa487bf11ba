//! What an executor promises, checked once.

use core::fmt;

use crate::platform::MAX_CARRIERS;

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
}

impl ExecutorPolicy {
    /// One carrier, no limit: what the default executor is.
    pub const DEFAULT: Self = Self {
        min_threads: 1,
        max_threads: 1,
        queue_limit: 0,
        timeout: 0,
        saturation: Saturation::ReturnBusy,
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
