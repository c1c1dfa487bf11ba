//! Permits.

use std::fmt;

use drift_core::sync::semaphore;

use super::limit::Limit;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay};
use crate::time::Duration;

/// A number of permits, handed out in order: a large request is not overtaken by small ones.
///
/// # Source
/// Beyond Drift's `sync`; `java.util.concurrent.Semaphore`, fair.
///
/// # Examples
/// ```
/// use drift::sync::Semaphore;
///
/// let two = Semaphore::new(2);
/// let (one, other) = (two.acquire().unwrap(), two.acquire().unwrap());
/// assert!(two.try_acquire().is_err());
/// drop(one);
/// assert!(two.try_acquire().is_ok());
/// # drop(other);
/// ```
pub struct Semaphore(semaphore::Semaphore);

/// Permits that are out, until they are dropped.
///
/// # Examples
/// ```
/// use drift::sync::Semaphore;
///
/// let semaphore = Semaphore::new(1);
/// let permits = semaphore.acquire().unwrap();
/// assert_eq!(semaphore.available(), 0);
/// drop(permits); // back
/// assert_eq!(semaphore.available(), 1);
/// ```
#[must_use = "dropping them gives them back"]
pub struct Permits<'a> {
    semaphore: &'a Semaphore,
    count: u32,
}

impl Semaphore {
    /// Permits that there can be.
    pub const MAX_PERMITS: u32 = semaphore::Semaphore::MAX_PERMITS;

    /// With so many permits; at most [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub const fn new(permits: u32) -> Self {
        Self(semaphore::Semaphore::new(permits))
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn acquire(&self) -> Result<Permits<'_>, ConcurrencyError> {
        self.take(1, Limit::Forever)
    }

    /// Waits for `count` permits; for [`MAX_PERMITS`](Self::MAX_PERMITS) if that is more.
    ///
    /// # Errors
    /// `Cancelled`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// assert_eq!(semaphore.acquire_many(2).unwrap().count(), 2);
    /// ```
    pub fn acquire_many(&self, count: u32) -> Result<Permits<'_>, ConcurrencyError> {
        self.take(count, Limit::Forever)
    }

    /// Takes a permit if there is one and nobody waits.
    ///
    /// # Errors
    /// `Busy`.
    pub fn try_acquire(&self) -> Result<Permits<'_>, ConcurrencyError> {
        self.take(1, Limit::Never)
    }

    /// Waits for a permit for at most `timeout`.
    ///
    /// # Errors
    /// `Cancelled`, `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration, sync::Semaphore};
    ///
    /// let none = Semaphore::new(0);
    /// let waited = none.acquire_timeout(Duration::from_millis(2)).map(drop);
    /// assert_eq!(waited, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn acquire_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> Result<Permits<'_>, ConcurrencyError> {
        self.take(1, Limit::For(timeout.into()))
    }

    /// Adds permits. There are never more than [`MAX_PERMITS`](Self::MAX_PERMITS): what would go
    /// beyond is not added.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(0);
    /// semaphore.release(2);
    /// assert_eq!(semaphore.available(), 2);
    /// ```
    pub fn release(&self, count: u32) {
        self.0.release(count);
        pay(CALL);
    }

    /// How many there are just now.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Semaphore;
    ///
    /// assert_eq!(Semaphore::new(3).available(), 3);
    /// ```
    pub fn available(&self) -> u32 {
        pay(CALL);
        self.0.permits()
    }

    fn take(&self, count: u32, limit: Limit) -> Result<Permits<'_>, ConcurrencyError> {
        limit.acquire(|| self.0.try_acquire(count), |wait| self.0.acquire(count, wait))?;
        Ok(Permits { semaphore: self, count })
    }
}

impl Permits<'_> {
    /// How many they are.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// assert_eq!(semaphore.acquire_many(2).unwrap().count(), 2);
    /// ```
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Keeps them for good: they are not given back.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.acquire().unwrap().forget(); // one less, until somebody releases
    /// assert_eq!(semaphore.available(), 0);
    /// ```
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

/// How many there are just now, and nothing of the inside.
impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Permits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        self.semaphore.0.release(self.count);
    }
}
