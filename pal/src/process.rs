//! The one runtime of this process, made by whoever calls first.
//!
//! | `RUNTIME` | means                                | who changes it                           |
//! |-----------|--------------------------------------|------------------------------------------|
//! | null      | none yet, or none could be made      | the first caller, to `MAKING`            |
//! | `MAKING`  | one thread makes it; the rest yield  | that thread, to the runtime, or to null  |
//! | other     | the runtime, for ever                | the child of a fork(2), back to null     |
//!
//! After a fork the child has one thread and a fresh runtime; `BIRTH` goes up, so that every
//! handle of the parent is stale there.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: `RUNTIME` is null, `MAKING`, or leads to a runtime.
#![allow(unsafe_code)]

use core::ptr;

use drift_core::platform::PlatformError;
use drift_core::prim::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, Ordering};
use drift_core::runtime::Runtime;

use crate::Host;
use crate::sys::thread;

static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(ptr::null_mut());
static BIRTH: AtomicU8 = AtomicU8::new(0);
static FORK_WATCHED: AtomicBool = AtomicBool::new(false);

/// The handle of the executor that virtual threads go to when none is named; 0 for the runtime's
/// own.
static DEFAULT_EXECUTOR: AtomicI64 = AtomicI64::new(0);

const MAKING: *mut Runtime = ptr::without_provenance_mut(align_of::<Runtime>());

/// The handle that was set last; 0 for the runtime's own.
pub fn default_executor() -> i64 {
    DEFAULT_EXECUTOR.load(Ordering::Relaxed)
}

/// Sets it, unchecked.
pub fn set_default_executor(handle: i64) {
    DEFAULT_EXECUTOR.store(handle, Ordering::Relaxed);
}

/// The runtime.
///
/// # Errors
/// What the machine refuses that it needs: memory, descriptors.
#[inline]
pub fn runtime() -> Result<&'static Runtime, PlatformError> {
    loop {
        // Acquire pairs with the release in `make`.
        let runtime = RUNTIME.load(Ordering::Acquire);
        if runtime == MAKING {
            thread::yield_now();
        } else if runtime.is_null() {
            let free = RUNTIME.compare_exchange(
                ptr::null_mut(),
                MAKING,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if free.is_ok() {
                return make();
            }
        } else {
            // SAFETY: neither null nor `MAKING`, so a runtime, which lives for ever.
            return Ok(unsafe { &*runtime });
        }
    }
}

#[cold]
fn make() -> Result<&'static Runtime, PlatformError> {
    if !FORK_WATCHED.swap(true, Ordering::Relaxed) {
        thread::after_fork(forget);
    }
    let birth = BIRTH.load(Ordering::Relaxed);
    let made = Host::new().and_then(|host| Runtime::new(host, birth));
    let runtime = made.map_or(ptr::null_mut(), |runtime| ptr::from_ref(runtime).cast_mut());
    // Release publishes the runtime; pairs with the acquire in `runtime`.
    RUNTIME.store(runtime, Ordering::Release);
    made
}

/// In the child of a fork: only stores, as is allowed there.
fn forget() {
    drift_asm::slot::set(ptr::null_mut());
    DEFAULT_EXECUTOR.store(0, Ordering::Relaxed);
    BIRTH.fetch_add(1, Ordering::Relaxed);
    RUNTIME.store(ptr::null_mut(), Ordering::Release);
}
