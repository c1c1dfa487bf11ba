//! The runtime that a call means, and how long it may wait.

use drift_core::platform::PlatformError;
use drift_core::runtime::Runtime;
use drift_core::sched::budget;
pub(crate) use drift_core::sched::budget::{CALL, SETUP, SYSTEM_CALL};
use drift_core::time::Instant;
use drift_core::wait::Wait;

use crate::error::{ConcurrencyError, Error};
use crate::time::duration::Duration;

/// That of the virtual thread that calls; elsewhere the process's, which the first call makes.
#[inline]
pub(crate) fn try_runtime() -> Result<&'static Runtime, PlatformError> {
    Runtime::here().map_or_else(drift_pal::process::runtime, Ok)
}

/// The same, for calls that have nobody to tell.
///
/// # Panics
/// If the machine refuses what the process's runtime needs.
#[inline]
pub(crate) fn runtime() -> &'static Runtime {
    try_runtime().unwrap_or_else(|error| panic!("the drift runtime cannot start: {error}"))
}

/// Whether a virtual thread calls that unwinds.
#[inline]
pub(crate) fn unwinds() -> bool {
    std::thread::panicking() && Runtime::here().is_some()
}

/// Whether the caller may wait at all.
///
/// # Errors
/// `Failed(Unwinding)` on a virtual thread that unwinds: std counts panics for each OS thread, so
/// it must neither leave its carrier now nor let another virtual thread run there.
#[inline]
pub(crate) fn may_wait() -> Result<(), ConcurrencyError> {
    match unwinds() {
        true => Err(Error::Unwinding.into()),
        false => Ok(()),
    }
}

/// What every call pays that can end without waiting, before it does anything: after some, others
/// run first. A virtual thread that unwinds goes on, for the reason of [`may_wait`]. Not within a
/// call, nor in a destructor or a `fmt`, whose caller may have borrowed what is its OS thread's.
#[inline]
pub(crate) fn pay(cost: i32) {
    budget::spend(cost, || !std::thread::panicking());
}

/// To wait for ever.
///
/// # Errors
/// As [`may_wait`].
#[inline]
pub(crate) fn wait() -> Result<Wait, ConcurrencyError> {
    may_wait()?;
    Ok(Wait::new(try_runtime()?))
}

/// To wait for `timeout`; none if that is over at once.
///
/// # Errors
/// The same, and `Failed(InvalidDuration)`.
pub(crate) fn wait_for(timeout: Duration) -> Result<Option<Wait>, ConcurrencyError> {
    let span = timeout.nanoseconds()?;
    if span == 0 {
        return Ok(None);
    }
    let wait = wait()?;
    Ok(Some(wait.until(runtime().platform().now() + span)))
}

/// To wait until `deadline`.
pub(crate) fn wait_until(deadline: Instant) -> Result<Wait, ConcurrencyError> {
    wait().map(|wait| wait.until(deadline))
}

/// To wait until it is done, cancelled or not, unwinding or not; for what ends by itself soon.
pub(crate) fn wait_to_the_end() -> Wait {
    Wait::new(runtime()).uncancellable()
}
