//! Registrations for the wait of another thread's task, and why a wait's number may come again.
//!
//! A ticket has 19 bits for the number of the wait, so a virtual thread that has waited 2^19 times
//! uses a number again. At the end of a wait its task takes back what is registered for it; but a
//! thread that registers from outside has read a ticket, and the task may wait many times before
//! the thread uses it. So the thread counts itself in first, and at the end of every 2^18th wait
//! the task lets all that are counted finish.
//!
//! | step of a thread that registers              | step of the task, at every 2^18th wait's end |
//! |----------------------------------------------|----------------------------------------------|
//! | it counts itself in                          | the number has changed                       |
//! | it reads the ticket                          | it looks until nobody is counted             |
//! | it registers, and takes that back if the     | it goes on                                   |
//! | wait is over                                 |                                              |
//! | it counts itself out                         |                                              |
//!
//! A SeqCst fence lies between the first two steps on both sides: either the task sees the count,
//! or the ticket has the new number. So where the task goes on there, no thread uses a ticket that
//! is 2^18 waits old, and none ever uses one that is 2^19 waits old.

use crate::prim::{AtomicU16, Ordering, fence};
use crate::state::{State, Ticket};

/// How many threads register something for one task's wait, or are about to.
#[derive(Debug)]
pub(crate) struct Outsiders(AtomicU16);

/// One of them, until this is dropped.
#[derive(Debug)]
pub(crate) struct Outsider<'a>(&'a Outsiders);

impl Outsiders {
    pub(crate) fn new() -> Self {
        Self(AtomicU16::new(0))
    }

    /// Counts the caller in; before it reads a ticket.
    pub(crate) fn enter(&self) -> Outsider<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `are_gone`.
        fence(Ordering::SeqCst);
        Outsider(self)
    }

    /// Whether no thread uses a ticket that it read before the last change of the wait's number.
    pub(crate) fn are_gone(&self) -> bool {
        // Pairs with the fence in `enter`.
        fence(Ordering::SeqCst);
        // Acquire pairs with the release in `drop`: what that thread did is over.
        self.0.load(Ordering::Acquire) == 0
    }
}

impl Outsider<'_> {
    /// The present wait of the life `generation` of `state`, unless it has ended.
    pub(crate) fn ticket(&self, state: &State, generation: u32) -> Option<Ticket> {
        state.ticket(generation)
    }
}

impl Drop for Outsider<'_> {
    fn drop(&mut self) {
        // Release pairs with the acquire in `are_gone`.
        self.0.0.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, loom))]
mod loom;
