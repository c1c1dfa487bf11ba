//! The state word of a virtual thread: one word decides every resume, cancel, join and reuse.
//!
//! Its layout is in `state/word.rs`: phase, flags, and the number of the present wait in the
//! present life of the record. The last two are a `Ticket`: what a timer, a readiness registration
//! or a wait queue remembers. A claim with an old ticket is refused, so nothing left over from one
//! wait can end the next; nor one that has the same number later (`state/outside.rs`). Ready and
//! running are one phase, `Active`: nobody but the carrier that has the task may act on the
//! difference, and a yield need not touch the word.
//!
//! | from                 | event                         | by       | to        | then        |
//! |----------------------|-------------------------------|----------|-----------|-------------|
//! | Free                 | open                          | spawner  | New       | nothing     |
//! | New                  | submit                        | anyone   | Active    | enqueue     |
//! | Active, not started  | unsubmit                      | submitter| New       | nothing     |
//! | the same, not held   | unsubmit                      | submitter| Dropping  | discard     |
//! | Active, not started  | start                         | carrier  | started   | switch in   |
//! | Active               | park, and a heeded wake came  | itself   | next wait | go on       |
//! | Active               | commit_park                   | carrier  | Parked    | nothing     |
//! | Active               | the same, a heeded wake came  | carrier  | next wait | enqueue     |
//! | New, Active          | unpark                        | anyone   | permit    | nothing     |
//! | Parked, heeds permit | unpark                        | anyone   | Active    | enqueue     |
//! | Parked, does not     | unpark                        | anyone   | permit    | nothing     |
//! | New, Active          | wake, ticket is this wait's   | anyone   | woken     | nothing     |
//! | Parked               | wake, ticket is this wait's   | anyone   | Active    | enqueue     |
//! | any                  | wake, ticket is another's     | anyone   | unchanged | nothing     |
//! | Parked inside        | wake, ticket is this wait's   | anyone   | woken     | nothing     |
//! | Active               | wake inside                   | anyone   | woken ins.| nothing     |
//! | Parked inside        | wake inside                   | anyone   | Active    | enqueue     |
//! | New                  | abandon                       | holder   | Dropping  | discard     |
//! | Active               | abandon                       | holder   | not held  | nothing     |
//! | New; Active, not st. | cancel                        | anyone   | Dropping  | discard     |
//! | Active, started      | cancel                        | anyone   | cancel    | nothing     |
//! | Parked, heeds cancel | cancel                        | anyone   | Active    | enqueue     |
//! | Parked, does not     | cancel                        | anyone   | cancel    | nothing     |
//! | Dropping             | complete                      | canceller| Completed | wake joiners|
//! | Active               | complete                      | carrier  | Completed | wake joiners|
//! | Completed            | the last of held, engaged and | its      | Free, next| reuse       |
//! |                      | pinned is released            | releaser | generation|             |
//!
//! Only a carrier that has left the task's stack writes `Parked` or, for a task that ran,
//! `Completed`. Leaving a park ends the wait: the number goes up, and what the wait heeded
//! (permit, woken) is used up. A late `start` of a task that was cancelled in its queue finds
//! `Dropping` or `Completed` and only lets go.
//!
//! **Inside** is a wait of the runtime's own within a call (join, a lock, a place at an executor).
//! It is part of the user's present wait: it does not change the number, and leaves permit, woken
//! and what is registered as they are. A cancel request ends it if the call may answer so.

pub(crate) mod outside;
mod word;

use crate::prim::{AtomicU64, Ordering};
use crate::state::word::{
    CANCEL, ENGAGED, GENERATION_SHIFT, HEEDS_CANCEL, HEEDS_PERMIT, HELD, JOINED, PERMIT, PINNED,
    STARTED, WOKEN, WOKEN_INSIDE, Word,
};
pub(crate) use crate::state::word::{Heeds, LAST_GENERATION, Phase, Ticket};

/// What the caller of a transition must do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// Put the task into a run queue: the caller alone has claimed it.
    Enqueue,
}

/// The answer to `unsubmit`.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsubmitted {
    /// It is new again, and its holder's.
    New,
    /// Its handle was given up meanwhile: the caller must drop the entry, as for `Discard`.
    Discard,
    /// It was cancelled meanwhile: the caller must `release` `Engagement`.
    Cancelled,
}

