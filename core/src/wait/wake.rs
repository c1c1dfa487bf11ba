//! Setting several going, with a lock held once.
//!
//! Who wakes others may touch what they waited in only while one of them cannot have left: the last
//! to go may end it, and its memory with it. Those that were popped and not set going yet cannot: a
//! claimed task, and an OS thread that is held (`wait_queue.rs`). So all are popped under one hold
//! of the lock, and set going after it; where they are too many for that, the last one is kept back
//! until the lock is held again. A task that had not parked yet goes by itself, and is not counted
//! on.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a mark is unlinked before its frame ends.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::prim::{SpinGuard, SpinLock};
use crate::queues::waiters::{Popped, Waiter, Waiters, Who};

/// Who was popped under one hold of a lock. Its code is there once, for lists of all kinds.
struct Batch(heapless::Vec<Who, 16>);

impl Batch {
    /// One more, for whom there is room.
    #[inline(never)]
    fn push(&mut self, who: Who) {
        // One that goes by itself needs nothing.
        if !matches!(who, Who::Late) {
            self.0.push(who).expect("a full batch takes nobody");
        }
    }

    /// Sets all of them going, first come, first served.
    #[inline(never)]
    fn resume(&mut self) {
        self.0.iter().for_each(Who::resume);
        self.0.clear();
    }
}

/// Sets going whom `pop` gives, until it gives nobody. How many. `state` is held by the caller,
/// who has just made the condition true.
pub(crate) fn wake_each<'a, S>(
    lock: &'a SpinLock<S>,
    mut state: SpinGuard<'a, S>,
    mut pop: impl FnMut(&mut S) -> Option<Popped>,
) -> usize {
    let mut woken = 0;
    let mut batch = Batch(heapless::Vec::new());
    while let Some(popped) = pop(&mut state) {
        woken += 1;
        batch.push(popped.who);
        if !batch.0.is_full() {
            continue;
        }
        let kept = batch.0.pop().expect("it is full");
        drop(state);
        batch.resume();
        batch.push(kept);
        state = lock.lock();
    }
    drop(state);
    batch.resume();
    woken
}

/// Wakes all that are linked in the list now; those that link themselves meanwhile wait for the
/// next time. How many.
pub(crate) fn wake_all<S>(lock: &SpinLock<S>, list: fn(&mut S) -> &mut Waiters) -> usize {
    let mut mark = Waiter::mark();
    let mark = NonNull::from(&mut mark);
    let mut state = lock.lock();
    // SAFETY: `wake_each` goes on until `pop_before` has found the mark unlinked.
    unsafe { list(&mut state).push(mark) };
    // SAFETY: pushed just now.
    wake_each(lock, state, |state| unsafe { list(state).pop_before(mark) })
}

/// Tags for lists where waiters of one epoch are woken together.
pub(crate) const EPOCHS: u32 = 1 << 31;

/// Wakes those who linked themselves before `epoch` began, which their tags say: neither those who
/// come meanwhile nor, if this caller is slow, those of a later epoch. How many.
pub(crate) fn wake_before<'a, S>(
    lock: &'a SpinLock<S>,
    state: SpinGuard<'a, S>,
    list: fn(&mut S) -> &mut Waiters,
    epoch: u32,
) -> usize {
    // Nobody stays linked through half of all epochs: each of them wakes who was before it.
    let is_before = |tag: u32| (1..EPOCHS / 2).contains(&(epoch.wrapping_sub(tag) % EPOCHS));
    wake_each(lock, state, |state| list(state).pop_if(is_before))
}

#[cfg(all(test, not(loom)))]
mod tests;
