//! The C ABI of the drift runtime, and nothing else: `libdrift_rt.a`, `libdrift_rt.so`, `drift.h`.
//!
//! Border rules:
//!
//! - Every argument may be any 64-bit value. A handle is looked up, never dereferenced; a stale
//!   or made-up one is an answer. Pointers are the caller's promise: the callback of
//!   `drift_thread_spawn`, and the objects of `sync` and `channel`.
//! - Nothing unwinds into C: a panic prints its message and aborts.
//! - There is no start and no end: the first call of any function makes the runtime, and the
//!   process may exit at any moment.
//! - `errno` is not touched: system calls do not go through the C library.
//! - Milliseconds exist only here; `time` says what they mean.
//! - Every call that can end without waiting is paid for out of the budget of its virtual thread
//!   (`drift_core::sched::budget`), so that a loop of them lets others run: before it does
//!   anything, or after it has handed something out. Free are those that tell or set a number, and
//!   those that begin an object.
//!
//! The library that C programs link is what the profile `archive` builds, without std and with the
//! panic handler of `panic`. In every other profile Rust unwinds, so std has to be there; such a
//! build is for checks only, and its panics abort where they reach a function of C.
//!
//! One file for each family of functions; the one runtime of the process is `drift_pal`'s.
//!
//! # Unsafe
//! `channel`, `exec`, `panic`, `refusal`, `sync`, `testing`, `thread`; and the attribute
//! `no_mangle` of every exported function (exported names are unique: `symbols.txt`).
#![no_std]
#![deny(unsafe_code)]

// Builds that unwind take std's panic handler; so does the whole workspace when a member uses std.
#[cfg(not(panic = "abort"))]
extern crate std;

#[cfg(feature = "sync")]
pub mod channel;
pub mod exec;
#[cfg(panic = "abort")]
mod panic;
pub mod reactor;
mod refusal;
#[cfg(feature = "sync")]
pub mod sync;
pub mod testing;
pub mod thread;
pub mod time;

use drift_core::sched::budget;
pub(crate) use drift_core::sched::budget::{CALL, SETUP, SYSTEM_CALL};

/// What a call costs its virtual thread; others may run before it returns from here.
#[inline]
pub(crate) fn pay(cost: i32) {
    budget::spend(cost, || true);
}

/// Raised when a function is added; a function is never changed or removed.
pub const DRIFT_ABI_VERSION: i64 = 2;
