//! Bugs that a sanitizer must report, one for each run: `planted race`, `planted stack`,
//! `planted freed`. Without an argument, or as a test, it does nothing.
//!
//! # Unsafe
//! All of it is, on purpose.
#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::hint::{self, black_box};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::{Duration, Executor, ExecutorPolicy, sleep, spawn, spawn_on};

/// A word that anybody may write, which is the bug.
struct Shared(UnsafeCell<u64>);

// SAFETY: none.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared(UnsafeCell::new(0));

/// Two carriers write one word, and nothing orders them.
fn race() {
    let executor = Executor::new(ExecutorPolicy::new().min_threads(2)).unwrap();
    let write = || {
        static BEGUN: AtomicU32 = AtomicU32::new(0);
        // Relaxed: both run from here on, and that orders nothing.
        BEGUN.fetch_add(1, Ordering::Relaxed);
        while BEGUN.load(Ordering::Relaxed) < 2 {
            hint::spin_loop();
        }
        for _ in 0..10_000 {
            // SAFETY: none.
            unsafe { *SHARED.0.get() += 1 };
        }
    };
    let both = [spawn_on(&executor, write).unwrap(), spawn_on(&executor, write).unwrap()];
    for one in both {
        one.join().unwrap();
    }
}

/// A virtual thread writes behind an array on its stack, after it was away.
fn stack() {
    let one = spawn(|| {
        let mut array = black_box([0_u8; 16]);
        sleep(Duration::from_millis(1)).unwrap();
        let behind = array.as_mut_ptr().wrapping_add(black_box(16));
        // SAFETY: none: that is the bug.
        unsafe { behind.write_volatile(1) };
        black_box(array)
    });
    drop(one.join());
}

/// A virtual thread reads what another has freed.
fn freed() {
    let word = Box::into_raw(Box::new(7_u64)).expose_provenance();
    spawn(move || {
        // SAFETY: it was a box, which nobody else frees.
        drop(unsafe { Box::from_raw(ptr::with_exposed_provenance_mut::<u64>(word)) });
    })
    .join()
    .unwrap();
    let read = spawn(move || {
        // SAFETY: none: that is the bug.
        unsafe { ptr::with_exposed_provenance::<u64>(word).read_volatile() }
    });
    black_box(read.join().unwrap());
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("race") => race(),
        Some("stack") => stack(),
        Some("freed") => freed(),
        _ => {}
    }
}
