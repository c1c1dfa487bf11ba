//! Sleeping on a word: futex(2), private to the process.
//!
//! # Safety
//!
//! The address that a wake names is never read.
#![allow(unsafe_code)]

use core::num::NonZeroU32;

use drift_core::prim::AtomicU32;
use drift_core::time::Instant;
use rustix::thread::futex;

use super::clock;
use super::errno::raw;

/// Sleeps while `*word == value`, until woken or `until`, never early; may wake for no reason.
///
/// `FUTEX_WAIT_BITSET` because its time-out is an instant of `CLOCK_MONOTONIC`: nothing is lost
/// between reading the clock and sleeping. That is also why the answer does not matter: a wake,
/// a changed word (EAGAIN), a signal (EINTR) and the instant (ETIMEDOUT) all send the caller to
/// look at its word.
pub(crate) fn wait_while(word: &AtomicU32, value: u32, until: Option<Instant>) {
    let until = until.filter(|&until| until != Instant::FAR).map(|until| clock::timespec(until.0));
    let any = NonZeroU32::MAX; // FUTEX_BITSET_MATCH_ANY
    let _ = futex::wait_bitset(word, futex::Flags::PRIVATE, value, until.as_ref(), any);
}

/// Wakes one thread that sleeps on `word`, if there is one.
pub(crate) fn wake_one(word: *const AtomicU32) {
    wake(word, 1);
}

/// Wakes every thread that sleeps on `word`.
pub(crate) fn wake_all(word: *const AtomicU32) {
    wake(word, i32::MAX as usize);
}

fn wake(word: *const AtomicU32, sleepers: usize) {
    let operation = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // It can fail only for an address that was never a word.
    // SAFETY: FUTEX_WAKE uses its first argument as a name only, and touches no memory.
    let _ = unsafe { raw(libc::SYS_futex, [word.addr(), operation, sleepers, 0, 0, 0]) };
}
