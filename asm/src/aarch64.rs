//! The context switch of AArch64. As `x86_64.rs`; what differs:
//!
//! ```text
//!            suspended                              new
//!   high  |  the caller's frame        |       top |                          |
//!         |  FPCR, padding             |           |  0                       |
//!         |  d8 to d15                 |           |  0                       |
//!         |  x19 to x28                |           |  argument, entry, 0      |
//!   low   |  x29 (frame), x30 (return) | <- Ctx    |  0, in `start`           | <- Context
//! ```
//!
//! Kept: what the AAPCS64, sections 6.1.1 and 6.1.2, asks of a callee: x19 to x30, the lower half
//! of v8 to v15, and FPCR, which has no exception flags (those are FPSR's). `switch` ends in a
//! `ret`: where branch targets are checked, any other branch must land on a `bti`, and no return
//! address does. `bti c` is a hint: no operation where nothing is checked.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a context is resumed once, on a live stack.
#![allow(unsafe_code)]

use core::arch::naked_asm;
use core::mem::{offset_of, size_of};

use crate::{Context, Entry};

/// Whether contexts can be switched here.
pub const SUPPORTED: bool = true;

/// What lies at a suspended context's stack pointer.
#[repr(C)]
struct Frame {
    x29: usize,
    x30: usize,
    x19_to_28: [usize; 10],
    d8_to_15: [u64; 8],
    fpcr: u64,
    padding: u64,
}

const _: () = assert!(offset_of!(Frame, d8_to_15) == 96 && offset_of!(Frame, fpcr) == 160);
const _: () = assert!(size_of::<Frame>() == 176);

/// Stores two registers of the frame and tells an unwinder where they are.
macro_rules! save {
    ($a:literal, $at:literal, $b:literal, $above:literal) => {
        concat!(
            "stp ",
            $a,
            ", ",
            $b,
            ", [sp, ",
            $at,
            "]; .cfi_rel_offset ",
            $a,
            ", ",
            $at,
            "; .cfi_rel_offset ",
            $b,
            ", ",
            $above
        )
    };
}

/// Loads two registers of the frame and tells an unwinder that they are back.
macro_rules! load {
    ($a:literal, $at:literal, $b:literal) => {
        concat!("ldp ", $a, ", ", $b, ", [sp, ", $at, "]; .cfi_restore ", $a, "; .cfi_restore ", $b)
    };
}

/// Code for targets with floating point.
#[cfg(target_feature = "neon")]
macro_rules! float {
    ($code:expr) => {
        $code
    };
}

#[cfg(not(target_feature = "neon"))]
macro_rules! float {
    ($code:expr) => {
        ""
    };
}

/// A context that will call `entry(argument)` on the stack below `top`.
///
/// # Safety
/// `top` is 16-aligned, with at least a page of writable memory below that nobody else uses.
pub unsafe fn init(top: *mut u8, entry: Entry, argument: *mut u8) -> Context {
    let frame = top.cast::<Frame>().wrapping_sub(1);
    let start: unsafe extern "C" fn() = start;
    let mut saved = [0; 10];
    saved[0] = argument.expose_provenance();
    saved[1] = entry as *const () as usize;
    // SAFETY: the caller's promise; the frame is much smaller than a page.
    unsafe {
        frame.write(Frame {
            x29: 0,
            x30: start as *const () as usize + PAD,
            x19_to_28: saved,
            d8_to_15: [0; 8],
            fpcr: 0,
            padding: 0,
        });
    }
    Context(frame.cast())
}

/// Bytes of the `nop` before the instruction of `start` that is resumed.
const PAD: usize = 4;

/// The outermost frame of every context.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        ".hidden {me}", // no library exports it
        ".cfi_startproc",
        ".cfi_undefined x30",
        ".cfi_undefined x29",
        "nop", // PAD
        "mov x0, x19",
        "blr x20",
        "brk 1",
        ".cfi_endproc",
        me = sym start,
    )
}

/// Saves the running context in `*from` and resumes `to`.
///
/// # Safety
/// `to` was made by `init` or saved by `switch`, is resumed once, and its stack is alive.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(from: *mut Context, to: Context) {
    naked_asm!(
        ".hidden {me}", // no library exports it
        ".cfi_startproc",
        "hint 34", // bti c
        "sub sp, sp, 176",
        ".cfi_adjust_cfa_offset 176",
        save!("x29", 0, "x30", 8),
        save!("x19", 16, "x20", 24),
        save!("x21", 32, "x22", 40),
        save!("x23", 48, "x24", 56),
        save!("x25", 64, "x26", 72),
        save!("x27", 80, "x28", 88),
        float!(save!("d8", 96, "d9", 104)),
        float!(save!("d10", 112, "d11", 120)),
        float!(save!("d12", 128, "d13", 136)),
        float!(save!("d14", 144, "d15", 152)),
        float!("mrs x9, fpcr"),
        float!("str x9, [sp, 160]"),
        "mov x10, sp",
        "str x10, [x0]", // whole now; the carrier publishes it once off this stack
        "mov sp, x1",
        float!("ldr x11, [sp, 160]"),
        float!("cmp x11, x9"),
        float!("b.eq 2f"),
        float!("msr fpcr, x11"),
        "2:",
        float!(load!("d14", 144, "d15")),
        float!(load!("d12", 128, "d13")),
        float!(load!("d10", 112, "d11")),
        float!(load!("d8", 96, "d9")),
        load!("x27", 80, "x28"),
        load!("x25", 64, "x26"),
        load!("x23", 48, "x24"),
        load!("x21", 32, "x22"),
        load!("x19", 16, "x20"),
        load!("x29", 0, "x30"),
        "add sp, sp, 176",
        ".cfi_adjust_cfa_offset -176",
        "ret",
        ".cfi_endproc",
        me = sym switch,
    )
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
