//! One carrier's queue: a bounded ring, first in first out, of which others steal half.
//!
//! | word     | written by                                         | means                      |
//! |----------|----------------------------------------------------|----------------------------|
//! | `tail`   | the owner only, plain stores                       | where the next push goes   |
//! | `head`   | whoever claims from it, by compare-exchange; when  | the oldest not yet claimed |
//! |          | `solo`, the owner only, by plain stores            |                            |
//! | slot `i` | the owner only, while `i` is outside `head..tail`  | task number `i`            |
//!
//! Both count up for ever and wrap; the slot of `i` is `i % CAPACITY`; `tail - head` is the length.
//!
//! | step  | by     | does                                                                     |
//! |-------|--------|--------------------------------------------------------------------------|
//! | push  | owner  | slot `tail` := task; `tail` += 1 (release); refused when full            |
//! | pop   | owner  | reads slot `head`; `head` += 1 by compare-exchange (SeqCst)              |
//! | steal | others | reads half of the slots from `head`, rounded up; `head` += as many, by   |
//! |       |        | compare-exchange (AcqRel); until that succeeds what it read means nothing|
//!
//! A thief writes what it steals into its own ring beyond its own `tail`, where nobody looks,
//! before it claims, and moves that `tail` after. A slot that is read while the owner writes it
//! again belongs to a claim that fails, for `head` has moved since. (Not if it moved by 2^32
//! exactly; that many tasks do not run while a thief copies a few words.)
//!
//! **For the sleep protocol** (`idle`). A push alone orders nothing after it. An owner that pushes,
//! pops and then loads the idle word, and a sleeper that changes the idle word and then looks at
//! `len`, cannot miss each other: the pop's exchange, the load and the change of the idle word,
//! and the load of `head` in `len` are SeqCst. If the owner does not see the sleeper, the
//! sleeper's load of `head` comes after the exchange and reads it or a thief's exchange behind
//! it, either of which carries the release of every push before.
//!
//! # Safety
//! `push`, `pop` and the receiving side of `steal_into` are the owner's: one thread at a time.
//! The file has unsafe functions for that promise and no unsafe operation.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::prim::{AtomicPtr, AtomicU32, Ordering};

/// Tasks that fit. A power of two, so that the counts may wrap.
pub(crate) const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };

/// A value on cache lines of its own; two of them, because CPUs fetch pairs.
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A carrier's run queue.
pub(crate) struct RunQueue<T> {
    head: Apart<AtomicU32>,
    tail: Apart<AtomicU32>,
    slots: [AtomicPtr<T>; CAPACITY],
    solo: bool,
}

impl<T> RunQueue<T> {
    /// An empty queue. Nobody ever steals from one that is `solo`, so its owner needs no
    /// read-modify-write.
    pub(crate) fn new(solo: bool) -> Self {
        Self {
            head: Apart(AtomicU32::new(0)),
            tail: Apart(AtomicU32::new(0)),
            slots: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            solo,
        }
    }

    /// Puts `task` behind the others; gives it back when full.
    ///
    /// # Safety
    /// Only the owner.
    #[inline]
    pub(crate) unsafe fn push(&self, task: NonNull<T>) -> Result<(), NonNull<T>> {
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire pairs with the claim of a thief: it has read the slots that we write again.
        let head = self.head.load(Ordering::Acquire);
        if distance(head, tail) >= CAPACITY {
            return Err(task);
        }
        self.slot(tail).store(task.as_ptr(), Ordering::Relaxed);
        // Release: the slot and the task; pairs with the acquire in `steal_into`.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Takes the oldest.
    ///
    /// # Safety
    /// Only the owner.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<NonNull<T>> {
        let tail = self.tail.load(Ordering::Relaxed);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == tail {
                return None;
            }
            let task = self.slot(head).load(Ordering::Relaxed);
            let next = head.wrapping_add(1);
            if self.solo {
                self.head.store(next, Ordering::Relaxed);
                return some(task);
            }
            // SeqCst pairs with the load in `len`, for the sleep protocol; see the head.
            match self.head.compare_exchange(head, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return some(task),
                Err(now) => head = now,
            }
        }
    }

    /// As a pop that takes nothing, for the sleep protocol: an owner that leaves what it pushed
    /// for later calls it before it loads the idle word.
    ///
    /// # Safety
    /// Only the owner.
    pub(crate) unsafe fn publish(&self) {
        // SeqCst: as the exchange in `pop`.
        self.head.fetch_add(0, Ordering::SeqCst);
    }

    /// Takes half, rounded up: the oldest is returned, the others go to `mine`, in order, as many
    /// as fit.
    ///
    /// # Safety
    /// Only the owner of `mine`, which is not this queue.
    pub(crate) unsafe fn steal_into(&self, mine: &Self) -> Option<NonNull<T>> {
        debug_assert!(!ptr::eq(self, mine), "a carrier does not steal from itself");
        if self.solo {
            return None;
        }
        let end = mine.tail.load(Ordering::Relaxed);
        // Acquire: as in `push`.
        let room = CAPACITY - distance(mine.head.load(Ordering::Acquire), end);
        // Acquire, here and when the claim fails, pairs with the claim that moved `head`: `tail`,
        // read after it, is not behind it.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            // Acquire pairs with the release in `push`.
            let waiting = distance(head, self.tail.load(Ordering::Acquire));
            if waiting == 0 {
                return None;
            }
            // More than there are if `head` has moved since; then the claim fails.
            let take = waiting.div_ceil(2).min(room + 1) as u32;
            let oldest = self.slot(head).load(Ordering::Relaxed);
            for step in 1..take {
                let task = self.slot(head.wrapping_add(step)).load(Ordering::Relaxed);
                mine.slot(end.wrapping_add(step - 1)).store(task, Ordering::Relaxed);
            }
            let next = head.wrapping_add(take);
            // AcqRel: the release pairs with the acquire in `push`, which writes the slots again.
            match self.head.compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // Release: as in `push`.
                    mine.tail.store(end.wrapping_add(take - 1), Ordering::Release);
                    return some(oldest);
                }
                Err(now) => head = now,
            }
        }
    }

    /// How many wait; exact for the owner of a `solo` queue, a recent figure otherwise.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SeqCst pairs with the exchange in `pop`, for the sleep protocol; first `head`, then
        // `tail`, so that the exchange makes the pushes before it visible.
        let head = self.head.load(Ordering::SeqCst);
        let tail = self.tail.load(Ordering::Acquire);
        // A stranger may find `tail` moved on, or that of a solo queue still behind.
        (tail.wrapping_sub(head) as i32).clamp(0, CAPACITY as i32) as usize
    }

    /// Whether nothing waits; as exact as `len`.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn slot(&self, number: u32) -> &AtomicPtr<T> {
        &self.slots[number as usize % CAPACITY]
    }
}

#[inline]
fn distance(head: u32, tail: u32) -> usize {
    tail.wrapping_sub(head) as usize
}

#[inline]
fn some<T>(task: *mut T) -> Option<NonNull<T>> {
    debug_assert!(!task.is_null(), "a claimed slot was written");
    NonNull::new(task)
}

impl<T> fmt::Debug for RunQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}
