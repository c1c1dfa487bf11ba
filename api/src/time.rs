//! Spans and points of time.

use std::fmt;
use std::ops::{Add, Sub};

use drift_core::time::MILLISECOND;

use crate::error::{ConcurrencyError, Error};
use crate::runtime::runtime;

/// A span of time in signed milliseconds. Every call that takes a time-out takes a
/// [`std::time::Duration`] as well, which is rounded up to a millisecond.
///
/// Calls refuse a negative one with `Failed(InvalidDuration)`.
///
/// # Source
/// Drift's `std.concurrent.Duration`.
///
/// # Examples
/// ```
/// use drift::Duration;
///
/// assert_eq!(Duration::from_secs(2), Duration { millis: 2000 });
/// assert_eq!(Duration::from(std::time::Duration::from_micros(1)).millis, 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    /// Milliseconds.
    pub millis: i64,
}

impl Duration {
    /// Nothing.
    pub const ZERO: Self = Self { millis: 0 };

    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// So many seconds; the longest there is, if that is more.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self { millis: seconds.saturating_mul(1000) }
    }

    /// In the runtime's nanoseconds.
    pub(crate) fn nanoseconds(self) -> Result<u64, ConcurrencyError> {
        let millis = u64::try_from(self.millis);
        let millis = millis.map_err(|_| ConcurrencyError::from(Error::InvalidDuration(self)))?;
        Ok(millis.saturating_mul(MILLISECOND))
    }
}

/// Rounded up to a millisecond; the longest there is, if that is more.
impl From<std::time::Duration> for Duration {
    fn from(time: std::time::Duration) -> Self {
        let millis = time.as_nanos().div_ceil(u128::from(MILLISECOND));
        Self { millis: i64::try_from(millis).unwrap_or(i64::MAX) }
    }
}

impl TryFrom<Duration> for std::time::Duration {
    type Error = Error;

    fn try_from(time: Duration) -> Result<Self, Error> {
        let millis = u64::try_from(time.millis);
        millis.map(Self::from_millis).map_err(|_| Error::InvalidDuration(time))
    }
}

impl Add for Duration {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { millis: self.millis.saturating_add(other.millis) }
    }
}

impl Sub for Duration {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { millis: self.millis.saturating_sub(other.millis) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.millis)
    }
}

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
