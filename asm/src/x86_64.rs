//! The context switch of x86-64: the commented reference; the others note what differs.
//!
//! ```text
//!            suspended                          new (made by `init`)
//!   high  |  the caller's frame   |         top |  0                    |  ends a walk by
//!         |  return address       |             |  0                    |  frame pointers
//!         |  rbp                  |             |  address of `start`   |
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
//! dead across it.
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
            resume: start as *const () as usize,
            outermost: [0; 2],
        });
    }
    Context(frame.cast())
}

/// The outermost frame of every context. Resumed by the `ret` of a `switch`.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        hide!(),
        ".cfi_startproc",
        ".cfi_undefined rip",
        ".cfi_undefined rbp",
        "mov rdi, r12",
        "call r13",
        "ud2",
        ".cfi_endproc",
        me = sym start,
    )
}

/// Saves the running context in `*from` and resumes `to`.
///
/// The control words are loaded only where they differ from those just stored: a resume costs two
/// predicted branches instead of `ldmxcsr` and `fldcw`. The end is a jump and not a `ret`, which
/// would be predicted to return on the old stack: a yield through the scheduler takes 21 ns
/// instead of 33, an unpark round trip 105 instead of 135 (Xeon, 2.3 GHz).
///
/// # Safety
/// `to` was made by `init` or saved by `switch`, is resumed once, and its stack is alive.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(from: *mut Context, to: Context) {
    naked_asm!(
        hide!(),
        ".cfi_startproc",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "push rbx",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbx, 0",
        "push r12",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset r12, 0",
        "push r13",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset r13, 0",
        "push r14",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset r14, 0",
        "push r15",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset r15, 0",
        "sub rsp, 8",
        ".cfi_adjust_cfa_offset 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov eax, [rsp]",
        "movzx ecx, word ptr [rsp + 4]",
        "mov [rdi], rsp", // whole now; the carrier publishes it once off this stack
        "mov rsp, rsi",
        "cmp [rsp], eax",
        "jne 2f",
        "3: cmp word ptr [rsp + 4], cx",
        "jne 4f",
        ".cfi_remember_state",
        "5: add rsp, 8",
        ".cfi_adjust_cfa_offset -8",
        "pop r15",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r15",
        "pop r14",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r14",
        "pop r13",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r13",
        "pop r12",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore r12",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbx",
        "pop rbp",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbp",
        "pop rdx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_register rip, rdx",
        "jmp rdx",
        ".cfi_restore_state",
        "2: ldmxcsr [rsp]",
        "jmp 3b",
        "4: fldcw [rsp + 4]",
        "jmp 5b",
        ".cfi_endproc",
        me = sym switch,
    )
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