/// What `submitted` found: a life that an executor answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The life.
    pub generation: u32,
    /// A run queue, a carrier or a submitter has the record.
    pub engaged: bool,
    /// It has ended, and only has to be let go of.
    pub ended: bool,
}

/// The answer to `cancel`.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// It will never run: the caller must drop the entry, then `complete` and `release` `Pin`.
    Discard,
    /// The request is recorded and the task claimed: the caller must enqueue it.
    Enqueue,
    /// The request is recorded.
    Recorded,
    /// Completed or stale: there is nothing to cancel.
    Gone,
}

/// Who may keep a record from being reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The handle.
    Handle,
    /// A run queue or a carrier.
    Engagement,
    /// A canceller.
    Pin,
}

impl Hold {
    const fn flag(self) -> u64 {
        match self {
            Self::Handle => HELD,
            Self::Engagement => ENGAGED,
            Self::Pin => PINNED,
        }
    }
}

/// The word. See the table above; `transition` is the only writer of a record in use.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

impl State {
    /// A record that was never used.
    pub(crate) fn free() -> Self {
        Self(AtomicU64::new(1 << GENERATION_SHIFT))
    }

    /// Begins a life; only for the owner of a free record. Returns its generation.
    pub(crate) fn open(&self) -> u32 {
        // Relaxed: the record came to its owner through a free list, under a lock or unshared.
        let word = Word(self.0.load(Ordering::Relaxed));
        assert_eq!(word.phase(), Phase::Free, "a record in use was given out again");
        // Release publishes the entry to whoever gets the handle; pairs with the acquire in
        // `transition` and `load`.
        self.0.store(word.to(Phase::New).with(HELD).0, Ordering::Release);
        word.generation()
    }

    /// New to Active. Refuses every other phase.
    pub(crate) fn submit(&self, generation: u32) -> Then {
        self.transition(|word| match word.phase() {
            Phase::New if word.generation() == generation => {
                (Some(word.to(Phase::Active).with(ENGAGED)), Then::Enqueue)
            }
            _ => (None, Then::Nothing),
        })
    }

    /// Takes a submit back, before the task was queued; only for whom `submit` told to enqueue.
    pub(crate) fn unsubmit(&self, generation: u32) -> Unsubmitted {
        self.transition(|word| {
            debug_assert_eq!(word.generation(), generation, "the submitter's engagement holds it");
            let rest = word.without(ENGAGED);
            match word.phase() {
                Phase::Active if word.has(HELD) => (Some(rest.to(Phase::New)), Unsubmitted::New),
                Phase::Active => {
                    (Some(rest.to(Phase::Dropping).with(PINNED)), Unsubmitted::Discard)
                }
                _ => (None, Unsubmitted::Cancelled),
            }
        })
    }

    /// The present life, if it was submitted and not let go of, or is being dropped.
    pub(crate) fn submitted(&self) -> Option<Standing> {
        let word = self.load();
        let engaged = word.has(ENGAGED);
        (engaged || word.phase() == Phase::Dropping).then(|| Standing {
            generation: word.generation(),
            engaged,
            ended: word.phase() == Phase::Completed,
        })
    }

    /// How far the life `generation` has come; none if it is over and let go of.
    pub(crate) fn phase(&self, generation: u32) -> Option<Phase> {
        let word = self.load();
        let is_there = word.generation() == generation && word.phase() != Phase::Free;
        is_there.then_some(word.phase())
    }

    /// For who queues a new task, and takes it from its queue: whether it still has to run.
    #[inline]
    pub(crate) fn will_start(&self) -> bool {
        self.load().phase() == Phase::Active
    }

    /// For the carrier that took the task from its queue: whether it has run before.
    #[inline]
    pub(crate) fn is_started(&self) -> bool {
        // Relaxed: the flag was set by a carrier that had the task before this one, and the task
        // came here through a queue.
        Word(self.0.load(Ordering::Relaxed)).has(STARTED)
    }

    /// The first mount; false if the task was cancelled in its queue and must be let go.
    pub(crate) fn start(&self) -> bool {
        self.transition(|word| match word.phase() {
            Phase::Active => (Some(word.with(STARTED)), true),
            _ => (None, false),
        })
    }

