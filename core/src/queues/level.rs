//! One level of the wheel: 64 slots, and a bit for each that has anything in it.
//!
//! A slot of level `n` covers 64^n ticks. Which ticks these are is the wheel's business; here a
//! slot is a number from 0 to 63 and a list in order of insertion.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: bit `i` of `occupied` says whether `slots[i]` has a node.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::link::list::List;
use crate::queues::wheel::{InWheel, TimerNode};

/// Bits of a tick that one level looks at.
pub(super) const BITS: u32 = 6;

/// Slots of a level, one for each bit of its bitmap.
const SLOTS: usize = 1 << BITS;

/// A level of the wheel.
#[derive(Debug)]
pub(super) struct Level {
    occupied: u64,
    slots: [List<InWheel, TimerNode>; SLOTS],
}

impl Level {
    /// A level with nothing in it.
    pub(super) const fn new() -> Self {
        Self { occupied: 0, slots: [const { List::new() }; SLOTS] }
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// The lowest slot with anything in it. The level is not empty.
    #[inline]
    pub(super) const fn first(&self) -> u32 {
        debug_assert!(!self.is_empty(), "an empty level has no first slot");
        self.occupied.trailing_zeros()
    }

    /// Puts `node` behind the others of `slot`.
    ///
    /// # Safety
    /// `node` is in no wheel, and stays alive and in place until it is taken out.
    #[inline]
    pub(super) unsafe fn push_back(&mut self, slot: u32, node: NonNull<TimerNode>) {
        // SAFETY: as the caller says.
        unsafe { self.slots[slot as usize].push_back(node) };
        self.occupied |= 1 << slot;
    }

    /// Takes `node` out.
    ///
    /// # Safety
    /// `node` is in `slot` of this level.
    #[inline]
    pub(super) unsafe fn remove(&mut self, slot: u32, node: NonNull<TimerNode>) {
        let list = &mut self.slots[slot as usize];
        // SAFETY: as the caller says.
        unsafe { list.remove(node) };
        if list.is_empty() {
            self.occupied &= !(1 << slot);
        }
    }

    /// Whether `slot` has a node.
    #[inline]
    pub(super) const fn has(&self, slot: u32) -> bool {
        self.occupied & 1 << slot != 0
    }

    /// The oldest node in `slot`.
    #[inline]
    pub(super) fn front(&self, slot: u32) -> Option<NonNull<TimerNode>> {
        self.slots[slot as usize].front()
    }
}
