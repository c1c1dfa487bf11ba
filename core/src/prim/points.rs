//! Atomics and locks with a preemption point before each access, for a simulator.
//!
//! One OS thread plays all carriers there, and changes from one to another where a [`Point`] lets
//! it. The accesses themselves are those of an ordinary build: what a simulator sees is one order
//! of them, sequentially consistent. Weaker orders are for the models.

use core::cell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic;
pub use core::sync::atomic::{Ordering, fence};

use super::native;
pub use super::native::{UnsafeCell, set_cpu_yield};

/// Where a carrier can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before an access to what others change too.
    Access,
    /// A lock is taken: nothing can be done here before somebody else goes on.
    Spin,
    /// The caller has taken a lock just now.
    Taken,
    /// It has given one back, where it can be interrupted as before an access.
    Given,
}

static HOOK: atomic::AtomicPtr<()> = atomic::AtomicPtr::new(core::ptr::null_mut());

/// Sets what is called at each point, on every OS thread of the process. It tells whether somebody
/// else went on meanwhile.
pub fn set_hook(hook: fn(Point) -> bool) {
    // Release pairs with the acquire in `point`.
    HOOK.store(hook as *mut (), Ordering::Release);
}

#[inline]
#[allow(unsafe_code)]
fn point(point: Point) -> bool {
    let hook = HOOK.load(Ordering::Acquire);
    if hook.is_null() {
        return false;
    }
    // SAFETY: `set_hook` is the only writer, and stores such a function.
    let hook = unsafe { core::mem::transmute::<*mut (), fn(Point) -> bool>(hook) };
    hook(point)
}

macro_rules! atomic {
    ($name:ident $(<$t:ident>)?, $value:ty) => {
        /// That of `core::sync::atomic`, with a point before each access.
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name $(<$t>)? (atomic::$name $(<$t>)?);

        /// For the kernel, which looks at the word whenever it likes.
        impl $(<$t>)? Deref for $name $(<$t>)? {
            type Target = atomic::$name $(<$t>)?;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        #[allow(missing_docs)]
        impl $(<$t>)? $name $(<$t>)? {
            pub const fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            pub fn load(&self, order: Ordering) -> $value {
                point(Point::Access);
                self.0.load(order)
            }

            pub fn store(&self, value: $value, order: Ordering) {
                point(Point::Access);
                self.0.store(value, order);
            }

            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                point(Point::Access);
                self.0.swap(value, order)
            }

            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                point(Point::Access);
                self.0.compare_exchange(old, new, success, failure)
            }

            pub fn compare_exchange_weak(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(old, new, success, failure)
            }

            pub const fn as_ptr(&self) -> *mut $value {
                self.0.as_ptr()
            }

            pub fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }
        }
    };
}

macro_rules! arithmetic {
    ($($name:ident $value:ty),*) => { $(
        #[allow(missing_docs)]
        impl $name {
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                point(Point::Access);
                self.0.fetch_add(value, order)
            }

            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                point(Point::Access);
                self.0.fetch_sub(value, order)
            }

            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                point(Point::Access);
                self.0.fetch_max(value, order)
            }
        }
    )* };
}

atomic!(AtomicBool, bool);
atomic!(AtomicI64, i64);
atomic!(AtomicU8, u8);
atomic!(AtomicU16, u16);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
atomic!(AtomicPtr<T>, *mut T);
arithmetic!(AtomicU8 u8, AtomicU16 u16, AtomicU32 u32, AtomicU64 u64, AtomicUsize usize);

/// A lock for a few instructions; see the module `prim` for its limits.
#[derive(Debug)]
pub struct SpinLock<T> {
    is_taken: atomic::AtomicBool,
    value: cell::UnsafeCell<T>,
}

// SAFETY: `value` is reached through a guard only, and there is one at a time.
#[allow(unsafe_code)]
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// The guard of a [`SpinLock`].
#[derive(Debug)]
pub struct SpinGuard<'a, T>(&'a SpinLock<T>);

impl<T> SpinLock<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self { is_taken: atomic::AtomicBool::new(false), value: cell::UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        point(Point::Access);
        let mut backoff = native::Backoff::new();
        // Acquire pairs with the release in `drop`.
        while self.is_taken.swap(true, Ordering::Acquire) {
            if !point(Point::Spin) {
                backoff.pause();
            }
        }
        point(Point::Taken);
        SpinGuard(self)
    }

    /// The value, for who has the lock alone.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

#[allow(unsafe_code)]
impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard has the lock.
        unsafe { &*self.0.value.get() }
    }
}

#[allow(unsafe_code)]
impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard has the lock, and is borrowed for as long.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        // Release publishes what was done under the lock; pairs with the acquire in `lock`.
        self.0.is_taken.store(false, Ordering::Release);
        point(Point::Given);
    }
}
