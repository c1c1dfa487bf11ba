//! What tests and models wait by: a platform of OS threads only, and two buffers.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: nothing is asked of this platform that it must promise.
#![allow(unsafe_code)]

use core::convert::Infallible;
use core::ptr::NonNull;
use std::boxed::Box;
use std::collections::VecDeque;
use std::vec;

use crate::platform::CarrierMain;
use crate::platform::{
    Armed, CarrierId, Events, Interest, Platform, PlatformError, Poll, Source, Stack, StackClass,
};
use crate::prim::AtomicU32;
use crate::sync::channel::Buffer;
use crate::time::Instant;
use crate::wait::bounds::Wait;

/// A platform on which OS threads wait, and are woken, by these two.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Waits while the word has this value; for `wake`, whatever its word, or without a cause.
    pub wait: fn(&AtomicU32, u32),
    pub wake: fn(),
    /// As `wait`, beside sources; whether one is ready. `no_source` where nobody waits for one.
    pub beside: fn(&AtomicU32, u32, &[Poll]) -> bool,
    /// Gives memory; `no_table` where nobody asks.
    pub table: fn(usize) -> Result<NonNull<u8>, PlatformError>,
}

/// Zeros, for ever.
pub(crate) fn give(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    let words = Box::leak(vec![[0_u64; 8]; bytes.div_ceil(64)].into_boxed_slice());
    Ok(NonNull::from(words).cast())
}

/// One that gives tables, on which nobody waits.
pub(crate) static PLENTY: Stage = Stage { table: give, ..NOBODY };

pub(crate) fn no_table(_: usize) -> Result<NonNull<u8>, PlatformError> {
    unreachable!("no table here")
}

pub(crate) fn no_source(_: &AtomicU32, _: u32, _: &[Poll]) -> bool {
    unreachable!("no source here")
}

/// What one is on which nobody waits.
pub(crate) const NOBODY: Stage =
    Stage { wait: |_, _| {}, wake: || {}, beside: no_source, table: no_table };

/// One on which nobody waits.
#[cfg(not(loom))]
pub(crate) static EMPTY: Stage = NOBODY;

impl Stage {
    /// A wait that only its cause ends.
    pub(crate) fn forever(&'static self) -> Wait {
        Wait::of_thread(self)
    }

    /// A wait whose time runs out wherever the others let it.
    pub(crate) fn briefly(&'static self) -> Wait {
        Wait::of_thread(self).until(Instant::ZERO)
    }
}

// SAFETY: gives only memory that `table` gives, and its clock stands still.
unsafe impl Platform for Stage {
    fn now(&self) -> Instant {
        Instant(1)
    }

    fn entropy(&self) -> u64 {
        0
    }

    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>) {
        assert!(until.is_none(), "a wait here has no time or all of it");
        (self.wait)(word, value);
    }

    fn thread_poll(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        assert!(until.is_none(), "a wait here has no time or all of it");
        (self.beside)(word, value, sources)
    }

    fn thread_wake(&self, _: *const AtomicU32) {
        (self.wake)();
    }

    fn thread_yield(&self, _: u32) {
        #[cfg(loom)]
        crate::prim::let_others_go_on();
    }

    unsafe fn carrier_start(&self, _: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        unreachable!("no virtual thread here")
    }

    fn carrier_sleep(&self, _: CarrierId, _: Option<Instant>, _: Option<&mut Events>) {
        unreachable!("no virtual thread here")
    }

    fn carrier_wake(&self, _: CarrierId) {
        unreachable!("no virtual thread here")
    }

    fn io_arm(&self, _: Source, _: u64, _: Interest) -> Result<Armed, PlatformError> {
        unreachable!("no virtual thread here")
    }

    fn stack_reserve(&self, _: StackClass) -> Result<(), PlatformError> {
        unreachable!("no virtual thread here")
    }

    fn stack_alloc(&self, _: StackClass) -> Result<Stack, PlatformError> {
        unreachable!("no virtual thread here")
    }

    unsafe fn stack_free(&self, _: Stack) {
        unreachable!("no virtual thread here")
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        (self.table)(bytes)
    }
}

/// Keeps so many.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    items: VecDeque<T>,
    limit: usize,
}

impl<T> Bounded<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: VecDeque::with_capacity(limit), limit }
    }
}

impl<T> Buffer for Bounded<T> {
    type Item = T;
    type Room = Infallible;

    fn push(&mut self, item: T, _: &mut Option<Infallible>) -> Result<(), T> {
        if self.is_full() {
            return Err(item);
        }
        self.items.push_back(item);
        Ok(())
    }

    fn pop(&mut self) -> Option<(T, Option<Infallible>)> {
        self.items.pop_front().map(|item| (item, None))
    }

    fn more() -> Infallible {
        unreachable!("it asks for no room")
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.limit
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

/// Keeps all, each in room of its own that is made outside the lock.
#[derive(Debug)]
pub(crate) struct Unbounded<T>(VecDeque<(T, Box<()>)>);

impl<T> Unbounded<T> {
    pub(crate) fn new() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Buffer for Unbounded<T> {
    type Item = T;
    type Room = Box<()>;

    fn push(&mut self, item: T, room: &mut Option<Box<()>>) -> Result<(), T> {
        match room.take() {
            Some(room) => self.0.push_back((item, room)),
            None => return Err(item),
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<(T, Option<Box<()>>)> {
        self.0.pop_front().map(|(item, room)| (item, Some(room)))
    }

    fn more() -> Box<()> {
        Box::new(())
    }

    fn is_full(&self) -> bool {
        false
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
