//! `drift_mutex_*`, `drift_condvar_*`, `drift_semaphore_*`: waiting for each other.
//!
//! The objects lie in the caller's memory; what the runtime keeps there fits with some words to
//! spare. Virtual threads park, OS threads block, and both are served in the order in which they
//! came.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: an object that is passed in was initialised by the
//! function of its family, and has not been moved or reused since.
#![allow(unsafe_code)]

use drift_core::error::ConcurrencyError;
use drift_core::sync::condvar::Condvar;
use drift_core::sync::mutex::Mutex;
use drift_core::sync::semaphore::Semaphore;
use drift_core::time::Instant;
use drift_core::wait::Wait;
use drift_pal::process;

use crate::{CALL, pay, time};

/// It would have to wait.
pub const DRIFT_WAIT_BUSY: i64 = 1;
/// The deadline came first.
pub const DRIFT_WAIT_TIMEOUT: i64 = 2;
/// The virtual thread that waits was asked to end.
pub const DRIFT_WAIT_CANCELLED: i64 = 3;
/// The channel was closed.
pub const DRIFT_WAIT_CLOSED: i64 = 4;
/// The runtime cannot be made, so nothing can be waited for.
pub const DRIFT_WAIT_FAILED: i64 = 5;

/// A lock. Nothing but `drift_mutex_*` may look inside.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct drift_mutex_t {
    /// The runtime's.
    pub words: [u64; 4],
}

/// A condition variable. Nothing but `drift_condvar_*` may look inside.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct drift_condvar_t {
    /// The runtime's.
    pub words: [u64; 4],
}

/// A number of permits. Nothing but `drift_semaphore_*` may look inside.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct drift_semaphore_t {
    /// The runtime's.
    pub words: [u64; 4],
}

static_assertions::const_assert!(size_of::<Mutex>() < size_of::<drift_mutex_t>());
static_assertions::const_assert!(align_of::<Mutex>() <= align_of::<drift_mutex_t>());
static_assertions::const_assert!(size_of::<Condvar>() < size_of::<drift_condvar_t>());
static_assertions::const_assert!(align_of::<Condvar>() <= align_of::<drift_condvar_t>());
static_assertions::const_assert!(size_of::<Semaphore>() < size_of::<drift_semaphore_t>());
static_assertions::const_assert!(align_of::<Semaphore>() <= align_of::<drift_semaphore_t>());

/// How long a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// Until its cause.
    None,
    /// Until then, in the words of `drift_thread_park_until`.
    At(i64),
}

impl Limit {
    /// The wait of the caller; none without a runtime.
    #[inline(never)]
    pub(crate) fn wait(self) -> Option<Wait> {
        let runtime = process::runtime().ok()?;
        let until = match self {
            Self::None => Instant::FAR,
            Self::At(..=0) => Instant::ZERO,
            Self::At(ms) => time::instant(runtime.platform(), ms),
        };
        Some(Wait::new(runtime).until(until))
    }
}

/// The code of an error.
pub(crate) fn code(error: ConcurrencyError) -> i64 {
    match error {
        ConcurrencyError::Busy => DRIFT_WAIT_BUSY,
        ConcurrencyError::Timeout => DRIFT_WAIT_TIMEOUT,
        ConcurrencyError::Cancelled => DRIFT_WAIT_CANCELLED,
        ConcurrencyError::Closed => DRIFT_WAIT_CLOSED,
        ConcurrencyError::Failed(_) => DRIFT_WAIT_FAILED,
    }
}

/// The answer of a call that may wait.
pub(crate) fn answer(result: Result<(), ConcurrencyError>) -> i64 {
    result.map_or_else(code, |()| 0)
}

/// # Safety
/// `mutex` was initialised, and lives.
unsafe fn mutex<'a>(mutex: *mut drift_mutex_t) -> &'a Mutex {
    // SAFETY: the caller's promise; the object begins where the words do.
    unsafe { &*mutex.cast() }
}

/// # Safety
/// `condvar` was initialised, and lives.
unsafe fn condvar<'a>(condvar: *mut drift_condvar_t) -> &'a Condvar {
    // SAFETY: the caller's promise; the object begins where the words do.
    unsafe { &*condvar.cast() }
}

/// # Safety
/// `semaphore` was initialised, and lives.
unsafe fn semaphore<'a>(semaphore: *mut drift_semaphore_t) -> &'a Semaphore {
    // SAFETY: the caller's promise; the object begins where the words do.
    unsafe { &*semaphore.cast() }
}

