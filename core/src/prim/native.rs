//! Atomics and locks of an ordinary build.

pub use core::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    Ordering, fence,
};

use core::cell;

use spin::mutex::{SpinMutex, SpinMutexGuard};

/// A lock for a few instructions; see the module `prim` for its limits.
#[derive(Debug)]
pub struct SpinLock<T>(SpinMutex<T>);

/// The guard of a [`SpinLock`].
pub type SpinGuard<'a, T> = SpinMutexGuard<'a, T>;

impl<T> SpinLock<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(SpinMutex::new(value))
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        self.0.try_lock().unwrap_or_else(|| self.contend())
    }

    #[cold]
    #[inline(never)]
    fn contend(&self) -> SpinGuard<'_, T> {
        let mut backoff = Backoff::new();
        loop {
            while self.0.is_locked() {
                backoff.pause();
            }
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
    }

    /// The value, for who has the lock alone.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

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

/// One wait for a lock: some rounds of the CPU's own pause, then the CPU for somebody else, again
/// and again.
#[derive(Debug)]
pub(super) struct Backoff {
    turn: u32,
}

/// Rounds of the CPU's own pause before the CPU is given away; about as long as one lock is held,
/// several times over.
const ROUNDS: usize = 16;

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { turn: 0 }
    }

    pub(super) fn pause(&mut self) {
        for _ in 0..ROUNDS {
            drift_asm::relax();
        }
        cpu_yield(self.turn);
        self.turn = self.turn.saturating_add(1);
    }
}

static CPU_YIELD: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Sets what a lock does when it has spun long enough; it is told how often it was called before
/// in the same wait. As `Platform::thread_yield`.
pub fn set_cpu_yield(give_away: fn(u32)) {
    // Release pairs with the acquire in `cpu_yield`; a function has no state to publish, but
    // the pair costs nothing.
    CPU_YIELD.store(give_away as *mut (), Ordering::Release);
}

#[allow(unsafe_code)]
fn cpu_yield(turn: u32) {
    let give_away = CPU_YIELD.load(Ordering::Acquire);
    if !give_away.is_null() {
        // SAFETY: `set_cpu_yield` is the only writer, and stores a `fn(u32)`.
        let give_away = unsafe { core::mem::transmute::<*mut (), fn(u32)>(give_away) };
        give_away(turn);
    }
}
