//! Many readers or one writer.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `data` is touched through guards only; there is a write
//! guard only while `raw` is held whole, and a read guard only while it is shared.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use drift_core::sync::rwlock;

use super::limit::Limit;
use super::poison::{Entered, LockResult, Poison};
use crate::runtime::{CALL, pay};
use crate::time::Duration;

/// A lock around `T` for many readers or one writer, in the order in which they come: readers do
/// not overtake a writer that waits.
///
/// # Source
/// Beyond Drift's `sync`; [`std::sync::RwLock`].
///
/// # Examples
/// ```
/// use drift::sync::RwLock;
///
/// let lock = RwLock::new(vec![1, 2]);
/// {
///     let (one, other) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(one.len() + other.len(), 4);
/// }
/// lock.write().unwrap().push(3);
/// assert_eq!(lock.read().unwrap().len(), 3);
/// ```
pub struct RwLock<T: ?Sized> {
    raw: rwlock::RwLock,
    poison: Poison,
    data: UnsafeCell<T>,
}

// SAFETY: readers on several threads have `&T`, a writer on any has `&mut T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// A share of the lock, until it is dropped.
///
/// # Examples
/// ```
/// use drift::sync::RwLock;
///
/// let lock = RwLock::new(1);
/// let (one, other) = (lock.read().unwrap(), lock.read().unwrap());
/// assert_eq!(*one + *other, 2);
/// ```
#[must_use = "dropping it gives the lock back"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    raw: &'a rwlock::RwLock,
    /// Not by the lock, which changes its `T`: a guard of a longer life serves as one of a shorter.
    data: NonNull<T>,
    /// As the std guard, not `Send`.
    thread: PhantomData<*mut ()>,
}

