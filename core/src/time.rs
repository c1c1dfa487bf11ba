//! Time inside the runtime: unsigned nanoseconds. Milliseconds exist only in `ffi`.

use core::ops::Add;

/// A point on the platform's monotonic clock, in nanoseconds since an epoch of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// Before everything: a deadline that is already over.
    pub const ZERO: Self = Self(0);
    /// After everything: a deadline that never comes.
    pub const FAR: Self = Self(u64::MAX);
}

/// `instant + nanoseconds`, stopping at [`Instant::FAR`].
impl Add<u64> for Instant {
    type Output = Self;

    fn add(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }
}

/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;
