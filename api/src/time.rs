//! Spans and points of time.

pub(crate) mod duration;

use std::ops::{Add, Sub};

use drift_core::time::MILLISECOND;

use crate::runtime::runtime;
pub use crate::time::duration::Duration;

/// A point on the runtime's clock, which is monotonic. Deadlines are such points: they do not
/// move when a call is repeated.
///
/// # Source
/// Drift's `std.time.now_ms`; the clock is `CLOCK_MONOTONIC`, clock_gettime(2).
///
/// # Examples
/// ```
/// use drift::{Duration, Instant};
///
/// let deadline = Instant::now() + Duration::from_millis(5);
/// assert!(deadline > Instant::now());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(runtime().platform().now().0)
    }

    /// How long ago that was; nothing for a point to come.
    ///
    /// # Examples
    /// ```
    /// let begun = drift::Instant::now();
    /// drift::sleep(drift::Duration::from_millis(2)).unwrap();
    /// assert!(begun.elapsed().as_millis() >= 2);
    /// ```
    #[must_use]
    pub fn elapsed(self) -> std::time::Duration {
        std::time::Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }

    pub(crate) const fn core(self) -> drift_core::time::Instant {
        drift_core::time::Instant(self.0)
    }
}

/// Stops at the first and the last point there is.
impl<D: Into<Duration>> Add<D> for Instant {
    type Output = Self;

    fn add(self, time: D) -> Self {
        let millis = time.into().millis;
        let span = millis.unsigned_abs().saturating_mul(MILLISECOND);
        Self(match millis < 0 {
            true => self.0.saturating_sub(span),
            false => self.0.saturating_add(span),
        })
    }
}

/// The span between; nothing if `other` is later.
impl Sub for Instant {
    type Output = std::time::Duration;

    fn sub(self, other: Self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.saturating_sub(other.0))
    }
}
