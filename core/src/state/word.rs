//! How the state word is laid out; `state.rs` says what happens to it.
//!
//! ```text
//!  63            33 32          14 13                                              3 2    0
//! +----------------+--------------+-------------------------------------------------+-------+
//! | generation     | wait         | flags                                           | phase |
//! +----------------+--------------+-------------------------------------------------+-------+
//! ```
//!
//! `generation` names one life of the record (it is part of the handle), `wait` one wait in that
//! life. Both together are a [`Ticket`].

/// Where a task is in its life, as everybody may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Phase {
    /// The record is in a free list.
    Free = 0,
    /// Spawned, not submitted.
    New = 1,
    /// In a run queue or on a carrier.
    Active = 2,
    /// Switched out until somebody claims it.
    Parked = 3,
    /// Will never run; the canceller is dropping its entry.
    Dropping = 4,
    /// Finished, or cancelled without having run.
    Completed = 5,
}

pub(super) const PHASE: u64 = 0b111;
/// An unpark came that no park has used.
pub(super) const PERMIT: u64 = 1 << 3;
/// A registration of this wait has fired before the park.
pub(super) const WOKEN: u64 = 1 << 4;
/// Cancellation was asked for.
pub(super) const CANCEL: u64 = 1 << 5;
/// A carrier has mounted it once.
pub(super) const STARTED: u64 = 1 << 6;
/// The handle was neither joined nor dropped.
pub(super) const HELD: u64 = 1 << 7;
/// A run queue or a carrier has a pointer to the record.
pub(super) const ENGAGED: u64 = 1 << 8;
/// A canceller has a pointer to the record.
pub(super) const PINNED: u64 = 1 << 9;
/// While parked: an unpark ends this wait.
pub(super) const HEEDS_PERMIT: u64 = 1 << 10;
/// While parked: a cancel request ends this wait.
pub(super) const HEEDS_CANCEL: u64 = 1 << 11;
/// Somebody waits in `joiners`.
pub(super) const JOINED: u64 = 1 << 12;
/// What the wait inside waits for has come before the park.
pub(super) const WOKEN_INSIDE: u64 = 1 << 13;

pub(super) const WAIT_SHIFT: u32 = 14;
pub(super) const WAIT: u64 = ((1 << 19) - 1) << WAIT_SHIFT;
/// Half of the numbers: at the first of each round the task looks who has an old ticket.
const ROUND: u64 = (1 << 18) << WAIT_SHIFT;
#[cfg(all(test, loom))]
pub(super) const LAST_OF_A_ROUND: u64 = (ROUND - 1) & WAIT;
pub(super) const GENERATION_SHIFT: u32 = 33;
pub(super) const TICKET: u64 = !((1 << WAIT_SHIFT) - 1);

/// The last generation; a record that reaches it is retired, so a handle never names two lives.
pub(crate) const LAST_GENERATION: u32 = (1 << 31) - 1;

/// What ends a wait; each also if it came before.
///
/// | heeds              | unpark, registrations | what a call waits for | cancel |
/// |--------------------|-----------------------|-----------------------|--------|
/// | `Park`             | yes                   |                       | yes    |
/// | `ShieldedPark`     | yes                   |                       |        |
/// | `Inside`           |                       | yes                   |        |
/// | `CancellableInside`|                       | yes                   | yes    |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Heeds {
    /// A wait inside a call of the runtime that must see its end.
    Inside = 0,
    /// A park of the user's own, in a stretch that cancellation must not disturb.
    ShieldedPark = IS_PARK,
    /// A wait inside, for a call that may answer `Cancelled`.
    CancellableInside = BY_CANCEL,
    /// A park of the user's own.
    Park = IS_PARK | BY_CANCEL,
}

const IS_PARK: u8 = 1;
const BY_CANCEL: u8 = 2;

impl Heeds {
    const fn is_park(self) -> bool {
        self as u8 & IS_PARK != 0
    }

    const fn cancel(self) -> bool {
        self as u8 & BY_CANCEL != 0
    }

    /// The flags while it is parked.
    pub(super) const fn bits(self) -> u64 {
        let permit = if self.is_park() { HEEDS_PERMIT } else { 0 };
        let cancel = if self.cancel() { HEEDS_CANCEL } else { 0 };
        permit | cancel
    }

    /// The flags that end it.
    pub(super) const fn ends(self) -> u64 {
        let cause = if self.is_park() { WOKEN | PERMIT } else { WOKEN_INSIDE };
        let cancel = if self.cancel() { CANCEL } else { 0 };
        cause | cancel
    }

    /// The word of a task that goes on after it.
    pub(super) const fn end(self, word: Word) -> Word {
        match self.is_park() {
            true => word.next_wait(WOKEN | PERMIT),
            false => word.inside_over(),
        }
    }
}

/// One wait in one life of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Ticket {
    /// No task's.
    pub(crate) const NONE: Self = Self(0);

    /// For a place that keeps it in an atomic.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// Whether its wait is the first of a round.
    #[inline]
    pub(crate) const fn begins_a_round(self) -> bool {
        self.0 & (ROUND - 1) & WAIT == 0
    }

    /// What `to_bits` gave.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// One reading of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub u64);

impl Word {
    pub(super) const fn phase(self) -> Phase {
        match self.0 & PHASE {
            0 => Phase::Free,
            1 => Phase::New,
            2 => Phase::Active,
            3 => Phase::Parked,
            4 => Phase::Dropping,
            _ => Phase::Completed,
        }
    }

    pub(super) const fn has(self, flags: u64) -> bool {
        self.0 & flags != 0
    }

    pub(super) const fn with(self, flags: u64) -> Self {
        Self(self.0 | flags)
    }

    pub(super) const fn without(self, flags: u64) -> Self {
        Self(self.0 & !flags)
    }

    pub(super) const fn to(self, phase: Phase) -> Self {
        Self((self.0 & !PHASE) | phase as u64)
    }

    pub(super) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    pub(super) const fn ticket(self) -> Ticket {
        Ticket(self.0 & TICKET)
    }

    /// The task goes on after a wait inside; the user's own wait is the same.
    pub(super) const fn inside_over(self) -> Self {
        self.without(WOKEN_INSIDE | HEEDS_CANCEL).to(Phase::Active)
    }

    /// The task goes on, and what its wait heeded is used up.
    pub(super) const fn next_wait(self, used: u64) -> Self {
        let wait = self.0.wrapping_add(1 << WAIT_SHIFT) & WAIT;
        let rest = self.0 & !(WAIT | used | HEEDS_PERMIT | HEEDS_CANCEL);
        Self(rest | wait).to(Phase::Active)
    }
}
