//! The one runtime of this process, made by whoever calls first.
//!
//! | `RUNTIME` | means                                | who changes it                           |
//! |-----------|--------------------------------------|------------------------------------------|
//! | null      | none yet, or none could be made      | the first caller, to `MAKING`            |
//! | `MAKING`  | one thread makes it; the rest yield  | that thread, to the runtime, or to null  |
//! | other     | the runtime, for ever                | the child of a fork(2), back to null     |
//!
//! A try that fails gives back all that it took: the next one may have more luck.
//!
//! A thread of a simulator lives in a world of its own, with feature `worlds`: its runtime is that
//! world's.
//!
//! After a fork the child has one thread and a fresh runtime; `BIRTH` goes up, so that every
//! handle of the parent is stale there. Who has kept a reference to the parent's runtime finds it
//! left behind: it touches nothing that the parent has, too.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: `RUNTIME` is null, `MAKING`, or leads to a runtime.
#![allow(unsafe_code)]

use core::ptr;

use drift_core::platform::PlatformError;
use drift_core::prim::{AtomicBool, AtomicPtr, AtomicU8, Ordering};
use drift_core::runtime::Runtime;
use drift_core::sched::stack_limit;

use crate::Host;
use crate::stack_cache;
use crate::sys::thread;
use crate::watch;

static RUNTIME: AtomicPtr<Runtime> = AtomicPtr::new(ptr::null_mut());
static BIRTH: AtomicU8 = AtomicU8::new(0);
static FORK_WATCHED: AtomicBool = AtomicBool::new(false);

const MAKING: *mut Runtime = ptr::without_provenance_mut(align_of::<Runtime>());

/// What a simulator answers for the calling OS thread.
#[cfg(feature = "worlds")]
pub type FindWorld = fn() -> Option<&'static Runtime>;

#[cfg(feature = "worlds")]
static WORLDS: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Makes `find` be asked first, from every OS thread, whether it is in a world of its own.
#[cfg(feature = "worlds")]
pub fn set_worlds(find: FindWorld) {
    // Release pairs with the acquire in `world`.
    WORLDS.store(find as *mut (), Ordering::Release);
}

#[cfg(feature = "worlds")]
fn world() -> Option<&'static Runtime> {
    let find = WORLDS.load(Ordering::Acquire);
    if find.is_null() {
        return None;
    }
    // SAFETY: `set_worlds` is the only writer, and stores such a function.
    let find = unsafe { core::mem::transmute::<*mut (), FindWorld>(find) };
    find()
}

/// The runtime.
///
/// # Errors
/// What the machine refuses that it needs: memory, descriptors.
#[inline]
pub fn runtime() -> Result<&'static Runtime, PlatformError> {
    #[cfg(feature = "worlds")]
    if let Some(runtime) = world() {
        return Ok(runtime);
    }
    // Acquire pairs with the release in `make`.
    let runtime = RUNTIME.load(Ordering::Acquire);
    if runtime.addr() > MAKING.addr() {
        // SAFETY: neither null nor `MAKING`, so a runtime, which lives for ever.
        return Ok(unsafe { &*runtime });
    }
    first_runtime()
}

/// Makes the runtime, or waits for who makes it.
#[cold]
#[inline(never)]
fn first_runtime() -> Result<&'static Runtime, PlatformError> {
    let mut turn = 0;
    loop {
        // Acquire pairs with the release in `make`.
        let runtime = RUNTIME.load(Ordering::Acquire);
        if runtime == MAKING {
            thread::give_way(turn);
            turn += 1;
        } else if runtime.is_null() {
            // Before anybody makes one, so that the child of a fork in between is told. Twice, if
            // two come at once, is as good. Whoever acquires what was released is behind the call.
            if !FORK_WATCHED.load(Ordering::Acquire) {
                thread::after_fork(forget);
                FORK_WATCHED.store(true, Ordering::Release);
            }
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
    let birth = BIRTH.load(Ordering::Relaxed);
    let made = Host::make().and_then(|host| {
        // SAFETY: made just now; given back only if no runtime has it.
        let platform = unsafe { host.as_ref() };
        // SAFETY: nobody else has seen it.
        unsafe { Runtime::new(platform, birth) }.inspect_err(|_| {
            // SAFETY: nobody else has seen it, and `new` leaves nothing behind when it fails.
            unsafe { Host::give_back(host) };
        })
    });
    let runtime = made.map_or(ptr::null_mut(), |runtime| ptr::from_ref(runtime).cast_mut());
    // Release publishes the runtime; pairs with the acquire in `runtime`.
    RUNTIME.store(runtime, Ordering::Release);
    if made.is_ok() {
        watch::begin();
    }
    made
}

/// In the child of a fork: stores, and one system call, as is allowed there.
fn forget() {
    let ours = RUNTIME.load(Ordering::Relaxed).cast_const();
    let is_ours = Runtime::here().is_some_and(|here| ptr::eq(here, ours));
    if let Some(limit) = stack_limit().filter(|_| is_ours) {
        // SAFETY: the child goes on there, on a stack of our host's.
        unsafe { stack_cache::guard_in_child(limit) };
    }
    // SAFETY: none. The carriers are the parent's.
    unsafe { drift_asm::slot::set(ptr::null_mut()) };
    BIRTH.fetch_add(1, Ordering::Relaxed);
    let past = RUNTIME.swap(ptr::null_mut(), Ordering::AcqRel);
    if !past.is_null() && past != MAKING {
        // SAFETY: neither null nor `MAKING`, so a runtime, which lives for ever.
        let past = unsafe { &*past };
        // SAFETY: the child has just begun, and this is its parent's.
        unsafe { past.leave_behind() };
    }
}
