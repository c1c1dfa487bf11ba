//! Waiting for several descriptors at once, owned or not: readiness as a level.
//!
//! | step                                             | if something comes meanwhile              |
//! |--------------------------------------------------|-------------------------------------------|
//! | ask the platform which are ready: the answer     |                                           |
//! | link in each slot; a raw one is armed            | an event pops the waiter                  |
//! | if any is owned, ask once more, because its edge | it is seen here                           |
//! | may have come before the link                    |                                           |
//! | sleep; unlink; begin anew                        |                                           |
//!
//! An OS thread asks for no events: it links only to be told of a close, and sleeps beside the
//! descriptors (`os_thread.rs`).
//!
//! Nothing but the first step says what is ready, so a wake for nothing costs one more question.
//! Each question is one call for all of them.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the waiters of a call lie in its caller's places, which
//! it has borrowed, and are unlinked before it returns.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::platform::{Interest, PlatformError, Poll, Source};
use crate::prim::UnsafeCell;
use crate::queues::waiters::{Sleeper, Waiter};
use crate::queues::watch::Watch;
use crate::sched::parts::Runtime;
use crate::source::slot::{Ask, Slot};
use crate::task::header::Task;
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::readiness::ask::converse;

/// Where a [`Runtime::poll_many`] waits for one of its descriptors.
#[derive(Debug)]
pub struct Place {
    /// Of a virtual thread.
    watch: Watch,
    /// Of an OS thread. A cell: while it is linked, others write to it under the slot's lock.
    waiter: UnsafeCell<Waiter>,
    /// How often the slot's descriptor had been closed when they were linked.
    closes: Cell<u32>,
}

impl Default for Place {
    fn default() -> Self {
        let waiter = Waiter::new(ptr::null(), 0, ptr::null_mut());
        Self { watch: Watch::new(), waiter: UnsafeCell::new(waiter), closes: Cell::new(0) }
    }
}

/// How a wait for several descriptors ended at one of them.
struct Ended {
    is_woken: bool,
    is_closed: bool,
}

impl Place {
    fn node(&self) -> NonNull<Waiter> {
        self.waiter.with_mut(|waiter| NonNull::new(waiter).expect("a field has an address"))
    }

    /// Links for what `poll` asks; whether the reactor owns the descriptor.
    ///
    /// # Safety
    /// `self` stays where it is until `unlink`, and `task` is the caller.
    unsafe fn link(
        &self,
        runtime: &'static Runtime,
        slot: &Slot,
        poll: &Poll,
        task: &'static Task,
    ) -> bool {
        self.watch.set(task.state_word(), task.state.own_ticket(), poll.interest(), true);
        let (is_owned, ask) = {
            let mut state = slot.state.lock();
            self.closes.set(state.closes());
            if poll.interest() != Interest::NONE {
                state.add(NonNull::from(&self.watch));
            }
            // The edges of an owned one come by themselves.
            (state.is_owned(), if state.is_owned() { Ask::Nothing } else { state.ask() })
        };
        converse(runtime, slot, poll.source(), ask);
        is_owned
    }

    /// Links an OS thread, to be told of a close.
    ///
    /// # Safety
    /// `self` and the sleeper stay where they are until `unlink`.
    unsafe fn link_thread(&self, slot: &Slot, sleeper: *const Sleeper) {
        // SAFETY: not linked, so nobody else knows it.
        unsafe { self.node().write(Waiter::new(sleeper, 0, ptr::null_mut())) };
        let mut state = slot.state.lock();
        self.closes.set(state.closes());
        // SAFETY: as the caller promises.
        unsafe { state.threads.push(self.node()) };
    }

    /// After `link` or `link_thread` for `poll` in that slot.
    fn unlink(&self, slot: &Slot, poll: &Poll) -> Ended {
        let mut state = slot.state.lock();
        // SAFETY: linked there, or in no list.
        unsafe { state.threads.remove(self.node()) };
        let was_linked = state.remove(NonNull::from(&self.watch));
        let is_woken = !was_linked && poll.interest() != Interest::NONE;
        Ended { is_woken, is_closed: state.closes() != self.closes.get() }
    }
}

impl Runtime {
    /// Waits until one of `polls` is ready, each in the place of `places` of its number; how many
    /// are. A level: what is ready already counts, and what is not any more does not. Cancellation
    /// goes before readiness, and that before the time. Of no entries: sleeps.
    ///
    /// # Errors
    /// `Failed` if a descriptor cannot be waited for, such as one that is closed; `Closed` if one
    /// was closed meanwhile, by [`closing`](Self::closing) or its owner; `Cancelled`, `Timeout`.
    ///
    /// # Panics
    /// If there are not as many places.
    pub fn poll_many(
        &'static self,
        polls: &mut [Poll],
        places: &mut [Place],
        wait: &Wait,
    ) -> Result<usize, ConcurrencyError> {
        assert!(polls.len() == places.len(), "a place for each descriptor");
        if self.is_left_behind() {
            return Err(PlatformError::LeftBehind.into());
        }
        self.sources.use_it();
        let mut is_over = wait.is_over();
        loop {
            wait.check()?;
            for poll in polls.iter() {
                self.slot_of(poll.source())?;
            }
            let ready = self.platform().io_poll(polls)?;
            if ready > 0 {
                return Ok(ready);
            }
            if is_over {
                return Err(wait.why());
            }
            is_over = self.sleep_in_slots(polls, places, wait)?;
        }
    }

    /// What of `interest` is so just now.
    pub(super) fn level(
        &'static self,
        source: Source,
        interest: Interest,
    ) -> Result<Interest, PlatformError> {
        let mut one = [Poll::new(source, interest)];
        self.platform().io_poll(&mut one)?;
        Ok(one[0].ready())
    }

    fn slot_of(&'static self, source: Source) -> Result<&'static Slot, PlatformError> {
        self.sources.slot_for(self.platform(), source)
    }

    /// One sleep; true if nothing but its end has ended it.
    fn sleep_in_slots(
        &'static self,
        polls: &mut [Poll],
        places: &[Place],
        wait: &Wait,
    ) -> Result<bool, ConcurrencyError> {
        let slot_of = |poll: &Poll| self.slot_of(poll.source()).expect("it was asked before");
        let sleeper = Sleeper::new(wait, true);
        let is_told = match sleeper.task.map(Task::of_state) {
            Some(task) => {
                let mut any_is_owned = false;
                for (poll, place) in polls.iter().zip(places) {
                    // SAFETY: the places are borrowed until they are unlinked below.
                    any_is_owned |= unsafe { place.link(self, slot_of(poll), poll, task) };
                }
                // An edge that came before the link is not told again; whatever is wrong is found
                // by the next question.
                let is_told = any_is_owned && self.platform().io_poll(polls) != Ok(0);
                if !is_told {
                    sleeper.sleep(wait, WaitsFor::Readiness);
                }
                is_told
            }
            None => {
                for (poll, place) in polls.iter().zip(places) {
                    // SAFETY: the same, and the sleeper is in this frame.
                    unsafe { place.link_thread(slot_of(poll), &raw const sleeper) };
                }
                sleeper.sleep_beside(wait, polls)
            }
        };
        let (mut is_woken, mut is_closed) = (is_told | sleeper.end().is_some(), false);
        for (poll, place) in polls.iter().zip(places) {
            let ended = place.unlink(slot_of(poll), poll);
            is_woken |= ended.is_woken && sleeper.task.is_some();
            is_closed |= ended.is_closed;
        }
        sleeper.forget();
        if is_closed { Err(ConcurrencyError::Closed) } else { Ok(!is_woken) }
    }
}
