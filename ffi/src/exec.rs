//! `drift_exec_*`: executors.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: sets the default of C, never that of Rust.
#![allow(unsafe_code)]

use drift_core::error::ConcurrencyError;
use drift_core::prim::{AtomicI64, Ordering};
use drift_core::runtime::ExecutorError;
use drift_core::runtime::defaults::Face;
use drift_core::sched::policy::{ExecutorPolicy, Saturation};
use drift_core::task::Handle;
use drift_core::time::MILLISECOND;
use drift_pal::process;

use crate::{CALL, SETUP, pay, refusal};

/// At the queue limit, `drift_exec_submit` waits, in first-come order.
pub const DRIFT_SATURATION_BLOCK: i64 = 0;
/// At the queue limit, `drift_exec_submit` returns `DRIFT_SUBMIT_BUSY`.
pub const DRIFT_SATURATION_BUSY: i64 = 1;

/// The executor is at its queue limit.
pub const DRIFT_SUBMIT_BUSY: i64 = 1;
/// The wait for a place took longer than the executor's time-out.
pub const DRIFT_SUBMIT_TIMEOUT: i64 = 2;
/// A handle is stale, or the platform refused: then the code is this plus the platform's own.
pub const DRIFT_SUBMIT_FAILED: i64 = 3;

/// What every submit answers, if it is not negative: a hook of the test suite.
static OVERRIDE: AtomicI64 = AtomicI64::new(-1);

/// The default executor of C: what was set last, else one carrier without a limit, made on first
/// use. 0 only if it cannot be made. Rust code in the same process has a default of its own.
///
/// C: `int64_t drift_exec_default_get(void);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_exec_default_get() -> i64 {
    process::runtime().map_or(0, |runtime| match runtime.preferred_executor(Face::C) {
        0 => runtime.executor_handle(runtime.default_executor()),
        set => set,
    })
}

/// Sets the default executor of C; 0 goes back to the runtime's own.
///
/// C: `void drift_exec_default_set(int64_t exec);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_exec_default_set(exec: i64) {
    if let Ok(runtime) = process::runtime() {
        // SAFETY: the face is C.
        unsafe { runtime.prefer_executor(Face::C, exec) };
    }
}

/// Makes an executor. Its carriers start as work comes.
///
/// | argument      | meaning                                                                    |
/// |---------------|----------------------------------------------------------------------------|
/// | `min_threads` | carriers kept; below 1 is 1, above `max_threads` is `max_threads`          |
/// | `max_threads` | carriers at most, up to 1024 in all executors together; below 1 is 1       |
/// | `queue_limit` | ready and running virtual threads at a submit; below 1 is no limit         |
/// | `timeout_ms`  | how long a blocking submit waits; below 1 is no bound                      |
/// | `saturation`  | `DRIFT_SATURATION_BLOCK`; anything else is `DRIFT_SATURATION_BUSY`         |
///
/// With more than one carrier a virtual thread may come back from a park, and from any other call
/// that lets others run, on another OS thread. Its `errno` is restored there, but optimised code
/// may still look at the old one's: read `errno` before such a call, not after it.
///
/// Returns its handle, good for ever; 0 if it cannot be made.
///
/// C: `int64_t drift_exec_create(int64_t min_threads, int64_t max_threads, int64_t queue_limit,
/// int64_t timeout_ms, int64_t saturation);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_exec_create(
    min_threads: i64,
    max_threads: i64,
    queue_limit: i64,
    timeout_ms: i64,
    saturation: i64,
) -> i64 {
    pay(SETUP);
    let clamp = |value: i64| u32::try_from(value.max(0)).unwrap_or(u32::MAX);
    let max_threads = clamp(max_threads).max(1);
    let policy = ExecutorPolicy {
        min_threads: clamp(min_threads).clamp(1, max_threads),
        max_threads,
        queue_limit: clamp(queue_limit),
        timeout: (timeout_ms.max(0) as u64).saturating_mul(MILLISECOND),
        saturation: match saturation {
            DRIFT_SATURATION_BLOCK => Saturation::Block,
            _ => Saturation::ReturnBusy,
        },
        ..ExecutorPolicy::DEFAULT
    };
    let Some(runtime) = refusal::runtime() else { return 0 };
    let made = runtime.create_executor(policy).inspect_err(|error| {
        if let ExecutorError::Platform(refusal) = error {
            refusal::tell_once(refusal);
        }
    });
    made.map_or(0, |executor| runtime.executor_handle(executor))
}

/// Hands virtual thread `vt` to executor `exec`; 0 is the default executor.
///
/// | returns                 | meaning                                    | `vt` afterwards       |
/// |-------------------------|--------------------------------------------|-----------------------|
/// | 0                       | queued; or submitted or cancelled before   | the executor's, ready |
/// | `DRIFT_SUBMIT_BUSY`     | at the queue limit, and the policy refuses | the caller's, new     |
/// | `DRIFT_SUBMIT_TIMEOUT`  | the policy's wait ran out                  | the caller's, new     |
/// | `DRIFT_SUBMIT_FAILED` + | a stale handle, or no carrier can start    | unchanged             |
///
/// From any thread; may wait if the policy blocks.
///
/// C: `int64_t drift_exec_submit(int64_t exec, int64_t vt);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_exec_submit(exec: i64, vt: i64) -> i64 {
    pay(CALL);
    let forced = OVERRIDE.load(Ordering::Relaxed);
    if forced >= 0 {
        return forced;
    }
    let Some(runtime) = refusal::runtime() else { return DRIFT_SUBMIT_FAILED };
    let exec = if exec == 0 { drift_exec_default_get() } else { exec };
    let Some(executor) = runtime.find_executor(exec) else { return DRIFT_SUBMIT_FAILED };
    // SAFETY: an executor made by this face migrates if its policy says so, and `drift.h` tells
    // those who submit to it what that asks of them.
    match unsafe { executor.submit(Handle(vt)) } {
        Ok(()) => 0,
        Err(ConcurrencyError::Busy) => DRIFT_SUBMIT_BUSY,
        Err(ConcurrencyError::Timeout) => DRIFT_SUBMIT_TIMEOUT,
        Err(ConcurrencyError::Failed(refusal)) => {
            refusal::tell_once(&refusal);
            DRIFT_SUBMIT_FAILED + i64::from(refusal.code().unwrap_or(0))
        }
        Err(_) => DRIFT_SUBMIT_FAILED,
    }
}

/// Makes every submit answer `code` and queue nothing, until it is called with a value below 0.
/// For test suites.
///
/// C: `void drift_exec_submit_test_override(int64_t code);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_exec_submit_test_override(code: i64) {
    OVERRIDE.store(code, Ordering::Relaxed);
}
