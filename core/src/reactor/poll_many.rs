//! Waiting for several descriptors at once, owned or not: readiness as a level.
//!
//! | step                                             | if something comes meanwhile              |
//! |--------------------------------------------------|-------------------------------------------|
//! | ask the platform which are ready: the answer     |                                           |
//! | link in each slot; a raw one is armed            | an event pops the waiter                  |
//! | look at the owned ones once more, because their  | it is seen here                           |
//! | edge may have come before the link               |                                           |
//! | sleep; unlink; begin anew                        |                                           |
//!
//! Nothing but the first step says what is ready, so a wake for nothing costs one more question.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the waiters of a call lie in its caller's entries, which
//! it has borrowed, and are unlinked before it returns.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::platform::{Interest, PlatformError, Source};
use crate::prim::UnsafeCell;
use crate::reactor::slot::{Ask, Slot};
use crate::runtime::Runtime;
use crate::sync::wait_queue::{Sleeper, Wait, Waiter};
use crate::task::WaitsFor;

/// One descriptor of a [`Runtime::poll_many`], and its answer.
#[derive(Debug)]
pub struct Poll {
    /// The descriptor.
    pub source: Source,
    /// What is waited for: one direction or both.
    pub interest: Interest,
    /// What is ready: of `interest`, and `HANG_UP` and `ERROR`, asked for or not.
    pub ready: Interest,
    /// Cells: while they are linked, others write to them under the slot's lock.
    read: UnsafeCell<Waiter>,
    write: UnsafeCell<Waiter>,
    /// How often the slot's descriptor had been closed when the waiters were linked.
    closes: Cell<u32>,
}

fn place(waiter: &UnsafeCell<Waiter>) -> NonNull<Waiter> {
    waiter.with_mut(|waiter| NonNull::new(waiter).expect("a field has an address"))
}

impl Poll {
    /// To wait for `interest` in `source`.
    #[must_use]
    pub fn new(source: Source, interest: Interest) -> Self {
        let waiter = || UnsafeCell::new(Waiter::new(ptr::null(), 0, ptr::null_mut()));
        let ready = Interest::NONE;
        Self { source, interest, ready, read: waiter(), write: waiter(), closes: Cell::new(0) }
    }

    /// # Safety
    /// `self` and the sleeper stay where they are until `unlink`.
    unsafe fn link(&self, runtime: &'static Runtime, slot: &Slot, sleeper: *const Sleeper) {
        for waiter in [&self.read, &self.write] {
            // SAFETY: not linked, so nobody else knows it.
            unsafe { place(waiter).write(Waiter::new(sleeper, 0, ptr::null_mut())) };
        }
        let ask = {
            let mut state = slot.state.lock();
            self.closes.set(state.closes());
            if self.interest.intersects(Interest::READ) {
                // SAFETY: as the caller promises.
                unsafe { state.readers.push(place(&self.read)) };
            }
            if self.interest.intersects(Interest::WRITE) {
                // SAFETY: the same.
                unsafe { state.writers.push(place(&self.write)) };
            }
            // The edges of an owned one come by themselves.
            if state.is_owned() { Ask::Nothing } else { state.ask() }
        };
        super::converse(runtime, slot, self.source, ask);
    }

    /// # Safety
    /// It was linked in `slot`.
    unsafe fn unlink(&self, slot: &Slot) {
        let mut state = slot.state.lock();
        // SAFETY: as the caller says; one that was not linked is in no list.
        unsafe { state.readers.remove(place(&self.read)) };
        // SAFETY: the same.
        unsafe { state.writers.remove(place(&self.write)) };
    }
}

impl Runtime {
    /// Waits until one of `polls` is ready; how many are. A level: what is ready already counts,
    /// and what is not any more does not. Cancellation goes before readiness, and that before the
    /// time. Of no entries: sleeps.
    ///
    /// # Errors
    /// `Failed` if a descriptor cannot be waited for, such as one that is closed; `Closed` if one
    /// was closed meanwhile, by [`closing`](Self::closing) or its owner; `Cancelled`, `Timeout`.
    pub fn poll_many(
        &'static self,
        polls: &mut [Poll],
        wait: &Wait,
    ) -> Result<usize, ConcurrencyError> {
        self.reactor.use_it();
        self.see_that_somebody_polls(wait)?;
        let mut is_over = wait.is_over();
        loop {
            wait.check()?;
            let ready = self.ask_for_levels(polls)?;
            if ready > 0 {
                return Ok(ready);
            }
            if is_over {
                return Err(wait.why());
            }
            is_over = self.sleep_in_slots(polls, wait)?;
        }
    }

    /// Fills `ready` in; how many have some.
    fn ask_for_levels(&'static self, polls: &mut [Poll]) -> Result<usize, ConcurrencyError> {
        let mut count = 0;
        for poll in polls {
            self.slot_of(poll.source)?;
            poll.ready = self.platform().io_poll(poll.source, poll.interest)?;
            count += usize::from(poll.ready != Interest::NONE);
        }
        Ok(count)
    }

    fn slot_of(&'static self, source: Source) -> Result<&'static Slot, PlatformError> {
        self.reactor.slot(source.0).ok_or(PlatformError::Limit {
            what: "the number of a descriptor (MAX_SOURCES)",
            limit: super::MAX_SOURCES,
        })
    }

    /// One sleep; true if nothing but its end has ended it. `polls` is not written to meanwhile.
    fn sleep_in_slots(
        &'static self,
        polls: &[Poll],
        wait: &Wait,
    ) -> Result<bool, ConcurrencyError> {
        let slot_of = |poll: &Poll| self.reactor.slot(poll.source.0).expect("it was asked before");
        let sleeper = Sleeper::new(wait, true);
        for poll in polls {
            // SAFETY: the entries are borrowed, and the sleeper is in this frame: both stay until
            // they are unlinked below.
            unsafe { poll.link(self, slot_of(poll), &raw const sleeper) };
        }
        // An edge that came before the link is not told again; whatever is wrong is found by the
        // next question.
        let is_missed = |poll: &Poll| {
            slot_of(poll).state.lock().is_owned()
                && self.platform().io_poll(poll.source, poll.interest) != Ok(Interest::NONE)
        };
        let sleeps = !polls.iter().any(is_missed);
        if sleeps {
            sleeper.sleep(wait, WaitsFor::Readiness);
        }
        let is_over = sleeper.end().is_none() && sleeps;
        let mut closed = false;
        for poll in polls {
            let slot = slot_of(poll);
            // SAFETY: linked above.
            unsafe { poll.unlink(slot) };
            closed |= slot.state.lock().closes() != poll.closes.get();
        }
        sleeper.forget();
        if closed { Err(ConcurrencyError::Closed) } else { Ok(is_over) }
    }
}
