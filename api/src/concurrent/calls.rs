//! What the virtual thread that calls does itself: sleep, park, yield, heed cancellation or not.

use drift_core::wait as core_wait;

use super::thread::current;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, runtime, wait_for, wait_until};
use crate::time::{Duration, Instant};

/// Parks the calling virtual thread for at least `time`; a plain OS thread blocks instead.
///
/// Never early; late by a tick of the timer (66 us) plus scheduling. An unpark that comes meanwhile
/// is kept for the next [`park`].
///
/// # Errors
/// `Timeout` if `time` is zero; `Failed(InvalidDuration)` if it is negative; `Cancelled` if the
/// virtual thread is cancelled, before or meanwhile.
///
/// # Source
/// Drift's `std.concurrent.sleep`; the clock is `CLOCK_MONOTONIC`, clock_gettime(2).
///
/// # Examples
/// ```
/// use drift::{ConcurrencyError, Duration, sleep};
///
/// sleep(Duration::from_millis(1)).unwrap();
/// assert_eq!(sleep(Duration::ZERO), Err(ConcurrencyError::Timeout));
/// ```
pub fn sleep(time: impl Into<Duration>) -> Result<(), ConcurrencyError> {
    pay(CALL);
    let wait = wait_for(time.into())?.ok_or(ConcurrencyError::Timeout)?;
    Ok(core_wait::sleep(&wait)?)
}

/// Parks the calling virtual thread until `deadline`; returns at once if that is past. A plain OS
/// thread blocks instead.
///
/// # Errors
/// `Cancelled` if the virtual thread is cancelled, before or meanwhile.
///
/// # Source
/// Drift's `std.concurrent.sleep`, with a point of time.
///
/// # Examples
/// ```
/// use drift::{Duration, Instant, sleep_until};
///
/// let mut next = Instant::now();
/// for _ in 0..3 {
///     next = next + Duration::from_millis(1);
///     sleep_until(next).unwrap(); // a rhythm that does not drift away
/// }
/// ```
pub fn sleep_until(deadline: Instant) -> Result<(), ConcurrencyError> {
    pay(CALL);
    Ok(core_wait::sleep(&wait_until(deadline.core())?)?)
}

/// Lets every other ready virtual thread of the carrier run first. A plain OS thread gives its
/// CPU away once; a virtual thread that unwinds goes on.
///
/// # Source
/// Beyond Drift's `std.concurrent`; Go's `runtime.Gosched`.
///
/// # Examples
/// ```
/// // One carrier: they run in turn.
/// drift::run_with(drift::ExecutorPolicy::new(), || {
///     let other = drift::spawn(|| 7);
///     drift::yield_now();
///     assert!(other.is_completed());
/// });
/// ```
#[inline]
pub fn yield_now() {
    if !std::thread::panicking() {
        runtime().yield_now();
    }
}

/// Parks the calling virtual thread until [`Thread::unpark`](crate::Thread::unpark); at once if one
/// came since the last park. A plain OS thread gives its CPU away and returns.
///
/// # Errors
/// `Cancelled` if the virtual thread is cancelled, before or meanwhile. An unpark that came as
/// well is used up.
///
/// # Source
/// Drift's `lang.thread.vt_park`.
///
/// # Examples
/// ```
/// drift::run(|| {
///     let main = drift::current().unwrap();
///     drift::spawn(move || main.unpark());
///     drift::park().unwrap();
/// });
/// ```
pub fn park() -> Result<(), ConcurrencyError> {
    park_for(drift_core::time::Instant::FAR)
}

/// Parks as [`park`], at most until `deadline`; does not tell which it was, as
/// [`std::thread::park_timeout`]. A plain OS thread sleeps until then.
///
/// # Errors
/// `Cancelled`, as [`park`].
///
/// # Source
/// Drift's `lang.thread.vt_park_until`.
///
/// # Examples
/// ```
/// use drift::{Duration, Instant};
///
/// drift::run(|| {
///     let deadline = Instant::now() + Duration::from_millis(2);
///     drift::park_until(deadline).unwrap(); // nobody unparks
///     assert!(Instant::now() >= deadline);
/// });
/// ```
pub fn park_until(deadline: Instant) -> Result<(), ConcurrencyError> {
    if current().is_none() {
        return sleep_until(deadline);
    }
    park_for(deadline.core())
}

fn park_for(until: drift_core::time::Instant) -> Result<(), ConcurrencyError> {
    let wait = wait_until(until)?;
    if !runtime().park(until) {
        runtime().yield_now();
    }
    Ok(wait.check()?)
}

/// Whether the calling virtual thread was asked to end; false on a plain OS thread. Long
/// computations ask now and then.
///
/// # Source
/// Drift's `std.concurrent`: cancellation is cooperative.
///
/// # Examples
/// ```
/// // One carrier: they run in turn.
/// drift::run_with(drift::ExecutorPolicy::new(), || {
///     let endless = drift::spawn(|| {
///         while !drift::is_cancelled() {
///             drift::yield_now();
///         }
///         "asked to end"
///     });
///     drift::yield_now();
///     endless.cancel();
///     assert_eq!(endless.join(), Ok("asked to end"));
/// });
/// ```
#[must_use]
pub fn is_cancelled() -> bool {
    pay(CALL);
    runtime().is_cancelled()
}

/// Runs `f`, in which no wait of the calling virtual thread heeds cancellation: for cleanup that
/// must wait. [`is_cancelled`] still tells.
///
/// # Source
/// Beyond Drift's `std.concurrent`.
///
/// # Examples
/// ```
/// use drift::{ConcurrencyError, Duration, ExecutorPolicy, sleep, uncancellable};
///
/// // One carrier: they run in turn.
/// drift::run_with(ExecutorPolicy::new(), || {
///     let thread = drift::spawn(|| {
///         let cut_short = sleep(Duration::from_secs(60));
///         let whole = uncancellable(|| sleep(Duration::from_millis(1)));
///         (cut_short, whole)
///     });
///     drift::yield_now();
///     thread.cancel();
///     assert_eq!(thread.join(), Ok((Err(ConcurrencyError::Cancelled), Ok(()))));
/// });
/// ```
pub fn uncancellable<T>(f: impl FnOnce() -> T) -> T {
    /// Ends the stretch, also when `f` unwinds.
    struct Shield;
    impl Drop for Shield {
        fn drop(&mut self) {
            runtime().shield(-1);
        }
    }
    pay(CALL);
    runtime().shield(1);
    let _shield = Shield;
    f()
}
