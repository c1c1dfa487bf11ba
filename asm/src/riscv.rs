//! The context switch of RISC-V, 32 and 64 bits, with and without F and D. As `x86_64.rs`; what
//! differs:
//!
//! ```text
//!            suspended                              new
//!   high  |  the caller's frame        |       top |                          |
//!         |  padding to 16 bytes       |           |                          |
//!         |  frm, of targets with F    |           |  0                       |
//!         |  fs0 to fs11, 8 bytes each |           |  0                       |
//!         |  s2 to s11                 |           |  0                       |
//!         |  s0 (frame), s1            |           |  0, argument; s2: entry  |
//!   low   |  ra (return)               | <- Ctx    |  in `start`              | <- Context
//! ```
//!
//! Kept: what the RISC-V ABIs specification, chapters "Integer Register Convention" and
//! "Floating-point Register Convention", asks of a callee: s0 to s11, and fs0 to fs11 as wide as
//! the target has them; and the rounding mode `frm`, which C counts to a thread's state (C11,
//! section 7.6). The exception flags in `fcsr` are not kept, nor is anything of V, all of which the
//! ABI leaves to the caller. `gp` and `tp` are the program's and the OS thread's.
//!
//! There is no file for E (16 registers), and no landing pad (Zicfilp) or shadow stack (Zicfiss)
//! yet: no target of stable Rust has these.
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
#[repr(C, align(16))]
struct Frame {
    ra: usize,
    s: [usize; 12],
    fs: [u64; FLOATS],
    frm: [usize; FLOATS / 12],
}

/// Floating-point registers that are kept.
const FLOATS: usize = if cfg!(drift_float) { 12 } else { 0 };

const _: () = assert!(offset_of!(Frame, s) == size_of::<usize>());

/// The words of 32 and 64 bits: how one is stored and loaded, and how many bytes it has.
#[cfg(target_arch = "riscv64")]
macro_rules! word {
    (store) => {
        "sd "
    };
    (load) => {
        "ld "
    };
    (bytes) => {
        "8"
    };
    (floats) => {
        "104"
    };
    (frm) => {
        "200"
    };
}

#[cfg(target_arch = "riscv32")]
macro_rules! word {
    (store) => {
        "sw "
    };
    (load) => {
        "lw "
    };
    (bytes) => {
        "4"
    };
    (floats) => {
        "56"
    };
    (frm) => {
        "152"
    };
}

#[cfg(target_arch = "riscv64")]
const _: () = assert!(offset_of!(Frame, fs) == 104 && offset_of!(Frame, frm) == 104 + 8 * FLOATS);
#[cfg(all(target_arch = "riscv32", drift_float))]
const _: () = assert!(offset_of!(Frame, fs) == 56 && offset_of!(Frame, frm) == 152);

/// Stores a register in word `at` of the frame and tells an unwinder where it is.
macro_rules! save {
    ($name:literal, $at:literal) => {
        concat!(
            word!(store),
            $name,
            ", ",
            $at,
            "*",
            word!(bytes),
            "(sp); .cfi_rel_offset ",
            $name,
            ", ",
            $at,
            "*",
            word!(bytes)
        )
    };
}

/// Loads a register from word `at` of the frame and tells an unwinder that it is back.
macro_rules! load {
    ($name:literal, $at:literal) => {
        concat!(word!(load), $name, ", ", $at, "*", word!(bytes), "(sp); .cfi_restore ", $name)
    };
}

/// The offset of floating-point register `at`.
#[cfg(drift_float)]
macro_rules! at {
    ($at:literal) => {
        concat!(word!(floats), "+8*", $at)
    };
}

/// Tells the assembler what the target has, which link-time optimisation forgets.
#[cfg(drift_float = "64")]
macro_rules! extension {
    () => {
        ".option arch, +d"
    };
}

#[cfg(drift_float = "32")]
macro_rules! extension {
    () => {
        ".option arch, +f"
    };
}

/// Stores a floating-point register and tells an unwinder where it is, as wide as the target has
/// them.
#[cfg(drift_float = "64")]
macro_rules! save_float {
    ($name:literal, $at:literal) => {
        concat!("fsd ", $name, ", ", at!($at), "(sp); .cfi_rel_offset ", $name, ", ", at!($at))
    };
}

#[cfg(drift_float = "64")]
macro_rules! load_float {
    ($name:literal, $at:literal) => {
        concat!("fld ", $name, ", ", at!($at), "(sp); .cfi_restore ", $name)
    };
}

#[cfg(drift_float = "32")]
macro_rules! save_float {
    ($name:literal, $at:literal) => {
        concat!("fsw ", $name, ", ", at!($at), "(sp); .cfi_rel_offset ", $name, ", ", at!($at))
    };
}

