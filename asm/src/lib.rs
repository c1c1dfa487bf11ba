//! Everything of the drift runtime that is assembly: context switch, carrier slot, pause.
#![no_std]
/// Pauses.
pub fn relax() {}
