//! Atomics and locks that loom explores.
//!
//! Loom treats a `SeqCst` access as `AcqRel`, and so reports "both looked before the other wrote"
//! where it cannot happen. Each atomic here puts a `SeqCst` fence, which loom does know, behind
//! every store and exchange that asks for `SeqCst`, and behind no other: a store or exchange that
//! is weakened by mistake is found. A load that is weakened is not.

pub use ::loom::cell::UnsafeCell;
pub use ::loom::sync::atomic::{Ordering, fence};

use ::loom::sync::atomic;

fn fenced<R>(order: Ordering, access: impl FnOnce() -> R) -> R {
    let result = access();
    if order == Ordering::SeqCst {
        fence(Ordering::SeqCst);
    }
    result
}

macro_rules! atomic {
    ($name:ident $(<$t:ident>)?, $value:ty) => {
        /// Loom's atomic of that name, with `SeqCst` as said above.
        #[derive(Debug)]
        pub struct $name $(<$t>)? (atomic::$name $(<$t>)?);

        #[allow(missing_docs)]
        impl $(<$t>)? $name $(<$t>)? {
            pub fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            pub fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub fn store(&self, value: $value, order: Ordering) {
                fenced(order, || self.0.store(value, order));
            }

            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.swap(value, order))
            }

            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                fenced(success, || self.0.compare_exchange(old, new, success, failure))
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
        }
    };
}

macro_rules! arithmetic {
    ($($name:ident $value:ty),*) => { $(
        #[allow(missing_docs)]
        impl $name {
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.fetch_add(value, order))
            }

            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.fetch_sub(value, order))
            }

            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.fetch_max(value, order))
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

/// Loom's mutex with the interface of a spin lock.
#[derive(Debug)]
pub struct SpinLock<T>(::loom::sync::Mutex<T>);

/// The guard of a [`SpinLock`].
pub type SpinGuard<'a, T> = ::loom::sync::MutexGuard<'a, T>;

impl<T> SpinLock<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(::loom::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        self.0.lock().expect("a model panicked while it held the lock")
    }
}

/// Models have no CPU to give away.
pub fn set_cpu_yield(_: fn(u32)) {}

/// For a model's platform: what the calling thread waits for, another one does.
pub fn let_others_go_on() {
    ::loom::thread::yield_now();
}
