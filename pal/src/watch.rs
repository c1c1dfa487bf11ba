//! `DRIFT_WATCH=ms`: one line on standard error for each virtual thread that keeps its carrier for
//! so many milliseconds, by a thread that looks four times in that span.
//!
//! The thread exists only if the environment has the variable when the runtime is made: without it,
//! nothing of this costs anything. It ends with the process.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: `NAMES` is null or a `FindName`.
#![allow(unsafe_code)]

use core::fmt::Write as _;

use drift_core::prim::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use drift_core::runtime::watch::{Stuck, Watch};
use drift_core::time::MILLISECOND;

use crate::process;
use crate::sys::{clock, park, thread};

/// A day, in milliseconds.
const MOST: u32 = 86_400_000;

/// What the environment says, in milliseconds; 0 for nothing. Written before the thread starts.
static LIMIT: AtomicU32 = AtomicU32::new(0);
static IS_ON: AtomicBool = AtomicBool::new(false);
static NAMES: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Calls its second argument with the name of the virtual thread of that handle, if it has one.
pub type FindName = fn(i64, &mut dyn FnMut(&str));

/// Whether somebody watches, and would like to know names.
#[inline]
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Makes `find` be asked for names.
pub fn set_names(find: FindName) {
    // Release pairs with the acquire in `tell`.
    NAMES.store(find as *mut (), Ordering::Release);
}

/// After the runtime of the process was made: begins to watch, if the environment says so.
pub(crate) fn begin() {
    let Some(value) = thread::variable(c"DRIFT_WATCH") else { return };
    let text = core::str::from_utf8(value).unwrap_or("?");
    let limit = text.trim().parse().ok().filter(|limit| (1..=MOST).contains(limit));
    let Some(limit) = limit else {
        return say(format_args!(
            "drift: DRIFT_WATCH is {text:?}, and must be a number of milliseconds from 1 to \
             {MOST}; nothing is watched"
        ));
    };
    LIMIT.store(limit, Ordering::Relaxed);
    match thread::start_watcher(watch) {
        Ok(()) => IS_ON.store(true, Ordering::Relaxed),
        Err(error) => say(format_args!(
            "drift: DRIFT_WATCH={limit}: no thread for that ({error}); nothing is watched"
        )),
    }
}

/// The thread.
fn watch() {
    let limit = u64::from(LIMIT.load(Ordering::Relaxed)) * MILLISECOND;
    let mut watch = Watch::new();
    while let Ok(runtime) = process::runtime() {
        let until = clock::now() + limit / 4;
        while clock::now() < until {
            park::wait_while(&AtomicU32::new(0), 0, Some(until));
        }
        watch.look(runtime, limit, tell);
    }
}

fn tell(stuck: &Stuck) {
    let Stuck { handle, executor, carrier, kept } = *stuck;
    let mut name = heapless::String::<128>::new();
    // Acquire pairs with the release in `set_names`.
    let find = NAMES.load(Ordering::Acquire);
    if !find.is_null() {
        // SAFETY: `set_names` is the only writer, and stores such a function.
        let find = unsafe { core::mem::transmute::<*mut (), FindName>(find) };
        find(handle, &mut |text: &str| {
            // A name that is too long is cut.
            let _ = name.push_str(" \"");
            let _ = text.chars().take(100).try_for_each(|letter| name.push(letter));
            let _ = name.push('"');
        });
    }
    say(format_args!(
        "drift: virtual thread {handle:#x}{name} has run for {} ms without a pause, and keeps \
         carrier {} of executor {executor:#x} (DRIFT_WATCH={})",
        kept / MILLISECOND,
        carrier.0,
        LIMIT.load(Ordering::Relaxed),
    ));
}

/// One line, in one piece.
fn say(text: core::fmt::Arguments<'_>) {
    let mut line = heapless::String::<384>::new();
    let _ = writeln!(line, "{text}");
    thread::say(&line);
}
