//! The C face.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a callback's object is what its functions take it for.
#![allow(unsafe_code)]

use core::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use drift_abi::exec::drift_exec_submit;
use drift_abi::thread::{
    DRIFT_IFACE_INLINE, DriftIface, drift_thread_cancel, drift_thread_drop,
    drift_thread_is_completed, drift_thread_join, drift_thread_spawn, drift_thread_unpark,
    drift_vtable,
};

/// What was called and dropped: one for each call, 100 for each drop.
static CALLS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn call(object: *mut c_void) {
    // SAFETY: the object is a pointer to a count.
    let count = unsafe { *object.cast::<*const AtomicU64>() };
    drift_abi::thread::drift_thread_yield();
    // SAFETY: which lives for ever.
    unsafe { &*count }.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn dropped(object: *mut c_void) {
    // SAFETY: as in `call`.
    let count = unsafe { *object.cast::<*const AtomicU64>() };
    // SAFETY: the same.
    unsafe { &*count }.fetch_add(100, Ordering::Relaxed);
}

static TABLE: drift_vtable = drift_vtable { drop: Some(dropped), call: Some(call) };

/// As C leaves it: only the fields that count are written.
fn iface(data: *mut c_void, inline: Option<*const AtomicU64>) -> MaybeUninit<DriftIface> {
    let mut iface = MaybeUninit::<DriftIface>::uninit();
    let place = iface.as_mut_ptr();
    // SAFETY: a field of a place of its own.
    let data_place = unsafe { &raw mut (*place).data };
    // SAFETY: the same.
    unsafe { data_place.write(data) };
    // SAFETY: the same.
    let vtable = unsafe { &raw mut (*place).vtable };
    // SAFETY: the same.
    unsafe { vtable.write(&raw const TABLE) };
    // SAFETY: the same.
    let flags = unsafe { &raw mut (*place).flags };
    // SAFETY: the same.
    unsafe { flags.write(if inline.is_some() { DRIFT_IFACE_INLINE } else { 0 }) };
    if let Some(count) = inline {
        // SAFETY: the same; a pointer fits there, and C aligns it as one.
        let storage = unsafe { &raw mut (*place).inline_storage }.cast::<*const AtomicU64>();
        // SAFETY: the same.
        unsafe { storage.write(count) };
    }
    iface
}

#[test]
fn callbacks() {
    super::in_worlds(|| {
        CALLS.store(0, Ordering::Relaxed);
        let count: *const AtomicU64 = &raw const CALLS;
        let mut object = count;
        let there = iface((&raw mut object).cast(), None);
        let inline = iface(ptr::null_mut(), Some(count));
        // SAFETY: callbacks, given away; `object` outlives the join below.
        let spawn = |one: &MaybeUninit<DriftIface>| unsafe { drift_thread_spawn(one.as_ptr(), 0) };
        let all = [spawn(&there), spawn(&inline)];
        all.iter().for_each(|one| assert_eq!(drift_exec_submit(0, *one), 0));
        all.iter().for_each(|one| drift_thread_join(*one));
        assert_eq!(CALLS.load(Ordering::Relaxed), 202);
        let (cancelled, given_up) = (spawn(&inline), spawn(&there));
        assert_eq!(drift_thread_cancel(cancelled), 0);
        drift_thread_drop(cancelled);
        drift_thread_drop(given_up);
        assert_eq!(CALLS.load(Ordering::Relaxed), 402);
        for any in [all[0], cancelled, 1, -1, i64::MIN, i64::MAX, all[1] ^ 1, !all[0]] {
            assert_eq!(drift_thread_is_completed(any), 1);
            assert_eq!(drift_thread_cancel(any), 1);
            drift_thread_unpark(any);
            drift_thread_join(any);
            drift_thread_drop(any);
            assert!(drift_exec_submit(0, any) >= 3);
        }
    });
}
