//! The one place where a virtual thread, or an OS thread, waits for another.
//!
//! Who waits has a `Sleeper` in its frame, and a `Waiter` for each list that it waits in (one, but
//! for `select`). A list is part of what a lock protects: the condition is looked at, and the
//! waiter linked or popped, under that lock. Whoever claims the sleeper ends the wait.
//!
//! | step of the one who waits        | step of the one who wakes                               |
//! |----------------------------------|---------------------------------------------------------|
//! | lock; look at the condition;     | lock; make the condition true                           |
//! | link; unlock                     |                                                         |
//! | sleep                            | pop; claim the sleeper; hand a value over, if there is  |
//! |                                  | one; claim the task by its ticket; unlock               |
//! | lock; unlink if still linked;    | enqueue the claimed task, or wake the OS thread         |
//! | unlock; for each list            |                                                         |
//!
//! How a popper claims a sleeper, and what it may touch, is in `queues/waiters.rs`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a waiter is unlinked before its frame ends.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::prim::SpinLock;
use crate::queues::waiters::{Sleeper, Waiter, Waiters};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;

/// What a [`Queue::wait`] that went well came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// There was nothing to wait for.
    No,
    /// Somebody popped the waiter.
    Yes,
}

/// A list behind a lock, to wait in.
#[derive(Debug)]
pub(crate) struct Queue<'a, S> {
    pub waits_for: WaitsFor,
    pub lock: &'a SpinLock<S>,
    pub list: fn(&mut S) -> &mut Waiters,
}

impl<'a, S> Queue<'a, S> {
    pub(crate) fn new(
        waits_for: WaitsFor,
        lock: &'a SpinLock<S>,
        list: fn(&mut S) -> &mut Waiters,
    ) -> Self {
        Self { waits_for, lock, list }
    }

    /// Waits until popped. `waits` decides under the lock whether to wait at all, and with which
    /// tag; `then` runs after it, before the sleep; `gives_up` is called under the lock if nobody
    /// popped the waiter.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it.
    pub(crate) fn wait_and(
        &self,
        wait: &Wait,
        value: *mut (),
        waits: impl FnOnce(&mut S) -> Option<u32>,
        then: impl FnOnce(),
        gives_up: impl FnOnce(&mut S, u32),
    ) -> Result<Waited, ConcurrencyError> {
        let ends = |state: &mut S, popped: bool, tag| {
            if !popped {
                gives_up(state, tag);
            }
        };
        self.wait_to_end(wait, value, waits, then, ends)
    }

    /// The same; `ends` is called under the lock in any case, and told whether somebody popped the
    /// waiter.
    pub(crate) fn wait_to_end(
        &self,
        wait: &Wait,
        value: *mut (),
        waits: impl FnOnce(&mut S) -> Option<u32>,
        then: impl FnOnce(),
        ends: impl FnOnce(&mut S, bool, u32),
    ) -> Result<Waited, ConcurrencyError> {
        let sleeper = Sleeper::new(wait, false);
        let mut waiter = Waiter::new(&raw const sleeper, 0, value);
        let node = NonNull::from(&mut waiter);
        let tag = {
            let mut state = self.lock.lock();
            let Some(tag) = waits(&mut state) else { return Ok(Waited::No) };
            // SAFETY: not linked yet.
            unsafe { (*node.as_ptr()).tag = tag };
            // SAFETY: both stay in this frame until they are unlinked below.
            unsafe { (self.list)(&mut state).push(node) };
            tag
        };
        then();
        sleeper.sleep(wait, self.waits_for);
        let popped = {
            let mut state = self.lock.lock();
            let popped = sleeper.is_popped();
            if !popped {
                // SAFETY: pushed above, in the same list.
                unsafe { (self.list)(&mut state).remove(node) };
            }
            ends(&mut state, popped, tag);
            popped
        };
        sleeper.forget();
        if popped { Ok(Waited::Yes) } else { Err(wait.why()) }
    }

    /// The same, with nothing to tell who pops and nothing to do in between.
    pub(crate) fn wait(
        &self,
        wait: &Wait,
        waits: impl FnOnce(&mut S) -> bool,
        gives_up: impl FnOnce(&mut S),
    ) -> Result<Waited, ConcurrencyError> {
        let waits = |state: &mut S| waits(state).then_some(0);
        self.wait_and(wait, ptr::null_mut(), waits, || {}, |state, _| gives_up(state))
    }
}
