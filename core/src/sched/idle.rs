//! Who sleeps, who searches, whom to wake.
//!
//! # One executor: no wake is lost
//! A word counts sleeping and searching carriers; a carrier's own `asleep` flag says which.
//!
//! | who         | does, in this order                                                         |
//! |-------------|-----------------------------------------------------------------------------|
//! | a pusher    | makes the task visible; looks at the word; if somebody sleeps and nobody    |
//! |             | searches, turns one of the sleeping into the one that searches, takes an    |
//! |             | `asleep` flag, and wakes its carrier                                        |
//! | a sleeper   | sets its flag, counts itself; looks at all queues again; sleeps only if     |
//! |             | they are empty                                                              |
//! | the same,   | uncounts itself, takes its flag back; if a pusher took it first, counts     |
//! | awake       | itself again (the pusher uncounted it) and is the searcher; if it took its  |
//! |             | flag back because it saw something, it is a searcher again: who pushed that |
//! |             | relied on one                                                               |
//! | a searcher  | found something: gives up `searching`; if it was the last, and there is     |
//! |             | more, does what a pusher does after its push                                |
//! | a searcher  | found nothing: becomes a sleeper                                            |
//! | a carrier   | finds work after it had none: if nobody sleeps or searches, and the policy  |
//! |             | has carriers that were not started yet, starts one                          |
//!
//! Pusher and sleeper both write, then look, and all four are SeqCst: one sees the other. A
//! pusher that finds no flag (its sleeper woke by itself) undoes its change and looks once more,
//! because another pusher may have relied on the searcher that there was not; so may a carrier that
//! got work, and started no other one.
//!
//! The owner's push to its own queue is only a release store; before it mounts the next task its
//! pop is a SeqCst exchange, and then it looks at the word. So it wakes nobody for the task that
//! it runs next itself, and somebody for those behind. Where the next task is not popped from that
//! queue (a share of the injector, one that was robbed, or had no stack), `publish` stands for the
//! exchange.
//!
//! **A wake of one carrier**, for a task that must run there (`home.rs`). Its inbox is looked at
//! by nobody else, so it does not matter who else sleeps or searches:
//!
//! | who         | does, in this order                                                         |
//! |-------------|-----------------------------------------------------------------------------|
//! | a pusher    | puts the task into the inbox; if the carrier's flag is set: turns a sleeping|
//! |             | into a searching one in the word, takes the flag, and wakes the carrier; if |
//! |             | somebody else has the flag, undoes that, and looks at the queues            |
//! | the sleeper | sets its flag, counts itself; looks at its inbox as well                    |
//!
//! Push and flag, flag and inbox are SeqCst, and one sees the other. If somebody else has taken
//! the flag, that one wakes the carrier, which looks at its inbox. The word is changed before the
//! flag is taken, as above, for the owner counts itself again if it has lost its flag. Unlike
//! above it is changed whatever it says: so there may be several searchers, and for a moment,
//! while several pushers find one flag, more than there are sleepers. Whoever relied on a searcher
//! that there was not is served by the look that follows the undoing; one that a carrier has
//! become stops when it finds its task, and if it was the last it wakes somebody for the rest.
//!
//! # One runtime: the poller and its deputy
//! The first carrier that has nothing to do takes the poller and sleeps in it; the second is its
//! deputy. While any carrier runs, both look around every [`TICK`]: they serve the wheels of
//! carriers that are busy in one virtual thread, take over the poller if its owner is, and steal.
//! When nothing has run for [`QUIET_TICKS`] they doze: no tick at all. A runtime with one carrier
//! dozes at once. So that there is somebody who looks around, the last carrier to get work starts
//! one more as long as there is one to start: a task that is the first in its carrier's queue was
//! told to nobody, and that carrier may compute.
//!
//! A carrier that gets work, or ends, hands on: it wakes a lookout that dozes; if there is no
//! lookout at all, it wakes any sleeper, who will take the poller. A sleeper without a role looks
//! once more, after its `asleep` flag is set, whether the poller is free; the one who hands on has
//! left the poller before it looks for flags. A busy carrier that serves the poller in passing
//! holds the role for that long, and hands on when it leaves. All of this is SeqCst: one sees the
//! other.
//!
//! Both halves are also models that are checked exhaustively: `docs/models`.

use crate::prim::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::time::MILLISECOND;

/// How often a carrier on the lookout looks around, in nanoseconds.
pub(crate) const TICK: u64 = 10 * MILLISECOND;

/// Ticks without anything running before a lookout dozes.
pub(crate) const QUIET_TICKS: u32 = 10;

const SEARCHING: u64 = 1;
/// The upper half is signed: it may be short while a sleeper and pushers uncount the same one.
const SLEEPING: u64 = 1 << 32;

const fn searching(word: u64) -> u32 {
    word as u32
}

const fn sleeping(word: u64) -> i32 {
    (word >> 32) as i32
}

/// The word of one executor.
#[derive(Debug)]
pub(crate) struct Idle(AtomicU64);

