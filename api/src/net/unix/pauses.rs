//! How one asks again who finds the queue of another socket full, and is not connected to it: the
//! kernel tells nobody that there is room.

use std::io;

use drift_core::time::{Instant, MILLISECOND};
use drift_core::wait;

use crate::error::ConcurrencyError;
use crate::net::socket::after;
use crate::runtime::wait_until;

/// The pauses of one call that asks again.
pub(super) struct Pauses {
    next: u64,
}

impl Pauses {
    /// The first and the longest, in nanoseconds.
    const RANGE: (u64, u64) = (MILLISECOND / 4, 16 * MILLISECOND);

    pub(super) const fn new() -> Self {
        Self { next: Self::RANGE.0 }
    }

    /// Makes one, which `until` cuts short.
    ///
    /// # Errors
    /// `TimedOut` if this was the last; `Other`, with `Cancelled`.
    pub(super) fn pause(&mut self, until: Instant) -> io::Result<()> {
        let next = after(self.next)?;
        wait::sleep(&wait_until(next.min(until))?).map_err(ConcurrencyError::from)?;
        self.next = (2 * self.next).min(Self::RANGE.1);
        if next >= until { Err(ConcurrencyError::Timeout.into()) } else { Ok(()) }
    }
}
