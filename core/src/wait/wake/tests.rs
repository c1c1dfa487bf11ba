//! Those that come while a crowd is woken are not of that crowd.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: what is linked here stays in its test's frame.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::queues::waiters::{Leaving, Sleeper, WaitQueue, Waiter, Waiters};
use crate::sync::stage::{NOBODY, Stage};

/// Nobody sleeps here.
static STAGE: Stage = NOBODY;

#[test]
fn a_slow_wake_leaves_those_alone_who_come_later() {
    let wait = STAGE.briefly();
    let sleepers = [(); 4].map(|()| Sleeper::new(&wait, false));
    let mut waiters =
        [0, 1, 2, 3].map(|index| Waiter::new(&raw const sleepers[index], 0, ptr::null_mut()));
    let nodes = waiters.each_mut().map(NonNull::from);
    let queue = WaitQueue::new(Waiters::new());
    // SAFETY: in this frame until it is removed or popped below.
    let push = |index: usize| unsafe { queue.lock().push(nodes[index]) };
    // SAFETY: pushed before.
    let remove = |index: usize| unsafe { queue.lock().remove(nodes[index]) };
    let is_popped = || sleepers.each_ref().map(Sleeper::is_popped);
    let mut head = Waiter::head();
    let mut leaving = Leaving::new(&mut head);
    (0..3).for_each(push);
    leaving.take(&mut queue.lock());
    push(3);
    leaving.pop().expect("three are to be woken").resume();
    assert_eq!(is_popped(), [true, false, false, false]);
    queue.lock().pop().expect("one came later").resume();
    assert_eq!(is_popped(), [true, false, false, true], "who is to be woken is not woken for it");
    remove(1);
    leaving.pop().expect("one gave up, the other did not").resume();
    assert_eq!(is_popped(), [true, false, true, true]);
    assert!(leaving.pop().is_none());
    assert!(queue.lock().is_empty());
}
