//! Something that is done once.

use drift_core::sync::once::{self, Begun};

use crate::error::{ConcurrencyError, Error};
use crate::runtime::{CALL, pay, wait};

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
#[derive(Debug, Default)]
pub struct Once(once::Once);

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
        self.call(false, f)
    }

    /// The same, and tries again what was tried and panicked.
    ///
    /// # Errors
    /// `Cancelled` while somebody else does it.
    ///
    /// # Examples
    /// ```
    /// let once = drift::sync::Once::new();
    /// once.call_once_force(|| ()).unwrap();
    /// assert!(once.is_completed());
    /// ```
    pub fn call_once_force(&self, f: impl FnOnce()) -> Result<(), ConcurrencyError> {
        self.call(true, f)
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

    fn call(&self, again: bool, f: impl FnOnce()) -> Result<(), ConcurrencyError> {
        pay(CALL);
        if self.0.is_done() {
            return Ok(());
        }
        match self.0.begin(again, &wait()?)? {
            Begun::Done => Ok(()),
            Begun::Poisoned => Err(Error::Poisoned.into()),
            Begun::Run => {
                let mut running = Running { once: &self.0, is_done: false };
                f();
                running.is_done = true;
                Ok(())
            }
        }
    }
}
