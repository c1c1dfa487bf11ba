//! How blocking calls end other than by success.

use core::fmt;

use crate::platform::PlatformError;

/// How a blocking call ends other than by success. When several hold, the first listed wins; the
/// order is Drift's ("outcome precedence") and is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyError {
    /// The runtime or the platform failed.
    Failed(PlatformError),
    /// The handle was already joined or dropped: the caller's mistake.
    Closed,
    /// The virtual thread was cancelled before it finished.
    Cancelled,
    /// The deadline passed first.
    Timeout,
    /// The executor is at its limit and its policy says to refuse.
    Busy,
}

impl ConcurrencyError {
    /// Rank in the frozen precedence; the smaller wins.
    const fn rank(self) -> u8 {
        match self {
            Self::Failed(_) => 0,
            Self::Closed => 1,
            Self::Cancelled => 2,
            Self::Timeout => 3,
            Self::Busy => 4,
        }
    }

    /// The outcome to report when both hold.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}

impl From<PlatformError> for ConcurrencyError {
    fn from(error: PlatformError) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for ConcurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Closed => f.write_str("the handle was already joined or dropped"),
            Self::Cancelled => f.write_str("the virtual thread was cancelled"),
            Self::Timeout => f.write_str("the deadline passed first"),
            Self::Busy => f.write_str("the executor is at its queue limit"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