fn lock(mutex: &Mutex, limit: Limit) -> i64 {
    pay(CALL);
    if mutex.try_lock() {
        return 0;
    }
    limit.wait().map_or(DRIFT_WAIT_FAILED, |wait| answer(mutex.lock(&wait)))
}

/// Makes a free lock of `mutex`.
///
/// C: `void drift_mutex_init(drift_mutex_t *mutex);`
///
/// # Safety
/// `mutex` is the caller's, and in nobody's use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_mutex_init(mutex: *mut drift_mutex_t) {
    // SAFETY: the caller's promise; it is large enough.
    unsafe { mutex.cast::<Mutex>().write(Mutex::new()) };
}

/// Locks `mutex`, and waits for it if somebody has it. It is handed to who waits, in the order in
/// which they came. Not to be locked again by who has it. Returns 0, or without the lock
/// `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread was asked to end.
///
/// C: `int64_t drift_mutex_lock(drift_mutex_t *mutex);`
///
/// # Safety
/// `mutex` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_mutex_lock(mutex: *mut drift_mutex_t) -> i64 {
    // SAFETY: the caller's promise.
    lock(unsafe { self::mutex(mutex) }, Limit::None)
}

/// Locks `mutex` if nobody has it: 0, or `DRIFT_WAIT_BUSY`.
///
/// C: `int64_t drift_mutex_try_lock(drift_mutex_t *mutex);`
///
/// # Safety
/// `mutex` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_mutex_try_lock(mutex: *mut drift_mutex_t) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    let locked = unsafe { self::mutex(mutex) }.try_lock();
    if locked { 0 } else { DRIFT_WAIT_BUSY }
}

/// As `drift_mutex_lock`, and waits at most until `deadline_ms`, then `DRIFT_WAIT_TIMEOUT`: below
/// `DRIFT_TIME_EPOCH_MS` a duration, from there on a point in time; 0 and below do not wait.
///
/// C: `int64_t drift_mutex_lock_until(drift_mutex_t *mutex, int64_t deadline_ms);`
///
/// # Safety
/// `mutex` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_mutex_lock_until(
    mutex: *mut drift_mutex_t,
    deadline_ms: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    lock(unsafe { self::mutex(mutex) }, Limit::At(deadline_ms))
}

/// Hands `mutex` to the first who waits, or frees it. From any thread. One that nobody has: no
/// effect.
///
/// C: `void drift_mutex_unlock(drift_mutex_t *mutex);`
///
/// # Safety
/// `mutex` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_mutex_unlock(mutex: *mut drift_mutex_t) {
    // SAFETY: the caller's promise.
    unsafe { self::mutex(mutex) }.unlock();
}

/// Makes a condition variable of `condvar`, for which nobody waits.
///
/// C: `void drift_condvar_init(drift_condvar_t *condvar);`
///
/// # Safety
/// `condvar` is the caller's, and in nobody's use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_condvar_init(condvar: *mut drift_condvar_t) {
    // SAFETY: the caller's promise; it is large enough.
    unsafe { condvar.cast::<Condvar>().write(Condvar::new()) };
}

/// Unlocks `mutex`, which is the caller's, waits until notified, and locks it again before it
/// returns, whatever it returns. A notification after the unlock is not missed, and without one
/// it does not return 0. Returns 0, or `DRIFT_WAIT_CANCELLED` if the virtual thread was asked to
/// end.
///
/// C: `int64_t drift_condvar_wait(drift_condvar_t *condvar, drift_mutex_t *mutex);`
///
/// # Safety
/// Both were initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_condvar_wait(
    condvar: *mut drift_condvar_t,
    mutex: *mut drift_mutex_t,
) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { wait(condvar, mutex, Limit::None) }
}

/// As `drift_condvar_wait`, and waits at most until `deadline_ms`, as in `drift_mutex_lock_until`;
/// then `DRIFT_WAIT_TIMEOUT`, as soon as it has the mutex.
///
/// C: `int64_t drift_condvar_wait_until(drift_condvar_t *condvar, drift_mutex_t *mutex,
/// int64_t deadline_ms);`
///
/// # Safety
/// Both were initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_condvar_wait_until(
    condvar: *mut drift_condvar_t,
    mutex: *mut drift_mutex_t,
    deadline_ms: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { wait(condvar, mutex, Limit::At(deadline_ms)) }
}

