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
use crate::sched::parts::Runtime;
use crate::source::slot::{Ask, Slot, readers, threads};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::readiness::ask::converse;

/// Where a [`Runtime::poll_many`] waits for one of its descriptors.
#[derive(Debug)]
pub struct Place {
    /// Cells: while they are linked, others write to them under the slot's lock.
    read: UnsafeCell<Waiter>,
    write: UnsafeCell<Waiter>,
    /// How often the slot's descriptor had been closed when the waiters were linked.
    closes: Cell<u32>,
}

impl Default for Place {
    fn default() -> Self {
        let waiter = || UnsafeCell::new(Waiter::new(ptr::null(), 0, ptr::null_mut()));
        Self { read: waiter(), write: waiter(), closes: Cell::new(0) }
    }
}

fn node(waiter: &UnsafeCell<Waiter>) -> NonNull<Waiter> {
    waiter.with_mut(|waiter| NonNull::new(waiter).expect("a field has an address"))
}

impl Place {
    /// Links for what `poll` asks; whether the reactor owns the descriptor. An OS thread links for
    /// nothing but a close.
    ///
    /// # Safety
    /// `self` and the sleeper stay where they are until `unlink`.
    unsafe fn link(
        &self,
        runtime: &'static Runtime,
        slot: &Slot,
        poll: &Poll,
        sleeper: *const Sleeper,
        is_thread: bool,
    ) -> bool {
        for waiter in [&self.read, &self.write] {
            // SAFETY: not linked, so nobody else knows it.
            unsafe { node(waiter).write(Waiter::new(sleeper, 0, ptr::null_mut())) };
        }
        let (is_owned, ask) = {
            let mut state = slot.state.lock();
            self.closes.set(state.closes());
            if is_thread {
                // SAFETY: as the caller promises.
                unsafe { state.threads.push(node(&self.read)) };
                return state.is_owned();
            }
            if poll.interest().intersects(Interest::READ) {
                // SAFETY: as the caller promises.
                unsafe { state.lookers(Interest::READ).push(node(&self.read)) };
            }
            if poll.interest().intersects(Interest::WRITE) {
                // SAFETY: the same.
                unsafe { state.lookers(Interest::WRITE).push(node(&self.write)) };
            }
            let is_owned = state.is_owned();
            // The edges of an owned one come by themselves.
            (is_owned, if is_owned { Ask::Nothing } else { state.ask() })
        };
        converse(runtime, slot, poll.source(), ask);
        is_owned
    }

    /// Whether the descriptor was closed since the link.
    ///
    /// # Safety
    /// It was linked in `slot`, by the same kind of thread.
    unsafe fn unlink(&self, slot: &Slot, is_thread: bool) -> bool {
        let mut state = slot.state.lock();
        let list = if is_thread { threads } else { readers };
        // SAFETY: as the caller says; one that was not linked is in no list.
        unsafe { list(&mut state).remove(node(&self.read)) };
        // SAFETY: the same.
        unsafe { state.lookers(Interest::WRITE).remove(node(&self.write)) };
        state.closes() != self.closes.get()
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
        let (sleeper, is_thread) = (Sleeper::new(wait, true), wait.is_of_thread());
        let mut any_is_owned = false;
        for (poll, place) in polls.iter().zip(places) {
            // SAFETY: the places are borrowed, and the sleeper is in this frame: both stay until
            // they are unlinked below.
            let link =
                unsafe { place.link(self, slot_of(poll), poll, &raw const sleeper, is_thread) };
            any_is_owned |= link;
        }
        // An edge that came before the link is not told again; whatever is wrong is found by the
        // next question.
        let is_told = match is_thread {
            true => sleeper.sleep_beside(wait, polls),
            false => any_is_owned && self.platform().io_poll(polls) != Ok(0),
        };
        if !is_thread && !is_told {
            sleeper.sleep(wait, WaitsFor::Readiness);
        }
        let is_over = sleeper.end().is_none() && !is_told;
        let mut closed = false;
        for (poll, place) in polls.iter().zip(places) {
            // SAFETY: linked above.
            closed |= unsafe { place.unlink(slot_of(poll), is_thread) };
        }
        sleeper.forget();
        if closed { Err(ConcurrencyError::Closed) } else { Ok(is_over) }
    }
}
