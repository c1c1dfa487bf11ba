//! Descriptors that the runtime owns: registered once, edge-triggered, told of before they close.
//!
//! | step of the owner                          | step of who polls                               |
//! |--------------------------------------------|-------------------------------------------------|
//! | look at the direction's word; try          | change the word                                 |
//! | nothing there: clear the word, if it is as | lock; pop who waits in that direction; unlock   |
//! | it was seen                                |                                                 |
//! | lock; link, unless the word says ready;    |                                                 |
//! | unlock; sleep; begin anew                  |                                                 |
//!
//! The word is looked at and changed before the lock is taken or under it: one of the two sees the
//! other. Whoever is woken tries again; a wake for nothing costs one try.
//!
//! The generation of the slot goes up with every registration and travels in the events, so that
//! a late one of a descriptor of the past does nothing.

use crate::error::ConcurrencyError;
use crate::platform::{Interest, PlatformError, Source};
use crate::reactor::readiness::{Direction, Readiness, ShortCount};
use crate::reactor::slot::{Claimed, Slot, SlotState, readers, threads, writers};
use crate::reactor::token;
use crate::runtime::Runtime;
use crate::sync::wait_queue::{self, Queue, Wait, Waited, Waiters};
use crate::task::WaitsFor;

impl Slot {
    #[inline]
    pub(super) fn direction(&self, direction: Interest) -> &Direction {
        if direction == Interest::READ { &self.read } else { &self.write }
    }

    /// Wakes all who wait, OS threads too: it is another descriptor now, or none.
    pub(super) fn wake_all(&self) {
        self.wake(Interest::BOTH);
        wait_queue::wake_all(&self.state, threads);
    }

    /// Wakes who waits in these directions, after the words or the state say why.
    pub(super) fn wake(&self, ready: Interest) {
        let directions = ready.directions();
        if directions.intersects(Interest::READ) {
            wait_queue::wake_all(&self.state, readers);
        }
        if directions.intersects(Interest::WRITE) {
            wait_queue::wake_all(&self.state, writers);
        }
    }

    /// An event of an owned descriptor.
    pub(super) fn edge(&self, ready: Interest) {
        let (directions, broken) = (ready.directions(), Interest::HANG_UP.union(Interest::ERROR));
        let doubts = ready.intersects(broken.union(Interest::READ_END).union(Interest::URGENT));
        if directions.intersects(Interest::READ) {
            self.read.ready(doubts);
        } else if doubts {
            self.read.doubt();
        }
        if directions.intersects(Interest::WRITE) {
            self.write.ready(ready.intersects(broken));
        }
        self.wake(ready);
    }
}

fn list_of(direction: Interest) -> fn(&mut SlotState) -> &mut Waiters {
    if direction == Interest::READ { readers } else { writers }
}

impl Runtime {
    /// Takes a descriptor over, which the caller owns: both directions are watched until
    /// [`deregister`](Self::deregister), and count as ready at first. `short` says what a call
    /// that moved less than it was asked for means for this kind of descriptor.
    ///
    /// # Errors
    /// What the platform says of it; [`PlatformError::NotPollable`] for one that is always ready.
    pub fn register(&'static self, source: Source, short: ShortCount) -> Result<(), PlatformError> {
        if self.is_left_behind() {
            return Err(PlatformError::LeftBehind);
        }
        let slot = self.reactor.slot_for(self.platform(), source)?;
        self.reactor.use_it();
        let mut claimed = Claimed::new();
        let generation = slot.state.lock().take_over(&mut claimed);
        super::schedule_all(claimed);
        // First: the platform's first event may say that the other side has ended it, and may be
        // delivered before the call returns. It is not told twice.
        slot.read.register(short);
        slot.write.register(short);
        let registered = self.register_as(slot, source, generation);
        if registered.is_err() {
            // Who came meanwhile has asked for nothing.
            let ask = {
                let mut state = slot.state.lock();
                state.give_up();
                state.rest()
            };
            super::converse(self, slot, source, ask);
        }
        registered
    }

