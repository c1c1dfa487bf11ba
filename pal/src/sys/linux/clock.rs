//! `CLOCK_MONOTONIC` through the vDSO, and a random word.

use drift_core::time::Instant;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, Timespec, clock_gettime};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the machine started. See clock_gettime(2).
pub(crate) fn now() -> Instant {
    let now = clock_gettime(ClockId::Monotonic);
    Instant(now.tv_sec as u64 * SECOND + now.tv_nsec as u64)
}

/// Nanoseconds as the kernel wants them.
pub(super) const fn timespec(nanoseconds: u64) -> Timespec {
    Timespec { tv_sec: (nanoseconds / SECOND) as i64, tv_nsec: (nanoseconds % SECOND) as _ }
}

/// A random word; early in the machine's life, when the kernel has none yet, a scrambled clock.
pub(crate) fn entropy() -> u64 {
    let mut word = [0; 8];
    match getrandom(&mut word, GetRandomFlags::NONBLOCK) {
        Ok(8) => u64::from_ne_bytes(word),
        // Fibonacci hashing: Knuth, The Art of Computer Programming, volume 3, section 6.4.
        _ => now().0.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}
