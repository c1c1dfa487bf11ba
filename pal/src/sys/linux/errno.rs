//! The kernel's refusals, and system calls that rustix has no name for.
//!
//! A raw system call returns its errno instead of storing it, so C's `errno` is never touched.
//!
//! # Safety
//!
//! `raw` is as safe as the call that it makes; its callers say why theirs is.
#![allow(unsafe_code)]

use drift_asm::syscall::syscall6;
use drift_core::platform::PlatformError;
use rustix::io::Errno;

/// The kernel's code, as the platform's.
pub(super) fn code(errno: Errno) -> PlatformError {
    PlatformError::Code(errno.raw_os_error().unsigned_abs())
}

/// Makes system call `number`, for example `libc::SYS_madvise`.
///
/// # Safety
/// As that call asks.
pub(super) unsafe fn raw(number: libc::c_long, arguments: [usize; 6]) -> Result<usize, Errno> {
    let number = usize::try_from(number).expect("system calls have positive numbers");
    // SAFETY: the caller's.
    let answer = unsafe { syscall6(number, arguments) };
    // See syscall(2): an answer from -4095 to -1 is a negated errno.
    match answer {
        -4095..=-1 => Err(Errno::from_raw_os_error(-(answer as i32))),
        _ => Ok(answer as usize),
    }
}
