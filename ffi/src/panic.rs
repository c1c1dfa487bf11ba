//! A broken invariant: its message on standard error, then abort. Nothing unwinds into C.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: none beyond each block's own.
#![allow(unsafe_code)]

use core::fmt::{self, Write};
use core::panic::PanicInfo;

struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        // SAFETY: descriptor 2 is only written to; if it is closed, the write fails.
        let stderr = unsafe { rustix::stdio::stderr() };
        while !rest.is_empty() {
            let written = rustix::io::write(stderr, rest).map_err(|_| fmt::Error)?;
            rest = &rest[written..];
        }
        Ok(())
    }
}

#[panic_handler]
fn abort(info: &PanicInfo<'_>) -> ! {
    // An unwritable message must not keep the process from ending.
    let _ = writeln!(Stderr, "drift: {info}");
    // SAFETY: takes nothing, and does not return.
    unsafe { libc::abort() }
}
