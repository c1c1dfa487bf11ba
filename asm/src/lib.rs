//! Everything of the drift runtime that is assembly: context switch, carrier slot, pause, weak
//! symbols, raw system calls; and how a sanitizer learns of a switch ([`sanitizer`]).
//!
//! One file for each instruction set, all with the same names:
//!
//! | name       | contract                                                                      |
//! |------------|-------------------------------------------------------------------------------|
//! | [`init`]   | a context that will call `entry(argument)` on a fresh stack                   |
//! | [`switch`] | saves the running context, resumes another; what the ABI asks of a callee and |
//! |            | the floating-point control words survive, nothing else does                   |
//! | [`relax`]  | tells the CPU that this is a spin loop                                        |
//!
//! [`slot`] is one word for each OS thread or CPU. It is read by `asm!` and not by a thread-local
//! variable, whose address compilers keep across a switch that comes back on another thread
//! (llvm/llvm-project#98479).
//!
//! # Unsafe
//! All files below: each block names its fact.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, miri))]
extern crate std;

// An instruction set's file is assembly for ELF. Other object formats, and other calling
// conventions with them (Windows), have no switch yet. Miri reads no assembly on any machine.
#[cfg(miri)]
#[path = "miri.rs"]
mod isa;
#[cfg(all(
    target_arch = "x86_64",
    not(any(miri, windows, target_os = "uefi", target_vendor = "apple"))
))]
#[path = "x86_64.rs"]
mod isa;
#[cfg(all(
    target_arch = "aarch64",
    not(any(miri, windows, target_os = "uefi", target_vendor = "apple"))
))]
#[path = "aarch64.rs"]
mod isa;
#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), not(miri)))]
#[path = "riscv.rs"]
mod isa;
#[cfg(all(
    not(miri),
    any(
        not(any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            target_arch = "riscv32",
            target_arch = "riscv64",
        )),
        any(windows, target_os = "uefi", target_vendor = "apple"),
    ),
))]
#[path = "unsupported.rs"]
mod isa;

// The same machines have the word as a thread-local; a bare one has no threads.
#[cfg(miri)]
pub use isa::slot;
#[cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"),
    not(any(miri, windows, target_os = "uefi", target_os = "none", target_vendor = "apple")),
))]
#[path = "slot/elf.rs"]
pub mod slot;
#[cfg(all(
    not(miri),
    any(
        not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")),
        any(windows, target_os = "uefi", target_os = "none", target_vendor = "apple"),
    ),
))]
#[path = "slot/hook.rs"]
pub mod slot;

pub mod sanitizer;
#[cfg(target_os = "linux")]
pub mod syscall;
mod weak;

pub use isa::{SUPPORTED, init, relax, switch};

/// Bytes that two CPUs fight over together: two lines, because x86-64 fetches them in pairs.
pub const CACHE_LINE: usize = 128;

/// A context that is not running: its stack pointer, above which the rest of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Context(*mut u8);

impl Context {
    /// No context; to be written by [`switch`].
    pub const NONE: Self = Self(core::ptr::null_mut());
}

/// What a context runs. It never returns, and must not unwind.
pub type Entry = unsafe extern "C" fn(argument: *mut u8) -> !;
