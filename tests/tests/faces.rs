//! C and Rust in one process: each has a default executor of its own.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a callback's object is null, and its functions ignore it.
#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift::{Executor, ExecutorPolicy, sleep, spawn, yield_now};
use drift_abi::exec::{
    drift_exec_create, drift_exec_default_get, drift_exec_default_set, drift_exec_submit,
};
use drift_abi::thread::{DriftIface, drift_thread_join, drift_thread_spawn, drift_vtable};

/// The defaults are the process's.
static ONE: Mutex<()> = Mutex::new(());

thread_local! {
    static OF_THREAD: RefCell<Rc<()>> = RefCell::new(Rc::new(()));
}

/// The OS thread that this runs on, as the kernel names it: asked anew each time.
fn os_thread() -> PathBuf {
    fs::read_link("/proc/thread-self").unwrap()
}

/// 200 closures that hold an `Rc` of a thread-local while they wait; how many went on on another
/// OS thread.
fn moved() -> usize {
    let moved = |n: u64| {
        let (home, mine) = (os_thread(), OF_THREAD.with_borrow(Rc::clone));
        let strays = (0..20).filter(|round| {
            match (n + round) % 2 {
                0 => yield_now(),
                _ => sleep(std::time::Duration::from_micros(300)).unwrap(),
            }
            os_thread() != home
        });
        let strays = strays.count();
        // An `Rc` that was counted on two OS threads must not be touched any more.
        std::mem::forget(mine);
        usize::from(strays > 0)
    };
    let threads: Vec<_> = (0..200).map(|n| spawn(move || moved(n))).collect();
    threads.iter().map(|thread| thread.join().unwrap()).sum()
}

/// A default of C that migrates, while this lives.
struct CDefault;

impl CDefault {
    fn new(carriers: i64) -> Self {
        let executor = drift_exec_create(carriers, carriers, 0, 0, 0);
        assert_ne!(executor, 0);
        drift_exec_default_set(executor);
        assert_eq!(drift_exec_default_get(), executor);
        Self
    }
}

impl Drop for CDefault {
    fn drop(&mut self) {
        drift_exec_default_set(0);
    }
}

#[test]
fn a_closure_stays_whatever_c_makes_its_default() {
    let _one = ONE.lock().unwrap_or_else(|poison| poison.into_inner());
    for carriers in [1, 2, 4] {
        let _set = CDefault::new(carriers);
        assert_eq!(moved(), 0, "of 200, with {carriers} carriers in C");
        assert_eq!(drift::run(moved), 0, "of 200, from a root");
    }
}

#[test]
fn a_closure_that_is_spawned_from_a_virtual_thread_of_c_stays() {
    static MOVED: AtomicUsize = AtomicUsize::new(usize::MAX);
    unsafe extern "C" fn call(_: *mut c_void) {
        MOVED.store(moved(), Ordering::SeqCst);
    }
    static FUNCTIONS: drift_vtable = drift_vtable { drop: None, call: Some(call) };

    let _one = ONE.lock().unwrap_or_else(|poison| poison.into_inner());
    for carriers in [1, 2, 4] {
        let _set = CDefault::new(carriers);
        let callback = DriftIface {
            data: std::ptr::null_mut(),
            vtable: &raw const FUNCTIONS,
            inline_storage: [0; 4],
            flags: 0,
        };
        // SAFETY: a callback, whose object is null.
        let vt = unsafe { drift_thread_spawn(&raw const callback, 0) };
        assert_eq!(drift_exec_submit(0, vt), 0);
        drift_thread_join(vt);
        assert_eq!(MOVED.swap(usize::MAX, Ordering::SeqCst), 0, "with {carriers} carriers in C");
    }
}

#[test]
fn c_keeps_its_default_whatever_rust_makes_its_own() {
    let _one = ONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let (before, of_c) = (Executor::default_get(), drift_exec_default_get());
    Executor::new(ExecutorPolicy::new().min_threads(2)).unwrap().default_set();
    assert_eq!(drift_exec_default_get(), of_c);
    before.default_set();
}

#[test]
fn an_executor_that_migrates_is_no_default_by_safe_code() {
    let _one = ONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let before = Executor::default_get();
    // SAFETY: nothing runs on it.
    let policy = unsafe { ExecutorPolicy::new().min_threads(2).migrating() };
    let executor = Executor::new(policy).unwrap();
    let set = std::panic::catch_unwind(|| executor.default_set());
    let said = *set.unwrap_err().downcast::<&str>().unwrap();
    assert!(said.contains("migrate") && said.contains("default_set_migrating"), "{said}");
    assert_eq!(Executor::default_get(), before);
}
