//! Whom the end of a run wakes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Begun, Once};
use crate::prim::{AtomicU32, Ordering};
use crate::sync::stage::{NOBODY, Stage};

/// More than two batches of waiters.
const CROWD: usize = 40;

static STAGE: Stage = Stage { wait, wake, ..NOBODY };
static COUNTS: (Mutex<Counts>, Condvar) =
    (Mutex::new(Counts { linked: 0, woken: 0, most: 0 }), Condvar::new());
/// What a crowd waits for, and what another waits for.
static TRIED: Once = Once::new();
static OTHER: Once = Once::new();

struct Counts {
    /// Waits that have begun: each is linked.
    linked: usize,
    woken: usize,
    /// Until so many were woken, who was woken waits again.
    most: usize,
}

fn counts() -> MutexGuard<'static, Counts> {
    COUNTS.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until `is_so`.
fn until(is_so: impl Fn(&Counts) -> bool) {
    let mut counts = counts();
    while !is_so(&counts) {
        counts = COUNTS.1.wait(counts).unwrap_or_else(PoisonError::into_inner);
    }
}

fn wait(word: &AtomicU32, value: u32) {
    // 0 while nobody has popped it; anything else is asked by one that was, and is held.
    counts().linked += usize::from(value == 0);
    COUNTS.1.notify_all();
    // Acquire pairs with the release of who changed it; `wake` comes after that, with the lock.
    until(|_| word.load(Ordering::Acquire) != value);
}

/// Each that was woken before waits again when the next one is.
fn wake() {
    let mut now = counts();
    now.woken += 1;
    let (woken, most) = (now.woken, now.most);
    drop(now);
    COUNTS.1.notify_all();
    if woken < most {
        until(|counts| counts.linked >= 2 * CROWD + woken);
    } else if woken == most {
        // Ends the test also where those that wait again would be woken again and again.
        TRIED.finish(true);
    }
}

#[test]
fn a_run_that_fails_wakes_those_who_waited_for_it_and_no_other() {
    for once in [&TRIED, &OTHER] {
        assert_eq!(once.begin(false, &STAGE.forever()), Ok(Begun::Run));
    }
    thread::scope(|scope| {
        for once in [&TRIED, &OTHER] {
            for _ in 0..CROWD {
                scope.spawn(|| assert_eq!(once.wait(true, &STAGE.forever()), Ok(true)));
            }
        }
        until(|counts| counts.linked == 2 * CROWD);
        counts().most = 2 * CROWD;
        TRIED.finish(false);
        counts().most = 0;
        let by_failure = counts().woken;
        TRIED.finish(true);
        let by_success = counts().woken;
        OTHER.finish(true);
        assert_eq!([by_failure, by_success, counts().woken], [CROWD, 2 * CROWD, 3 * CROWD]);
    });
}
