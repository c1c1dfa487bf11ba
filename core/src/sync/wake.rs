//! Setting several going, with a lock held once.
//!
//! Who wakes others may touch what they waited in only while one of them still waits: the last to
//! go may end it, and its memory with it. So all are popped under one hold of the lock, and set
//! going after it.

use crate::prim::{SpinGuard, SpinLock};
use crate::sync::wait_queue::{Popped, Waiters, Who};

/// Who was popped under one hold of a lock. Its code is there once, for lists of all kinds.
struct Batch(heapless::Vec<Who, 16>);

impl Batch {
    /// The same, if there is no room for it.
    #[inline(never)]
    fn push(&mut self, popped: Popped) -> Option<Popped> {
        match self.0.push(popped.who) {
            Ok(()) => None,
            Err(who) => Some(Popped { who, ..popped }),
        }
    }

    /// Sets all of them going, first come, first served. How many.
    #[inline(never)]
    fn resume(&mut self) -> usize {
        let count = self.0.len();
        self.0.iter().for_each(Who::resume);
        self.0.clear();
        count
    }
}

/// Sets going whom `pop` gives, until it gives nobody. How many. `state` is held by the caller,
/// who has just made the condition true.
///
/// The lock is taken again only while somebody who was popped does not go yet: who was woken last
/// may end what the lock is part of.
pub(crate) fn wake_each<'a, S>(
    lock: &'a SpinLock<S>,
    mut state: SpinGuard<'a, S>,
    mut pop: impl FnMut(&mut S) -> Option<Popped>,
) -> usize {
    let mut woken = 0;
    let mut batch = Batch(heapless::Vec::new());
    let mut next = None;
    loop {
        while let Some(popped) = next.take().or_else(|| pop(&mut state)) {
            next = batch.push(popped);
            if next.is_some() {
                break;
            }
        }
        drop(state);
        woken += batch.resume();
        if next.is_none() {
            return woken;
        }
        state = lock.lock();
    }
}

/// Wakes everybody that is linked in the list now; those who link themselves meanwhile may have
/// to wait for the next time. How many.
pub(crate) fn wake_linked<'a, S>(
    lock: &'a SpinLock<S>,
    mut state: SpinGuard<'a, S>,
    list: fn(&mut S) -> &mut Waiters,
) -> usize {
    let mut linked = list(&mut state).count();
    wake_each(lock, state, |state| {
        linked = linked.checked_sub(1)?;
        list(state).pop()
    })
}

/// The same, for who has not taken the lock.
pub(crate) fn wake_all<S>(lock: &SpinLock<S>, list: fn(&mut S) -> &mut Waiters) -> usize {
    wake_linked(lock, lock.lock(), list)
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
