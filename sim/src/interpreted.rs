//! What a world has of the machine, for Miri, which has no mappings, and whose contexts are OS
//! threads (`drift-asm`): one of those that play a world runs at a time.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: what is given out here is never taken back.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use drift_core::platform::{PlatformError, Stack, StackClass};

use crate::world::World;

/// The world that is played, by whichever OS thread: one at a time in the process, so tests run one
/// after the other (`--test-threads=1`).
pub(crate) static CURRENT: Current = Current(AtomicPtr::new(ptr::null_mut()));

pub(crate) struct Current(AtomicPtr<World>);

impl Current {
    pub(crate) fn get(&self) -> *const World {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, world: *const World) {
        self.replace(world);
    }

    pub(crate) fn replace(&self, world: *const World) -> *const World {
        self.0.swap(world.cast_mut(), Ordering::SeqCst)
    }
}

/// Only numbers: nothing runs on it.
pub(crate) fn new_stack(class: StackClass) -> Result<Stack, PlatformError> {
    static STACKS: AtomicU32 = AtomicU32::new(1);
    let id = STACKS.fetch_add(1, Ordering::Relaxed);
    let limit = id as usize * StackClass::M8.bytes();
    Ok(Stack { limit, top: limit + class.bytes(), id, class })
}

/// The longest table. One is used from its beginning up, and Miri keeps several times as much as is
/// there, used or not. It tells who goes beyond.
const LONGEST: usize = 1 << 20;

/// Each table is an allocation of its own, and stays: the frames of threads that are over stand,
/// and refer to them.
#[derive(Debug)]
pub(crate) struct Arena;

impl Arena {
    pub(crate) fn new(_: usize) -> Result<Self, PlatformError> {
        Ok(Self)
    }

    pub(crate) fn table(&mut self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        let layout = Layout::from_size_align(bytes.min(LONGEST), 4096).expect("it has a size");
        // SAFETY: its size is not zero.
        Ok(NonNull::new(unsafe { alloc_zeroed(layout) }).expect("there is memory"))
    }

    pub(crate) fn trim(&mut self) {}

    /// # Safety
    /// None, here.
    pub(crate) unsafe fn clear(&mut self) {}
}
