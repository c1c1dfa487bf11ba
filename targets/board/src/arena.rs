//! The memory of a machine: given out from its beginning on, never given back.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use drift_core::prim::{AtomicUsize, Ordering};

/// `BYTES` of memory, as a static variable. What is in it does not matter.
#[repr(C, align(4096))]
pub struct Arena<const BYTES: usize> {
    bytes: UnsafeCell<[MaybeUninit<u8>; BYTES]>,
    used: AtomicUsize,
}

// SAFETY: nobody reaches the bytes but through `Memory`, which gives each out once.
unsafe impl<const BYTES: usize> Sync for Arena<BYTES> {}

impl<const BYTES: usize> Arena<BYTES> {
    /// All of it is free.
    #[must_use]
    pub const fn new() -> Self {
        let bytes = UnsafeCell::new([MaybeUninit::uninit(); BYTES]);
        Self { bytes, used: AtomicUsize::new(0) }
    }

    /// All of it is free again.
    ///
    /// # Safety
    /// Nothing that was given out is in use, or will be.
    pub unsafe fn reset(&'static self) {
        self.used.store(0, Ordering::Relaxed);
    }

    /// What gives it out. Any number of these share one arena.
    pub(crate) const fn memory(&'static self) -> Memory {
        Memory { start: self.bytes.get().cast(), length: BYTES, used: &self.used }
    }
}

impl<const BYTES: usize> Default for Arena<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> fmt::Debug for Arena<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} of {BYTES} bytes are used)", self.used.load(Ordering::Relaxed))
    }
}

/// What is left of an arena.
#[derive(Debug)]
pub(crate) struct Memory {
    start: *mut u8,
    length: usize,
    used: &'static AtomicUsize,
}

// SAFETY: `used` says which bytes are given out, each once.
unsafe impl Sync for Memory {}
// SAFETY: the same.
unsafe impl Send for Memory {}

impl Memory {
    /// Memory of that layout, for ever; none if there is not so much left.
    pub(crate) fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        let place = |used: usize| {
            let address = (self.start.addr() + used).next_multiple_of(layout.align());
            let offset = address - self.start.addr();
            offset.checked_add(layout.size()).filter(|end| *end <= self.length).map(|_| offset)
        };
        let end = |used: usize| place(used).map(|offset| offset + layout.size());
        // Relaxed: the memory has no content that one publishes to the other.
        let used = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end).ok()?;
        let offset = place(used)?;
        // SAFETY: the end lies in the arena.
        NonNull::new(unsafe { self.start.add(offset) })
    }

    /// The same, all zero.
    pub(crate) fn take_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        let place = self.take(layout)?;
        // SAFETY: nobody else has these bytes.
        unsafe { place.write_bytes(0, layout.size()) };
        Some(place)
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.length - self.used.load(Ordering::Relaxed)
    }
}
