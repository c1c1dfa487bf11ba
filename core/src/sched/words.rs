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
    if !words.errno.is_null() {
        // SAFETY: the caller's thread owns it.
        unsafe { *words.errno = saved.errno };
    }
    if !words.unwind.is_null() {
        // SAFETY: the same.
        unsafe { (*words.unwind).caught = saved.caught };
        // SAFETY: the same.
        unsafe { (*words.unwind).uncaught = saved.uncaught };
    }
}

/// Takes the words of the task that has left.
///
/// # Safety
/// As for `restore`.
pub(super) unsafe fn save(words: ThreadWords, saved: &mut Saved) {
    if !words.errno.is_null() {
        // SAFETY: the caller's thread owns it.
        saved.errno = unsafe { *words.errno };
    }
    if !words.unwind.is_null() {
        // SAFETY: the same.
        saved.caught = unsafe { (*words.unwind).caught };
        // SAFETY: the same.
        saved.uncaught = unsafe { (*words.unwind).uncaught };
    }
}
