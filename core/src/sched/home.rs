//! Virtual threads that do not migrate: each stays on the carrier that started it.
//!
//! On an executor whose policy says so, the run queue and the injector have only tasks that have
//! not started; those are shared and stolen as ever. A started one is in one of two places:
//!
//! | place   | who puts it there                          | who takes it out                   |
//! |---------|--------------------------------------------|------------------------------------|
//! | `kept`  | its home carrier, for itself; no lock      | the same                           |
//! | `inbox` | anybody else, and then wakes the carrier   | its home, all at once, into `kept` |
//!
//! First in, first out: the home empties its inbox before it puts another one behind. It takes
//! from run queue, `kept` and injector in turn, so none of them starves. That no wake is lost is
//! in `idle.rs`. A carrier does not end while it is anybody's home.
//!
//! An executor with one carrier has nothing to do here: it never looks.
//!
//! # Which carrier becomes a home
//! A home is for life, so it is chosen when a task is about to start, and the carrier with the
//! fewest live tasks should become it. An accept loop shows why: its carrier is awake and has
//! nothing else to do, so it would start every connection itself.
//!
//! A carrier that is about to start a task is **crowded** if it is the home of more than [`LEAD`]
//! tasks more than another of the carriers that stay (`min_threads`), those counted that were
//! offered and not taken. A crowded carrier puts the task into its executor's `offered` instead,
//! and wakes the other carrier if that one sleeps, or starts it.
//!
//! | who                              | does with `offered`                                      |
//! |----------------------------------|----------------------------------------------------------|
//! | a carrier that is the home of    | takes the oldest, in its turn, and starts it for certain |
//! | fewer than another               |                                                          |
//! | a crowded carrier, after others  | leaves it to them for [`PATIENCE`], then takes it        |
//! | one that falls asleep            | sleeps no longer than that while there is any            |
//! | a lookout, a standby             | counts it as work that waits                             |
//!
//! So a task that was offered depends on nobody: the carrier that offered it comes back to it, and
//! if that one computes meanwhile, the lookout sees to it. A carrier that was seen in one turn of a
//! task for as long as [`PATIENCE`] computes, and is offered nothing.
//!
//! To wake another CPU costs as much as hundreds of short tasks, so only tasks that **last** count.
//! Each start is evidence that they do, and each task that ends within [`BRIEF`] turns of its
//! carrier is evidence against it, of twice the weight. A carrier offers only after [`EVIDENCE`]
//! starts more, and then one task to each of the others for each one that it starts. A program that
//! spawns and joins, one at a time or in batches, never offers; one whose homes are uneven because
//! connections ended pays for no short task either.
//!
//! Rejected: to hand a task straight to the other carrier's inbox, where nobody else could take it
//! if that carrier begins to compute; to decide at the spawn, when nobody knows yet who has time.
//!
//! | word of a carrier | written by                              | read by                        |
//! |-------------------|-----------------------------------------|--------------------------------|
//! | `homed`           | its owner: live tasks that started here | who looks for a home; a guess  |
//! | `seen`            | who looks: `turns` in the upper half,   | the same; a guess: a lost      |
//! |                   | and when they were that first           | write only begins anew         |
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `kept` is touched on the carrier's own OS thread only,
//! and whoever puts a task anywhere has claimed it.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::prim::Ordering;
use crate::sched::carrier::Turn;
use crate::sched::parts::{Carrier, Executor, Life, Newcomers};
use crate::task::header::Task;
use crate::time::{Instant, MILLISECOND};

/// How many live tasks more than another a carrier may be the home of before it is crowded.
const LEAD: u32 = 4;

/// Turns within which a task that ends was brief.
const BRIEF: u16 = 64;

/// Starts in a row, without a brief task, from which on new tasks are expected to last.
const EVIDENCE: u32 = 4;

/// How long an idle carrier that is crowded leaves what was offered to others, in nanoseconds.
const PATIENCE: u64 = 2 * MILLISECOND;

/// The same for a busy one, which reads no clock: looks of `serve`.
const PATIENT_LOOKS: u32 = 16;

/// The unit of time of `Carrier::seen`, in nanoseconds.
const SEEN_UNIT: u64 = 1 << 18;

impl Executor {
    /// Whether its started tasks stay where they are.
    #[inline]
    pub(super) fn keeps_home(&self) -> bool {
        !self.is_solo() && !self.terms.migrates()
    }

    /// Queues a started task at its home, if it has to stay there; false if it may run anywhere.
    /// `here` is the carrier of this OS thread, if it is one of this executor.
    ///
    /// # Safety
    /// The caller has claimed `task`, one of this executor, and gives it up if this is true.
    #[inline]
    pub(super) unsafe fn send_home(
        &'static self,
        task: &'static Task,
        here: Option<&'static Carrier>,
    ) -> bool {
        let stays = self.keeps_home() && task.state.is_started();
        if stays {
            // SAFETY: as the caller says.
            unsafe { self.queue_at_home(task, here) };
        }
        stays
    }

