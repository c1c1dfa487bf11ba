//! Everything of the drift runtime that is assembly: context switch, carrier slot, pause, weak
//! symbols, and raw system calls.
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

#[cfg(test)]
extern crate std;

/// The directive that keeps a naked function out of what a library exports; `me` is its symbol.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! hide {
    () => {
        ".hidden {me}"
    };
}

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), path = "unsupported.rs")]
mod isa;

#[cfg_attr(target_os = "none", path = "slot/hook.rs")]
#[cfg_attr(not(target_os = "none"), path = "slot/elf.rs")]
pub mod slot;
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
