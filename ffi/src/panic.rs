//! A broken invariant: its message on standard error, then abort. Nothing unwinds into C.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: none beyond each block's own.
#![allow(unsafe_code)]

use core::fmt::Write as _;
use core::panic::PanicInfo;

use crate::refusal::Stderr;

#[panic_handler]
fn abort(info: &PanicInfo<'_>) -> ! {
    // An unwritable message must not keep the process from ending.
    let _ = writeln!(Stderr, "drift: {info}");
    // SAFETY: takes nothing, and does not return.
    unsafe { libc::abort() }
}