    /// On the task itself: ends the wait at once if its cause is there already.
    #[inline]
    pub(crate) fn end_wait(&self, heeds: Heeds) -> bool {
        if !self.load().has(heeds.ends()) {
            return false;
        }
        // Others only add causes.
        self.transition(|word| (Some(heeds.end(word)), true))
    }

    /// Ends a park. Runs on the carrier's own stack, after the switch.
    #[inline]
    pub(crate) fn commit_park(&self, heeds: Heeds) -> Then {
        self.transition(|word| match word.has(heeds.ends()) {
            true => (Some(heeds.end(word)), Then::Enqueue),
            false => (Some(word.to(Phase::Parked).with(heeds.bits())), Then::Nothing),
        })
    }

    /// One pending wake, or the claim of a parked task.
    #[inline]
    pub(crate) fn unpark(&self, generation: u32) -> Then {
        self.transition(|word| {
            if word.generation() != generation {
                return (None, Then::Nothing);
            }
            match word.phase() {
                Phase::Parked if word.has(HEEDS_PERMIT) => (Some(word.next_wait(0)), Then::Enqueue),
                Phase::New | Phase::Active | Phase::Parked => {
                    (Some(word.with(PERMIT)), Then::Nothing)
                }
                _ => (None, Then::Nothing),
            }
        })
    }

    /// The claim of a registration: only in its own wait.
    #[inline]
    pub(crate) fn wake(&self, ticket: Ticket) -> Then {
        self.transition(|word| {
            if word.ticket() != ticket {
                return (None, Then::Nothing);
            }
            match word.phase() {
                Phase::Parked if word.has(HEEDS_PERMIT) => (Some(word.next_wait(0)), Then::Enqueue),
                Phase::New | Phase::Active | Phase::Parked => {
                    (Some(word.with(WOKEN)), Then::Nothing)
                }
                _ => (None, Then::Nothing),
            }
        })
    }

    /// The claim of what a wait inside waits for.
    #[inline]
    pub(crate) fn wake_inside(&self, ticket: Ticket) -> Then {
        self.transition(|word| {
            if word.ticket() != ticket {
                return (None, Then::Nothing);
            }
            match word.phase() {
                Phase::Parked => (Some(word.inside_over()), Then::Enqueue),
                _ => (Some(word.with(WOKEN_INSIDE)), Then::Nothing),
            }
        })
    }

    /// On the task itself, after a wait inside: forgets a second cause that came late.
    #[inline]
    pub(crate) fn end_inside(&self) {
        let _ = self.end_wait(Heeds::Inside);
    }

    /// Asks for cancellation.
    pub(crate) fn cancel(&self, generation: u32) -> Cancelled {
        let discard =
            |word: Word| (Some(word.to(Phase::Dropping).with(PINNED | CANCEL)), Cancelled::Discard);
        self.transition(|word| {
            if word.generation() != generation {
                return (None, Cancelled::Gone);
            }
            match word.phase() {
                Phase::New => discard(word),
                Phase::Active if !word.has(STARTED) => discard(word),
                Phase::Parked if word.has(HEEDS_CANCEL) => {
                    let next = match word.has(HEEDS_PERMIT) {
                        true => word.next_wait(0),
                        false => word.inside_over(),
                    };
                    (Some(next.with(CANCEL)), Cancelled::Enqueue)
                }
                Phase::Active | Phase::Parked => (Some(word.with(CANCEL)), Cancelled::Recorded),
                Phase::Dropping => (None, Cancelled::Recorded),
                Phase::Free | Phase::Completed => (None, Cancelled::Gone),
            }
        })
    }

    /// Gives the handle up. A task that was never submitted can never run now, and answers
    /// `Discard`; any other goes on by itself, and answers `Recorded`. `Gone` asks the caller to
    /// see whether the record is free, with `release`.
    pub(crate) fn abandon(&self, generation: u32) -> Cancelled {
        self.transition(|word| {
            if word.generation() != generation {
                return (None, Cancelled::Gone);
            }
            match word.phase() {
                Phase::New => {
                    let word = word.to(Phase::Dropping).with(PINNED).without(HELD);
                    (Some(word), Cancelled::Discard)
                }
                // At once: a submitter that takes the submit back must not leave it to nobody.
                Phase::Active => (Some(word.without(HELD)), Cancelled::Recorded),
                _ => (None, Cancelled::Recorded),
            }
        })
    }