    /// # Safety
    /// The caller has claimed `task`, which was started on a carrier of this executor.
    #[inline(never)]
    unsafe fn queue_at_home(&'static self, task: &'static Task, here: Option<&'static Carrier>) {
        // Relaxed: written by the carrier that started it, long before anybody could claim it.
        let home = self.runtime.carrier(task.home.load(Ordering::Relaxed).into());
        if here.is_some_and(|here| ptr::eq(here, home)) {
            // SAFETY: on the home's own thread; the task is the caller's.
            unsafe { home.keep(task) };
        } else {
            // SAFETY: the task is the caller's, so it is in no queue.
            unsafe { home.inbox.push(task.into()) };
            self.wake_home(home);
        }
    }

    /// After a push into the inbox of `home`: wakes it if it sleeps.
    fn wake_home(&'static self, home: &'static Carrier) {
        // SeqCst within, after the push; pairs with the store in `sleep`.
        if !home.is_asleep() {
            return;
        }
        self.idle.begin_wake_of_one();
        if home.take_sleeper() {
            self.runtime.platform().carrier_wake(home.id());
            return;
        }
        self.idle.undo_wake();
        match self.has_work() {
            true => self.notify(),
            false => self.grow_if_nobody_looks(),
        }
    }
}

impl Carrier {
    /// `record` starts here.
    #[inline]
    pub(super) fn settle(&self, task: &Task) {
        if !self.own.stays.get() {
            return;
        }
        task.home.store(self.id().0, Ordering::Relaxed);
        task.began.store(self.turns.load(Ordering::Relaxed) as u16, Ordering::Relaxed);
        self.homed.store(self.homed() + 1, Ordering::Relaxed);
        let others = self.executor.terms.min_threads().saturating_sub(1);
        let most = 2 * EVIDENCE * others;
        let last = &self.own.newcomers.last;
        last.set((last.get() + others).min(most));
    }

    /// `record`, which started here, has ended.
    #[inline]
    pub(super) fn unsettle(&self, task: &Task) {
        if !self.own.stays.get() {
            return;
        }
        self.homed.store(self.homed() - 1, Ordering::Relaxed);
        let began = task.began.load(Ordering::Relaxed);
        if (self.turns.load(Ordering::Relaxed) as u16).wrapping_sub(began) <= BRIEF {
            let others = self.executor.terms.min_threads().saturating_sub(1);
            let last = &self.own.newcomers.last;
            last.set(last.get().saturating_sub(2 * others));
        }
    }

    /// How many live tasks have their home here. Written by this carrier; a guess for others.
    #[inline]
    fn homed(&self) -> u32 {
        self.homed.load(Ordering::Relaxed)
    }

    /// Whether this is nobody's home.
    pub(super) fn is_homeless(&self) -> bool {
        self.homed() == 0
    }

    /// Whether none of those that stay here is ready.
    pub(super) fn keeps_none(&self) -> bool {
        self.own.kept.is_empty() && self.inbox.is_empty()
    }

    /// Puts a task behind the others that stay here.
    ///
    /// # Safety
    /// On the carrier's own OS thread; the caller has claimed `task`, whose home this is.
    unsafe fn keep(&self, task: &'static Task) {
        self.empty_inbox();
        // SAFETY: claimed by the caller, so in no queue.
        unsafe { self.own.kept.push(task.into()) };
    }

    fn empty_inbox(&self) {
        let mut came = self.inbox.pop_batch(usize::MAX);
        self.own.kept.append(&mut came);
    }

    /// The oldest of those that stay here.
    fn next_kept(&self) -> Option<NonNull<Task>> {
        if let Some(task) = self.own.kept.pop() {
            return Some(task);
        }
        self.empty_inbox();
        self.own.kept.pop()
    }

    /// From run queue, `kept`, injector and what was offered, each of them first in one turn of
    /// four.
    pub(super) fn next_in_turn(&'static self, turn: u32) -> Option<NonNull<Task>> {
        (0..4).find_map(|step| match (turn % 4 + step) % 4 {
            0 => self.next_in_queue(),
            1 => self.next_kept().inspect(|_| self.offer_queue()),
            2 if self.queue.is_empty() => self.take_share(),
            2 => self.executor.injector.pop().inspect(|_| self.offer_queue()),
            _ => self.take_offered(false).inspect(|_| self.offer_queue()),
        })
    }

