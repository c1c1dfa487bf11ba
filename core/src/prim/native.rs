//! Atomics and locks of an ordinary build.

pub use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    Ordering, fence,
};

use core::cell;

/// A lock for a few instructions; see the module `prim` for its limits.
pub type SpinLock<T> = spin::mutex::SpinMutex<T, Relax>;

/// The guard of a [`SpinLock`].
pub type SpinGuard<'a, T> = spin::mutex::SpinMutexGuard<'a, T, Relax>;

/// `core::cell::UnsafeCell` with the closure methods that loom checks.
#[derive(Debug, Default)]
pub struct UnsafeCell<T>(cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(cell::UnsafeCell::new(value))
    }

    /// Hands `read` a pointer that it may read through.
    #[inline]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Hands `write` a pointer that it may write through.
    #[inline]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// How a [`SpinLock`] waits: some rounds of the CPU's pause, then the CPU for somebody else.
#[derive(Debug)]
pub struct Relax;

/// Rounds of `pause` before the CPU is given away; about as long as one lock is held, several
/// times over.
const ROUNDS: usize = 16;

impl spin::relax::RelaxStrategy for Relax {
    fn relax() {
        for _ in 0..ROUNDS {
            drift_asm::relax();
        }
        cpu_yield();
    }
}

static CPU_YIELD: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Sets what a lock does when it has spun long enough, for example sched_yield(2).
pub fn set_cpu_yield(give_away: fn()) {
    // Release pairs with the acquire in `cpu_yield`; a function has no state to publish, but
    // the pair costs nothing.
    CPU_YIELD.store(give_away as *mut (), Ordering::Release);
}

#[allow(unsafe_code)]
fn cpu_yield() {
    let give_away = CPU_YIELD.load(Ordering::Acquire);
    if !give_away.is_null() {
        // SAFETY: `set_cpu_yield` is the only writer, and stores a `fn()`.
        let give_away = unsafe { core::mem::transmute::<*mut (), fn()>(give_away) };
        give_away();
    }
}
