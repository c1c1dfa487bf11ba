//! A doubly linked list of nodes that carry their own links.
//!
//! The nodes form a circle and the list is one pointer into it, to the front; so the back is one
//! step away, and a linked node always has neighbours, itself when it is alone. That tells a
//! linked node from one in no list without a flag, and keeps a wheel of 64 slots a level small.
//!
//! ```text
//! front ──► a ⇄ b ⇄ c        a.prev = c, c.next = a
//!           ▲───────┘        in no list: prev = next = none
//! ```
//!
//! Not thread-safe: callers own the list or hold the lock it is behind. A list that is dropped
//! leaves its nodes linked to each other.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: every node reachable from `front` was given to
//! `push_back`, whose caller promised that it stays alive and in place until it is unlinked; a
//! node is in one list of its marker at a time. No reference to a node is ever formed (`link`).
#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::link::{Ends, Link, Linked};

/// A list of `T` by the link that marker `L` names. First in, first out; removal anywhere.
pub(crate) struct List<L, T: Linked<L>> {
    front: Option<NonNull<T>>,
    marker: PhantomData<L>,
}

// SAFETY: `front` and the links behind it are all there is. Whoever receives the list gets node
// pointers that other threads may know too, hence `T: Sync`; the links are the list's alone.
unsafe impl<L, T: Linked<L> + Sync> Send for List<L, T> {}

impl<L, T: Linked<L>> List<L, T> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self { front: None, marker: PhantomData }
    }

    /// Whether nothing is linked here.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    /// The node that `pop_front` would give.
    #[inline]
    pub(crate) const fn front(&self) -> Option<NonNull<T>> {
        self.front
    }

    /// Whether `node` is in a list of this marker.
    ///
    /// # Safety
    /// `node` is alive, and the caller is alone with the list that it may be in.
    #[inline]
    pub(crate) unsafe fn is_linked(node: NonNull<T>) -> bool {
        // SAFETY: as the caller says.
        unsafe { Link::ends(T::link(node)) }.1.is_some()
    }

    /// Links `node` behind all others.
    ///
    /// # Safety
    /// `node` is in no list of this marker, and stays alive and in place until it is unlinked.
    #[inline]
    pub(crate) unsafe fn push_back(&mut self, node: NonNull<T>) {
        // SAFETY: alive, as the caller says, and in no list.
        debug_assert!(!unsafe { Self::is_linked(node) }, "a node is in one list at a time");
        let Some(front) = self.front else {
            // SAFETY: alive, as the caller says, and in no list.
            unsafe { Self::join(node, node) };
            self.front = Some(node);
            return;
        };
        // SAFETY: `front` is linked in this list.
        let back = unsafe { Self::prev(front) };
        // SAFETY: `back` is linked here, `node` is the caller's.
        unsafe { Self::join(back, node) };
        // SAFETY: the same, with `front`.
        unsafe { Self::join(node, front) };
    }

    /// Unlinks the first node.
    #[inline]
    pub(crate) fn pop_front(&mut self) -> Option<NonNull<T>> {
        let node = self.front?;
        // SAFETY: the front is linked in this list.
        unsafe { self.remove(node) };
        Some(node)
    }

    /// Unlinks `node`.
    ///
    /// # Safety
    /// `node` is linked in this list.
    #[inline]
    pub(crate) unsafe fn remove(&mut self, node: NonNull<T>) {
        // SAFETY: linked here, as the caller says.
        debug_assert!(unsafe { Self::is_linked(node) }, "only a linked node can be removed");
        if self.front == Some(node) {
            // SAFETY: the same.
            let next = unsafe { Self::next(node) };
            self.front = (next != node).then_some(next);
        }
        // SAFETY: linked here, as the caller says, and not the front any more.
        unsafe { Self::unlink(node) };
    }

    /// Unlinks `node` from its list, whichever that is.
    ///
    /// # Safety
    /// `node` is linked in a list that the caller is alone with, and not its front.
    #[inline]
    pub(crate) unsafe fn unlink(node: NonNull<T>) {
        // SAFETY: as the caller says.
        let prev = unsafe { Self::prev(node) };
        // SAFETY: the same.
        let next = unsafe { Self::next(node) };
        if next != node {
            // SAFETY: neighbours in one list.
            unsafe { Self::join(prev, next) };
        }
        let clear = |ends: &mut Ends<T>| (ends.prev, ends.next) = (None, None);
        // SAFETY: alive until now, as `push_back`'s caller promised.
        unsafe { Link::change(T::link(node), clear) };
    }

    /// Moves everything in `other` behind everything here, in order.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let Some(theirs) = other.front.take() else { return };
        let Some(ours) = self.front else {
            self.front = Some(theirs);
            return;
        };
        // SAFETY: the front of a circle that is ours alone.
        let our_back = unsafe { Self::prev(ours) };
        // SAFETY: the same.
        let their_back = unsafe { Self::prev(theirs) };
        // SAFETY: nodes of the two circles, whose lists we have both.
        unsafe { Self::join(our_back, theirs) };
        // SAFETY: the same.
        unsafe { Self::join(their_back, ours) };
    }

    /// Moves everything out.
    #[inline]
    pub(crate) const fn take(&mut self) -> Self {
        core::mem::replace(self, Self::new())
    }

    /// All nodes, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = NonNull<T>> {
        core::iter::successors(self.front, |node| {
            // SAFETY: reached from `front`, so linked here.
            let next = unsafe { Self::next(*node) };
            (Some(next) != self.front).then_some(next)
        })
    }

    /// How many there are. Walks.
    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    /// # Safety
    /// `node` is linked in a list that the caller is alone with.
    #[inline]
    unsafe fn prev(node: NonNull<T>) -> NonNull<T> {
        // SAFETY: as the caller says.
        unsafe { Link::ends(T::link(node)) }.0.expect("a linked node has neighbours")
    }

    /// # Safety
    /// `node` is linked in a list that the caller is alone with.
    #[inline]
    unsafe fn next(node: NonNull<T>) -> NonNull<T> {
        // SAFETY: as the caller says.
        unsafe { Link::ends(T::link(node)) }.1.expect("a linked node has neighbours")
    }

    /// Makes `next` the neighbour behind `prev`.
    ///
    /// # Safety
    /// Both are alive, and the caller is alone with the lists that they may be in.
    #[inline]
    unsafe fn join(prev: NonNull<T>, next: NonNull<T>) {
        // SAFETY: as the caller says.
        unsafe { Link::change(T::link(prev), |ends| ends.next = Some(next)) };
        // SAFETY: as the caller says.
        unsafe { Link::change(T::link(next), |ends| ends.prev = Some(prev)) };
    }
}

impl<L, T: Linked<L>> fmt::Debug for List<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("front", &self.front).finish_non_exhaustive()
    }
}