#[cfg(drift_float = "32")]
macro_rules! load_float {
    ($name:literal, $at:literal) => {
        concat!("flw ", $name, ", ", at!($at), "(sp); .cfi_restore ", $name)
    };
}

/// Stores all floating-point registers that a callee keeps.
#[cfg(drift_float)]
macro_rules! save_floats {
    () => {
        concat!(
            save_float!("fs0", 0),
            "; ",
            save_float!("fs1", 1),
            "; ",
            save_float!("fs2", 2),
            "; ",
            save_float!("fs3", 3),
            "; ",
            save_float!("fs4", 4),
            "; ",
            save_float!("fs5", 5),
            "; ",
            save_float!("fs6", 6),
            "; ",
            save_float!("fs7", 7),
            "; ",
            save_float!("fs8", 8),
            "; ",
            save_float!("fs9", 9),
            "; ",
            save_float!("fs10", 10),
            "; ",
            save_float!("fs11", 11),
        )
    };
}

/// Loads them.
#[cfg(drift_float)]
macro_rules! load_floats {
    () => {
        concat!(
            load_float!("fs0", 0),
            "; ",
            load_float!("fs1", 1),
            "; ",
            load_float!("fs2", 2),
            "; ",
            load_float!("fs3", 3),
            "; ",
            load_float!("fs4", 4),
            "; ",
            load_float!("fs5", 5),
            "; ",
            load_float!("fs6", 6),
            "; ",
            load_float!("fs7", 7),
            "; ",
            load_float!("fs8", 8),
            "; ",
            load_float!("fs9", 9),
            "; ",
            load_float!("fs10", 10),
            "; ",
            load_float!("fs11", 11),
        )
    };
}

/// Code for targets with floating point.
#[cfg(drift_float)]
macro_rules! float {
    ($code:expr) => {
        $code
    };
}

#[cfg(not(drift_float))]
macro_rules! float {
    ($code:expr) => {
        ""
    };
}

/// A context that will call `entry(argument)` on the stack below `top`.
///
/// # Safety
/// `top` is 16-aligned, with at least 512 bytes of writable memory below that nobody else uses.
pub unsafe fn init(top: *mut u8, entry: Entry, argument: *mut u8) -> Context {
    let frame = top.cast::<Frame>().wrapping_sub(1);
    let start: unsafe extern "C" fn() = start;
    let mut s = [0; 12];
    s[1] = argument.expose_provenance();
    s[2] = entry as *const () as usize;
    let ra = start as *const () as usize + PAD;
    // SAFETY: the caller's promise; the frame is smaller than that.
    unsafe { frame.write(Frame { ra, s, fs: [0; FLOATS], frm: [0; FLOATS / 12] }) };
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
        ".cfi_undefined ra",
        ".cfi_undefined s0",
        ".option push",
        ".option norvc",
        "nop", // PAD
        ".option pop",
        "mv a0, s1",
        "jalr s2",
        "unimp",
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
        ".option push",
        float!(extension!()),
        ".cfi_startproc",
        "addi sp, sp, -{size}",
        ".cfi_adjust_cfa_offset {size}",
        save!("ra", 0),
        save!("s0", 1),
        save!("s1", 2),
        save!("s2", 3),
        save!("s3", 4),
        save!("s4", 5),
        save!("s5", 6),
        save!("s6", 7),
        save!("s7", 8),
        save!("s8", 9),
        save!("s9", 10),
        save!("s10", 11),
        save!("s11", 12),
        float!(save_floats!()),
        float!("frrm t0"),
        float!(concat!(word!(store), "t0, ", word!(frm), "(sp)")),
        concat!(word!(store), "sp, 0(a0)"), // whole now; the carrier publishes it off this stack
        "mv sp, a1",
        float!(concat!(word!(load), "t1, ", word!(frm), "(sp)")),
        float!("beq t0, t1, 2f"),
        float!("fsrm t1"),
        "2:",
        float!(load_floats!()),
        load!("s11", 12),
        load!("s10", 11),
        load!("s9", 10),
        load!("s8", 9),
        load!("s7", 8),
        load!("s6", 7),
        load!("s5", 6),
        load!("s4", 5),
        load!("s3", 4),
        load!("s2", 3),
        load!("s1", 2),
        load!("s0", 1),
        load!("ra", 0),
        "addi sp, sp, {size}",
        ".cfi_adjust_cfa_offset -{size}",
        "ret",
        ".cfi_endproc",
        ".option pop",
        me = sym switch,
        size = const size_of::<Frame>(),
    )
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
