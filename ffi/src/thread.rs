//! `drift_thread_*`: virtual threads by handle.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a callback is a `DriftIface` that its spawner gave away;
//! its functions keep their signatures.
#![allow(unsafe_code)]

use core::ffi::c_void;

use drift_core::platform::{Platform, StackClass};
use drift_core::prim::AtomicU32;
use drift_core::task::{Entry, Handle, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;

use crate::{CALL, SYSTEM_CALL, pay, refusal, time};

/// The object of a callback lies in `inline_storage` of the runtime's copy.
pub const DRIFT_IFACE_INLINE: u8 = 1;
/// The object of a callback lies at `data`, and `drift_iface_free` gives it back.
pub const DRIFT_IFACE_OWNED: u8 = 2;

/// The functions of a callback.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct drift_vtable {
    /// Drops the object; null if there is nothing to drop.
    pub drop: Option<unsafe extern "C" fn(object: *mut c_void)>,
    /// Runs it; never null.
    pub call: Option<unsafe extern "C" fn(object: *mut c_void)>,
}

/// A callback: an object and its functions.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DriftIface {
    /// The object, unless it is inline; may be null.
    pub data: *mut c_void,
    /// Its functions.
    pub vtable: *const drift_vtable,
    /// The object, if it is inline.
    pub inline_storage: [i64; 4],
    /// 0, or one of `DRIFT_IFACE_INLINE` and `DRIFT_IFACE_OWNED`.
    pub flags: u8,
}

static_assertions::assert_eq_size!(DriftIface, Payload);
static_assertions::assert_eq_align!(DriftIface, Payload);

/// C programs of the toolchain need a mebibyte (their frames are not optimised).
const CLASS: StackClass = StackClass::M1;

/// A callback as it lies in its payload.
struct Callback {
    functions: drift_vtable,
    object: *mut c_void,
    flags: u8,
}

/// Field by field, without a reference: C need not have written to an `inline_storage` that is not
/// used, and a pointer into one that is has to be good for as long as the callback runs.
///
/// # Safety
/// The payload is a callback.
unsafe fn read(payload: *mut Payload) -> Callback {
    let iface = payload.cast::<DriftIface>();
    // SAFETY: the caller's promise; size and alignment are the same.
    let vtable = unsafe { (*iface).vtable };
    // SAFETY: `vtable` is never null in a callback.
    let functions = unsafe { *vtable };
    // SAFETY: as above.
    let flags = unsafe { (*iface).flags };
    let object = match flags & DRIFT_IFACE_INLINE {
        // SAFETY: as above.
        0 => unsafe { (*iface).data },
        // SAFETY: as above.
        _ => unsafe { &raw mut (*iface).inline_storage }.cast(),
    };
    Callback { functions, object, flags }
}

/// `call`, then what `discard` does; on the virtual thread's own stack.
unsafe fn run(payload: *mut Payload) {
    // SAFETY: `drift_thread_spawn` put a callback there.
    let callback = unsafe { read(payload) };
    let call = callback.functions.call.expect("a callback has a `call`");
    // SAFETY: the spawner's promise; this is its only call.
    unsafe { call(callback.object) };
    // SAFETY: not dropped before, and not used afterwards.
    unsafe { discard(payload) };
}

/// `drop`, and `drift_iface_free` for an owned object.
unsafe fn discard(payload: *mut Payload) {
    // SAFETY: as in `run`.
    let Callback { functions, object, flags } = unsafe { read(payload) };
    if let Some(drop) = functions.drop {
        // SAFETY: the spawner's promise; this is its only call.
        unsafe { drop(object) };
    }
    if flags & DRIFT_IFACE_OWNED == 0 {
        return;
    }
    let free: *const u8 = drift_asm::weak_symbol!(drift_iface_free);
    if !free.is_null() {
        // SAFETY: the array runtime defines it with this signature.
        let free: unsafe extern "C" fn(*mut c_void) = unsafe { core::mem::transmute(free) };
        // SAFETY: the object was dropped, and is not used any more.
        unsafe { free(object) };
    }
}

/// Makes a virtual thread, new and not scheduled, and takes `callback` over. `exec` is ignored:
/// `drift_exec_submit` decides. Returns its handle; 0 if `callback` is null, or if there is no
/// record or stack for one more, and then the callback is still the caller's. The first refusal of
/// a process is told in one line on standard error.
///
/// The callback's `call` and then `drop` run once on the virtual thread's stack (1 MiB and a
/// guard); or `drop` alone, if it is cancelled or dropped before it starts.
///
/// C: `int64_t drift_thread_spawn(const DriftIface *callback, int64_t exec);`
///
/// # Safety
/// `callback` is null or leads to a callback, which is given away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_thread_spawn(callback: *const DriftIface, exec: i64) -> i64 {
    pay(SYSTEM_CALL);
    let _ = exec;
    if callback.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise; the sizes are equal, and a payload's words may be anything.
    let payload = unsafe { callback.cast::<Payload>().read() };
    let entry = Entry { run, discard, payload };
    let Some(runtime) = refusal::runtime() else { return 0 };
    // SAFETY: the caller has given the callback away, to be called once, on any carrier.
    let spawned = unsafe { runtime.spawn(entry, CLASS) };
    spawned.inspect_err(refusal::tell_once).map_or(0, |handle| handle.0)
}

