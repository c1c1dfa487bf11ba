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

use drift_core::prim::{AtomicBool, AtomicI64, AtomicPtr, AtomicU8, Ordering};
use drift_core::runtime::Runtime;
use drift_pal::Host;

static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(ptr::null_mut());
static BIRTH: AtomicU8 = AtomicU8::new(0);
static FORK_WATCHED: AtomicBool = AtomicBool::new(false);

/// What `drift_exec_default_set` stored; 0 for the runtime's own.
pub(crate) static DEFAULT_EXECUTOR: AtomicI64 = AtomicI64::new(0);

const MAKING: *mut Runtime = ptr::without_provenance_mut(align_of::<Runtime>());

/// The runtime; none if the machine refuses what it needs (memory, descriptors).
pub(crate) fn runtime() -> Option<&'static Runtime> {
    loop {
        // Acquire pairs with the release in `make`.
        let runtime = RUNTIME.load(Ordering::Acquire);
        if runtime == MAKING {
            rustix::thread::sched_yield();
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
            return Some(unsafe { &*runtime });
        }
    }
}

#[cold]
fn make() -> Option<&'static Runtime> {
    if !FORK_WATCHED.swap(true, Ordering::Relaxed) {
        // SAFETY: `after_fork` only stores, which is allowed in a forked child. It fails only
        // without memory, and then only forked children suffer.
        unsafe { libc::pthread_atfork(None, None, Some(after_fork)) };
    }
    let birth = BIRTH.load(Ordering::Relaxed);
    let made = Host::new().and_then(|host| Runtime::new(host, birth)).ok();
    let runtime = made.map_or(ptr::null_mut(), |runtime| ptr::from_ref(runtime).cast_mut());
    // Release publishes the runtime; pairs with the acquire in `runtime`.
    RUNTIME.store(runtime, Ordering::Release);
    made
}

unsafe extern "C" fn after_fork() {
    drift_asm::slot::set(ptr::null_mut());
    DEFAULT_EXECUTOR.store(0, Ordering::Relaxed);
    BIRTH.fetch_add(1, Ordering::Relaxed);
    RUNTIME.store(ptr::null_mut(), Ordering::Release);
}
