//! `CLOCK_MONOTONIC` through the vDSO, and a random word.

use drift_core::time::Instant;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::Timespec;

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since the machine started. See clock_gettime(2).
#[cfg(not(feature = "sanitize"))]
pub(crate) fn now() -> Instant {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Instant(now.tv_sec as u64 * SECOND + now.tv_nsec as u64)
}

/// The same through the C library: valgrind has no vDSO, and rustix would look for it where it is
/// outside of valgrind.
#[cfg(feature = "sanitize")]
#[allow(unsafe_code)]
pub(crate) fn now() -> Instant {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the local is there to be written.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(code, 0, "every Linux has CLOCK_MONOTONIC");
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
