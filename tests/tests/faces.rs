//! C and Rust in one process: each has a default executor of its own.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a callback's object is null, and its functions ignore it.
#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::c_void;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use std::{env, fs, thread};

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
                _ => sleep(Duration::from_micros(300)).unwrap(),
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

/// A virtual thread of C on executor 0.
fn start(functions: &'static drift_vtable) -> i64 {
    let callback = DriftIface {
        data: std::ptr::null_mut(),
        vtable: functions,
        inline_storage: [0; 4],
        flags: 0,
    };
    // SAFETY: a callback, whose object is null.
    let vt = unsafe { drift_thread_spawn(&raw const callback, 0) };
    assert_eq!(drift_exec_submit(0, vt), 0);
    vt
}

/// The OS threads on which 50 virtual threads of C run, each for a millisecond.
fn os_threads_of_c() -> HashSet<PathBuf> {
    static FOUND: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    unsafe extern "C" fn call(_: *mut c_void) {
        thread::sleep(Duration::from_millis(1));
        FOUND.lock().unwrap().push(os_thread());
    }
    static FUNCTIONS: drift_vtable = drift_vtable { drop: None, call: Some(call) };

    let all: Vec<_> = (0..50).map(|_| start(&FUNCTIONS)).collect();
    all.into_iter().for_each(|vt| drift_thread_join(vt));
    let found = std::mem::take(&mut *FOUND.lock().unwrap());
    assert_eq!(found.len(), 50);
    found.into_iter().collect()
}

/// Those of Rust's default executor, if they are so many: with fewer this does not end.
fn os_threads_of_rust(carriers: usize) -> HashSet<PathBuf> {
    let all = Arc::new(Barrier::new(carriers));
    let meet = || {
        let all = all.clone();
        spawn(move || {
            all.wait();
            os_thread()
        })
    };
    let threads: Vec<_> = (0..carriers).map(|_| meet()).collect();
    threads.iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
#[ignore = "run by the next, in a process of its own"]
fn c_is_on_one_carrier() {
    let carriers = env::var("DRIFT_CARRIERS").unwrap().parse().unwrap();
    let of_c = os_threads_of_c();
    assert_eq!(of_c.len(), 1, "before Rust has any, DRIFT_CARRIERS={carriers}");
    let of_rust = os_threads_of_rust(carriers);
    assert_eq!(of_rust.len(), carriers);
    assert!(of_c.is_disjoint(&of_rust), "each has carriers of its own");
    assert_eq!(os_threads_of_c(), of_c, "beside Rust's");
}

/// A process of its own: the environment is read once, and the default is as it comes.
#[test]
fn c_keeps_its_one_carrier_whatever_the_environment_says() {
    for carriers in ["1", "2", "4"] {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "c_is_on_one_carrier", "--ignored", "--test-threads=1"]);
        let output = child.env("DRIFT_CARRIERS", carriers).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
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
        drift_thread_join(start(&FUNCTIONS));
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
