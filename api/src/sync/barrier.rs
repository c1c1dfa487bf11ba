//! A meeting of a fixed number.

use std::fmt;

use drift_core::sync::barrier;

use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, wait, wait_for};
use crate::time::Duration;

/// Holds everybody until as many have come as it was made for; then it starts anew.
///
/// # Source
/// Beyond Drift's `sync`; [`std::sync::Barrier`].
///
/// # Examples
/// ```
/// use drift::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let last = drift::scope(|s| {
///     let all: Vec<_> = (0..3).map(|_| s.spawn(|| barrier.wait().unwrap())).collect();
///     all.iter().filter(|thread| thread.join().unwrap().is_leader()).count()
/// });
/// assert_eq!(last.unwrap(), 1);
/// ```
pub struct Barrier(barrier::Barrier);

/// Who met: one of each meeting is its leader.
///
/// # Source
/// [`std::sync::BarrierWaitResult`].
///
/// # Examples
/// ```
/// assert!(drift::sync::Barrier::new(1).wait().unwrap().is_leader());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leads: bool,
}

impl BarrierWaitResult {
    /// Whether it was the last to come.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        self.leads
    }
}

impl Barrier {
    /// For so many; 0 is 1, and more than 2^32 - 1 are that many.
    pub const fn new(parties: usize) -> Self {
        let most = u32::MAX as usize;
        Self(barrier::Barrier::new(if parties < most { parties as u32 } else { u32::MAX }))
    }

    /// Waits for the others. One of each meeting is its leader: the last to come.
    ///
    /// # Errors
    /// `Cancelled`, if the others have not come; they wait on, for one more.
    pub fn wait(&self) -> Result<BarrierWaitResult, ConcurrencyError> {
        pay(CALL);
        Ok(BarrierWaitResult { leads: self.0.wait(&wait()?)? })
    }

    /// The same, for at most `timeout`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration, sync::Barrier};
    ///
    /// let barrier = Barrier::new(2);
    /// let alone = barrier.wait_timeout(Duration::from_millis(2));
    /// assert_eq!(alone, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn wait_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> Result<BarrierWaitResult, ConcurrencyError> {
        pay(CALL);
        let wait = match wait_for(timeout.into())? {
            Some(wait) => wait,
            None => wait()?.until(drift_core::time::Instant::ZERO),
        };
        Ok(BarrierWaitResult { leads: self.0.wait(&wait)? })
    }
}

/// As std's: nothing of the inside.
impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
