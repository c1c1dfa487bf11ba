//! Words for what a number cannot say: why the machine refused, once, on standard error.
//!
//! A function of C answers 0 or a code. A program that does not look at it, or looks only whether
//! it is 0, would never learn what to do.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: none beyond each block's own.
#![allow(unsafe_code)]

use core::fmt::{self, Write};

use drift_core::platform::PlatformError;
use drift_core::prim::{AtomicBool, Ordering};
use drift_core::runtime::Runtime;
use drift_pal::process;

/// Standard error, whoever has it.
pub(crate) struct Stderr;

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

/// One line for the first refusal of a process: those that follow have the same cause, or come from
/// it.
#[cold]
pub(crate) fn tell_once(refusal: &PlatformError) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    // Relaxed: it only elects.
    if !TOLD.swap(true, Ordering::Relaxed) {
        let _ = writeln!(Stderr, "drift: {refusal} (said once)");
    }
}

/// The runtime; none, and told, if the machine refuses what it needs.
#[inline]
pub(crate) fn runtime() -> Option<&'static Runtime> {
    process::runtime().inspect_err(tell_once).ok()
}
