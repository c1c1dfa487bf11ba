//! Locks between threads of different priorities on one CPU.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: system calls about the calling thread alone.
#![allow(unsafe_code)]

use std::mem::{self, MaybeUninit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use drift_core::prim::SpinLock;
use drift_pal::Host;

/// The calling thread's CPU time.
fn cpu_time() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: room for the answer.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) };
    assert_eq!(answer, 0);
    // SAFETY: the call has written it.
    let time = unsafe { time.assume_init() };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Ties the calling thread to the first CPU that it may use.
fn stay_on_one_cpu() {
    // SAFETY: a set of CPUs is plain bits.
    let mut cpus: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: room for the answer.
    assert_eq!(unsafe { libc::sched_getaffinity(0, size_of_val(&cpus), &raw mut cpus) }, 0);
    // SAFETY: numbers below the set's size.
    let first = (0..libc::CPU_SETSIZE as usize).find(|&cpu| unsafe { libc::CPU_ISSET(cpu, &cpus) });
    // SAFETY: as above.
    let mut one: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the number came from such a set.
    unsafe { libc::CPU_SET(first.expect("a thread may use a CPU"), &mut one) };
    // SAFETY: the set is read.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(&one), &raw const one) }, 0);
}

/// Makes the calling thread run before all ordinary ones; false if the machine does not allow it.
fn go_first() -> bool {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameters are read.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
}

/// The holder works for a span of CPU time that a waiter of a higher priority, on the same CPU,
/// would not give it. Where no thread may have such a priority, this is
/// `a_waiter_for_a_lock_sleeps` on one CPU.
#[test]
fn a_waiter_of_a_higher_priority_lets_the_holder_of_a_lock_run() {
    Host::new().unwrap();
    let (lock, is_held) = (SpinLock::new(()), AtomicBool::new(false));
    let waited = thread::scope(|scope| {
        scope.spawn(|| {
            stay_on_one_cpu();
            let held = lock.lock();
            is_held.store(true, Ordering::Release);
            while cpu_time() < Duration::from_millis(300) {}
            drop(held);
        });
        let waiter = scope.spawn(|| {
            stay_on_one_cpu();
            while !is_held.load(Ordering::Acquire) {
                thread::sleep(Duration::from_millis(1));
            }
            go_first();
            drop(lock.lock());
            cpu_time()
        });
        waiter.join().unwrap()
    });
    // The kernel leaves ordinary threads 50 ms of each second beside one that never sleeps.
    assert!(waited < Duration::from_millis(300), "the waiter kept the CPU for {waited:?}");
}

#[test]
fn a_waiter_for_a_lock_sleeps() {
    Host::new().unwrap();
    let lock = SpinLock::new(());
    let held = lock.lock();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            drop(lock.lock());
            cpu_time()
        });
        thread::sleep(Duration::from_millis(500));
        drop(held);
        let spent = waiter.join().unwrap();
        assert!(spent < Duration::from_millis(200), "{spent:?} of CPU time in half a second");
    });
}
