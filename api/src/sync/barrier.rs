//! A meeting of a fixed number.

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
///     all.iter().filter(|thread| thread.join().unwrap()).count()
/// });
/// assert_eq!(last.unwrap(), 1);
/// ```
#[derive(Debug)]
pub struct Barrier(barrier::Barrier);

impl Barrier {
    /// For so many; 0 is 1.
    pub const fn new(parties: u32) -> Self {
        Self(barrier::Barrier::new(parties))
    }

    /// Waits for the others; true for one of each meeting, the last to come.
    ///
    /// # Errors
    /// `Cancelled`, if the others have not come; they wait on, for one more.
    pub fn wait(&self) -> Result<bool, ConcurrencyError> {
        pay(CALL);
        Ok(self.0.wait(&wait()?)?)
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
    pub fn wait_timeout(&self, timeout: impl Into<Duration>) -> Result<bool, ConcurrencyError> {
        pay(CALL);
        let wait = match wait_for(timeout.into())? {
            Some(wait) => wait,
            None => wait()?.until(drift_core::time::Instant::ZERO),
        };
        Ok(self.0.wait(&wait)?)
    }
}
