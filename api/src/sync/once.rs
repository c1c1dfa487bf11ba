//! Something that is done once.

use std::fmt;

use drift_core::sync::once::{self, Begun};
use drift_core::wait::Wait;

use crate::error::{ConcurrencyError, Error};
use crate::runtime::{CALL, pay, wait, wait_for};
use crate::time::Duration;

/// Does something once, by whoever comes first; the others wait until it is done.
///
/// # Source
/// Beyond Drift's `sync`; [`std::sync::Once`].
///
/// # Examples
/// ```
/// use drift::sync::Once;
///
/// static START: Once = Once::new();
/// let mut times = 0;
/// for _ in 0..3 {
///     START.call_once(|| times += 1).unwrap();
/// }
/// assert_eq!(times, 1);
/// ```
#[derive(Default)]
pub struct Once(once::Once);

/// What [`Once::call_once_force`] tells about what was tried before.
///
/// # Source
/// [`std::sync::OnceState`].
///
/// # Examples
/// ```
/// let once = drift::sync::Once::new();
/// once.call_once_force(|state| assert!(!state.is_poisoned())).unwrap();
/// ```
#[derive(Debug)]
pub struct OnceState {
    is_poisoned: bool,
}

impl OnceState {
    /// Whether it was tried and panicked.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }
}

/// Tells the others how it ended, also when it unwinds.
struct Running<'a> {
    once: &'a once::Once,
    is_done: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.once.finish(self.is_done);
    }
}

impl Once {
    /// Not done.
    pub const fn new() -> Self {
        Self(once::Once::new())
    }

    /// Runs `f`, if nobody has; when it returns, it is done.
    ///
    /// # Errors
    /// `Failed(Poisoned)` if it was tried and panicked; `Cancelled` while somebody else does it.
    pub fn call_once(&self, f: impl FnOnce()) -> Result<(), ConcurrencyError> {
        pay(CALL);
        if self.0.is_done() {
            return Ok(());
        }
        let does = |_: &OnceState| {
            f();
            true
        };
        match self.begin(false, &wait()?, does)? {
            true => Ok(()),
            false => Err(Error::Poisoned.into()),
        }
    }

    /// The same, and tries again what was tried and panicked.
    ///
    /// # Errors
    /// `Cancelled` while somebody else does it.
    ///
    /// # Source
    /// [`std::sync::Once::call_once_force`].
    ///
    /// # Examples
    /// ```
    /// let once = drift::sync::Once::new();
    /// once.call_once_force(|_| ()).unwrap();
    /// assert!(once.is_completed());
    /// ```
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) -> Result<(), ConcurrencyError> {
        pay(CALL);
        if !self.0.is_done() {
            let does = |state: &OnceState| {
                f(state);
                true
            };
            self.begin(true, &wait()?, does)?;
        }
        Ok(())
    }

    /// Waits until somebody has done it.
    ///
    /// # Errors
    /// `Failed(Poisoned)` if it was tried and panicked; `Cancelled`.
    ///
    /// # Source
    /// [`std::sync::Once::wait`].
    ///
    /// # Examples
    /// ```
    /// let once = drift::sync::Once::new();
    /// drift::scope(|s| {
    ///     s.spawn(|| once.call_once(|| ()).unwrap());
    ///     once.wait().unwrap();
    /// })
    /// .unwrap();
    /// ```
    pub fn wait(&self) -> Result<(), ConcurrencyError> {
        self.wait_as(false, wait)
    }

    /// The same, and waits on if it was tried and panicked.
    ///
    /// # Errors
    /// `Cancelled`.
    ///
    /// # Source
    /// [`std::sync::Once::wait_force`].
    ///
    /// # Examples
    /// ```
    /// let once = drift::sync::Once::new();
    /// once.call_once(|| ()).unwrap();
    /// once.wait_force().unwrap();
    /// ```
    pub fn wait_force(&self) -> Result<(), ConcurrencyError> {
        self.wait_as(true, wait)
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration, sync::Once};
    ///
    /// let waited = Once::new().wait_timeout(Duration::from_millis(2));
    /// assert_eq!(waited, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn wait_timeout(&self, timeout: impl Into<Duration>) -> Result<(), ConcurrencyError> {
        let timeout = timeout.into();
        if let Err(error) = timeout.nanoseconds() {
            pay(CALL);
            return Err(error);
        }
        self.wait_as(false, || wait_for(timeout)?.ok_or(ConcurrencyError::Timeout))
    }

    /// Whether it is done.
    ///
    /// # Examples
    /// ```
    /// let once = drift::sync::Once::new();
    /// assert!(!once.is_completed());
    /// once.call_once(|| ()).unwrap();
    /// assert!(once.is_completed());
    /// ```
    pub fn is_completed(&self) -> bool {
        pay(CALL);
        self.0.is_done()
    }

    /// As [`is_completed`](Self::is_completed), for nothing.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_done()
    }

    pub(super) fn wait_as(
        &self,
        again: bool,
        how: impl FnOnce() -> Result<Wait, ConcurrencyError>,
    ) -> Result<(), ConcurrencyError> {
        pay(CALL);
        if self.0.is_done() || self.0.wait(again, &how()?)? {
            return Ok(());
        }
        Err(Error::Poisoned.into())
    }

    /// Runs `f`, if it is to be run, or waits for who does; false if that was tried and failed, and
    /// is not tried `again`. `f` says whether it is done.
    ///
    /// # Errors
    /// As `wait` has it.
    pub(super) fn begin(
        &self,
        again: bool,
        wait: &Wait,
        f: impl FnOnce(&OnceState) -> bool,
    ) -> Result<bool, ConcurrencyError> {
        let is_poisoned = match self.0.begin(again, wait)? {
            Begun::Done => return Ok(true),
            Begun::Poisoned => return Ok(false),
            Begun::Run => false,
            Begun::RunAgain => true,
        };
        let mut running = Running { once: &self.0, is_done: false };
        running.is_done = f(&OnceState { is_poisoned });
        Ok(true)
    }
}

/// As std's: nothing of the inside.
impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
