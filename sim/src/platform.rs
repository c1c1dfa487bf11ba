//! The world as a `Platform`: what the runtime asks, answered from the seed.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: memory comes from the pool, which is the machine's.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use drift_core::platform::CarrierMain;
use drift_core::platform::{
    Armed, CarrierId, Events, Interest, Platform, PlatformError, Poll, Source, Stack, StackClass,
};
use drift_core::prim::{AtomicU32, Ordering};
use drift_core::time::Instant;

use crate::actor::{Body, On, Seat};
use crate::faults::Fault;
use crate::log::{What, Who};
use crate::world::World;

/// What a look at the clock takes, in nanoseconds: a loop that waits for a time ends.
const LOOK: u64 = 20;

/// The code of a refusal that is a fault: `ENOMEM`, as Linux numbers it.
pub(crate) const NO_MEMORY: PlatformError = PlatformError::Code(12);

/// `EAGAIN`: no more threads just now.
pub(crate) const NO_THREAD: PlatformError = PlatformError::Code(11);

/// `EBADF`: no such source.
const NO_SOURCE: PlatformError = PlatformError::Code(9);

impl World {
    fn seat<R>(&self, id: CarrierId, with: impl FnOnce(&mut Seat) -> R) -> R {
        let mut seats = self.seats.borrow_mut();
        let index = usize::from(id.0);
        if seats.len() <= index {
            seats.resize(index + 1, Seat::default());
        }
        with(&mut seats[index])
    }
}

// SAFETY: stacks and tables come from the machine's own platform, and are used again only after
// the world is over; the clock only goes forward.
unsafe impl Platform for World {
    fn now(&self) -> Instant {
        self.assert_here();
        self.now.set(self.now.get() + LOOK);
        Instant(self.now.get())
    }

    fn entropy(&self) -> u64 {
        self.assert_here();
        self.entropy.borrow_mut().word()
    }

    unsafe fn carrier_start(&self, carrier: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        let _calm = self.calm();
        if self.strikes(Fault::ThreadStart) {
            return Err(NO_THREAD);
        }
        let id = carrier.id();
        let world = crate::world::current().expect("a carrier starts in its world");
        let stack = self.pool.borrow_mut().stack(Self::THREAD_STACK)?;
        self.note(What::Starts(id.0));
        let thread = world.start(Who::Carrier(id.0), stack, Body::Carrier(carrier));
        self.seat(id, |seat| seat.thread = Some(thread));
        self.maybe_pause();
        Ok(())
    }

    unsafe fn carrier_is_gone(&self, id: CarrierId) -> bool {
        let _calm = self.calm();
        self.seat(id, |seat| seat.thread).is_none_or(|thread| self.is_over(thread))
    }

    fn carrier_sleep(&self, id: CarrierId, until: Option<Instant>, ready: Option<&mut Events>) {
        let _calm = self.calm();
        let until = until.filter(|until| *until != Instant::FAR).map(|until| until.0);
        let polls = ready.is_some();
        let is_woken = self.seat(id, |seat| {
            seat.polls = polls;
            std::mem::take(&mut seat.is_woken)
        });
        let is_over = until.is_some_and(|until| until <= self.now.get());
        let has_events = polls && self.net.borrow().has_events();
        if !is_woken && !is_over && !has_events && !self.strikes(Fault::SpuriousWake) {
            self.note(What::Sleeps(until));
            self.wait(On::Wake, self.maybe_late(until));
            self.seat(id, |seat| seat.is_woken = false);
        }
        self.seat(id, |seat| seat.polls = false);
        if let Some(ready) = ready {
            self.net.borrow_mut().take_events(ready);
        }
    }

