//! Guards that are mappings, as before Linux 6.13, how many there are, and what comes beyond them.
//!
//! On a kernel or in a sandbox without the other kind of guard some of these show nothing.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(unsafe_code)]

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

use drift_core::platform::{Platform as _, PlatformError, StackClass};
use drift_core::runtime::Runtime;
use drift_core::sched::stack_limit;
use drift_core::task::{Entry, Payload, Run};
use drift_core::time::Instant;
use drift_pal::{Host, process};
use libc::{EINVAL, ENOENT, EPERM};

use super::filter::{alone, every, opens, refuse, with};
use super::refused::{GUARD_INSTALL, descriptor, descriptors, is_readable, panic_of};
use super::take;

/// A kernel before 6.13, in a sandbox that forbids userfaultfd(2).
pub fn refuse_all_but_mappings() {
    refuse(&[with(libc::SYS_madvise, 2, GUARD_INSTALL)], EINVAL);
    refuse(&[every(libc::SYS_userfaultfd)], EPERM);
}

/// The limit of guards that are mappings, as the error states it.
fn limit_of(host: &Host) -> usize {
    loop {
        match host.stack_reserve(StackClass::K64) {
            Ok(()) => {}
            Err(PlatformError::Limit { what, limit }) => {
                assert!(what.contains("vm.max_map_count"), "{what}");
                return limit;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_kernel_without_guard_markers_guards_by_mappings_and_says_how_many() {
    alone("beyond::a_kernel_without_guard_markers_guards_by_mappings_and_says_how_many", || {
        refuse_all_but_mappings();
        let host = Host::new().unwrap();
        for class in StackClass::ALL {
            let stack = take(host, class);
            assert!(is_readable(stack.limit) && !is_readable(stack.limit - 8));
        }
        let count = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        let count: usize = count.trim().parse().unwrap();
        assert_eq!(limit_of(host), count / 2 - 1024);
    });
}

#[test]
fn guards_that_the_program_took_away_are_told_in_a_panic() {
    alone("beyond::guards_that_the_program_took_away_are_told_in_a_panic", || {
        refuse(&[with(libc::SYS_madvise, 2, GUARD_INSTALL)], EINVAL);
        let host = Host::new().unwrap();
        if descriptors("anon_inode:[userfaultfd]").is_empty() {
            return;
        }
        let count = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        for _ in 0..count.trim().parse::<usize>().unwrap() / 2 - 1024 {
            take(host, StackClass::K64);
        }
        take(host, StackClass::K64);
        drop(descriptor("anon_inode:[userfaultfd]"));
        host.stack_reserve(StackClass::K64).unwrap();
        let said = panic_of(|| drop(host.stack_alloc(StackClass::K64)));
        assert!(said.contains("closed the runtime's userfaultfd"), "{said}");
    });
}

#[test]
fn without_proc_the_number_of_guards_is_the_kernels_default() {
    alone("beyond::without_proc_the_number_of_guards_is_the_kernels_default", || {
        refuse_all_but_mappings();
        refuse(&opens(), ENOENT);
        assert!(fs::read("/proc/sys/vm/max_map_count").is_err(), "there is no /proc");
        assert_eq!(limit_of(Host::new().unwrap()), 65_530 / 2 - 1024);
    });
}

const COUNT: u32 = 33_000;

static STARTED: AtomicU32 = AtomicU32::new(0);
static SHOWN: AtomicU32 = AtomicU32::new(0);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<&Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| process::runtime().unwrap())
}

/// All are alive at once; false if there are no such guards here.
fn run_all(run: Run) -> bool {
    unsafe fn discard(_: *mut Payload) {}
    refuse(&[with(libc::SYS_madvise, 2, GUARD_INSTALL)], EINVAL);
    let runtime = runtime();
    let mut all = Vec::new();
    for _ in 0..COUNT {
        let entry = Entry { run, discard, payload: Payload::EMPTY };
        // SAFETY: neither function touches the payload.
        match unsafe { runtime.spawn(entry, StackClass::K64) } {
            Ok(task) => all.push(task),
            Err(PlatformError::Limit { what, .. }) if what.contains("max_map_count") => {
                return false;
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
    for task in &all {
        // SAFETY: any carrier may run it.
        unsafe { runtime.default_executor().submit(*task) }.unwrap();
    }
    all.iter().for_each(|task| assert!(runtime.join(*task, Instant::FAR)));
    true
}

/// Whether this is the last to start; else, waits for it.
fn is_last() -> bool {
    if STARTED.fetch_add(1, Ordering::SeqCst) + 1 == COUNT {
        return true;
    }
    while STARTED.load(Ordering::SeqCst) < COUNT {
        runtime().yield_now();
    }
    false
}

/// The last word of the guard below the stack of the caller.
fn guard() -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(stack_limit().expect("a virtual thread") - 8)
}

unsafe fn fork_and_look(_: *mut Payload) {
    if !is_last() {
        return;
    }
    let guard = guard();
    // SAFETY: the child makes two system calls and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: only the kernel touches the address, and checks it.
        let random = unsafe { libc::getrandom(guard.cast(), 8, 0) };
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(random != -1)) };
    }
    let mut status = -1;
    // SAFETY: writes the status of our child.
    unsafe { libc::waitpid(child, &mut status, 0) };
    SHOWN.store(u32::from(status == 0), Ordering::SeqCst);
}

#[test]
fn they_are_as_many_and_a_forks_child_keeps_its_guard() {
    alone("beyond::they_are_as_many_and_a_forks_child_keeps_its_guard", || {
        let ran = run_all(fork_and_look);
        assert!(!ran || SHOWN.load(Ordering::SeqCst) == 1, "the child has no guard");
    });
}

unsafe fn overflow(_: *mut Payload) {
    if is_last() {
        // SAFETY: it is not: it faults.
        unsafe { guard().write_volatile(1) };
    }
}

#[test]
fn an_overflow_is_told() {
    const ALONE: &str = "DRIFT_PAL_OVERFLOWS";
    if env::var_os(ALONE).is_some() {
        if !run_all(overflow) {
            println!("no such guards");
        }
        return;
    }
    let mut again = Command::new(env::current_exe().unwrap());
    let again = again.args(["--exact", "beyond::an_overflow_is_told", "--nocapture"]);
    let output = again.env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if String::from_utf8_lossy(&output.stdout).contains("no such guards") {
        return;
    }
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{}: {said}", output.status);
    assert!(said.contains("stack overflow: virtual thread"), "{said}");
}
