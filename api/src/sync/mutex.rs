//! Mutual exclusion.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `data` is touched through guards only, and there is a
//! guard only while `raw` is held.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use drift_core::sync::mutex;

use super::limit::Limit;
use super::poison::{Entered, LockResult, Poison};
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay};
use crate::time::Duration;

/// A lock around `T`, handed to whoever waits longest. A virtual thread may park while it has it,
/// and give it back on another carrier.
///
/// # Source
/// Drift's plan of `sync.Mutex`; [`std::sync::Mutex`].
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use drift::sync::Mutex;
///
/// let count = Arc::new(Mutex::new(0));
/// drift::scope(|s| {
///     for _ in 0..10 {
///         s.spawn(|| *count.lock().unwrap() += 1);
///     }
/// })
/// .unwrap();
/// assert_eq!(*count.lock().unwrap(), 10);
/// ```
pub struct Mutex<T: ?Sized> {
    raw: mutex::Mutex,
    poison: Poison,
    data: UnsafeCell<T>,
}

// SAFETY: whoever has the guard has `&mut T`, on whichever thread: as if `T` were sent there.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// The lock, until it is dropped.
///
/// # Examples
/// ```
/// use drift::sync::Mutex;
///
/// let mutex = Mutex::new(1);
/// let mut guard = mutex.lock().unwrap();
/// *guard += 1;
/// drop(guard); // unlocks
/// assert_eq!(mutex.into_inner().unwrap(), 2);
/// ```
#[must_use = "dropping it gives the lock back"]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) mutex: &'a Mutex<T>,
    entered: Entered,
    /// Not `Send`: poison is told by the thread that took it.
    thread: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self { raw: mutex::Mutex::new(), poison: Poison::new(), data: UnsafeCell::new(data) }
    }

    /// The data.
    ///
    /// # Errors
    /// `Poisoned`, with it.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Mutex;
    ///
    /// assert_eq!(Mutex::new(1).into_inner().unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.check(self.data.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Errors
    /// `Poisoned`, with the guard, if somebody panicked while it had the lock; `Ended(Cancelled)`.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.acquire(Limit::Forever)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// `Poisoned`, with the guard; `Ended(Busy)`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// let held = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// # drop(held);
    /// ```
    pub fn try_lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.acquire(Limit::Never)
    }

    /// Waits for the lock for at most `timeout`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), and `Ended(Timeout)`; `Ended(Failed(InvalidDuration))`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// let held = mutex.lock().unwrap();
    /// assert!(mutex.lock_timeout(drift::Duration::from_millis(2)).is_err());
    /// # drop(held);
    /// ```
    pub fn lock_timeout(&self, timeout: impl Into<Duration>) -> LockResult<MutexGuard<'_, T>> {
        self.acquire(Limit::For(timeout.into()))
    }

    fn acquire(&self, limit: Limit) -> LockResult<MutexGuard<'_, T>> {
        limit.acquire(|| self.raw.try_lock(), |wait| self.raw.lock(wait))?;
        self.poison.check(self.guard())
    }

    /// For whoever has just taken `raw`.
    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, entered: self.poison.enter(), thread: PhantomData }
    }

    /// Whether somebody panicked while it had the lock.
    ///
    /// # Examples
    /// ```
    /// let mutex = std::sync::Arc::new(drift::sync::Mutex::new(1));
    /// let holder = mutex.clone();
    /// let broken = drift::spawn(move || {
    ///     let _held = holder.lock().unwrap();
    ///     panic!("with the lock");
    /// });
    /// assert!(broken.join().is_err());
    /// assert!(mutex.is_poisoned());
    /// ```
    pub fn is_poisoned(&self) -> bool {
        pay(CALL);
        self.poison.is_set()
    }

    /// Says that the data is good again.
    ///
    /// # Examples
    /// ```
    /// let mutex = std::sync::Arc::new(drift::sync::Mutex::new(1));
    /// let holder = mutex.clone();
    /// let broken = drift::spawn(move || {
    ///     let _held = holder.lock().unwrap();
    ///     panic!("with the lock");
    /// });
    /// assert!(broken.join().is_err());
    /// assert!(mutex.is_poisoned());
    /// mutex.clear_poison();
    /// assert!(mutex.lock().is_ok());
    /// ```
    pub fn clear_poison(&self) {
        pay(CALL);
        self.poison.clear();
    }

    /// Whether somebody has the lock just now.
    ///
    /// # Examples
    /// ```
    /// let mutex = drift::sync::Mutex::new(1);
    /// let held = mutex.lock().unwrap();
    /// assert!(mutex.is_locked());
    /// drop(held);
    /// assert!(!mutex.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        pay(CALL);
        self.raw.is_locked()
    }

    /// The data, without locking: nobody else can have it.
    ///
    /// # Errors
    /// `Poisoned`, with it.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::Mutex;
    ///
    /// let mut mutex = Mutex::new(1);
    /// *mutex.get_mut().unwrap() = 2; // nobody else can have it
    /// assert_eq!(*mutex.lock().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.data.get_mut())
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Lets go of the lock while `wait` runs, which has it again when it returns.
    pub(super) fn unlocked(
        self,
        wait: impl FnOnce(&mutex::Mutex) -> Result<(), ConcurrencyError>,
    ) -> (Self, Result<(), ConcurrencyError>) {
        let ended = wait(&self.mutex.raw);
        (self, ended)
    }

    pub(super) fn check(self) -> LockResult<Self> {
        self.mutex.poison.check(self)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard has the lock.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard has the lock, and is borrowed alone.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.poison.leave(&self.entered);
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// As std's: the data, if nobody has the lock.
impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.raw.try_lock().then(|| self.guard()) {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.field("poisoned", &self.poison.is_set()).finish_non_exhaustive()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}
