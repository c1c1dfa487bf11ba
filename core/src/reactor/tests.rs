//! The reactor at its limits.

use core::ptr::NonNull;

use super::{MAX_SOURCES, MAX_WATCHES, Reactor};
use crate::prim::{AtomicBool, AtomicU32, Ordering};

/// One whose tables nobody may touch.
fn reactor() -> Reactor {
    Reactor {
        slots: NonNull::dangling(),
        watches: NonNull::dangling(),
        taken: AtomicU32::new(MAX_WATCHES as u32),
        used: AtomicBool::new(false),
    }
}

#[test]
fn a_watch_more_than_there_are_is_none_and_changes_nothing() {
    let reactor = reactor();
    for _ in 0..3 {
        assert!(reactor.take_watch(NonNull::dangling()).is_none());
    }
    assert_eq!(reactor.taken.load(Ordering::Relaxed), MAX_WATCHES as u32);
}

#[test]
fn a_source_beyond_the_table_has_no_slot() {
    let reactor = reactor();
    assert!(reactor.slot(MAX_SOURCES as u32).is_none());
    assert!(reactor.slot(u32::MAX).is_none());
}
