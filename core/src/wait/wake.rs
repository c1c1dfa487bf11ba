//! Setting several going, with a lock held once.
//!
//! Who wakes others may touch what they waited in only while one of them cannot have left: the last
//! to go may end it, and its memory with it. Those that were popped and not set going yet cannot: a
//! claimed task, and an OS thread that is held (`wait_queue.rs`). So all are popped under one hold
//! of the lock, and set going after it; where they are too many for that, the last one is kept back
//! until the lock is held again. A task that had not parked yet goes by itself, and is not counted
//! on.

use crate::prim::{SpinGuard, SpinLock};
use crate::queues::waiters::{Leaving, Popped, Waiter, Waiters, Who};

/// Who was popped under one hold of a lock. Its code is there once, for lists of all kinds.
struct Batch(heapless::Vec<Who, 16>);

impl Batch {
    /// One more, for whom there is room.
    #[inline(never)]
    fn push(&mut self, who: Who) {
        // One that goes by itself needs nothing.
        if !matches!(who, Who::Late) {
            assert!(self.0.push(who).is_ok(), "a full batch takes nobody");
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

/// Wakes all who wait in the list now, and nobody who comes meanwhile. How many. `state` is held by
/// the caller, who has just made the condition true.
pub(crate) fn wake_all<'a, S>(
    lock: &'a SpinLock<S>,
    mut state: SpinGuard<'a, S>,
    list: fn(&mut S) -> &mut Waiters,
) -> usize {
    let mut head = Waiter::head();
    let mut leaving = Leaving::new(&mut head);
    leaving.take(list(&mut state));
    wake_each(lock, state, |_| leaving.pop())
}

#[cfg(all(test, not(loom)))]
mod tests;