/// # Safety
/// Both were initialised.
unsafe fn wait(condvar: *mut drift_condvar_t, mutex: *mut drift_mutex_t, limit: Limit) -> i64 {
    pay(CALL);
    let Some(wait) = limit.wait() else { return DRIFT_WAIT_FAILED };
    // SAFETY: the caller's promise.
    let condvar = unsafe { self::condvar(condvar) };
    // SAFETY: the same.
    let mutex = unsafe { self::mutex(mutex) };
    answer(condvar.wait(mutex, &wait))
}

/// Wakes the first who waits: 1; 0 if nobody does.
///
/// C: `int64_t drift_condvar_notify_one(drift_condvar_t *condvar);`
///
/// # Safety
/// `condvar` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_condvar_notify_one(condvar: *mut drift_condvar_t) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    i64::from(unsafe { self::condvar(condvar) }.notify_one())
}

/// Wakes all who wait now. How many.
///
/// C: `int64_t drift_condvar_notify_all(drift_condvar_t *condvar);`
///
/// # Safety
/// `condvar` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_condvar_notify_all(condvar: *mut drift_condvar_t) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    unsafe { self::condvar(condvar) }.notify_all() as i64
}

/// As many as there can be; below 0 is 0.
fn permits(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS)
}

fn acquire(semaphore: &Semaphore, wanted: i64, limit: Limit) -> i64 {
    pay(CALL);
    let wanted = permits(wanted);
    if semaphore.try_acquire(wanted) {
        return 0;
    }
    limit.wait().map_or(DRIFT_WAIT_FAILED, |wait| answer(semaphore.acquire(wanted, &wait)))
}

/// Puts `permits` permits into `semaphore`: below 0 is 0, and more than 4 294 967 293 are as many
/// as that, here and below.
///
/// C: `void drift_semaphore_init(drift_semaphore_t *semaphore, int64_t permits);`
///
/// # Safety
/// `semaphore` is the caller's, and in nobody's use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_semaphore_init(semaphore: *mut drift_semaphore_t, permits: i64) {
    let made = Semaphore::new(self::permits(permits));
    // SAFETY: the caller's promise; it is large enough.
    unsafe { semaphore.cast::<Semaphore>().write(made) };
}

/// Takes `permits` permits, all at once, and waits for them in the order in which others came: a
/// large request is not overtaken by small ones. Returns 0, or without any permit
/// `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread was asked to end.
///
/// C: `int64_t drift_semaphore_acquire(drift_semaphore_t *semaphore, int64_t permits);`
///
/// # Safety
/// `semaphore` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_semaphore_acquire(
    semaphore: *mut drift_semaphore_t,
    permits: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    acquire(unsafe { self::semaphore(semaphore) }, permits, Limit::None)
}

/// Takes `permits` permits if there are as many and nobody waits: 0, or `DRIFT_WAIT_BUSY`.
///
/// C: `int64_t drift_semaphore_try_acquire(drift_semaphore_t *semaphore, int64_t permits);`
///
/// # Safety
/// `semaphore` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_semaphore_try_acquire(
    semaphore: *mut drift_semaphore_t,
    permits: i64,
) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    let taken = unsafe { self::semaphore(semaphore) }.try_acquire(self::permits(permits));
    if taken { 0 } else { DRIFT_WAIT_BUSY }
}

/// As `drift_semaphore_acquire`, and waits at most until `deadline_ms`, as in
/// `drift_mutex_lock_until`; then `DRIFT_WAIT_TIMEOUT`.
///
/// C: `int64_t drift_semaphore_acquire_until(drift_semaphore_t *semaphore, int64_t permits,
/// int64_t deadline_ms);`
///
/// # Safety
/// `semaphore` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_semaphore_acquire_until(
    semaphore: *mut drift_semaphore_t,
    permits: i64,
    deadline_ms: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    acquire(unsafe { self::semaphore(semaphore) }, permits, Limit::At(deadline_ms))
}

/// Gives `permits` permits back, or adds some, and serves who waits. From any thread.
///
/// C: `void drift_semaphore_release(drift_semaphore_t *semaphore, int64_t permits);`
///
/// # Safety
/// `semaphore` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_semaphore_release(semaphore: *mut drift_semaphore_t, permits: i64) {
    // SAFETY: the caller's promise.
    unsafe { self::semaphore(semaphore) }.release(self::permits(permits));
    pay(CALL);
}
