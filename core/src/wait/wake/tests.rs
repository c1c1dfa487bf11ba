//! A mark tells those that were linked before it from those that came after.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::queues::waiters::Sleeper;
use crate::queues::waiters::{Waiter, Waiters};
use crate::sync::stage::{NOBODY, Stage};

/// Nobody sleeps here.
static STAGE: Stage = NOBODY;

#[test]
fn a_mark_ends_the_wakes_before_those_who_came_later() {
    let wait = STAGE.briefly();
    let sleepers = [Sleeper::new(&wait, false), Sleeper::new(&wait, false)];
    let mut waiters =
        [0, 1].map(|index| Waiter::new(&raw const sleepers[index], 0, ptr::null_mut()));
    let mut mark = Waiter::mark();
    let [first, second] = waiters.each_mut().map(NonNull::from);
    let mark = NonNull::from(&mut mark);
    let mut list = Waiters::new();
    for waiter in [first, mark, second] {
        // SAFETY: all stay in this frame, which pops them.
        unsafe { list.push(waiter) };
    }
    // SAFETY: pushed above.
    let mut woken = || unsafe { list.pop_before(mark) }.map(|popped| popped.resume()).is_some();
    assert!(woken());
    assert!(!woken(), "the second came after the mark");
    assert!(!woken(), "the mark is unlinked");
    list.pop().expect("the second still waits").resume();
    assert!(list.is_empty());
}
