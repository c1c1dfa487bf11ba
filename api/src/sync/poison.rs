//! Whether somebody panicked while it had a lock.

use std::error;
use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::error::{ConcurrencyError, Error};

/// Why there is no guard, or a doubtful one.
///
/// # Examples
/// ```
/// use drift::ConcurrencyError;
/// use drift::sync::{LockError, Mutex};
///
/// let mutex = Mutex::new(1);
/// let held = mutex.lock().unwrap();
/// assert!(matches!(mutex.try_lock(), Err(LockError::Ended(ConcurrencyError::Busy))));
/// # drop(held);
/// ```
pub enum LockError<G> {
    /// Somebody panicked while it had the lock. It is the caller's now:
    /// [`PoisonError::into_inner`] gives the guard.
    Poisoned(PoisonError<G>),
    /// The wait ended without the lock: `Cancelled`, `Timeout`, `Busy`.
    Ended(ConcurrencyError),
}

/// What taking a lock comes to.
///
/// # Examples
/// ```
/// use drift::sync::{LockResult, Mutex, MutexGuard};
///
/// fn count(guard: LockResult<MutexGuard<'_, u32>>) -> u32 {
///     guard.map_or(0, |count| *count)
/// }
/// assert_eq!(count(Mutex::new(7).lock()), 7);
/// ```
pub type LockResult<G> = Result<G, LockError<G>>;

impl<G> LockError<G> {
    /// The guard, if it is only poisoned.
    ///
    /// # Errors
    /// How the wait ended.
    ///
    /// # Examples
    /// ```
    /// let mutex = drift::sync::Mutex::new(1);
    /// // Its value, poisoned or not.
    /// let guard = mutex.lock().or_else(|error| error.into_inner());
    /// assert_eq!(*guard.unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> Result<G, ConcurrencyError> {
        match self {
            Self::Poisoned(poisoned) => Ok(poisoned.into_inner()),
            Self::Ended(error) => Err(error),
        }
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(_) => f.write_str("Poisoned"),
            Self::Ended(error) => f.debug_tuple("Ended").field(error).finish(),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(_) => Error::Poisoned.fmt(f),
            Self::Ended(error) => error.fmt(f),
        }
    }
}

impl<G> error::Error for LockError<G> {}

/// `Poisoned` is `Failed(Poisoned)`; gives the guard back.
impl<G> From<LockError<G>> for ConcurrencyError {
    fn from(error: LockError<G>) -> Self {
        match error {
            LockError::Poisoned(_) => Error::Poisoned.into(),
            LockError::Ended(error) => error,
        }
    }
}

impl<G> From<ConcurrencyError> for LockError<G> {
    fn from(error: ConcurrencyError) -> Self {
        Self::Ended(error)
    }
}

/// The flag of one lock. Relaxed: the lock orders it.
#[derive(Debug, Default)]
pub(super) struct Poison(AtomicBool);

/// Whether its holder was unwinding when it took the lock.
#[derive(Debug)]
pub(super) struct Entered {
    unwinds: bool,
}

impl Poison {
    pub(super) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub(super) fn enter(&self) -> Entered {
        Entered { unwinds: thread::panicking() }
    }

    /// Before the unlock.
    pub(super) fn leave(&self, entered: &Entered) {
        if !entered.unwinds && thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn check<G>(&self, guard: G) -> LockResult<G> {
        match self.is_set() {
            true => Err(LockError::Poisoned(PoisonError::new(guard))),
            false => Ok(guard),
        }
    }
}
