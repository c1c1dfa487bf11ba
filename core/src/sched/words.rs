//! `errno` and the C++ exception globals: they belong to an OS thread, and travel with a task.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the pointers are the calling OS thread's own, as
//! `Platform::thread_words` promises.
#![allow(unsafe_code)]

use crate::platform::ThreadWords;
use crate::task::header::Saved;

/// Gives a thread the words of the task that is mounted next.
///
/// # Safety
/// On the OS thread whose words they are.
pub(super) unsafe fn restore(words: ThreadWords, saved: Saved) {
    // SAFETY: the caller's thread owns it, and nobody refers to it meanwhile.
    if let Some(errno) = unsafe { words.errno.as_mut() } {
        *errno = saved.errno;
    }
    // SAFETY: the same.
    if let Some(unwind) = unsafe { words.unwind.as_mut() } {
        unwind.caught = saved.caught;
        unwind.uncaught = saved.uncaught;
    }
}

/// The words of the task that has left.
///
/// # Safety
/// As for `restore`.
pub(super) unsafe fn save(words: ThreadWords) -> Saved {
    let mut saved = Saved::CLEAR;
    // SAFETY: as in `restore`.
    if let Some(errno) = unsafe { words.errno.as_ref() } {
        saved.errno = *errno;
    }
    // SAFETY: the same.
    if let Some(unwind) = unsafe { words.unwind.as_ref() } {
        saved.caught = unwind.caught;
        saved.uncaught = unwind.uncaught;
    }
    saved
}