impl Idle {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether what a carrier leaves in its queue should be told: somebody may be woken, or
    /// nobody is idle and the executor may grow.
    pub(crate) fn wants_help(&self) -> bool {
        // SeqCst: the pusher's look.
        searching(self.0.load(Ordering::SeqCst)) == 0
    }

    /// Whether anybody sleeps or searches, and so will find what was pushed.
    pub(crate) fn has_anyone(&self) -> bool {
        let word = self.0.load(Ordering::SeqCst);
        sleeping(word) > 0 || searching(word) > 0
    }

    /// Whether all of the `active` carriers sleep.
    pub(crate) fn are_asleep(&self, active: u32) -> bool {
        sleeping(self.0.load(Ordering::SeqCst)) >= active as i32
    }

    /// A pusher turns a sleeping carrier into a searching one; it has yet to find which.
    pub(crate) fn begin_wake(&self) -> bool {
        let mut word = self.0.load(Ordering::SeqCst);
        while sleeping(word) > 0 && searching(word) == 0 {
            match self.0.compare_exchange_weak(
                word,
                word.wrapping_sub(SLEEPING) + SEARCHING,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The same for one carrier, which a pusher saw asleep: whoever else searches.
    pub(crate) fn begin_wake_of_one(&self) {
        self.0.fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
    }

    /// The pusher found no flag.
    pub(crate) fn undo_wake(&self) {
        self.0.fetch_add(SLEEPING.wrapping_sub(SEARCHING), Ordering::SeqCst);
    }

    /// An awake carrier asks to search; at most half of the `active` ones may.
    pub(crate) fn begin_search(&self, active: u32) -> bool {
        let mut word = self.0.load(Ordering::SeqCst);
        while 2 * searching(word) < active {
            match self.0.compare_exchange_weak(
                word,
                word + SEARCHING,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// A searcher stops; true if it was the last.
    pub(crate) fn stop_searching(&self) -> bool {
        searching(self.0.fetch_sub(SEARCHING, Ordering::SeqCst)) == 1
    }

    /// A carrier is about to sleep, its flag is set; a searcher is one no more.
    pub(crate) fn fall_asleep(&self, was_searching: bool) {
        let change = SLEEPING.wrapping_sub(u64::from(was_searching) * SEARCHING);
        self.0.fetch_add(change, Ordering::SeqCst);
    }

    /// A sleeper uncounts itself, before it takes its flag back.
    pub(crate) fn wake_up(&self) {
        self.0.fetch_sub(SLEEPING, Ordering::SeqCst);
    }

    /// A sleeper that saw work searches for it, however many do.
    pub(crate) fn search_on(&self) {
        self.0.fetch_add(SEARCHING, Ordering::SeqCst);
    }

    /// A pusher had the flag first, and has uncounted the sleeper too.
    pub(crate) fn was_woken(&self) {
        self.0.fetch_add(SLEEPING, Ordering::SeqCst);
    }
}

/// A role that one sleeping carrier has.
#[derive(Debug)]
pub(crate) struct Role {
    /// The carrier's number plus one; 0 for nobody.
    holder: AtomicU32,
    /// The holder sleeps without a tick.
    dozes: AtomicBool,
}

impl Role {
    fn new() -> Self {
        Self { holder: AtomicU32::new(0), dozes: AtomicBool::new(false) }
    }

    /// Takes the role if nobody has it. SeqCst, as all of the role: see the module's head.
    pub(crate) fn take(&self, carrier: u16) -> bool {
        let free = self.holder.compare_exchange(
            0,
            u32::from(carrier) + 1,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        free.is_ok()
    }

    /// Gives the role up; only its holder may.
    pub(crate) fn leave(&self) {
        self.dozes.store(false, Ordering::SeqCst);
        self.holder.store(0, Ordering::SeqCst);
    }

    pub(crate) fn set_dozing(&self, dozes: bool) {
        self.dozes.store(dozes, Ordering::SeqCst);
    }

    /// Whether nobody has it.
    pub(crate) fn is_free(&self) -> bool {
        self.holder.load(Ordering::SeqCst) == 0
    }

    /// Whether `carrier` has it.
    pub(crate) fn is_held_by(&self, carrier: u16) -> bool {
        self.holder.load(Ordering::SeqCst) == u32::from(carrier) + 1
    }

    /// The holder, if it dozes.
    pub(crate) fn dozer(&self) -> Option<u16> {
        if !self.dozes.load(Ordering::SeqCst) {
            return None;
        }
        self.holder.load(Ordering::SeqCst).checked_sub(1).map(|holder| holder as u16)
    }
}

/// What the carriers of one runtime share.
#[derive(Debug)]
pub(crate) struct Lookout {
    pub poller: Role,
    pub deputy: Role,
    /// Carriers that run virtual threads.
    pub running: AtomicU32,
}

impl Lookout {
    pub(crate) fn new() -> Self {
        Self { poller: Role::new(), deputy: Role::new(), running: AtomicU32::new(0) }
    }
}

#[cfg(all(test, loom))]
mod loom;
