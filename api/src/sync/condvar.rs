//! Waiting for a change of what a mutex protects.

use drift_core::sync::condvar;

use super::poison::{LockError, LockResult};
use super::{Mutex, MutexGuard};
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, wait, wait_for};
use crate::time::Duration;

/// A condition variable. Waits are never woken without a cause; what they wait for may still be
/// gone again when they have the lock.
///
/// # Source
/// Beyond Drift's `sync`; [`std::sync::Condvar`].
///
/// # Examples
/// ```
/// use drift::sync::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// drift::scope(|s| {
///     s.spawn(|| {
///         let ready = changed.wait_while(ready.lock().unwrap(), |ready| !*ready).unwrap();
///         assert!(*ready);
///     });
///     *ready.lock().unwrap() = true;
///     changed.notify_one();
/// })
/// .unwrap();
/// ```
#[derive(Debug, Default)]
pub struct Condvar(condvar::Condvar);

impl Condvar {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self(condvar::Condvar::new())
    }

    /// Gives the lock of `guard` back and waits to be notified; then takes the lock again.
    ///
    /// # Errors
    /// `Ended(Cancelled)`, and the lock is given back; `Poisoned`, with the guard.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use drift::sync::{Condvar, Mutex};
    ///
    /// let pair = Arc::new((Mutex::new(false), Condvar::new()));
    /// let other = pair.clone();
    /// let setter = drift::spawn(move || {
    ///     *other.0.lock().unwrap() = true;
    ///     other.1.notify_all();
    /// });
    /// let mut is_set = pair.0.lock().unwrap();
    /// while !*is_set {
    ///     is_set = pair.1.wait(is_set).unwrap();
    /// }
    /// # drop(is_set);
    /// setter.join().unwrap();
    /// ```
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        pay(CALL);
        let wait = wait().map_err(LockError::Ended)?;
        let (guard, ended) = guard.unlocked(|mutex| Ok(self.0.wait(mutex, &wait)?));
        ended.map_err(LockError::Ended)?;
        guard.check()
    }

    /// Waits as long as `condition` holds.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        pay(CALL);
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`wait`](Self::wait), for at most `timeout`; true if that ran out.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); `Ended(Failed(InvalidDuration))`.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use drift::sync::{Condvar, Mutex};
    ///
    /// let pair = Arc::new((Mutex::new(false), Condvar::new()));
    /// let other = pair.clone();
    /// let setter = drift::spawn(move || {
    ///     *other.0.lock().unwrap() = true;
    ///     other.1.notify_all();
    /// });
    /// let mut is_set = pair.0.lock().unwrap();
    /// while !*is_set {
    ///     is_set = pair.1.wait_timeout(is_set, drift::Duration::from_secs(1)).unwrap().0;
    /// }
    /// # drop(is_set);
    /// setter.join().unwrap();
    /// ```
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: impl Into<Duration>,
    ) -> Result<(MutexGuard<'a, T>, bool), LockError<MutexGuard<'a, T>>> {
        pay(CALL);
        let Some(wait) = wait_for(timeout.into()).map_err(LockError::Ended)? else {
            return Ok((guard.check()?, true));
        };
        let (guard, ended) = guard.unlocked(|mutex| Ok(self.0.wait(mutex, &wait)?));
        match ended {
            Ok(()) => Ok((guard.check()?, false)),
            Err(ConcurrencyError::Timeout) => Ok((guard.check()?, true)),
            Err(error) => Err(LockError::Ended(error)),
        }
    }

    /// Wakes whoever waits longest.
    pub fn notify_one(&self) {
        self.0.notify_one();
        pay(CALL);
    }

    /// Wakes all who wait now.
    ///
    /// # Examples
    /// ```
    /// drift::sync::Condvar::new().notify_all(); // nobody waits: nothing is kept
    /// ```
    pub fn notify_all(&self) {
        self.0.notify_all();
        pay(CALL);
    }
}

/// What a wait gives up is a lock of this kind.
const _: fn(()) -> Mutex<()> = Mutex::new;
