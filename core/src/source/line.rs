//! Who is in line in one direction of an owned descriptor: two lists and two counts. The protocol
//! is in `wait/readiness/line.rs`.

use crate::queues::waiters::{Popped, Waiters};

/// Who is in line, and how many have a turn. Behind the slot's lock.
#[derive(Debug)]
pub(crate) struct Line {
    /// Had a turn and found nothing: they go first.
    returned: Waiters,
    waiting: Waiters,
    /// How many are in either list.
    pub(crate) length: u32,
    /// Callers that may try, and have not ended their call; and the OS thread that leads others
    /// (`crew.rs`).
    pub(crate) turns: u32,
}

impl Line {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self { returned: Waiters::new(), waiting: Waiters::new(), length: 0, turns: 0 }
    }

    /// The turns of a registration that is over are void: whoever has one finds another
    /// generation.
    pub(crate) fn begin(&mut self) {
        self.turns = 0;
    }

    /// Who comes, or who had a turn and found nothing.
    pub(crate) fn list(&mut self, is_back: bool) -> &mut Waiters {
        if is_back { &mut self.returned } else { &mut self.waiting }
    }

    /// Gives a turn to the first in line.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        if self.length == 0 {
            return None;
        }
        let popped = self.returned.pop().or_else(|| self.waiting.pop())?;
        self.length -= 1;
        self.turns += 1;
        Some(popped)
    }

    /// Whether a caller that comes may have to wait for others.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.length > 0 || self.turns > 0
    }
}
