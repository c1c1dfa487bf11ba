//! How many virtual threads an executor with a limit has: exact, in one word.
//!
//! ```text
//!  63     40 39       24 23     0
//! +---------+-----------+--------+
//! | waiting | under way | count  |
//! +---------+-----------+--------+
//! ```
//!
//! `count` are ready or running, or have been handed a place; `waiting` are linked in the queue;
//! `under way` are submits that have not come to their end, where nobody may wait: each is in
//! `count`, or has just left it, so that there may be more of them.
//!
//! | event   | count, waiting              | becomes         | then                        |
//! |---------|-----------------------------|-----------------|-----------------------------|
//! | reserve | count < limit, nobody waits | count + 1,      | admitted, and must `settle` |
//! |         |                             | under way + 1   |                             |
//! | reserve | somebody waits, or          | unchanged       | full: Busy, or wait         |
//! |         | count >= limit + under way  |                 |                             |
//! | reserve | else                        | unchanged       | look again                  |
//! | settle  | any                         | under way - 1   | nothing                     |
//! | wait    | (locked) full               | waiting + 1     | linked                      |
//! | wait    | (locked) else               | as reserve      | as reserve                  |
//! | leave   | nobody waits, or over limit | count - 1       | nothing                     |
//! | leave   | (locked) somebody waits     | waiting - 1     | the place goes to the first |
//! | give up | (locked) has no place       | waiting - 1     | Timeout                     |
//! | resume  | any                         | count + 1       | a woken task is not checked |
//! | close   | (locked) somebody waits     | waiting - 1,    | the first has a place, and  |
//! |         |                             | count + 1       | will find the executor shut |
//!
//! `waiting` changes only under the queue's lock, so that it counts what is linked.
//!
//! **Full is exact.** A submit takes its place before it claims the virtual thread. If that was
//! cancelled meanwhile, nobody has the place, and only the submit knows. So a place of one under
//! way is no reason for Busy, nor to wait: it settles when it has given the place back, or a
//! canceller can, and until then waits for nothing and runs no foreign code. Who has waited was
//! handed the place, and has it until it goes on.
//!
//! **Lives.** The next executor in the place begins when the word is 0 after the end of the last:
//! whoever waited there has seen that, and left. A submit that is later than that settles without
//! a place. All executors of one place either refuse at the limit or let wait there.

use static_assertions::const_assert;

use crate::error::ConcurrencyError;
use crate::prim::{AtomicU32, AtomicU64, Ordering};
use crate::queues::waiters::{WaitQueue, Waiters};
use crate::task::slab::MAX_TASKS;

const ONE: u64 = 1;
const UNDER_WAY: u64 = 1 << 24;
const WAITING: u64 = 1 << 40;

/// The most that fit; `reserve` lets no more in. An OS thread has one at most.
const MOST_UNDER_WAY: u64 = WAITING / UNDER_WAY - 1;

// The other two have room for all virtual threads, and three times as many OS threads.
const_assert!(MAX_TASKS as u64 * 4 <= UNDER_WAY && UNDER_WAY <= u64::MAX / WAITING + 1);

const fn count(word: u64) -> u64 {
    word & (UNDER_WAY - 1)
}

const fn under_way(word: u64) -> u64 {
    word % WAITING / UNDER_WAY
}

/// The word alone, without the queue: what the models explore.
#[derive(Debug)]
pub(crate) struct Places {
    word: AtomicU64,
    /// 0 for none: then nobody enters or leaves. Changes between two lives of the executor only.
    limit: AtomicU32,
}

/// What `reserve` found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// The place is the caller's, who must `settle`.
    Held,
    /// All places are taken.
    Full,
    /// All are, but somebody's may come back at once: look again.
    Unsettled,
}

/// What `leave` found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The place is free.
    Done,
    /// Somebody may wait: come back with the lock.
    Locked,
}

impl Places {
    pub(crate) fn new(limit: u32) -> Self {
        Self { word: AtomicU64::new(0), limit: AtomicU32::new(limit) }
    }

    #[inline]
    fn limit(&self) -> u64 {
        u64::from(self.limit.load(Ordering::Relaxed))
    }

    /// Takes a place if there is one and nobody was before, for a submit that must `settle`.
    pub(crate) fn reserve(&self) -> Reserved {
        self.reserve_or(|_| None)
    }

    /// With the lock: the same, or counts the caller as waiting.
    pub(crate) fn reserve_or_wait(&self) -> Reserved {
        self.reserve_or(|word| Some(word + WAITING))
    }

