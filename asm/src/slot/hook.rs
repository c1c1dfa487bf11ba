//! The carrier word of an image without an operating system: two functions that the image
//! defines, because only it knows where a CPU keeps a word of its own. Also for machines without
//! a context switch, whose programs compile but do not link unless they define them.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: the image defines both with these signatures.
#![allow(unsafe_code)]

unsafe extern "C" {
    safe fn drift_slot_get() -> *mut u8;
    fn drift_slot_set(word: *mut u8);
}

/// The word of the CPU that runs this instruction; null before it runs a carrier.
#[inline]
#[must_use]
pub fn get() -> *mut u8 {
    drift_slot_get()
}

/// Sets the word of this CPU.
///
/// # Safety
/// `word` is what those who read it here take it for: null, or a carrier that runs on this CPU.
#[inline]
pub unsafe fn set(word: *mut u8) {
    // SAFETY: the image defines it so.
    unsafe { drift_slot_set(word) };
}
