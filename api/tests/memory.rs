//! What long-lived things keep on the heap: no more than what is alive in them.
//!
//! One test: the bytes are the process's.

#![allow(unsafe_code)]

#[path = "harness/again.rs"]
mod again;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use again::on_carriers;
use drift::{FutureGroup, scope, spawn_future};

/// Bytes that are allocated now.
static BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counts;

// SAFETY: all calls go to the system's allocator, as they came.
unsafe impl GlobalAlloc for Counts {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTS: Counts = Counts;

const ROUNDS: usize = 20_000;

/// Far less than a byte for each round, and room for what the runtime keeps for the next.
const SLACK: usize = 8 << 10;

/// Calls `round` often, and looks what is left of it each time.
fn keeps_nothing(what: &str, mut round: impl FnMut()) {
    (0..1000).for_each(|_| round());
    let before = BYTES.load(Ordering::Relaxed);
    (0..ROUNDS).for_each(|_| round());
    let kept = BYTES.load(Ordering::Relaxed).saturating_sub(before);
    assert!(kept <= SLACK, "{what}: {kept} bytes are left of {ROUNDS} rounds");
}

#[test]
fn what_has_ended_leaves_nothing_behind() {
    on_carriers("what_has_ended_leaves_nothing_behind", ":", || drift::run(program));
}

fn program() {
    let mut group = FutureGroup::new();
    keeps_nothing("a group's add and select", || {
        group.add(spawn_future(|| 1));
        group.select().unwrap();
    });
    group.add(spawn_future(|| 2));
    keeps_nothing("a group's add and select beside one that stays", || {
        group.add(spawn_future(|| 3));
        group.select().unwrap();
    });
    scope(|s| {
        keeps_nothing("a scope's children", || drop(s.spawn(|| 1).join()));
        keeps_nothing("a scope's failures that are handled", || {
            let child = s.spawn_fallible(|| Err::<(), _>("handled"));
            child.join().unwrap_err();
        });
    })
    .unwrap();
}
