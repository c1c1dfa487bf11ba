//! A real platform that refuses and disturbs at random: the same faults, real threads.
//!
//! | fault                        | what happens, instead of what was asked for                  |
//! |------------------------------|--------------------------------------------------------------|
//! | `stack_reserve`, `stack_alloc`, `table`, `io_arm` | refused: no memory                      |
//! | `thread_start`               | refused: no thread just now                                  |
//! | `spurious_wake`              | a sleep ends within a millisecond, a wait at once            |
//! | `late_wake`                  | a sleep or wait with a deadline is up to 0.1 s longer        |
//! | `clock_jump`                 | the clock is ahead by up to 10 s more, from now on           |
//!
//! The seed decides what the n-th question is answered; which thread asks it is the machine's
//! choice, so a run here cannot be repeated. What it finds is to be found again in a [`Sim`].
//!
//! Where the clock jumps, no sleep is longer than a moment: a machine that was stopped wakes its
//! sleepers as well.
//!
//! [`Sim`]: crate::Sim
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: everything that the trait promises is promised by the
//! platform inside; only its clock is set ahead.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use drift_core::platform::CarrierMain;
use drift_core::platform::{
    Armed, CarrierId, Events, Interest, Platform, PlatformError, Poll, Source, Stack, StackClass,
    ThreadWords,
};
use drift_core::prim::AtomicU32;
use drift_core::time::{Instant, MILLISECOND};

use crate::dice::{Dice, Stream};
use crate::faults::{Fault, Faults, Injector};
use crate::platform::{NO_MEMORY, NO_THREAD};

/// A sleep without a cause to end lasts at most this long, where one is to be.
const SPURIOUS: u64 = MILLISECOND;

/// A late wake is late by less than this.
const LATE: u64 = 100 * MILLISECOND;

/// A jump of the clock is shorter than this.
const JUMP: u64 = 10_000 * MILLISECOND;

/// No sleep is longer than this where the clock jumps.
const MOMENT: u64 = 20 * MILLISECOND;

/// A platform that has faults.
///
/// # Examples
/// ```
/// use drift_core::runtime::Runtime;
/// use drift_pal::Host;
/// use drift_sim::{Faults, Faulty};
///
/// let faults = Faults { thread_start: 500_000, ..Faults::NONE };
/// let platform = Faulty::new(Host::new().unwrap(), 1, faults);
/// // SAFETY: nobody else has the platform.
/// let runtime = unsafe { Runtime::new(platform, 0) }.unwrap();
/// ```
pub struct Faulty {
    inner: &'static dyn Platform,
    faults: Faults,
    injector: Mutex<Injector>,
    /// How far the clock is ahead, in nanoseconds.
    ahead: AtomicU64,
    /// How often each fault happened, by its number.
    struck: [AtomicU64; Fault::ALL.len()],
}

impl Faulty {
    /// Wraps `inner`, for ever.
    #[must_use]
    pub fn new(inner: &'static dyn Platform, seed: u64, faults: Faults) -> &'static Self {
        let injector = Injector::new(faults, Dice::new(seed, Stream::Faults));
        Box::leak(Box::new(Self {
            inner,
            faults,
            injector: Mutex::new(injector),
            ahead: AtomicU64::new(0),
            struck: Default::default(),
        }))
    }

    /// How often `fault` has happened.
    #[must_use]
    pub fn struck(&self, fault: Fault) -> u64 {
        self.struck[fault as usize].load(Ordering::Relaxed)
    }

    /// If `fault` happens now: how much, below `bound`.
    fn strike(&self, fault: Fault, bound: u64) -> Option<u64> {
        // Nothing in here panics, and a draw is whole or was not made.
        let mut injector = self.injector.lock().unwrap_or_else(PoisonError::into_inner);
        if !injector.strikes(fault) {
            return None;
        }
        self.struck[fault as usize].fetch_add(1, Ordering::Relaxed);
        Some(injector.amount(bound))
    }

    fn refuse(&self, fault: Fault, with: PlatformError) -> Result<(), PlatformError> {
        self.strike(fault, 1).map_or(Ok(()), |_| Err(with))
    }

    /// By the clock inside, and perhaps late. What is over, or has no end, stays so.
    fn inside(&self, until: Option<Instant>) -> Option<Instant> {
        let until = until.filter(|until| *until != Instant::FAR)?;
        if until == Instant::ZERO {
            return Some(until);
        }
        let until = Instant(until.0.saturating_sub(self.ahead.load(Ordering::SeqCst)));
        if until <= self.inner.now() {
            return Some(until);
        }
        match self.strike(Fault::LateWake, LATE) {
            Some(late) => Some(until + late),
            None => Some(until),
        }
    }

    /// Where the clock may jump meanwhile, a moment at most.
    fn for_a_moment(&self, until: Option<Instant>) -> Option<Instant> {
        match self.faults.clock_jump {
            0 => until,
            _ => self.within(until, MOMENT),
        }
    }

    /// `until`, or `span` from now if that is sooner.
    fn within(&self, until: Option<Instant>, span: u64) -> Option<Instant> {
        let end = self.inner.now() + span;
        Some(until.map_or(end, |until| until.min(end)))
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).field("faults", &self.faults).finish()
    }
}

