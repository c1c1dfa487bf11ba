//! Which OS thread plays a world.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the carrier slot gets back what it had.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::Ordering;

use drift_asm::sanitizer::ThreadStack;
use drift_asm::slot;

use super::{CURRENT, World, current};

/// While it lives, the OS thread plays the world.
pub(crate) struct Entered {
    before: *const World,
    /// The word of `drift_asm::slot`, of a carrier of the machine's on which a world is played.
    slot: *mut u8,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(world) = current() {
            world.is_played.store(false, Ordering::Relaxed);
        }
        CURRENT.set(self.before);
        // SAFETY: what this OS thread had before it entered the world.
        unsafe { slot::set(self.slot) };
    }
}

impl World {
    /// Makes this the world of the calling OS thread.
    pub(crate) fn enter(&'static self) -> Entered {
        self.told.set(ThreadStack::here());
        self.is_played.store(true, Ordering::Relaxed);
        let entered = Entered { before: CURRENT.replace(self), slot: slot::get() };
        // SAFETY: the scheduler of a world is no carrier.
        unsafe { slot::set(ptr::null_mut()) };
        entered
    }

    /// A reference to the runtime of this world can be taken to another OS thread; what it asks
    /// there, while the world is played, would race with that.
    pub(crate) fn assert_here(&self) {
        let is_here = ptr::eq(CURRENT.get(), self) || !self.is_played.load(Ordering::Relaxed);
        assert!(is_here, "a world is asked on the OS thread only that plays it");
    }
}
