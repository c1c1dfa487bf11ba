//! Descriptors that the runtime owns: registered once, edge-triggered, told of before they close.
//!
//! | step of a caller                           | step of the poller                              |
//! |--------------------------------------------|-------------------------------------------------|
//! | look at the direction's word; try          | change the word                                 |
//! | nothing there: clear the word, if it is as | lock; pop the first in line, and give it a      |
//! | it was seen                                | turn; unlock                                    |
//! | lock; get in line, unless the word says    |                                                 |
//! | ready and nobody else is there; unlock;    |                                                 |
//! | sleep; begin anew                          |                                                 |
//! | after the call, if it had waited: end the  |                                                 |
//! | turn, which gives the next one if the word |                                                 |
//! | still says ready (`line.rs`)               |                                                 |
//!
//! The word is looked at and changed before the lock is taken or under it: one of the two sees the
//! other. A turn for nothing costs one try, and not the place in line.
//!
//! The generation of the slot goes up with every registration and travels in the events, so that
//! a late one of a descriptor of the past does nothing.

use crate::error::ConcurrencyError;
use crate::platform::{Interest, PlatformError, Source};
use crate::prim::SpinGuard;
use crate::sched::parts::Runtime;
use crate::source::readiness::{Readiness, ShortCount};
use crate::source::slot::{Slot, SlotState};
use crate::wait::bounds::Wait;
use crate::wait::readiness::ask::{converse, token, wake_due};
use crate::wait::readiness::line::{Side, Turn};

impl Slot {
    /// An event of an owned descriptor, and the end of the hold of the lock.
    #[inline]
    pub(super) fn edge(&self, state: SpinGuard<'_, SlotState>, ready: Interest) {
        let (directions, broken) = (ready.directions(), Interest::HANG_UP.union(Interest::ERROR));
        let is_broken = ready.intersects(broken);
        let is_ended = is_broken || ready.intersects(Interest::READ_END);
        let doubts = is_ended || ready.intersects(Interest::URGENT);
        if directions.intersects(Interest::READ) {
            self.read.ready(doubts);
        } else if doubts {
            self.read.doubt();
        }
        if directions.intersects(Interest::WRITE) {
            self.write.ready(is_broken);
        }
        if !is_ended && !state.has_due() {
            return self.give_turns(state, directions);
        }
        wake_due(self, state);
        // Everybody finds an end.
        let all = match (is_broken, is_ended) {
            (true, _) => Interest::BOTH,
            (false, true) => Interest::READ,
            (false, false) => Interest::NONE,
        };
        self.wake(ready, all);
    }
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
        let slot = self.sources.slot_for(self.platform(), source)?;
        self.sources.use_it();
        let mut state = slot.state.lock();
        if state.is_owned() {
            // Its owner closed it without a word: whoever waits there waits for that one.
            state.give_up();
            state.close();
            wake_due(slot, state);
            slot.wake_all();
            state = slot.state.lock();
        }
        let generation = state.take_over();
        slot.read.set_line(state.read_line.has_any());
        slot.write.set_line(state.write_line.has_any());
        wake_due(slot, state);
        // First: the platform's first event may say that the other side has ended it, and may be
        // delivered before the call returns. It is not told twice.
        slot.read.register(short);
        slot.write.register(short);
        let registered = self.register_as(slot, source, generation);
        if registered.is_err() {
            // Watches that came meanwhile were asked for by nobody; callers are told `Closed`.
            let ask = {
                let mut state = slot.state.lock();
                state.give_up();
                state.rest()
            };
            slot.wake_all();
            converse(self, slot, source, ask);
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
        slot.wake(Interest::BOTH, Interest::NONE);
        slot.wake_threads();
        registered
    }

    /// Before an owned descriptor is closed, or is its owner's alone again: who waits for it is
    /// told `Closed`.
    ///
    /// In the child of a fork(2) nothing: the parent has the same file, and its registration.
    pub fn deregister(&'static self, source: Source) {
        let Some(slot) = self.present_slot(source) else { return };
        self.platform().io_deregister(source);
        let mut state = slot.state.lock();
        state.give_up();
        state.close();
        wake_due(slot, state);
        slot.wake_all();
    }

    /// Before a descriptor that is not owned is closed: who waits for it is told `Closed`.
    pub fn closing(&'static self, source: Source) {
        let Some(slot) = self.present_slot(source) else { return };
        let mut state = slot.state.lock();
        state.close();
        wake_due(slot, state);
        slot.wake_all();
    }

    fn present_slot(&'static self, source: Source) -> Option<&'static Slot> {
        if self.is_left_behind() { None } else { self.sources.slot(source.0) }
    }

    /// A descriptor that was registered here.
    ///
    /// # Panics
    /// If it never was.
    #[inline]
    pub fn owned(&'static self, source: Source) -> Owned {
        let slot = self.sources.slot(source.0).expect("a registered source has a slot");
        Owned { runtime: self, slot, source }
    }
}

/// A descriptor that the runtime owns, until it is deregistered: from then on its callers are told
/// `Closed`.
#[derive(Clone, Copy, Debug)]
pub struct Owned {
    runtime: &'static Runtime,
    slot: &'static Slot,
    source: Source,
}

impl Owned {
    /// Where it is registered.
    #[inline]
    pub fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// Its number.
    #[inline]
    pub fn source(&self) -> Source {
        self.source
    }

    /// What is known of one direction ([`Interest::READ`] or [`Interest::WRITE`]); not ready if
    /// others are before the caller. To be looked at before a try.
    #[inline]
    pub fn readiness(&self, direction: Interest) -> Readiness {
        self.slot.direction(direction).look_behind_others()
    }

    /// After a call that found nothing; `seen` is what `readiness` gave before it.
    #[inline]
    pub fn clear(&self, direction: Interest, seen: Readiness) {
        self.slot.direction(direction).clear(seen);
    }

    /// After a call that moved something, and less than the platform was asked for: clears too, if
    /// that can only mean that there is no more ([`ShortCount`]).
    #[inline]
    pub fn clear_short(&self, direction: Interest, seen: Readiness) {
        self.slot.direction(direction).clear_short(seen);
    }

    /// Waits until that direction may be ready, and it is the caller's turn, which is then in
    /// `turn`; at once if both are so. A caller whose turn found nothing leaves it there, and keeps
    /// its place. What is known of the direction, to be looked at before the next try.
    ///
    /// # Errors
    /// `Closed` if it is, or was closed meanwhile; `Cancelled`, `Timeout`. `Failed(LeftBehind)` in
    /// the child of a fork(2).
    pub fn wait_ready(
        &self,
        direction: Interest,
        wait: &Wait,
        turn: &mut Option<Turn<'static>>,
    ) -> Result<Readiness, ConcurrencyError> {
        let Self { runtime, slot, source } = *self;
        if runtime.is_left_behind() {
            return Err(PlatformError::LeftBehind.into());
        }
        let side = Side { slot, source, direction, platform: runtime.platform() };
        if wait.is_of_thread() {
            side.wait_itself(wait, turn)?;
        } else if side.wait(wait, turn)? {
            // One that was woken before may be ready to run, and has not tried yet.
            runtime.yield_now();
        }
        Ok(slot.direction(direction).look())
    }
}
