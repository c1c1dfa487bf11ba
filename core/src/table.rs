//! A table that grows in steps: an entry never moves, and is found in constant time.
//!
//! ```text
//! step       0    1    2    3   ...      F: `FIRST`; the last step ends with the table
//! entries    F   2F   4F   8F   ...
//! ```
//!
//! A small program needs the first step only; a large one wastes no more than it uses. The steps
//! are address space of the platform's, zero until somebody writes an entry, for ever.
//!
//! | a step's word | means                               | who changes it                        |
//! |---------------|-------------------------------------|---------------------------------------|
//! | null          | not there: never asked for, refused | the first claimer, to `ASKING`        |
//! | `ASKING`      | one claimer asks; the others give   | that claimer, to the address, or to   |
//! |               | their CPU away                      | null if the platform refuses          |
//! | an address    | the entries are there               | nobody                                |
//!
//! An index whose step is not there is an answer of `find`, so that any number may be asked for.
//! The length is a value, so that a platform may once say how long its tables are.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a step is written once, by the one claimer that turned it
//! to `ASKING`, and has `FIRST << step` entries, or those that the table still has.
#![allow(unsafe_code)]

use core::fmt;
use core::ptr::{self, NonNull};

use crate::platform::{Platform, PlatformError};
use crate::prim::{AtomicPtr, Ordering};

/// Steps that a table can have: with it 65 535 times as many entries as the first.
const STEPS: usize = 16;

/// Entries of type `T`, all zero at first: up to a length, the first `FIRST` in the first step.
pub(crate) struct Table<T, const FIRST: usize> {
    length: usize,
    what: &'static str,
    steps: [AtomicPtr<T>; STEPS],
}

impl<T, const FIRST: usize> Table<T, FIRST> {
    const ASKING: *mut T = ptr::without_provenance_mut(1);

    /// A table of at most `length` entries, which has none yet. `what` completes "there is no".
    pub(crate) fn new(length: usize, what: &'static str) -> Self {
        const { assert!(FIRST.is_power_of_two() && FIRST > 1) };
        assert!(length <= FIRST * ((1 << STEPS) - 1), "a table of {length} entries has more steps");
        Self { length, what, steps: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())) }
    }

    /// The step of an entry, and the entry's number in it.
    #[inline]
    const fn locate(index: usize) -> (usize, usize) {
        let place = index + FIRST;
        // Not zero, as the compiler does not see; the lowest bit tells no step.
        let highest = (place | 1).ilog2();
        ((highest - FIRST.ilog2()) as usize, place ^ (1 << highest))
    }

    /// The word of a step of an index below the length.
    #[inline]
    fn step(&self, step: usize) -> &AtomicPtr<T> {
        debug_assert!(step < STEPS, "an index beyond the table");
        // SAFETY: `new` sees that the length has no more steps.
        unsafe { self.steps.get_unchecked(step) }
    }

    /// The entry of that index; none if it is not there.
    #[inline]
    pub(crate) fn find(&self, index: usize) -> Option<NonNull<T>> {
        if index >= self.length {
            return None;
        }
        let (step, within) = Self::locate(index);
        // Acquire pairs with the release in `ask`.
        let entries = self.step(step).load(Ordering::Acquire);
        if entries.addr() <= Self::ASKING.addr() {
            return None;
        }
        // SAFETY: its address is not null.
        let entries = unsafe { NonNull::new_unchecked(entries) };
        // SAFETY: a step has more entries than `within`.
        Some(unsafe { entries.add(within) })
    }

    /// The entry of that index, which `claim` has given before.
    ///
    /// # Safety
    /// That call happened before this one.
    #[inline]
    pub(crate) unsafe fn at(&self, index: usize) -> NonNull<T> {
        let (step, within) = Self::locate(index);
        // Relaxed: what `claim` saw is seen here.
        let entries = self.step(step).load(Ordering::Relaxed);
        // SAFETY: the caller's: the step is there, so its address is not null.
        let entries = unsafe { NonNull::new_unchecked(entries) };
        // SAFETY: a step has more entries than `within`.
        unsafe { entries.add(within) }
    }

    /// The entry of that index, with a step of the platform's if it is not there. Under no lock.
    ///
    /// # Errors
    /// The platform's; that the table is not so long.
    pub(crate) fn claim(
        &self,
        platform: &dyn Platform,
        index: usize,
    ) -> Result<NonNull<T>, PlatformError> {
        if index >= self.length {
            return Err(PlatformError::Limit { what: self.what, limit: self.length });
        }
        let mut turn = 0;
        loop {
            if let Some(entry) = self.find(index) {
                return Ok(entry);
            }
            let (step, _) = Self::locate(index);
            // Relaxed: it elects; what the step leads to is published by `ask`.
            let elected = self.steps[step].compare_exchange(
                ptr::null_mut(),
                Self::ASKING,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match elected {
                Ok(_) => self.ask(platform, step)?,
                Err(_) => {
                    platform.thread_yield(turn);
                    turn += 1;
                }
            }
        }
    }

    /// Asks the platform for a step that the caller has turned to `ASKING`.
    #[cold]
    fn ask(&self, platform: &dyn Platform, step: usize) -> Result<(), PlatformError> {
        let first = (FIRST << step) - FIRST;
        let entries = (FIRST << step).min(self.length - first);
        let asked = platform.table(entries * size_of::<T>());
        let entries = asked.map_or(ptr::null_mut(), |entries| entries.cast().as_ptr());
        // Release publishes the entries, all zero; pairs with the acquire in `find`.
        self.steps[step].store(entries, Ordering::Release);
        asked.map(drop).map_err(|refusal| refusal.of(self.what))
    }
}

impl<T, const FIRST: usize> fmt::Debug for Table<T, FIRST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom;

#[cfg(all(test, not(loom)))]
mod tests;
