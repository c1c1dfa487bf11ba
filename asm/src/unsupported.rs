//! An instruction set without a context switch: compiles, and refuses.

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
#[allow(unsafe_code)]
pub unsafe fn init(_: *mut u8, _: Entry, _: *mut u8) -> Context {
    panic!("drift-asm has no context switch for this instruction set; see asm/src/x86_64.rs")
}

/// Refuses.
///
/// # Panics
/// Always.
///
/// # Safety
/// None to keep.
#[allow(unsafe_code)]
pub unsafe extern "C" fn switch(_: *mut Context, _: Context) {
    panic!("drift-asm has no context switch for this instruction set; see asm/src/x86_64.rs")
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
