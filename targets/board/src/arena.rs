//! The memory of a machine: given out from its beginning on, never given back.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use drift_core::prim::{AtomicUsize, Ordering};

/// `BYTES` of memory, all zero, as a static variable.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Arena<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: nobody reaches the bytes but through `Memory`, which gives each out once.
unsafe impl<const BYTES: usize> Sync for Arena<BYTES> {}

impl<const BYTES: usize> Arena<BYTES> {
    /// All zero: it takes no place in an image.
    #[must_use]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }

    /// All of it.
    pub(crate) const fn memory(&'static self) -> Memory {
        Memory { start: self.0.get().cast(), length: BYTES, used: AtomicUsize::new(0) }
    }
}

impl<const BYTES: usize> Default for Arena<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// What is left of an arena.
#[derive(Debug)]
pub(crate) struct Memory {
    start: *mut u8,
    length: usize,
    used: AtomicUsize,
}

// SAFETY: `used` says which bytes are given out, each once.
unsafe impl Sync for Memory {}
// SAFETY: the same.
unsafe impl Send for Memory {}

impl Memory {
    /// Memory of that layout, all zero, for ever; none if there is not so much left.
    pub(crate) fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        let place = |used: usize| {
            let address = (self.start.addr() + used).next_multiple_of(layout.align());
            let offset = address - self.start.addr();
            offset.checked_add(layout.size()).filter(|end| *end <= self.length).map(|_| offset)
        };
        let end = |used: usize| place(used).map(|offset| offset + layout.size());
        // Relaxed: the memory has no content yet that one publishes to the other.
        let used = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end).ok()?;
        let offset = place(used)?;
        // SAFETY: the end lies in the arena.
        NonNull::new(unsafe { self.start.add(offset) })
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.length - self.used.load(Ordering::Relaxed)
    }
}
