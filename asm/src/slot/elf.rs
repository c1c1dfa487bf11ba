//! The carrier word as a thread-local variable of the initial-exec model (ELF Handling for
//! Thread-Local Storage, section 4.4.6): eight bytes that the loader gives to every thread, also
//! in a library that is opened later.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: `drift_slot` is defined here, and used by `get` and
//! `set` only.
#![allow(unsafe_code)]

use core::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.drift_slot,\"awT\",@nobits",
    ".balign 8",
    ".hidden drift_slot",
    ".globl drift_slot",
    ".type drift_slot, @object",
    ".size drift_slot, 8",
    "drift_slot:",
    ".zero 8",
    ".popsection",
);

/// The word of the OS thread that runs this instruction; null on a foreign thread.
#[inline]
#[must_use]
pub fn get() -> *mut u8 {
    let word;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads the word above. Not `pure`: the value must be read again after every switch
    // (llvm/llvm-project#98479).
    unsafe {
        asm!(
            "mov {word}, [rip + drift_slot@GOTTPOFF]",
            "mov {word}, fs:[{word}]",
            word = out(reg) word,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "mrs {base}, tpidr_el0",
            "adrp {word}, :gottprel:drift_slot",
            "ldr {word}, [{word}, :gottprel_lo12:drift_slot]",
            "ldr {word}, [{base}, {word}]",
            base = out(reg) _,
            word = out(reg) word,
            options(nostack, preserves_flags, readonly),
        );
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "la.tls.ie {word}, drift_slot",
            "add {word}, {word}, tp",
            "ld {word}, 0({word})",
            word = out(reg) word,
            options(nostack, preserves_flags, readonly),
        );
    }
    word
}

/// Sets the word of this OS thread.
///
/// # Safety
/// `word` is what those who read it here take it for: null, or a carrier that runs on this thread.
#[inline]
pub unsafe fn set(word: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: writes the word above.
    unsafe {
        asm!(
            "mov {offset}, [rip + drift_slot@GOTTPOFF]",
            "mov fs:[{offset}], {word}",
            offset = out(reg) _,
            word = in(reg) word,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: writes the word above.
    unsafe {
        asm!(
            "mrs {base}, tpidr_el0",
            "adrp {offset}, :gottprel:drift_slot",
            "ldr {offset}, [{offset}, :gottprel_lo12:drift_slot]",
            "str {word}, [{base}, {offset}]",
            base = out(reg) _,
            offset = out(reg) _,
            word = in(reg) word,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: writes the word above.
    unsafe {
        asm!(
            "la.tls.ie {offset}, drift_slot",
            "add {offset}, {offset}, tp",
            "sd {word}, 0({offset})",
            offset = out(reg) _,
            word = in(reg) word,
            options(nostack, preserves_flags),
        );
    }
}
