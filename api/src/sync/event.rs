//! Something that happens.

use std::fmt;

use drift_core::sync::event;

use super::limit::Limit;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay};
use crate::time::Duration;

/// A flag to wait for: once it is set, nobody waits until it is reset.
///
/// # Source
/// Beyond Drift's `sync`; a manual-reset event.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use drift::sync::Event;
///
/// let started = Arc::new(Event::new());
/// let thread = drift::spawn({
///     let started = started.clone();
///     move || started.wait()
/// });
/// started.set();
/// assert_eq!(thread.join(), Ok(Ok(())));
/// ```
#[derive(Default)]
pub struct Event(event::Event);

impl Event {
    /// Not set.
    pub const fn new() -> Self {
        Self(event::Event::new())
    }

    /// Sets it, and lets all who wait go on.
    pub fn set(&self) {
        self.0.set();
        pay(CALL);
    }

    /// Unsets it.
    ///
    /// # Examples
    /// ```
    /// let event = drift::sync::Event::new();
    /// event.set();
    /// event.reset();
    /// assert!(!event.is_set());
    /// ```
    pub fn reset(&self) {
        self.0.reset();
        pay(CALL);
    }

    /// Whether it is set.
    ///
    /// # Examples
    /// ```
    /// let event = drift::sync::Event::new();
    /// assert!(!event.is_set());
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    pub fn is_set(&self) -> bool {
        pay(CALL);
        self.0.is_set()
    }

    /// Waits until it is set.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn wait(&self) -> Result<(), ConcurrencyError> {
        Limit::Forever.acquire(|| self.0.is_set(), |wait| self.0.wait(wait))
    }

    /// Waits until it is set, for at most `timeout`.
    ///
    /// # Errors
    /// `Cancelled`, `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration, sync::Event};
    ///
    /// let event = Event::new();
    /// let waited = event.wait_timeout(Duration::from_millis(2));
    /// assert_eq!(waited, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn wait_timeout(&self, timeout: impl Into<Duration>) -> Result<(), ConcurrencyError> {
        Limit::For(timeout.into()).acquire(|| self.0.is_set(), |wait| self.0.wait(wait))
    }
}

/// Whether it is set, and nothing of the inside.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}
