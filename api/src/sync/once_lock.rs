//! A value that is made once.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `value` is written by who runs `once`, before it is done,
//! and only read through `&self` after that.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use drift_core::time::Instant;

use super::once::Once;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, unwinds, wait, wait_for, wait_to_the_end};
use crate::time::Duration;

/// A place for a value that is made once, by whoever comes first; the others park until it is
/// there. For a `static` whose initialiser, or whose users, are virtual threads: std's blocks the
/// carrier, and for ever if the initialiser needs that carrier.
///
/// # Source
/// [`std::sync::OnceLock`].
///
/// # Examples
/// ```
/// use drift::sync::OnceLock;
///
/// static NAME: OnceLock<String> = OnceLock::new();
/// assert_eq!(NAME.get(), None);
/// let name = NAME.get_or_init(|| {
///     drift::sleep(drift::Duration::from_millis(1)).unwrap(); // may park
///     "drift".to_owned()
/// });
/// assert_eq!(name, "drift");
/// assert_eq!(NAME.get(), Some(name));
/// ```
pub struct OnceLock<T> {
    once: Once,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: who shares it may have `&T`, and what one thread wrote may be dropped or taken by
// another.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Without a value.
    pub const fn new() -> Self {
        Self { once: Once::new(), value: UnsafeCell::new(None) }
    }

    /// The value, if it is there. Never waits.
    pub fn get(&self) -> Option<&T> {
        pay(CALL);
        self.look()
    }

    /// As `get`, for nothing.
    pub(super) fn look(&self) -> Option<&T> {
        if !self.once.is_done() {
            return None;
        }
        // SAFETY: it is done, which its write came before: nobody writes any more.
        unsafe { &*self.value.get() }.as_ref()
    }

    /// The value, if it is there, to be changed: nobody else can have it.
    ///
    /// # Examples
    /// ```
    /// let mut lock = drift::sync::OnceLock::from(1);
    /// *lock.get_mut().unwrap() = 2;
    /// assert_eq!(lock.into_inner(), Some(2));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Puts `value` there. Waits while somebody else makes one.
    ///
    /// # Errors
    /// `value`, if there is one already.
    ///
    /// # Panics
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::OnceLock::new();
    /// assert_eq!(lock.set(1), Ok(()));
    /// assert_eq!(lock.set(2), Err(2));
    /// ```
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("it is put there once"));
        value.map_or(Ok(()), Err)
    }

    /// The value; made by `f` if it is not there. Waits while somebody else makes it, cancelled or
    /// not: that ends when the other one's `f` does. If that panics, the next who comes tries.
    /// Who asks for it in its own `f` waits for ever.
    ///
    /// # Panics
    /// If `f` does. On a virtual thread that unwinds, if somebody else makes it just then: it must
    /// not wait there.
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<T, Infallible>(f())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](Self::get_or_init), for what may fail.
    ///
    /// # Errors
    /// Those of `f`; then there is no value, and the next who comes tries.
    ///
    /// # Panics
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Source
    /// [`std::sync::OnceLock`]'s `get_or_try_init`, which is not stable yet.
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::OnceLock::new();
    /// assert!(lock.get_or_try_init(|| "x".parse::<u32>()).is_err());
    /// assert_eq!(lock.get_or_try_init(|| "7".parse::<u32>()), Ok(&7));
    /// ```
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        pay(CALL);
        match self.look() {
            Some(value) => Ok(value),
            None => self.make(f),
        }
    }

    #[cold]
    pub(super) fn make<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let mut failed = None;
        let wait = match unwinds() {
            true => wait_to_the_end().until(Instant::ZERO),
            false => wait_to_the_end(),
        };
        let begun = self.once.begin(true, &wait, |_| match f() {
            Ok(value) => {
                // SAFETY: who runs `once` is alone here, and nobody reads before it is done.
                unsafe { *self.value.get() = Some(value) };
                true
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        assert!(begun.is_ok(), "who unwinds must not wait until another has made a value");
        match failed {
            Some(error) => Err(error),
            None => Ok(self.look().expect("it was made here, or waited for")),
        }
    }

    /// Waits until somebody has made the value.
    ///
    /// # Errors
    /// `Cancelled`.
    ///
    /// # Source
    /// [`std::sync::OnceLock::wait`].
    ///
    /// # Examples
    /// ```
    /// let lock = drift::sync::OnceLock::new();
    /// drift::scope(|s| {
    ///     s.spawn(|| lock.set(7));
    ///     assert_eq!(lock.wait(), Ok(&7));
    /// })
    /// .unwrap();
    /// ```
    pub fn wait(&self) -> Result<&T, ConcurrencyError> {
        self.once.wait_as(true, wait)?;
        Ok(self.look().expect("it was waited for"))
    }

    /// The same, for at most `timeout`.
    ///
    /// # Errors
    /// `Cancelled`, `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration, sync::OnceLock};
    ///
    /// let waited = OnceLock::<u8>::new().wait_timeout(Duration::from_millis(2)).copied();
    /// assert_eq!(waited, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn wait_timeout(&self, timeout: impl Into<Duration>) -> Result<&T, ConcurrencyError> {
        let timeout = timeout.into();
        if let Err(error) = timeout.nanoseconds() {
            pay(CALL);
            return Err(error);
        }
        self.once.wait_as(true, || wait_for(timeout)?.ok_or(ConcurrencyError::Timeout))?;
        Ok(self.look().expect("it was waited for"))
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, if it is there; another may be made.
    ///
    /// # Examples
    /// ```
    /// let mut lock = drift::sync::OnceLock::from(1);
    /// assert_eq!((lock.take(), lock.get()), (Some(1), None));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        self.look().map_or_else(Self::new, |value| value.clone().into())
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        let lock = Self::new();
        let made = lock.make(|| Ok::<T, Infallible>(value)).is_ok();
        assert!(made, "nobody else can have put one there");
        lock
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.look() == other.look()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

/// As std's: the value, if it is there.
impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("OnceLock");
        match self.look() {
            Some(value) => out.field(value).finish(),
            None => out.field(&format_args!("<uninit>")).finish(),
        }
    }
}
