//! A value that is made when it is first used.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `make` is touched by who makes the value of `value` only,
//! one at a time.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::once_lock::OnceLock;
use crate::runtime::{CALL, pay};

/// A value that is made when it is first used, by whoever comes first; the others park until it is
/// there, cancelled or not. See [`OnceLock`] for why not std's.
///
/// If making it panics, it panics for everybody who uses it from then on, as std's does.
///
/// # Source
/// [`std::sync::LazyLock`].
///
/// # Examples
/// ```
/// use drift::sync::LazyLock;
///
/// static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
///     drift::yield_now(); // may park
///     vec!["one", "two"]
/// });
/// assert_eq!(WORDS.len(), 2);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    value: OnceLock<T>,
    make: Cell<Option<F>>,
}

// SAFETY: the value as in `OnceLock`; `make` is used by one thread at a time, as if it were sent
// there.
unsafe impl<T: Send + Sync, F: Send> Sync for LazyLock<T, F> {}

impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Not made yet.
    pub const fn new(make: F) -> Self {
        Self { value: OnceLock::new(), make: Cell::new(Some(make)) }
    }

    /// The value, made now if nobody has used it; as `*lazy` does.
    ///
    /// # Panics
    /// If making it does, or did; as [`OnceLock::get_or_init`].
    ///
    /// # Examples
    /// ```
    /// use drift::sync::LazyLock;
    ///
    /// let lazy = LazyLock::new(|| 6 * 7);
    /// assert_eq!(LazyLock::force(&lazy), &42);
    /// ```
    pub fn force(this: &Self) -> &T {
        pay(CALL);
        this.used()
    }

    fn used(&self) -> &T {
        let make = || match self.make.take() {
            Some(make) => Ok::<T, Infallible>(make()),
            None => panic!("making the value of a `LazyLock` panicked before"),
        };
        match self.value.look().map_or_else(|| self.value.make(make), Ok) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    fn deref(&self) -> &T {
        self.used()
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

/// As std's: the value, if it was made.
impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("LazyLock");
        match self.value.look() {
            Some(value) => out.field(value).finish(),
            None => out.field(&format_args!("<uninit>")).finish(),
        }
    }
}
