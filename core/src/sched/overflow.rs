//! Which virtual thread has run out of its stack: for a handler of the fault.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the record of the task that runs here is alive.
#![allow(unsafe_code)]

use crate::sched::here::here;

/// A virtual thread that ran out of its stack.
#[derive(Clone, Copy, Debug)]
pub struct OverflowReport {
    /// Its handle.
    pub handle: i64,
    /// The lowest usable address of its stack.
    pub limit: usize,
    /// Where the stack begins, at the top.
    pub top: usize,
}

/// The largest guard there is, in bytes. Below a smaller one lies another stack, where nothing
/// faults.
const GUARD: usize = 64 << 10;

/// The lowest usable address of the stack of the virtual thread that runs here. Async-signal-safe:
/// reads the slot and two records.
#[must_use]
pub fn stack_limit() -> Option<usize> {
    let task = here()?.current()?;
    // SAFETY: the stack of a running task is not changed by anybody.
    task.mounted.with(|mounted| unsafe { (*mounted).stack.as_ref().map(|stack| stack.limit) })
}

/// Whether a fault at `address` is the virtual thread that runs here going below its stack.
/// Async-signal-safe: reads the slot and two records.
#[must_use]
pub fn overflow_report(address: usize) -> Option<OverflowReport> {
    let carrier = here()?;
    let task = carrier.current()?;
    // SAFETY: the stack of a running task is not changed by anybody.
    let (limit, top) = task.mounted.with(|mounted| unsafe {
        (*mounted).stack.as_ref().map(|stack| (stack.limit, stack.top))
    })?;
    let tasks = &carrier.executor.runtime.tasks;
    (limit.saturating_sub(GUARD)..limit).contains(&address).then(|| OverflowReport {
        handle: tasks.handle(task.index, task.state.generation()).0,
        limit,
        top,
    })
}
