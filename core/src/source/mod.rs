//! Descriptors: a slot for each, with who waits for it, and the watches that link tasks there.
//!
//! **What it knows** is what the lock of one slot protects, and records by their state words. It
//! does not know how one waits, is woken or asks the platform: `wait/readiness` does, which calls
//! it.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a slot of zeroes is an empty one.
#![allow(unsafe_code)]

pub(crate) mod readiness;
pub(crate) mod slot;
pub(crate) mod waiting;

use crate::platform::{Platform, PlatformError, Source};
use crate::prim::{AtomicBool, Ordering};
use crate::queues::watch::Store;
use crate::source::slot::Slot;
use crate::table::Table;

/// Sources that can be waited for: numbers below this.
pub const MAX_SOURCES: usize = 1 << 20;

/// Slots in the first step of their table: numbers of descriptors are small.
const FIRST_SLOTS: usize = 256;

/// The table of slots and the store of watches.
#[derive(Debug)]
pub(crate) struct Sources {
    slots: Table<Slot, FIRST_SLOTS>,
    pub watches: Store,
    used: AtomicBool,
}

impl Sources {
    pub(crate) fn new() -> Self {
        Self {
            slots: Table::new(MAX_SOURCES, "room for more descriptors to wait for"),
            watches: Store::new(),
            used: AtomicBool::new(false),
        }
    }

    /// Whether anybody ever waited for a source.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Somebody is about to wait for a source. Relaxed: carriers with nothing to do poll in any
    /// case, and those that have look at it every so often.
    pub(crate) fn use_it(&self) {
        if !self.is_used() {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// The slot of a source; none if nobody ever waited for one of such a number.
    #[inline]
    pub(crate) fn slot(&self, source: u32) -> Option<&Slot> {
        let slot = self.slots.find(source as usize)?;
        // SAFETY: zero, as the platform gives it, is an empty slot; `slot.rs` has a test for it.
        Some(unsafe { slot.as_ref() })
    }

    /// The same, for whoever waits. Under no lock.
    pub(crate) fn slot_for(
        &self,
        platform: &dyn Platform,
        source: Source,
    ) -> Result<&Slot, PlatformError> {
        if source.0 as usize >= MAX_SOURCES {
            let what = "the number of a descriptor (MAX_SOURCES)";
            return Err(PlatformError::Limit { what, limit: MAX_SOURCES });
        }
        let slot = self.slots.claim(platform, source.0 as usize)?;
        // SAFETY: as in `slot`.
        Ok(unsafe { slot.as_ref() })
    }
}
