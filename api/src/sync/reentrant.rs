//! A lock that its owner may take again.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `data` is shared among the guards of one virtual or OS
//! thread, which has the lock.
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use drift_core::runtime::Runtime;
use drift_core::sync::reentrant;

use super::limit::Limit;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, try_runtime};
use crate::time::Duration;

/// A lock around `T` that whoever has it may take again: guards of one virtual thread share the
/// data, so it changes by interior mutability only. Not poisoned, as [`std::sync::ReentrantLock`].
///
/// # Source
/// Drift's plan of `sync.ReentrantMutex`.
///
/// # Examples
/// ```
/// use std::cell::Cell;
/// use drift::sync::ReentrantMutex;
///
/// let lock = ReentrantMutex::new(Cell::new(1));
/// let outer = lock.lock().unwrap();
/// let inner = lock.lock().unwrap(); // the same owner, one deeper
/// inner.set(outer.get() + 1);
/// assert_eq!((outer.get(), lock.depth()), (2, 2));
/// ```
pub struct ReentrantMutex<T: ?Sized> {
    raw: reentrant::ReentrantMutex,
    data: T,
}

// SAFETY: `data` is reached on one thread at a time: as if it were sent there.
unsafe impl<T: ?Sized + Send> Sync for ReentrantMutex<T> {}

/// The lock, until it is dropped.
///
/// # Examples
/// ```
/// use drift::sync::ReentrantMutex;
///
/// let mutex = ReentrantMutex::new(1);
/// let outer = mutex.lock().unwrap();
/// let inner = mutex.lock().unwrap();
/// assert_eq!(*outer + *inner, 2);
/// ```
#[must_use = "dropping it gives the lock back"]
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    mutex: &'a ReentrantMutex<T>,
    /// Not `Send`: its owner gives it back.
    thread: PhantomData<*mut ()>,
}

/// The number of whoever calls: a virtual thread's is its handle, an OS thread's the address of
/// something of its own, with the top bit, which no handle has. Threads that share an OS thread
/// have a number, with the two top bits, which no such address has.
fn caller() -> u64 {
    thread_local!(static OWN: u8 = const { 0 });
    let handle = Runtime::here().and_then(|runtime| runtime.current());
    if let Some(handle) = handle {
        return handle.0.unsigned_abs();
    }
    match try_runtime().ok().and_then(|runtime| runtime.platform().thread_number()) {
        Some(number) => u64::from(number) | 3 << 62,
        None => OWN.with(|own| std::ptr::from_ref(own).addr() as u64) | 1 << 63,
    }
}

impl<T> ReentrantMutex<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self { raw: reentrant::ReentrantMutex::new(), data }
    }

    /// The data.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::ReentrantMutex;
    ///
    /// assert_eq!(ReentrantMutex::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.data
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Waits for the lock, unless it is the caller's.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn lock(&self) -> Result<ReentrantMutexGuard<'_, T>, ConcurrencyError> {
        self.acquire(Limit::Forever)
    }

    /// Takes the lock if it is free, or the caller's.
    ///
    /// # Errors
    /// `Busy`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::ReentrantMutex;
    ///
    /// let mutex = ReentrantMutex::new(1);
    /// assert_eq!(*mutex.try_lock().unwrap(), 1);
    /// ```
    pub fn try_lock(&self) -> Result<ReentrantMutexGuard<'_, T>, ConcurrencyError> {
        self.acquire(Limit::Never)
    }

    /// Waits for the lock for at most `timeout`.
    ///
    /// # Errors
    /// `Cancelled`, `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::ReentrantMutex;
    ///
    /// let mutex = ReentrantMutex::new(1);
    /// assert_eq!(*mutex.lock_timeout(drift::Duration::from_secs(1)).unwrap(), 1);
    /// ```
    pub fn lock_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> Result<ReentrantMutexGuard<'_, T>, ConcurrencyError> {
        self.acquire(Limit::For(timeout.into()))
    }

    /// How often the caller has it.
    pub fn depth(&self) -> u32 {
        pay(CALL);
        self.raw.depth(caller())
    }

    /// Whether anybody has it just now, the caller or another.
    ///
    /// # Examples
    /// ```
    /// let mutex = drift::sync::ReentrantMutex::new(1);
    /// let held = mutex.lock().unwrap();
    /// assert!(mutex.is_locked());
    /// # drop(held);
    /// ```
    pub fn is_locked(&self) -> bool {
        pay(CALL);
        self.raw.is_locked()
    }

    /// The data, without locking: nobody else can have it.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::ReentrantMutex;
    ///
    /// let mut mutex = ReentrantMutex::new(1);
    /// *mutex.get_mut() = 2;
    /// assert_eq!(*mutex.lock().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.data
    }

    fn acquire(&self, limit: Limit) -> Result<ReentrantMutexGuard<'_, T>, ConcurrencyError> {
        let caller = caller();
        limit.acquire(|| self.raw.try_lock(caller), |wait| self.raw.lock(caller, wait))?;
        Ok(ReentrantMutexGuard { mutex: self, thread: PhantomData })
    }
}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.mutex.data
    }
}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.raw.unlock(caller());
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// As std's: the data, if nobody else has the lock.
impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ReentrantMutex");
        let guard = || ReentrantMutexGuard { mutex: self, thread: PhantomData };
        match self.raw.try_lock(caller()).then(guard) {
            Some(guard) => out.field("data", &&*guard).finish_non_exhaustive(),
            None => out.field("data", &format_args!("<locked>")).finish_non_exhaustive(),
        }
    }
}

impl<T> From<T> for ReentrantMutex<T> {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}

impl<T: Default> Default for ReentrantMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
