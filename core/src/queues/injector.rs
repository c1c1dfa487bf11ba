//! The queue that an executor's carriers share: unbounded, first in first out.
//!
//! A locked list, and its length beside it for those who only look:
//!
//! | word   | written by                     | read by                                         |
//! |--------|--------------------------------|-------------------------------------------------|
//! | `list` | who holds the lock             | the same                                        |
//! | `len`  | who holds the lock, the number | anyone, without the lock: whether it is worth   |
//! |        | of nodes in `list` at unlock   | locking, and in a sleeper's second look         |
//!
//! **For the sleep protocol** (`idle`). One who pushes stores `len` (SeqCst) and then loads the
//! idle word (SeqCst); one who falls asleep changes the idle word (SeqCst) and then loads `len`
//! (SeqCst). In the one order of these four, either the load of the idle word comes after its
//! change, and the pusher sees the sleeper; or the load of `len` comes after the store, and the
//! sleeper sees the task, or that somebody has taken it already.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: whoever pushes a node has claimed it, and gives it up.
#![allow(unsafe_code)]

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt;
use core::ptr::NonNull;

use crate::link::Linked;
use crate::link::list::List;
use crate::prim::{AtomicUsize, Ordering, SpinLock};

/// An executor's shared queue.
pub(crate) struct Injector<L, T: Linked<L>> {
    list: SpinLock<List<L, T>>,
    len: AtomicUsize,
}

impl<L, T: Linked<L>> Injector<L, T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self { list: SpinLock::new(List::new()), len: AtomicUsize::new(0) }
    }

    /// Puts `node` behind the others.
    ///
    /// # Safety
    /// `node` is in no list of marker `L`, and stays alive and in place until it is taken.
    pub(crate) unsafe fn push(&self, node: NonNull<T>) {
        let mut list = self.list.lock();
        // SAFETY: as the caller says.
        unsafe { list.push_back(node) };
        // SeqCst pairs with the load in `len`, for the sleep protocol; see the head.
        self.len.store(self.len.load(Ordering::Relaxed) + 1, Ordering::SeqCst);
    }

    /// Puts all of `nodes` behind the others, in order.
    pub(crate) fn push_list(&self, mut nodes: List<L, T>) {
        let count = nodes.count();
        let mut list = self.list.lock();
        list.append(&mut nodes);
        // SeqCst: as in `push`.
        self.len.store(self.len.load(Ordering::Relaxed) + count, Ordering::SeqCst);
    }

    /// Takes the oldest.
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        if self.is_empty() {
            return None;
        }
        let mut list = self.list.lock();
        let node = list.pop_front()?;
        // Relaxed: a sleeper that reads the larger figure only looks once more.
        self.len.store(self.len.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        Some(node)
    }

    /// Takes the oldest, `max` of them at most.
    pub(crate) fn pop_batch(&self, max: usize) -> List<L, T> {
        let mut batch = List::new();
        if self.is_empty() {
            return batch;
        }
        let mut list = self.list.lock();
        let len = self.len.load(Ordering::Relaxed);
        if len <= max {
            batch = list.take();
        } else {
            for _ in 0..max {
                let node = list.pop_front().expect("`len` nodes are in the list");
                // SAFETY: just taken out of a list, whose pusher promised the rest.
                unsafe { batch.push_back(node) };
            }
        }
        // Relaxed: as in `pop`.
        self.len.store(len - len.min(max), Ordering::Relaxed);
        batch
    }

    /// How many wait, or did a moment ago.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SeqCst pairs with the stores in `push` and `push_list`; see the head.
        self.len.load(Ordering::SeqCst)
    }

    /// Whether nothing waits, or did not a moment ago.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<L, T: Linked<L>> fmt::Debug for Injector<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Injector").field("len", &self.len()).finish_non_exhaustive()
    }
}
