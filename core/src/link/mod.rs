//! Intrusive links: a record carries its own place in a list, so that nothing is ever allocated.
//!
//! **The aliasing trap.** A node is reached on two ways at once: by whoever owns or shares the
//! record, and by its neighbours in the list, which write its link when *they* are linked or
//! unlinked. A `&mut` to the node claims that there is no second way, and a plain `&` claims that
//! nothing behind it changes. Both claims are false, and the compiler acts on them:
//!
//! ```text
//! let node: &mut Node = queue.pop();     // wrong: says "nobody else reaches `*node`" ...
//! queue.push_back(next_to(node));        // ... while this writes the link inside `*node`
//! node.link.next                         // may be the value from before
//! ```
//!
//! So a list deals in `NonNull<T>` only and never forms a reference to a node; [`Linked::link`]
//! goes from the pointer of the node to the pointer of its link by address arithmetic; and the
//! link is an `UnsafeCell`, so that a `&Node` which somebody else holds says nothing about it.
//! Holders of a linked node use `&`, never `&mut`.
//!
//! The circle of a list is described in [`list`].
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a link is read and written only by the list that its
//! node is in, and whoever works on a list is alone with it (owns it, or holds its lock).
#![allow(unsafe_code)]

pub(crate) mod list;

#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt;
use core::ptr::NonNull;

use crate::prim::UnsafeCell;

/// A type that carries its own link in list `L`.
///
/// # Safety
/// `link` names one field for the node's whole life, without forming a reference; a node is
/// neither moved nor freed while linked.
pub(crate) unsafe trait Linked<L>: Sized {
    /// Where the link of `node` is.
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>>;
}

/// The place of a node in a list; in none when new.
pub(crate) struct Link<T>(UnsafeCell<Ends<T>>);

// SAFETY: a link gives nobody access to a node: it has no safe method but `new`. Its content is
// touched only by who is alone with the list, as the module's head says.
unsafe impl<T> Send for Link<T> {}

// SAFETY: the same.
unsafe impl<T> Sync for Link<T> {}

/// The neighbours in the circle of a list; none while in no list.
struct Ends<T> {
    prev: Option<NonNull<T>>,
    next: Option<NonNull<T>>,
}

impl<T> Link<T> {
    /// A link in no list.
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(Ends { prev: None, next: None }))
    }

    /// The neighbours.
    ///
    /// # Safety
    /// `link` is valid, and the caller is alone with the list that its node may be in.
    #[inline]
    unsafe fn ends(link: NonNull<Self>) -> (Option<NonNull<T>>, Option<NonNull<T>>) {
        // SAFETY: valid, as the caller says. The reference covers the cell, not the node.
        let link = unsafe { link.as_ref() };
        link.0.with(|ends| {
            // SAFETY: the caller is alone with the list, and only that writes links.
            let ends = unsafe { &*ends };
            (ends.prev, ends.next)
        })
    }

    /// Changes the neighbours.
    ///
    /// # Safety
    /// As for `ends`.
    #[inline]
    unsafe fn change(link: NonNull<Self>, change: impl FnOnce(&mut Ends<T>)) {
        // SAFETY: valid, as the caller says. The reference covers the cell, not the node.
        let link = unsafe { link.as_ref() };
        // SAFETY: the caller is alone with the list, and `change` sees nothing but the two words.
        link.0.with_mut(|ends| change(unsafe { &mut *ends }));
    }
}

impl<T> fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content belongs to the list, whose lock is not held here.
        f.write_str("Link")
    }
}