    /// Registers a descriptor that is owned, perhaps anew: both directions count as ready, because
    /// events may have been replaced. What is in doubt stays so.
    pub(super) fn register_as(
        &'static self,
        slot: &Slot,
        source: Source,
        generation: u32,
    ) -> Result<(), PlatformError> {
        slot.read.ready(false);
        slot.write.ready(false);
        let registered = self.platform().io_register(source, token(source, generation));
        // Also who waited for a descriptor of the past by that number looks anew.
        slot.wake_all();
        registered
    }

    /// Before an owned descriptor is closed, or is its owner's alone again: who waits for it is
    /// told `Closed`.
    ///
    /// In the child of a fork(2) nothing: the parent has the same file, and its registration.
    pub fn deregister(&'static self, source: Source) {
        let Some(slot) = self.present_slot(source) else { return };
        self.platform().io_deregister(source);
        let mut claimed = Claimed::new();
        {
            let mut state = slot.state.lock();
            state.give_up();
            state.close(&mut claimed);
        }
        super::schedule_all(claimed);
        slot.wake_all();
    }

    /// Before a descriptor that is not owned is closed: who waits for it is told `Closed`.
    pub fn closing(&'static self, source: Source) {
        let Some(slot) = self.present_slot(source) else { return };
        let mut claimed = Claimed::new();
        slot.state.lock().close(&mut claimed);
        super::schedule_all(claimed);
        slot.wake_all();
    }

    fn present_slot(&'static self, source: Source) -> Option<&'static Slot> {
        if self.is_left_behind() { None } else { self.reactor.slot(source.0) }
    }

    /// What is known of one direction ([`Interest::READ`] or [`Interest::WRITE`]) of an owned
    /// descriptor. To be looked at before a try.
    #[inline]
    pub fn readiness(&'static self, source: Source, direction: Interest) -> Readiness {
        let slot = self.reactor.slot(source.0).expect("a registered source has a slot");
        slot.direction(direction).look()
    }

    /// After a call that found nothing; `seen` is what `readiness` gave before it.
    #[inline]
    pub fn clear_ready(&'static self, source: Source, direction: Interest, seen: Readiness) {
        let slot = self.reactor.slot(source.0).expect("a registered source has a slot");
        slot.direction(direction).clear(seen);
    }

    /// After a call that moved something, and less than the platform was asked for: clears too, if
    /// that can only mean that there is no more ([`ShortCount`]).
    #[inline]
    pub fn clear_short(&'static self, source: Source, direction: Interest, seen: Readiness) {
        let slot = self.reactor.slot(source.0).expect("a registered source has a slot");
        slot.direction(direction).clear_short(seen);
    }

    /// Waits until that direction of an owned descriptor may be ready; at once if it is.
    ///
    /// # Errors
    /// `Closed` if it is, or was closed meanwhile; `Cancelled`, `Timeout`. `Failed(LeftBehind)` in
    /// the child of a fork(2).
    pub fn wait_ready(
        &'static self,
        source: Source,
        direction: Interest,
        wait: &Wait,
    ) -> Result<(), ConcurrencyError> {
        let slot = self.present_slot(source).ok_or(PlatformError::LeftBehind)?;
        if wait.is_of_thread() {
            return self.wait_ready_itself(slot, source, direction, wait);
        }
        let queue =
            Queue { waits_for: WaitsFor::Readiness, lock: &slot.state, list: list_of(direction) };
        let mut closes = None;
        let waits = |state: &mut SlotState| {
            closes = state.is_owned().then(|| state.closes());
            closes.is_some() && !slot.direction(direction).look().is_ready()
        };
        let waited = queue.wait(wait, waits, |_| {})?;
        let is_closed = match (closes, waited) {
            (None, _) => true,
            (Some(_), Waited::No) => false,
            (Some(closes), Waited::Yes) => slot.state.lock().closes() != closes,
        };
        if is_closed { Err(ConcurrencyError::Closed) } else { Ok(()) }
    }
}
