//! A machine without a context switch: compiles, and refuses.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: none; both functions panic before they touch anything.
#![allow(unsafe_code)]

use crate::{Context, Entry};

/// Whether contexts can be switched here.
pub const SUPPORTED: bool = false;

/// Refuses.
///
/// # Panics
/// Always.
///
/// # Safety
/// None to keep.
pub unsafe fn init(_: *mut u8, _: Entry, _: *mut u8) -> Context {
    refuse()
}

/// Refuses.
///
/// # Panics
/// Always.
///
/// # Safety
/// None to keep.
pub unsafe extern "C" fn switch(_: *mut Context, _: Context) {
    refuse()
}

fn refuse() -> ! {
    panic!("drift-asm has no context switch for this machine (asm/src/lib.rs tells which have)")
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
