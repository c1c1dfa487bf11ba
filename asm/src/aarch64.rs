//! The context switch of AArch64. As `x86_64.rs`; what differs:
//!
//! ```text
//!            suspended                              new
//!   high  |  the caller's frame        |       top |                          |
//!         |  FPCR, padding             |           |  0                       |
//!         |  d8 to d15                 |           |  0                       |
//!         |  x19 to x28                |           |  argument, entry, 0      |
//!   low   |  x29 (frame), x30 (return) | <- Ctx    |  0, address of `start`   | <- Context
//! ```
//!
//! Kept: what the AAPCS64, sections 6.1.1 and 6.1.2, asks of a callee: x19 to x30, the lower half
//! of v8 to v15, and FPCR. `ret` takes the address from x30, so `start` begins with `bti j`: a
//! landing pad where branch targets are checked, and no operation elsewhere.
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
            x30: start as *const () as usize,
            x19_to_28: saved,
            d8_to_15: [0; 8],
            fpcr: 0,
            padding: 0,
        });
    }
    Context(frame.cast())
}

/// The outermost frame of every context.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        hide!(),
        ".cfi_startproc",
        ".cfi_undefined x30",
        ".cfi_undefined x29",
        "hint 36", // bti j
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
        hide!(),
        ".cfi_startproc",
        "hint 34", // bti c
        "sub sp, sp, 176",
        ".cfi_adjust_cfa_offset 176",
        "stp x29, x30, [sp]",
        ".cfi_rel_offset x29, 0",
        ".cfi_rel_offset x30, 8",
        "stp x19, x20, [sp, 16]",
        ".cfi_rel_offset x19, 16",
        ".cfi_rel_offset x20, 24",
        "stp x21, x22, [sp, 32]",
        ".cfi_rel_offset x21, 32",
        ".cfi_rel_offset x22, 40",
        "stp x23, x24, [sp, 48]",
        ".cfi_rel_offset x23, 48",
        ".cfi_rel_offset x24, 56",
        "stp x25, x26, [sp, 64]",
        ".cfi_rel_offset x25, 64",
        ".cfi_rel_offset x26, 72",
        "stp x27, x28, [sp, 80]",
        ".cfi_rel_offset x27, 80",
        ".cfi_rel_offset x28, 88",
        "stp d8, d9, [sp, 96]",
        "stp d10, d11, [sp, 112]",
        "stp d12, d13, [sp, 128]",
        "stp d14, d15, [sp, 144]",
        "mrs x9, fpcr",
        "str x9, [sp, 160]",
        "mov x10, sp",
        "str x10, [x0]", // whole now; the carrier publishes it once off this stack
        "mov sp, x1",
        "ldr x11, [sp, 160]",
        "cmp x11, x9",
        "b.eq 2f",
        "msr fpcr, x11",
        "2:",
        "ldp d14, d15, [sp, 144]",
        "ldp d12, d13, [sp, 128]",
        "ldp d10, d11, [sp, 112]",
        "ldp d8, d9, [sp, 96]",
        "ldp x27, x28, [sp, 80]",
        "ldp x25, x26, [sp, 64]",
        "ldp x23, x24, [sp, 48]",
        "ldp x21, x22, [sp, 32]",
        "ldp x19, x20, [sp, 16]",
        "ldp x29, x30, [sp]",
        "add sp, sp, 176",
        ".cfi_def_cfa_offset 0",
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
