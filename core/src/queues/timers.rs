//! The wheel of a carrier behind its lock. Who arms, disarms and fires is in `wait/timers.rs`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: nodes in the wheel are touched under its lock only.
#![allow(unsafe_code)]

use crate::prim::{AtomicU64, Ordering, SpinGuard, SpinLock};
use crate::queues::wheel::Wheel;
use crate::time::Instant;

/// A carrier's wheel, and when it wants to be served.
#[derive(Debug)]
pub(crate) struct Timers {
    wheel: SpinLock<Wheel>,
    /// Not later than the next expiry, in nanoseconds; `u64::MAX` for none. It may be early,
    /// after a disarm, and is put right when the wheel is served.
    pub(crate) next: AtomicU64,
}

// SAFETY: the nodes in the wheel are touched under its lock only.
unsafe impl Sync for Timers {}

impl Timers {
    pub(crate) fn new() -> Self {
        Self { wheel: SpinLock::new(Wheel::new()), next: AtomicU64::new(u64::MAX) }
    }

    pub(crate) fn lock(&self) -> SpinGuard<'_, Wheel> {
        self.wheel.lock()
    }

    /// When to serve this wheel next. SeqCst: see `arm` and `Carrier::sleep`.
    pub(crate) fn next(&self) -> Instant {
        Instant(self.next.load(Ordering::SeqCst))
    }

    /// Whether nothing is armed here.
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.lock().is_empty()
    }
}
