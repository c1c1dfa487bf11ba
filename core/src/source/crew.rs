//! OS threads that wait in one direction of an owned descriptor: one leads, the others follow. The
//! protocol is in `wait/readiness/os_thread.rs`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a linked follower's frame has a cell for its turn.
#![allow(unsafe_code)]

use crate::queues::waiters::{Popped, Waiters};

/// In the generation of a turn: its owner leads. No generation of a slot has it.
pub(crate) const LEADS: u32 = 1 << 31;

/// OS threads that wait in one direction. Behind the slot's lock.
#[derive(Debug)]
pub(crate) struct Crew {
    /// Each with a place for the generation of its turn, when it leads.
    pub followers: Waiters,
    pub has_leader: bool,
}

impl Crew {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self { followers: Waiters::new(), has_leader: false }
    }

    /// Whether one of them has a turn.
    pub(crate) fn has_leader(&self) -> bool {
        self.has_leader
    }

    /// Who leads in a registration that is over, has a void turn.
    pub(crate) fn begin(&mut self) {
        self.has_leader = false;
    }

    /// The first follower leads, by a turn of this generation.
    pub(crate) fn promote(&mut self, generation: u32) -> Option<Popped> {
        let next = self.followers.pop();
        if let Some(next) = &next {
            // SAFETY: `lead` gave the address of a cell in its frame, which stays there until the
            // lock around this is released.
            unsafe { next.value.cast::<u32>().write(generation) };
        }
        self.has_leader = next.is_some();
        next
    }
}