/// Waits until `vt` has ended and gives the handle up. Then its callback has run and was dropped,
/// its writes are visible, and its stack is free. Parks a virtual thread, blocks an OS thread. 0,
/// a stale handle and the caller's own: returns at once.
///
/// C: `void drift_thread_join(int64_t vt);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_join(vt: i64) {
    if vt == 0 {
        return pay(CALL);
    }
    if let Ok(runtime) = process::runtime() {
        runtime.join(Handle(vt), Instant::FAR);
    }
}

/// Waits up to `timeout_ms` for `vt`. Returns 0 as `drift_thread_join` does, and for handle 0;
/// 1 if the time ran out first, or was 0 or below: the handle is then still good. If `vt` was
/// cancelled and the time ran out, its record is given back when it ends.
///
/// C: `int64_t drift_thread_join_timeout(int64_t vt, int64_t timeout_ms);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_join_timeout(vt: i64, timeout_ms: i64) -> i64 {
    if vt == 0 || timeout_ms <= 0 {
        pay(CALL);
        return i64::from(vt != 0);
    }
    let Ok(runtime) = process::runtime() else { return 0 };
    let until = runtime.platform().now() + (timeout_ms as u64).saturating_mul(MILLISECOND);
    if runtime.join(Handle(vt), until) {
        return 0;
    }
    runtime.abandon_if_cancelled(Handle(vt));
    1
}

/// 1 if `vt` has ended, and then its writes are visible; 0 if not, and for handle 0. A stale
/// handle: 1.
///
/// C: `int64_t drift_thread_is_completed(int64_t vt);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_is_completed(vt: i64) -> i64 {
    pay(CALL);
    if vt == 0 {
        return 0;
    }
    process::runtime().map_or(1, |runtime| i64::from(runtime.is_completed(Handle(vt))))
}

/// Asks `vt` to end. 0: recorded; one that has not started never will, and its callback is
/// dropped by this call; one that is parked goes on, and its later parks return at once. 1: it
/// has ended, or there is no such virtual thread.
///
/// C: `int64_t drift_thread_cancel(int64_t vt);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_cancel(vt: i64) -> i64 {
    pay(CALL);
    let cancelled = vt != 0 && process::runtime().is_ok_and(|runtime| runtime.cancel(Handle(vt)));
    i64::from(!cancelled)
}

/// Gives the handle up without waiting. One that was not submitted is dropped by this call; any
/// other runs on, and its record is given back when it ends. 0 and stale handles: no effect.
///
/// C: `void drift_thread_drop(int64_t vt);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_drop(vt: i64) {
    pay(CALL);
    if vt != 0
        && let Ok(runtime) = process::runtime()
    {
        runtime.abandon(Handle(vt));
    }
}

/// The virtual thread that calls; 0 on any other thread.
///
/// C: `int64_t drift_thread_current(void);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_current() -> i64 {
    process::runtime().ok().and_then(|runtime| runtime.current()).map_or(0, |handle| handle.0)
}

/// Parks the calling virtual thread until an unpark, a registration or a cancel request; at once
/// if one came before. Never returns without such a cause. `reason` is ignored. On any other
/// thread: gives the CPU away once.
///
/// C: `void drift_thread_park(int64_t reason);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_park(reason: i64) {
    let _ = reason;
    if let Ok(runtime) = process::runtime()
        && !runtime.park(Instant::FAR)
    {
        runtime.platform().thread_yield(0);
    }
}

/// Parks as `drift_thread_park`, and at most until `deadline_ms`: below `DRIFT_TIME_EPOCH_MS` a
/// duration, from there on a point in time. 0 and below return at once and use no pending wake.
/// On any other thread: sleeps.
///
/// C: `void drift_thread_park_until(int64_t deadline_ms);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_park_until(deadline_ms: i64) {
    if deadline_ms <= 0 {
        return pay(CALL);
    }
    let Ok(runtime) = process::runtime() else { return };
    let until = time::instant(runtime.platform(), deadline_ms);
    if !runtime.park(until) {
        sleep(runtime.platform(), until);
    }
}

/// Blocks the calling OS thread.
fn sleep(platform: &dyn Platform, until: Instant) {
    let word = AtomicU32::new(0);
    while platform.now() < until {
        platform.thread_wait(&word, 0, Some(until));
    }
}

/// Resumes `vt` if it is parked, exactly once; otherwise leaves one pending wake for its next
/// park. From any thread. 0, stale or ended: no effect.
///
/// C: `void drift_thread_unpark(int64_t vt);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_unpark(vt: i64) {
    if vt != 0
        && let Ok(runtime) = process::runtime()
    {
        runtime.unpark(Handle(vt));
    }
    pay(CALL);
}

/// Lets every other ready virtual thread of the carrier run first. On any other thread: gives
/// the CPU away once. Not one of the toolchain's own symbols.
///
/// C: `void drift_thread_yield(void);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_thread_yield() {
    if let Ok(runtime) = process::runtime() {
        runtime.yield_now();
    }
}
