//! Waiting for a change of what a mutex protects.

use std::fmt;
use std::sync::PoisonError;

use drift_core::sync::condvar;

use super::mutex::{Mutex, MutexGuard};
use super::poison::{LockError, LockResult};
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, runtime, wait, wait_for};
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
#[derive(Default)]
pub struct Condvar(condvar::Condvar);

/// Whether the time of a wait ran out.
///
/// # Source
/// [`std::sync::WaitTimeoutResult`].
///
/// # Examples
/// ```
/// use drift::sync::{Condvar, Mutex};
///
/// let (mutex, never) = (Mutex::new(()), Condvar::new());
/// let time = drift::Duration::from_millis(2);
/// let (_guard, ended) = never.wait_timeout(mutex.lock().unwrap(), time).unwrap();
/// assert!(ended.timed_out());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult {
    is_late: bool,
}

impl WaitTimeoutResult {
    /// Whether it did.
    #[must_use]
    pub const fn timed_out(&self) -> bool {
        self.is_late
    }
}

/// A guard, and whether the time ran out.
type Timed<'a, T> = (MutexGuard<'a, T>, WaitTimeoutResult);

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

    /// As [`wait_while`](Self::wait_while), for at most `timeout` in all. It ran out if `condition`
    /// holds still.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Source
    /// [`std::sync::Condvar::wait_timeout_while`].
    ///
    /// # Examples
    /// ```
    /// use drift::sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// let time = drift::Duration::from_millis(2);
    /// let guard = ready.lock().unwrap();
    /// let (ready, ended) = changed.wait_timeout_while(guard, time, |ready| !*ready).unwrap();
    /// assert!(!*ready && ended.timed_out());
    /// ```
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: impl Into<Duration>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<Timed<'a, T>> {
        pay(CALL);
        let span = timeout.into().nanoseconds().map_err(LockError::Ended)?;
        let until = runtime().platform().now() + span;
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult { is_late: false }));
            }
            if runtime().platform().now() >= until {
                return told(guard, true);
            }
            let wait = wait().map_err(LockError::Ended)?.until(until);
            let (again, ended) = guard.unlocked(|mutex| Ok(self.0.wait(mutex, &wait)?));
            guard = match ended {
                Ok(()) | Err(ConcurrencyError::Timeout) => told(again, false)?.0,
                Err(error) => return Err(LockError::Ended(error)),
            };
        }
    }

    /// As [`wait`](Self::wait), for at most `timeout`.
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
    ) -> LockResult<Timed<'a, T>> {
        pay(CALL);
        let Some(wait) = wait_for(timeout.into()).map_err(LockError::Ended)? else {
            return told(guard, true);
        };
        let (guard, ended) = guard.unlocked(|mutex| Ok(self.0.wait(mutex, &wait)?));
        match ended {
            Ok(()) => told(guard, false),
            Err(ConcurrencyError::Timeout) => told(guard, true),
            Err(error) => Err(LockError::Ended(error)),
        }
    }

    /// Wakes whoever waits longest; false if nobody waits.
    ///
    /// # Examples
    /// ```
    /// assert!(!drift::sync::Condvar::new().notify_one()); // nobody waits: nothing is kept
    /// ```
    pub fn notify_one(&self) -> bool {
        let woken = self.0.notify_one();
        pay(CALL);
        woken
    }

    /// Wakes all who wait now. How many.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(drift::sync::Condvar::new().notify_all(), 0);
    /// ```
    pub fn notify_all(&self) -> usize {
        let woken = self.0.notify_all();
        pay(CALL);
        woken
    }
}

/// The end of a wait that has the lock again.
fn told<T: ?Sized>(guard: MutexGuard<'_, T>, is_late: bool) -> LockResult<Timed<'_, T>> {
    let ended = WaitTimeoutResult { is_late };
    match guard.check() {
        Ok(guard) => Ok((guard, ended)),
        Err(LockError::Poisoned(poisoned)) => {
            Err(LockError::Poisoned(PoisonError::new((poisoned.into_inner(), ended))))
        }
        Err(LockError::Ended(error)) => Err(LockError::Ended(error)),
    }
}

/// As std's: nothing of the inside.
impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

/// What a wait gives up is a lock of this kind.
const _: fn(()) -> Mutex<()> = Mutex::new;
