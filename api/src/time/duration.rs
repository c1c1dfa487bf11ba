//! Spans of time.

use std::fmt;
use std::ops::{Add, Sub};

use drift_core::time::MILLISECOND;

use crate::error::{ConcurrencyError, Error};

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
    ///
    /// # Examples
    /// ```
    /// assert_eq!(drift::Duration::from_millis(1500).millis, 1500);
    /// ```
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
