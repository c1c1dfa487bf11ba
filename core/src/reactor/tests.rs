//! The reactor at its limits.

use core::ptr::NonNull;

use super::watch::Store;
use super::{MAX_SOURCES, Reactor};
use crate::prim::AtomicBool;

/// One whose tables nobody may touch.
fn reactor() -> Reactor {
    Reactor {
        slots: NonNull::dangling(),
        watches: Store::of(NonNull::dangling()),
        used: AtomicBool::new(false),
    }
}

#[test]
fn a_source_beyond_the_table_has_no_slot() {
    let reactor = reactor();
    assert!(reactor.slot(MAX_SOURCES as u32).is_none());
    assert!(reactor.slot(u32::MAX).is_none());
}