/// The whole lock, until it is dropped.
///
/// # Examples
/// ```
/// use drift::sync::RwLock;
///
/// let lock = RwLock::new(1);
/// *lock.write().unwrap() += 1;
/// assert_eq!(*lock.read().unwrap(), 2);
/// ```
#[must_use = "dropping it gives the lock back"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    entered: Entered,
    /// Not `Send`: poison is told by the thread that took it.
    thread: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: the same.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T> RwLock<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self { raw: rwlock::RwLock::new(), poison: Poison::new(), data: UnsafeCell::new(data) }
    }

    /// The data.
    ///
    /// # Errors
    /// `Poisoned`, with it.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// assert_eq!(RwLock::new(1).into_inner().unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        self.poison.check(self.data.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits for a share.
    ///
    /// # Errors
    /// `Poisoned`, with the guard, if a writer panicked; `Ended(Cancelled)`.
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.share(Limit::Forever)
    }

    /// Takes a share if there is no writer and nobody waits.
    ///
    /// # Errors
    /// `Poisoned`, with the guard; `Ended(Busy)`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let held = lock.write().unwrap();
    /// assert!(lock.try_read().is_err());
    /// # drop(held);
    /// ```
    pub fn try_read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.share(Limit::Never)
    }

    /// Waits for a share for at most `timeout`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and `Ended(Timeout)`; `Ended(Failed(InvalidDuration))`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let held = lock.write().unwrap();
    /// assert!(lock.read_timeout(drift::Duration::from_millis(2)).is_err());
    /// # drop(held);
    /// ```
    pub fn read_timeout(&self, timeout: impl Into<Duration>) -> LockResult<RwLockReadGuard<'_, T>> {
        self.share(Limit::For(timeout.into()))
    }

    /// As [`read`](Self::read), but does not wait behind a writer that only waits: for who may have
    /// a share already, and would wait for itself behind a writer that waits for that share.
    /// Writers wait for as long as such readers overlap.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Source
    /// Beyond std's; `read_recursive` of the crate `lock_api`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// drift::scope(|s| {
    ///     let outer = lock.read().unwrap();
    ///     s.spawn(|| *lock.write().unwrap() += 1); // waits, and a `read` would wait behind it
    ///     drift::yield_now();
    ///     let inner = lock.read_recursive().unwrap();
    ///     assert_eq!(*outer, *inner);
    /// })
    /// .unwrap();
    /// ```
    pub fn read_recursive(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.share_again(Limit::Forever)
    }

    /// As [`try_read`](Self::try_read), also where a writer waits.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::RwLock::new(1);
    /// let outer = lock.read().unwrap();
    /// let inner = lock.try_read_recursive().unwrap();
    /// assert_eq!(*outer, *inner);
    /// ```
    pub fn try_read_recursive(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.share_again(Limit::Never)
    }

    /// As [`read_recursive`](Self::read_recursive), for at most `timeout`.
    ///
    /// # Errors
    /// As [`read_timeout`](Self::read_timeout).
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::RwLock::new(1);
    /// let held = lock.write().unwrap();
    /// assert!(lock.read_recursive_timeout(drift::Duration::from_millis(2)).is_err());
    /// # drop(held);
    /// ```
    pub fn read_recursive_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> LockResult<RwLockReadGuard<'_, T>> {
        self.share_again(Limit::For(timeout.into()))
    }

    /// Waits for the whole.
    ///
    /// # Errors
    /// `Poisoned`, with the guard, if a writer panicked; `Ended(Cancelled)`.
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.acquire(Limit::Forever)
    }

    /// Takes the whole if nobody has any of it.
    ///
    /// # Errors
    /// `Poisoned`, with the guard; `Ended(Busy)`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let held = lock.read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// # drop(held);
    /// ```
    pub fn try_write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.acquire(Limit::Never)
    }

    /// Waits for the whole for at most `timeout`.
    ///
    /// # Errors
    /// As [`write`](Self::write), and `Ended(Timeout)`; `Ended(Failed(InvalidDuration))`.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let held = lock.read().unwrap();
    /// assert!(lock.write_timeout(drift::Duration::from_millis(2)).is_err());
    /// # drop(held);
    /// ```
    pub fn write_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.acquire(Limit::For(timeout.into()))
    }

    fn share(&self, limit: Limit) -> LockResult<RwLockReadGuard<'_, T>> {
        limit.acquire(|| self.raw.try_read(), |wait| self.raw.read(wait))?;
        self.poison.check(RwLockReadGuard::new(self))
    }

    fn share_again(&self, limit: Limit) -> LockResult<RwLockReadGuard<'_, T>> {
        limit.acquire(|| self.raw.try_read_again(), |wait| self.raw.read_again(wait))?;
        self.poison.check(RwLockReadGuard::new(self))
    }

    fn acquire(&self, limit: Limit) -> LockResult<RwLockWriteGuard<'_, T>> {
        limit.acquire(|| self.raw.try_write(), |wait| self.raw.write(wait))?;
        let entered = self.poison.enter();
        self.poison.check(RwLockWriteGuard { lock: self, entered, thread: PhantomData })
    }

    /// Whether a writer panicked.
    ///
    /// # Examples
    /// ```
    /// let lock = std::sync::Arc::new(drift::sync::RwLock::new(1));
    /// let holder = lock.clone();
    /// let broken = drift::spawn(move || {
    ///     let _held = holder.write().unwrap();
    ///     panic!("with the lock");
    /// });
    /// assert!(broken.join().is_err());
    /// assert!(lock.is_poisoned());
    /// ```
    pub fn is_poisoned(&self) -> bool {
        pay(CALL);
        self.poison.is_set()
    }

    /// Says that the data is good again.
    ///
    /// # Examples
    /// ```
    /// let lock = std::sync::Arc::new(drift::sync::RwLock::new(1));
    /// let holder = lock.clone();
    /// let broken = drift::spawn(move || {
    ///     let _held = holder.write().unwrap();
    ///     panic!("with the lock");
    /// });
    /// assert!(broken.join().is_err());
    /// assert!(lock.is_poisoned());
    /// lock.clear_poison();
    /// assert!(lock.read().is_ok());
    /// ```
    pub fn clear_poison(&self) {
        pay(CALL);
        self.poison.clear();
    }

    /// Whether anybody, reader or writer, has any of it just now.
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::RwLock::new(1);
    /// assert!(!lock.is_locked());
    /// let reader = lock.read().unwrap();
    /// assert!(lock.is_locked() && !lock.is_locked_exclusive());
    /// # drop(reader);
    /// ```
    pub fn is_locked(&self) -> bool {
        pay(CALL);
        self.raw.is_locked()
    }

    /// Whether a writer has it just now.
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::RwLock::new(1);
    /// let writer = lock.write().unwrap();
    /// assert!(lock.is_locked_exclusive());
    /// # drop(writer);
    /// ```
    pub fn is_locked_exclusive(&self) -> bool {
        pay(CALL);
        self.raw.is_written()
    }

    /// The data, without locking: nobody else can have it.
    ///
    /// # Errors
    /// `Poisoned`, with it.
    ///
    /// # Examples
    /// ```
    /// use drift::sync::RwLock;
    ///
    /// let mut lock = RwLock::new(1);
    /// *lock.get_mut().unwrap() = 2;
    /// assert_eq!(*lock.read().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.data.get_mut())
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Keeps a share of what was the whole: no other writer comes in between, and readers that wait
    /// go on.
    ///
    /// # Source
    /// [`std::sync::RwLockWriteGuard::downgrade`].
    ///
    /// # Examples
    /// ```
    /// use drift::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.write().unwrap();
    /// *writer = 2;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!(*reader + *lock.read().unwrap(), 4);
    /// ```
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = guard.lock;
        // Not its destructor: the share is not given back.
        std::mem::forget(guard);
        lock.raw.downgrade();
        pay(CALL);
        RwLockReadGuard::new(lock)
    }
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// For who has a share of `lock`.
    fn new(lock: &'a RwLock<T>) -> Self {
        let data = NonNull::new(lock.data.get()).expect("a cell is somewhere");
        Self { raw: &lock.raw, data, thread: PhantomData }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard has a share of the lock, which it borrows.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard has the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard has the lock, and is borrowed alone.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.raw.unlock_read();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.poison.leave(&self.entered);
        self.lock.raw.unlock_write();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// As std's: the data, if no writer has the lock.
impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        let guard = || RwLockReadGuard::new(self);
        match self.raw.try_read_again().then(guard) {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.field("poisoned", &self.poison.is_set()).finish_non_exhaustive()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}