    fn reserve_or(&self, if_full: impl Fn(u64) -> Option<u64>) -> Reserved {
        let mut found = Reserved::Held;
        self.change(|word| {
            let (taken, under_way, limit) = (count(word), under_way(word), self.limit());
            found = match taken < limit {
                _ if word >= WAITING => Reserved::Full,
                true if under_way < MOST_UNDER_WAY => Reserved::Held,
                false if taken >= limit + under_way => Reserved::Full,
                _ => Reserved::Unsettled,
            };
            match found {
                Reserved::Held => Some(word + ONE + UNDER_WAY),
                Reserved::Full => if_full(word),
                Reserved::Unsettled => None,
            }
        });
        found
    }

    /// The place of one under way is a virtual thread's, or was given back.
    pub(crate) fn settle(&self) {
        self.change(|word| Some(word - UNDER_WAY));
    }

    /// Gives a place back, unless somebody may get it.
    pub(crate) fn leave(&self) -> Left {
        let free = self
            .change(|word| (word < WAITING || count(word) > self.limit()).then_some(word - ONE));
        if free { Left::Done } else { Left::Locked }
    }

    /// With the lock: gives a place back; true if the first who waits has it now.
    pub(crate) fn hand_over(&self) -> bool {
        let mut hands = false;
        self.change(|word| {
            hands = word >= WAITING && count(word) <= self.limit();
            Some(if hands { word - WAITING } else { word - ONE })
        });
        hands
    }

    /// With the lock: one who was linked waits no more, and has no place.
    pub(crate) fn give_up(&self) {
        self.change(|word| Some(word - WAITING));
    }

    /// A task that was admitted once goes on.
    pub(crate) fn resume(&self) {
        self.change(|word| Some(word + ONE));
    }

    /// With the lock: the first who waits has a place, limit or not; false if nobody waits.
    pub(crate) fn push_through(&self) -> bool {
        self.change(|word| (word >= WAITING).then_some(word.wrapping_sub(WAITING) + ONE))
    }

    pub(crate) fn is_empty(&self) -> bool {
        // Acquire pairs with the release in `change`.
        self.word.load(Ordering::Acquire) == 0
    }

    /// The only writer. AcqRel: who gets a place sees what the one before left behind.
    fn change(&self, mut step: impl FnMut(u64) -> Option<u64>) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let Some(next) = step(word) else { return false };
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

/// A submit under way: settles at its end.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(pub(crate) &'a Places);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

/// What a submit has until its task is queued.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Whether it was counted: the limit may be another one in the executor's next life.
    pub limited: bool,
    /// Settles after everything else; none if it has waited.
    pub under_way: Option<UnderWay<'static>>,
}

/// The places of one executor, and who waits for one.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) places: Places,
    pub(crate) queue: WaitQueue,
}

impl Admission {
    pub(crate) fn new(limit: u32) -> Self {
        Self { places: Places::new(limit), queue: WaitQueue::new(Waiters::new()) }
    }

    /// Takes a place if there is one, or says `Busy`. While that is not certain it calls `pause`,
    /// with the number of the try.
    pub(crate) fn reserve(&self, pause: impl Fn(u32)) -> Result<UnderWay<'_>, ConcurrencyError> {
        let mut turn = 0;
        loop {
            match self.places.reserve() {
                Reserved::Held => return Ok(UnderWay(&self.places)),
                Reserved::Full => return Err(ConcurrencyError::Busy),
                Reserved::Unsettled => pause(turn),
            }
            turn += 1;
        }
    }

    /// Gives a place back, to the first who waits.
    pub(crate) fn leave(&self) {
        if self.places.leave() == Left::Done {
            return;
        }
        let popped = {
            let mut waiters = self.queue.lock();
            self.places.hand_over().then(|| waiters.pop().expect("`waiting` counts the linked"))
        };
        if let Some(popped) = popped {
            popped.resume();
        }
    }

    /// The submit came to nothing.
    pub(crate) fn give_back(&self, admitted: Admitted) {
        if admitted.limited {
            self.leave();
        }
        drop(admitted.under_way);
    }

    /// A task that was admitted once goes on.
    pub(crate) fn resume(&self) {
        self.places.resume();
    }

    /// Lets all who wait go on, to find the executor closed; nobody of the next life.
    pub(crate) fn close(&self, is_this_life: impl Fn() -> bool) {
        loop {
            let popped = {
                let mut waiters = self.queue.lock();
                // Under the lock under which those of the next life find that it is open.
                if !is_this_life() || !self.places.push_through() {
                    return;
                }
                waiters.pop().expect("`waiting` counts the linked")
            };
            popped.resume();
        }
    }

    /// Whether nobody has a place, waits for one or gives one back.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The limit; 0 for none.
    #[inline]
    pub(crate) fn limit(&self) -> u32 {
        self.places.limit.load(Ordering::Relaxed)
    }

    /// The limit of the executor's next life, before it opens.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.places.limit.store(limit, Ordering::Relaxed);
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;
