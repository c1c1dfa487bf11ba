//! The way into virtual threads, from `main`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: what the root virtual thread borrows outlives it, for
//! `run` waits for its end.
#![allow(unsafe_code)]

use std::panic;

use super::executor::{Executor, ExecutorPolicy};
use super::packet::Outcome;
use super::spawn::Builder;

/// Runs `f` on a virtual thread and waits for it: the way in, from `main`. Virtual threads that it
/// leaves behind end with the process.
///
/// It runs on the default executor, and so does what it spawns: in parallel, on one carrier for
/// each CPU that the process may use, unless the environment's `DRIFT_CARRIERS` says how many, or
/// [`run_with`], or [`Executor::default_set`] before it.
///
/// On a virtual thread that unwinds, which may not wait, `f` runs right there.
///
/// # Panics
/// As `f` does, with the same payload. If there is no memory or OS thread to begin with, or the
/// default executor does not take it, or is shut down with [`Shutdown::Cancel`] before it starts.
///
/// [`Shutdown::Cancel`]: crate::Shutdown::Cancel
///
/// # Source
/// Beyond Drift, whose `main` runs on a plain thread.
///
/// # Examples
/// ```
/// let here = drift::run(|| drift::current().is_some());
/// assert!(here);
/// ```
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if crate::runtime::unwinds() {
        return f();
    }
    // SAFETY: waited for below, and the handle is dropped within this call.
    let mut root = unsafe { Builder::new().name("main").start(None, f) };
    if let Some(error) = root.refusal() {
        panic!("the root virtual thread cannot start: {error}");
    }
    root.wait_for_end();
    match root.results().take() {
        Ok(Outcome::Value(value)) => value,
        Ok(Outcome::Panicked(panic)) => {
            panic::resume_unwind(panic.take_payload().expect("nobody else has it"))
        }
        // Nobody else has its handle, so it was a shutdown.
        Ok(Outcome::Cancelled) => panic!(
            "the root virtual thread cannot start: the default executor was shut down before it \
             began; shut it down after `run`, or set another default executor first"
        ),
        Err(error) => unreachable!("it has ended, and is joined once: {error}"),
    }
}

/// As [`run`], with a default executor of that policy: it is made, and set for the whole process.
/// `#[drift::main(carriers = n)]` is this with so many carriers.
///
/// # Panics
/// As [`run`]; and if the policy makes no sense, or lets virtual threads migrate.
///
/// # Source
/// Beyond Drift, whose `main` runs on a plain thread.
///
/// # Examples
/// ```
/// use drift::ExecutorPolicy;
///
/// // One carrier: what is spawned runs in turn, the first before the second.
/// let order = drift::run_with(ExecutorPolicy::new(), || {
///     let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
///     let threads = [1, 2, 3].map(|n| {
///         let order = order.clone();
///         drift::spawn(move || order.lock().unwrap().push(n))
///     });
///     threads.iter().for_each(|thread| thread.join().unwrap());
///     std::mem::take(&mut *order.lock().unwrap())
/// });
/// assert_eq!(order, [1, 2, 3]);
/// ```
pub fn run_with<F, T>(policy: ExecutorPolicy, f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    match Executor::new(policy) {
        Ok(executor) => executor.default_set(),
        Err(error) => panic!("the root virtual thread cannot start: {error}"),
    }
    run(f)
}
