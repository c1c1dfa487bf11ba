//! The contract for Miri, which runs no assembly: each context is an OS thread of its own, and a
//! switch hands over to it. One of those that switch to each other runs at a time.
//!
//! ```text
//! switch(from, to):   *from = own baton;   word -> to's baton, wake it;   wait for own baton
//! init(entry):        a thread that waits for its baton, and then calls `entry`
//! ```
//!
//! The slot's word belongs to who runs, and not to an OS thread: it is handed over with the turn.
//! What is checked so is everything but the switch itself: who may touch what, and from where a
//! pointer comes. Stacks are not those that `init` is given, and a context that is never resumed is
//! a thread that waits until the process ends.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a `Context` that is not null leads to a baton, which is
//! never freed.
#![allow(unsafe_code)]

use std::boxed::Box;
use std::cell::Cell;
use std::ptr;
use std::sync::{Condvar, Mutex};
use std::thread;

use crate::{Context, Entry};

/// Whether contexts can be switched here.
pub const SUPPORTED: bool = true;

/// The word of the slot, on its way.
struct Word(*mut u8);

// SAFETY: a word that is passed on.
unsafe impl Send for Word {}

/// Where a context waits for its turn, which comes with the slot's word.
struct Baton {
    turn: Mutex<Option<Word>>,
    comes: Condvar,
}

std::thread_local! {
    /// This thread's own; null before it needs one.
    static OWN: Cell<*const Baton> = const { Cell::new(ptr::null()) };
    static SLOT: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
}

impl Baton {
    fn new() -> &'static Self {
        Box::leak(Box::new(Self { turn: Mutex::new(None), comes: Condvar::new() }))
    }

    /// This thread's.
    fn own() -> &'static Self {
        if OWN.get().is_null() {
            OWN.set(Self::new());
        }
        // SAFETY: set above, or by `init`; never freed.
        unsafe { &*OWN.get() }
    }

    fn give(&self) {
        let word = Word(SLOT.get());
        *self.turn.lock().expect("nobody panics with it") = Some(word);
        self.comes.notify_one();
    }

    fn wait(&self) {
        let turn = self.turn.lock().expect("nobody panics with it");
        let mut turn = self.comes.wait_while(turn, |turn| turn.is_none());
        let Word(word) = turn.as_mut().ok().and_then(|turn| turn.take()).expect("it has come");
        SLOT.set(word);
    }
}

/// A context that will call `entry(argument)` once it is switched to.
///
/// # Safety
/// As the real one's; `top` is not used.
pub unsafe fn init(top: *mut u8, entry: Entry, argument: *mut u8) -> Context {
    let _ = top;
    let baton = Baton::new();
    let argument = Word(argument);
    thread::spawn(move || {
        let Word(argument) = { argument };
        OWN.set(baton);
        baton.wait();
        // SAFETY: the caller of `init` vouches for `entry` with `argument`, once.
        unsafe { entry(argument) }
    });
    Context(ptr::from_ref(baton).cast_mut().cast())
}

/// Saves the running context in `*from` and resumes `to`.
///
/// # Safety
/// As the real one's.
pub unsafe extern "C" fn switch(from: *mut Context, to: Context) {
    let own = Baton::own();
    // SAFETY: the caller's.
    unsafe { from.write(Context(ptr::from_ref(own).cast_mut().cast())) };
    // SAFETY: a context's baton, which is never freed.
    unsafe { &*to.0.cast::<Baton>() }.give();
    own.wait();
}

/// Tells the CPU that this is a spin loop.
#[inline]
pub fn relax() {
    std::hint::spin_loop();
}

/// The slot of whoever runs.
pub mod slot {
    use super::SLOT;

    /// The word of the one that calls.
    #[must_use]
    pub fn get() -> *mut u8 {
        SLOT.get()
    }

    /// Sets it.
    ///
    /// # Safety
    /// As the real one's.
    pub unsafe fn set(word: *mut u8) {
        SLOT.set(word);
    }
}
