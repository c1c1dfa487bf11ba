//! Values that one thread puts away and takes out again, the last one first; and lists of its own.
//!
//! No reference to what is inside gets out, and no method calls anything: so a shared reference is
//! enough, as with a cell.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a pile is used on one thread at a time, and a reference
//! to what is inside ends with the method that makes it.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use crate::link::Linked;
use crate::link::list::List;

/// At most `N` values.
#[derive(Debug)]
pub(crate) struct Pile<T, const N: usize>(UnsafeCell<heapless::Vec<T, N>>);

impl<T, const N: usize> Pile<T, N> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(heapless::Vec::new()))
    }

    /// Puts `value` on top; gives it back if there is no room.
    #[inline]
    pub(crate) fn push(&self, value: T) -> Result<(), T> {
        // SAFETY: one thread, and `push` of a vector calls nothing.
        unsafe { &mut *self.0.get() }.push(value)
    }

    /// Takes the last one.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        // SAFETY: one thread, and `pop` of a vector calls nothing.
        unsafe { &mut *self.0.get() }.pop()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        // SAFETY: one thread.
        unsafe { &*self.0.get() }.len()
    }
}

/// A list of nodes, behind one another.
#[derive(Debug)]
pub(crate) struct Row<L, T: Linked<L>>(UnsafeCell<List<L, T>>);

impl<L, T: Linked<L>> Row<L, T> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(List::new()))
    }

    /// Puts `node` behind the others.
    ///
    /// # Safety
    /// As for [`List::push_back`].
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<T>) {
        // SAFETY: the cell is of one thread, which has no other reference to its content.
        let list = unsafe { &mut *self.0.get() };
        // SAFETY: the caller's promise.
        unsafe { list.push_back(node) };
    }

    /// Takes the first.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        // SAFETY: one thread.
        unsafe { &mut *self.0.get() }.pop_front()
    }

    /// Puts all of `others` behind.
    #[inline]
    pub(crate) fn append(&self, others: &mut List<L, T>) {
        // SAFETY: one thread.
        unsafe { &mut *self.0.get() }.append(others);
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: one thread.
        unsafe { &*self.0.get() }.is_empty()
    }
}
