//! Scheduling: which virtual thread runs next, and where.
//!
//! A carrier's turn looks for the next task in this order; the first that has one wins:
//!
//! 1. every 61 turns (`SERVE_EVERY`): deadlines that have come, the poller, one that found no
//!    stack when it was to start, and (where there are several carriers) the injector, so that
//!    none starves behind a busy queue;
//! 2. its own run queue, oldest first;
//! 3. the injector, a share of it;
//! 4. another carrier's run queue, half of it;
//! 5. sleep, in the poller if nobody else is there.
//!
//! **Order.** On an executor with one carrier the order is first in, first out, as tasks become
//! ready, whoever makes them so: nothing is put into the run queue while older tasks wait in the
//! injector, and the injector is looked at only when the run queue is empty. With several
//! carriers there is no order between virtual threads, but none is overtaken for ever. One whose
//! calls never wait takes its turn too (`budget.rs`); one that computes does not.
//!
//! Where started tasks must not migrate (`home.rs`), step 2 and 3 take turns with those that stay
//! on the carrier and with those that other carriers offered, and step 4 finds only tasks that have
//! not started. A carrier that is home of many offers what it would start to one that has fewer.
//!
//! Who sleeps and who is woken is in `idle`. The carrier that runs here is named by the slot
//! (`drift_asm::slot`), which is read again after every switch.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the slot holds null or the carrier of this OS thread.
#![allow(unsafe_code)]

pub(crate) mod admission;
pub mod budget;
mod cache;
pub(crate) mod carrier;
pub mod executor;
mod home;
pub(crate) mod idle;
pub(crate) mod injector;
pub mod park;
pub mod policy;
pub(crate) mod run_queue;
mod search;
pub mod shutdown;
mod sleep;
pub(crate) mod stage;
pub(crate) mod standby;
pub mod told;
pub mod watch;
mod words;

use core::ptr::{self, NonNull};

use crate::runtime::Runtime;
pub use crate::sched::carrier::Carrier;
use crate::task::header::Task;

/// The carrier of this OS thread, of whichever runtime.
#[inline]
fn here() -> Option<&'static Carrier> {
    let carrier: *const Carrier = drift_asm::slot::get().cast_const().cast();
    // SAFETY: `Carrier::run` is the only writer of the slot; carriers live for ever.
    unsafe { carrier.as_ref() }
}

/// The carrier of this OS thread, if it is one of `runtime`.
#[inline]
pub(crate) fn current_carrier(runtime: &'static Runtime) -> Option<&'static Carrier> {
    here().filter(|carrier| ptr::eq(carrier.executor.runtime, runtime))
}

/// Calls `with` with the carrier of this OS thread, if it is one of `runtime`.
#[inline]
pub(crate) fn with_carrier<R>(
    runtime: &'static Runtime,
    with: impl FnOnce(&'static Carrier) -> R,
) -> Option<R> {
    current_carrier(runtime).map(with)
}

/// The task that runs here, if it is one of `runtime`.
#[inline]
pub(crate) fn current_task(runtime: &'static Runtime) -> Option<NonNull<Task>> {
    current_carrier(runtime)?.current()
}

/// Queues a task that a wake has claimed.
///
/// # Safety
/// The caller has claimed `task`, which was submitted.
pub(crate) unsafe fn schedule(task: NonNull<Task>) {
    // SAFETY: records are never unmapped.
    let record = unsafe { task.as_ref() };
    let executor = record.executor().expect("a task that parked was submitted");
    executor.count(record);
    // SAFETY: the caller has claimed it.
    unsafe { executor.enqueue(task) };
}

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
    // SAFETY: it runs here, so its record is alive.
    let record = unsafe { task.as_ref() };
    // SAFETY: the stack of a running task is not changed by anybody.
    record.mounted.with(|mounted| unsafe { (*mounted).stack.as_ref().map(|stack| stack.limit) })
}

/// Whether a fault at `address` is the virtual thread that runs here going below its stack.
/// Async-signal-safe: reads the slot and two records.
#[must_use]
pub fn overflow_report(address: usize) -> Option<OverflowReport> {
    let carrier = here()?;
    let task = carrier.current()?;
    // SAFETY: it runs here, so its record is alive.
    let record = unsafe { task.as_ref() };
    // SAFETY: the stack of a running task is not changed by anybody.
    let (limit, top) = record.mounted.with(|mounted| unsafe {
        (*mounted).stack.as_ref().map(|stack| (stack.limit, stack.top))
    })?;
    let tasks = &carrier.executor.runtime.tasks;
    (limit.saturating_sub(GUARD)..limit).contains(&address).then(|| OverflowReport {
        handle: tasks.handle(record.index, record.state.generation()).0,
        limit,
        top,
    })
}