    /// Offers `task`, which is about to start here, to a carrier that is home of fewer; false if
    /// it starts here.
    ///
    /// # Safety
    /// On the carrier's own OS thread; the task is this carrier's, and was not started. It is
    /// given up if this is true.
    #[inline]
    pub(super) unsafe fn offers(&'static self, task: &'static Task) -> bool {
        let executor = self.executor;
        let Newcomers { accepts, last, .. } = &self.own.newcomers;
        let lasts = self.own.stays.get() & !accepts.replace(false) && last.get() > 0;
        // The last of these looks reads words of other carriers, the first two do not.
        if !lasts || self.homed() <= LEAD {
            return false;
        }
        let others = executor.terms.min_threads().saturating_sub(1);
        let enough = last.get() >= EVIDENCE * others;
        let Some(other) = (if enough { self.less_crowded() } else { None }) else { return false };
        last.set(last.get() - 1);
        // SAFETY: the task is this carrier's, so it is in no queue.
        unsafe { executor.offered.push(task.into()) };
        match other.life.load(Ordering::Relaxed) == Life::Off as u8 {
            true => executor.grow(),
            // SeqCst within, after the push; pairs with `sleep`.
            false => executor.wake_home(other),
        }
        true
    }

    /// The carrier that should become the next home, if this one is crowded.
    #[inline(never)]
    fn less_crowded(&'static self) -> Option<&'static Carrier> {
        let executor = self.executor;
        let staying = executor.terms.min_threads();
        let waiting = executor.offered.len() as u32 / staying.saturating_sub(1).max(1);
        let most = self.homed().saturating_sub(LEAD + waiting);
        let start = self.own.tick.get() % staying.max(1);
        let now = executor.runtime.platform().now();
        // Several are as good: not always the same one.
        (0..staying)
            .map(|step| u32::from(executor.first) + (start + step) % staying)
            .map(|index| executor.runtime.carrier(index as usize))
            .filter(|other| !ptr::eq(*other, self) && other.homed() < most)
            .filter(|other| other.stuck_for(now) < PATIENCE)
            .min_by_key(|other| other.homed())
    }

    /// How long this carrier has been in one turn of a task, as far as anybody has seen, in
    /// nanoseconds: what passed since the first look at that turn.
    pub(super) fn stuck_for(&self, now: Instant) -> u64 {
        if self.current_elsewhere().is_none() {
            return 0;
        }
        let turns = self.turns.load(Ordering::Relaxed);
        let now = (now.0 / SEEN_UNIT) as u32;
        let seen = self.seen.load(Ordering::Relaxed);
        if (seen >> 32) as u32 != turns {
            self.seen.store(u64::from(turns) << 32 | u64::from(now), Ordering::Relaxed);
            return 0;
        }
        u64::from(now.wrapping_sub(seen as u32)) * SEEN_UNIT
    }

    /// What was offered, if another carrier is the home of more than this one, or it `must`.
    pub(super) fn take_offered(&'static self, must: bool) -> Option<NonNull<Task>> {
        let executor = self.executor;
        if executor.offered.is_empty() {
            self.own.newcomers.looks.set(0);
            self.own.newcomers.since.set(Instant::FAR);
            return None;
        }
        let is_crowded = |other: &Carrier| other.homed() > self.homed() + LEAD / 2;
        if !must && !executor.carriers().any(is_crowded) {
            return None;
        }
        let task = executor.offered.pop()?;
        self.own.newcomers.accepts.set(true);
        Some(task)
    }

    /// A look of a busy carrier at what was offered: it takes one if nobody does.
    pub(super) fn look_at_offered(&'static self) -> Option<NonNull<Task>> {
        if self.executor.offered.is_empty() {
            self.own.newcomers.looks.set(0);
            return None;
        }
        let looks = &self.own.newcomers.looks;
        looks.set(looks.get() + 1);
        if looks.get() <= PATIENT_LOOKS {
            None
        } else {
            self.take_offered(true).inspect(|_| self.offer_queue())
        }
    }

    /// This carrier has nothing else to do: how to go on while something is offered; none if
    /// nothing is.
    pub(super) fn wait_for_takers(&'static self) -> Option<Turn> {
        if self.executor.offered.is_empty() {
            return None;
        }
        let now = self.executor.runtime.platform().now();
        let since = &self.own.newcomers.since;
        since.set(since.get().min(now));
        Some(Turn::Idle { until: since.get() + PATIENCE })
    }

    /// The same as [`take_offered`](Self::take_offered), for one that has waited for takers.
    pub(super) fn take_back(&'static self) -> Option<NonNull<Task>> {
        let since = self.own.newcomers.since.get();
        let must = since != Instant::FAR
            && !self.executor.offered.is_empty()
            && self.executor.runtime.platform().now() >= since + PATIENCE;
        if must { self.take_offered(true) } else { None }
    }

    /// The run queue has to wait a turn: somebody else may be idle.
    pub(super) fn offer_queue(&'static self) {
        let executor = self.executor;
        if self.queue.is_empty() {
            return;
        }
        // SAFETY: the owner's thread.
        unsafe { self.queue.publish() };
        if executor.idle.wants_help() {
            executor.notify();
        }
    }
}