    /// The end. The caller keeps its hold, wakes joiners if told so, and then releases.
    ///
    /// SeqCst, with `is_over`: a registration that is made meanwhile either sees the end, or is
    /// seen by the caller, who looks for registrations afterwards.
    pub(crate) fn complete(&self) -> bool {
        self.transition(|word| (Some(word.to(Phase::Completed)), word.has(JOINED)))
    }

    /// Lets go of one hold; true if it was the last, and the caller must reuse the record.
    pub(crate) fn release(&self, hold: Hold, generation: u32) -> bool {
        self.transition(|word| {
            if word.generation() != generation || !word.has(hold.flag()) {
                return (None, false);
            }
            let rest = word.without(hold.flag());
            let last = rest.phase() == Phase::Completed && !rest.has(HELD | ENGAGED | PINNED);
            (Some(if last { rest.to(Phase::Free) } else { rest }), last)
        })
    }

    /// Ends a life; only for whom `release` told so. False if the record is worn out.
    pub(crate) fn close(&self) -> bool {
        let next = Word(self.0.load(Ordering::Relaxed)).generation() + 1;
        // Release: the next `open`, or a stale handle's load, sees the record as it was left.
        self.0.store(u64::from(next) << GENERATION_SHIFT, Ordering::Release);
        next < LAST_GENERATION
    }

    /// Before a joiner waits: false if there is nothing to wait for.
    pub(crate) fn expect_joiner(&self, generation: u32) -> bool {
        self.transition(|word| match word.generation() == generation {
            true if !matches!(word.phase(), Phase::Completed | Phase::Free) => {
                (Some(word.with(JOINED)), true)
            }
            _ => (None, false),
        })
    }

    /// Whether this life has ended; its writes are visible to whoever sees it so.
    #[inline]
    pub(crate) fn is_completed(&self, generation: u32) -> bool {
        let word = self.load();
        word.generation() != generation || matches!(word.phase(), Phase::Completed | Phase::Free)
    }

    /// Whether a cancel was asked for.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.load().has(CANCEL)
    }

    /// The present wait of the life `generation`, unless it has ended. For `Outsider`.
    pub(crate) fn ticket(&self, generation: u32) -> Option<Ticket> {
        let word = self.load();
        let alive = matches!(word.phase(), Phase::New | Phase::Active | Phase::Parked);
        (word.generation() == generation && alive).then_some(word.ticket())
    }

    /// The next wait is the first of a round.
    #[cfg(all(test, loom))]
    pub(crate) fn skip_to_the_last_of_a_round(&self) {
        let word = self.load().0;
        self.0.store(word | word::LAST_OF_A_ROUND, Ordering::Relaxed);
    }

    /// The present wait; only for the task itself.
    #[inline]
    pub(crate) fn own_ticket(&self) -> Ticket {
        Word(self.0.load(Ordering::Relaxed)).ticket()
    }

    /// Whether the wait of `ticket` has ended, or its task.
    pub(crate) fn is_over(&self, ticket: Ticket) -> bool {
        let word = self.load();
        let over = matches!(word.phase(), Phase::Completed | Phase::Dropping | Phase::Free);
        word.ticket() != ticket || over
    }

    /// The generation of the present life.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        Word(self.0.load(Ordering::Relaxed)).generation()
    }

    /// Both at one moment, for who only looks.
    pub(crate) fn phase_and_generation(&self) -> (Phase, u32) {
        let word = Word(self.0.load(Ordering::Relaxed));
        (word.phase(), word.generation())
    }

    /// SeqCst: pairs with the SeqCst exchange in `transition`, so that "I registered, then
    /// looked" and "I ended the wait, then looked for registrations" cannot both miss.
    #[inline]
    fn load(&self) -> Word {
        Word(self.0.load(Ordering::SeqCst))
    }

    /// The only writer of a record in use; `None` refuses and writes nothing. An event that
    /// counts is stored even if the word is unchanged: a second unpark must release what its
    /// caller did before it, although the permit is there already. SeqCst, and therefore also:
    /// acquires what the others did before theirs.
    #[inline]
    fn transition<R>(&self, step: impl Fn(Word) -> (Option<Word>, R)) -> R {
        let mut seen = self.load().0;
        loop {
            let (next, answer) = step(Word(seen));
            let Some(next) = next else { return answer };
            match self.0.compare_exchange_weak(seen, next.0, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return answer,
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom;