// SAFETY: memory, threads and words are those of the platform inside, which keeps the promises.
// The clock is its clock and a number that only grows, in this order: of two looks the later one
// sees neither of them smaller.
unsafe impl Platform for Faulty {
    fn now(&self) -> Instant {
        if let Some(jump) = self.strike(Fault::ClockJump, JUMP) {
            self.ahead.fetch_add(jump, Ordering::SeqCst);
        }
        self.inner.now() + self.ahead.load(Ordering::SeqCst)
    }

    fn entropy(&self) -> u64 {
        self.inner.entropy()
    }

    unsafe fn carrier_start(&self, carrier: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        self.refuse(Fault::ThreadStart, NO_THREAD)?;
        // SAFETY: the caller's.
        unsafe { self.inner.carrier_start(carrier) }
    }

    unsafe fn carrier_is_gone(&self, id: CarrierId) -> bool {
        // SAFETY: the caller's.
        unsafe { self.inner.carrier_is_gone(id) }
    }

    fn carrier_sleep(&self, id: CarrierId, until: Option<Instant>, ready: Option<&mut Events>) {
        let until = self.for_a_moment(self.inside(until));
        let until = match self.strike(Fault::SpuriousWake, SPURIOUS) {
            Some(span) => self.within(until, span),
            None => until,
        };
        self.inner.carrier_sleep(id, until, ready);
    }

    fn carrier_wake(&self, id: CarrierId) {
        self.inner.carrier_wake(id);
    }

    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>) {
        if self.strike(Fault::SpuriousWake, 1).is_none() {
            let until = self.for_a_moment(self.inside(until));
            self.inner.thread_wait(word, value, until);
        }
    }

    fn thread_poll(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        if self.strike(Fault::SpuriousWake, 1).is_some() {
            return false;
        }
        let until = self.for_a_moment(self.inside(until));
        self.inner.thread_poll(word, value, until, sources)
    }

    fn thread_wake(&self, word: *const AtomicU32) {
        self.inner.thread_wake(word);
    }

    fn thread_yield(&self, turn: u32) {
        self.inner.thread_yield(turn);
    }

    fn thread_words(&self) -> ThreadWords {
        self.inner.thread_words()
    }

    fn io_arm(&self, source: Source, token: u64, on: Interest) -> Result<Armed, PlatformError> {
        self.refuse(Fault::IoArm, NO_MEMORY)?;
        self.inner.io_arm(source, token, on)
    }

    fn io_register(&self, source: Source, token: u64) -> Result<(), PlatformError> {
        self.refuse(Fault::IoArm, NO_MEMORY)?;
        self.inner.io_register(source, token)
    }

    fn io_deregister(&self, source: Source) {
        self.inner.io_deregister(source);
    }

    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        self.inner.io_poll(polls)
    }

    fn stack_reserve(&self, class: StackClass) -> Result<(), PlatformError> {
        self.refuse(Fault::StackReserve, NO_MEMORY)?;
        self.inner.stack_reserve(class)
    }

    fn stack_unreserve(&self, class: StackClass) {
        self.inner.stack_unreserve(class);
    }

    fn stack_alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        self.refuse(Fault::StackAlloc, NO_MEMORY)?;
        self.inner.stack_alloc(class)
    }

    unsafe fn stack_free(&self, stack: Stack) {
        // SAFETY: the caller's, word for word: it came from the platform inside.
        unsafe { self.inner.stack_free(stack) };
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        self.refuse(Fault::Table, NO_MEMORY)?;
        self.inner.table(bytes)
    }
}
