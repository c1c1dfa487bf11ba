//! `drift_time_*`, and what a number of milliseconds means.
//!
//! The clock counts from [`DRIFT_TIME_EPOCH_MS`], 34 years, so that one number can be either a
//! duration or a point in time: below the epoch it is a duration from now, at or above it a
//! deadline. `drift_time_now_ms` rounds up, durations are exact, deadlines are reached at or after
//! their millisecond: nothing is early.

use drift_core::platform::Platform;
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;

/// What `drift_time_now_ms` counts from: 2^40 ms before its first possible value. Values below it
/// are durations, values from it on are points in time.
pub const DRIFT_TIME_EPOCH_MS: i64 = 1_099_511_627_776;

/// Milliseconds of a monotonic clock since an epoch in the past; rounded up, never negative.
///
/// C: `int64_t drift_time_now_ms(void);`
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn drift_time_now_ms() -> i64 {
    let now = process::runtime().map_or(Instant::ZERO, |runtime| runtime.platform().now());
    DRIFT_TIME_EPOCH_MS + now.0.div_ceil(MILLISECOND) as i64
}

/// The instant that `ms` above zero means.
pub(crate) fn instant(platform: &dyn Platform, ms: i64) -> Instant {
    if ms >= DRIFT_TIME_EPOCH_MS {
        let since = (ms - DRIFT_TIME_EPOCH_MS) as u64;
        Instant(since.saturating_mul(MILLISECOND))
    } else {
        platform.now() + (ms as u64).saturating_mul(MILLISECOND)
    }
}

/// The same for a deadline argument: 0 is none, below 0 is over.
pub(crate) fn deadline(platform: &dyn Platform, ms: i64) -> Instant {
    match ms {
        0 => Instant::FAR,
        ..0 => Instant::ZERO,
        _ => instant(platform, ms),
    }
}
