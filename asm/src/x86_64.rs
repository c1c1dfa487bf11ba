//! The context switch of x86-64: the commented reference; the others note what differs.
//!
//! ```text
//!            suspended                          new (made by `init`)
//!   high  |  the caller's frame   |         top |  0                    |  ends a walk by
//!         |  return address       |             |  0                    |  frame pointers
//!         |  rbp                  |             |  in `start`           |
//!         |  rbx                  |             |  0 (rbp), 0 (rbx)     |
//!         |  r12                  |             |  argument             |
//!         |  r13                  |             |  entry                |
//!         |  r14, r15             |             |  0, 0                 |
//!   low   |  MXCSR, x87 control   | <- Context  |  the ABI's initial    | <- Context
//! ```
//!
//! Both have the same [`Frame`], so one `switch` serves both, and its unwind information is right
//! on either side of the exchange of stack pointers. `start` has an undefined return address: a
//! debugger's and an unwinder's backtrace ends there.
//!
//! Kept: what the x86-64 psABI, section 3.2.1, asks of a callee: rbx, rbp, r12 to r15, the control
//! bits of MXCSR and the x87 control word. `switch` is a call to everybody else, so the rest is
//! dead across it. A target without floating point, such as a kernel's, leaves the control words
//! alone: it may not have allowed the instructions.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a context is resumed once, on a live stack.
#![allow(unsafe_code)]

use core::arch::naked_asm;
use core::mem::offset_of;

use crate::{Context, Entry};

/// Whether contexts can be switched here.
pub const SUPPORTED: bool = true;

/// What lies at a suspended context's stack pointer.
#[repr(C)]
struct Frame {
    mxcsr: u32,
    control: u16,
    r15: usize,
    r14: usize,
    r13: usize,
    r12: usize,
    rbx: usize,
    rbp: usize,
    resume: usize,
    /// Above the frame of a new context only: where a caller's frame would be.
    outermost: [usize; 2],
}

const _: () = assert!(offset_of!(Frame, r15) == 8 && offset_of!(Frame, resume) == 56);
// The psABI, section 3.2.2: 16-aligned where `start` calls.
const _: () = assert!(size_of::<Frame>().is_multiple_of(16));
const _: () = assert!(offset_of!(Frame, outermost).is_multiple_of(16));

/// MXCSR and x87 control word of a new thread (psABI, section 3.2.1, table 3.4: all exceptions
/// masked, round to nearest, extended precision).
const MXCSR: u32 = 0x1f80;
const CONTROL: u16 = 0x037f;

/// Pushes a register and tells an unwinder where it is.
macro_rules! push {
    ($register:literal) => {
        concat!(
            "push ",
            $register,
            "; .cfi_adjust_cfa_offset 8; .cfi_rel_offset ",
            $register,
            ", 0"
        )
    };
}

/// Pops a register and tells an unwinder that it is back.
macro_rules! pop {
    ($register:literal) => {
        concat!("pop ", $register, "; .cfi_adjust_cfa_offset -8; .cfi_restore ", $register)
    };
}

/// Code for targets with floating point.
#[cfg(target_feature = "sse")]
macro_rules! float {
    ($code:literal) => {
        $code
    };
}

#[cfg(not(target_feature = "sse"))]
macro_rules! float {
    ($code:literal) => {
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
    // SAFETY: the caller's promise; the frame is much smaller than a page.
    unsafe {
        frame.write(Frame {
            mxcsr: MXCSR,
            control: CONTROL,
            r15: 0,
            r14: 0,
            r13: entry as *const () as usize,
            r12: argument.expose_provenance(),
            rbx: 0,
            rbp: 0,
            resume: start as *const () as usize + PAD,
            outermost: [0; 2],
        });
    }
    Context(frame.cast())
}

/// Bytes of the `nop` before the instruction of `start` that is resumed: an unwinder looks for the
/// byte before a return address, which must be `start`'s too.
const PAD: usize = 1;

/// The outermost frame of every context. Resumed by the end of a `switch`.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        ".hidden {me}", // no library exports it
        ".cfi_startproc",
        ".cfi_undefined rip",
        ".cfi_undefined rbp",
        "nop", // PAD
        "mov rdi, r12",
        "call r13",
        "ud2",
        ".cfi_endproc",
        me = sym start,
    )
}

/// Saves the running context in `*from` and resumes `to`.
///
/// Control words are loaded only where they differ from those just stored, and exception flags do
/// not count: one inexact sum sets them, and `ldmxcsr` at each switch costs 57 ns instead of 2.3.
/// The end is a jump and not a `ret`, which would be predicted to return on the old stack: a bare
/// switch takes 2.3 ns instead of 11, a yield through the scheduler 21 instead of 33 (Xeon, in a
/// virtual machine). The stack pointer is stored first, since `stmxcsr` waits for what comes before
/// it: a yield takes 18.0 ns instead of 18.8 (EPYC).
///
/// # Safety
/// `to` was made by `init` or saved by `switch`, is resumed once, and its stack is alive.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(from: *mut Context, to: Context) {
    naked_asm!(
        ".hidden {me}", // no library exports it
        ".cfi_startproc",
        push!("rbp"),
        push!("rbx"),
        push!("r12"),
        push!("r13"),
        push!("r14"),
        push!("r15"),
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "mov [rdi], rsp", // not whole yet; the carrier publishes it once off this stack
        float!("stmxcsr [rsp]"),
        float!("fnstcw [rsp + 4]"),
        float!("mov eax, [rsp]"),
        float!("movzx ecx, word ptr [rsp + 4]"),
        "mov rsp, rsi",
        float!("xor eax, [rsp]"),
        float!("test eax, 0xffc0"), // control bits; below are flags, which a callee may change
        float!("jne 2f"),
        "3:",
        float!("cmp word ptr [rsp + 4], cx"),
        float!("jne 4f"),
        "5:",
        ".cfi_remember_state",
        "add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        pop!("r15"),
        pop!("r14"),
        pop!("r13"),
        pop!("r12"),
        pop!("rbx"),
        pop!("rbp"),
        "pop rdx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_register rip, rdx",
        "jmp rdx",
        ".cfi_restore_state",
        float!("2: ldmxcsr [rsp]"),
        float!("jmp 3b"),
        float!("4: fldcw [rsp + 4]"),
        float!("jmp 5b"),
        ".cfi_endproc",
        me = sym switch,
    )
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