    fn carrier_wake(&self, id: CarrierId) {
        let _calm = self.calm();
        self.note(What::Wakes(id.0));
        let thread = self.seat(id, |seat| {
            seat.is_woken = true;
            seat.thread
        });
        if let Some(thread) = thread {
            self.wake_one(thread, On::Wake);
        }
        self.maybe_pause();
    }

    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>) {
        let _calm = self.calm();
        let until = until.filter(|until| *until != Instant::FAR).map(|until| until.0);
        let is_over = until.is_some_and(|until| until <= self.now.get());
        if word.load(Ordering::SeqCst) != value || is_over || self.strikes(Fault::SpuriousWake) {
            return self.pause(false);
        }
        self.note(What::Blocks(until));
        self.wait(On::Word(word), self.maybe_late(until));
    }

    fn thread_poll(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        let _calm = self.calm();
        if !self.net.borrow().is_any_ready(sources) {
            let own = self.running();
            self.beside.borrow_mut().push((own, sources.to_vec()));
            self.thread_wait(word, value, until);
            self.beside.borrow_mut().retain(|(thread, _)| *thread != own);
        }
        self.net.borrow().is_any_ready(sources)
    }

    fn thread_wake(&self, word: *const AtomicU32) {
        let _calm = self.calm();
        let woken = self.wake(On::Word(word));
        self.note(What::Unblocks(woken));
        self.maybe_pause();
    }

    fn thread_number(&self) -> Option<u32> {
        match self.who() {
            Who::Thread(number) => Some(number),
            _ => None,
        }
    }

    fn thread_yield(&self, _: u32) {
        let _calm = self.calm();
        self.pause(true);
    }

    fn io_arm(&self, source: Source, token: u64, on: Interest) -> Result<Armed, PlatformError> {
        let _calm = self.calm();
        if self.strikes(Fault::IoArm) {
            return Err(NO_MEMORY);
        }
        let armed = self.net.borrow_mut().arm(source, token, on).ok_or(NO_SOURCE);
        self.wake_pollers();
        armed
    }

    fn io_register(&self, source: Source, token: u64) -> Result<(), PlatformError> {
        let _calm = self.calm();
        if self.strikes(Fault::IoArm) {
            return Err(NO_MEMORY);
        }
        let registered = self.net.borrow_mut().register(source, token).ok_or(NO_SOURCE);
        self.wake_pollers();
        registered
    }

    fn io_deregister(&self, source: Source) {
        let _calm = self.calm();
        self.net.borrow_mut().deregister(source);
    }

    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        let _calm = self.calm();
        let mut answers = 0;
        for poll in polls {
            let level = self.net.borrow().level(poll.source(), poll.interest()).ok_or(NO_SOURCE)?;
            poll.answer(level);
            answers += usize::from(level != Interest::NONE);
        }
        Ok(answers)
    }

    fn stack_reserve(&self, _: StackClass) -> Result<(), PlatformError> {
        self.assert_here();
        if self.strikes(Fault::StackReserve) { Err(NO_MEMORY) } else { Ok(()) }
    }

    fn stack_alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        let _calm = self.calm();
        if self.strikes(Fault::StackAlloc) {
            return Err(NO_MEMORY);
        }
        self.pool.borrow_mut().stack(class)
    }

    unsafe fn stack_free(&self, stack: Stack) {
        let _calm = self.calm();
        self.pool.borrow_mut().free(stack);
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        let _calm = self.calm();
        // Without its first tables there is no runtime to look at.
        if self.runtime.get().is_some() && self.strikes(Fault::Table) {
            return Err(NO_MEMORY);
        }
        self.pool.borrow_mut().table(bytes)
    }
}

impl World {
    /// After something may have become ready: whoever sleeps in the poller gets the events, and
    /// who sleeps beside it sees it.
    pub(crate) fn wake_pollers(&self) {
        for (thread, sources) in self.beside.borrow().iter() {
            if self.net.borrow().is_any_ready(sources) {
                self.end_word_wait(*thread);
            }
        }
        if !self.net.borrow().has_events() {
            return;
        }
        let poller =
            self.seats.borrow().iter().find(|seat| seat.polls).and_then(|seat| seat.thread);
        if let Some(thread) = poller {
            self.wake_one(thread, On::Wake);
        }
    }
}
