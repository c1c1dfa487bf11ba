//! A board's four functions become a platform of the drift runtime.
//!
//! A board says what time it is, sets an alarm, waits for an interrupt and interrupts another CPU
//! ([`Board`]). Everything else that the runtime asks of a platform is here, and comes out of one
//! piece of memory ([`Arena`]) and a list of sources ([`Source`]).
//!
//! ```text
//!   program       virtual threads, Runtime
//!   drift-core    asks `dyn Platform`
//!   Machine       seats of carriers, stacks, tables, sources          (this crate)
//!   Board         now, set_alarm, idle, kick                          (one file for each board)
//!   hardware      clock, timer, wait instruction, interrupt of a CPU
//! ```
//!
//! **Idle.** A CPU without work waits inside [`Board::idle`], which masks interrupts, asks for the
//! reason once more, and waits for an interrupt only if there is none. Whoever gives a reason
//! writes it down first and then interrupts the CPU: the interrupt is pending when the CPU waits,
//! and a wait instruction does not wait beside a pending interrupt. The CPU loops on the reason,
//! never on the interrupt.
//!
//! | reason            | written by                                  | asked by              |
//! |-------------------|---------------------------------------------|-----------------------|
//! | `Seat::is_woken`  | who wakes the carrier, before `kick`        | its CPU, which clears |
//! | the clock         | nobody: the alarm is an interrupt           | the CPU that set it   |
//! | `is_raised`       | the handler of a source, before `kick`      | the CPU that polls    |
//! | `Work::next`      | who starts a carrier, before `kick`         | the CPU that it is for|
//!
//! **Interrupt handlers** call [`Machine::raise`] and nothing else of the runtime. Whether they may
//! use floating point is the board's: `riscv-rt` saves no such register.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: the arena gives each byte out once, and a stack that was
//! given back to nobody else before it is taken out of its list.
#![no_std]
#![allow(unsafe_code)]

mod arena;
mod machine;
mod sources;
mod stacks;

use core::fmt;

pub use crate::arena::Arena;
pub use crate::machine::Machine;
pub use crate::sources::Source;

/// Carriers that a machine can have, in all executors together: numbers below this.
pub const CARRIERS: usize = 64;

/// What a board is.
///
/// # Safety
/// `now` never goes back, on any CPU. `idle` may return at any time, and returns at an interrupt
/// that was pending when it was called. `cpu` is below [`Machine`]'s number, and the number of the
/// CPU that calls.
pub unsafe trait Board: Sync + fmt::Debug {
    /// Nanoseconds since the board started, or any other moment.
    fn now(&self) -> u64;

    /// The calling CPU is interrupted at `at`, in the nanoseconds of `now`, or soon after if that
    /// is over; `u64::MAX` is never. Replaces what was set before.
    fn set_alarm(&self, at: u64);

    /// Masks interrupts; waits for one unless `is_due`; then lets handlers run.
    fn idle(&self, is_due: &dyn Fn() -> bool);

    /// Interrupts the CPU of that number, which may be in `idle`, or about to. A board of one CPU
    /// has nothing to do.
    fn kick(&self, cpu: usize);

    /// The number of the CPU that calls.
    fn cpu(&self) -> usize {
        0
    }
}
