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
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `kept` is touched on the carrier's own OS thread only,
//! and whoever puts a task anywhere has claimed it.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::prim::Ordering;
use crate::sched::carrier::Carrier;
use crate::sched::executor::Executor;
use crate::task::header::Task;

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
        task: NonNull<Task>,
        here: Option<&'static Carrier>,
    ) -> bool {
        // SAFETY: records are never unmapped.
        let stays = self.keeps_home() && unsafe { task.as_ref() }.state.is_started();
        if stays {
            // SAFETY: as the caller says.
            unsafe { self.queue_at_home(task, here) };
        }
        stays
    }

    /// # Safety
    /// The caller has claimed `task`, which was started on a carrier of this executor.
    #[inline(never)]
    unsafe fn queue_at_home(&'static self, task: NonNull<Task>, here: Option<&'static Carrier>) {
        // SAFETY: records are never unmapped.
        let record = unsafe { task.as_ref() };
        // Relaxed: written by the carrier that started it, long before anybody could claim it.
        let home = self.runtime.carrier(record.home.load(Ordering::Relaxed).into());
        if here.is_some_and(|here| ptr::eq(here, home)) {
            // SAFETY: on the home's own thread; the task is the caller's.
            unsafe { home.keep(task) };
        } else {
            // SAFETY: the task is the caller's, so it is in no queue.
            unsafe { home.inbox.push(task) };
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
        if self.has_work() {
            self.notify();
        }
    }
}

impl Carrier {
    /// `record` starts here.
    #[inline]
    pub(super) fn settle(&self, record: &Task) {
        if self.executor.keeps_home() {
            record.home.store(self.id().0, Ordering::Relaxed);
            self.own(|own| own.homed += 1);
        }
    }

    /// One that started here has ended.
    #[inline]
    pub(super) fn unsettle(&self) {
        if self.executor.keeps_home() {
            self.own(|own| own.homed -= 1);
        }
    }

    /// Whether this is nobody's home.
    pub(super) fn is_homeless(&self) -> bool {
        self.own(|own| own.homed == 0)
    }

    /// Whether none of those that stay here is ready.
    pub(super) fn keeps_none(&self) -> bool {
        self.own(|own| own.kept.is_empty()) && self.inbox.is_empty()
    }

    /// Puts a task behind the others that stay here.
    ///
    /// # Safety
    /// On the carrier's own OS thread; the caller has claimed `task`, whose home this is.
    unsafe fn keep(&self, task: NonNull<Task>) {
        self.empty_inbox();
        // SAFETY: claimed by the caller, so in no queue.
        self.own(|own| unsafe { own.kept.push_back(task) });
    }

    fn empty_inbox(&self) {
        let mut came = self.inbox.pop_batch(usize::MAX);
        self.own(|own| own.kept.append(&mut came));
    }

    /// The oldest of those that stay here.
    fn next_kept(&self) -> Option<NonNull<Task>> {
        if let Some(task) = self.own(|own| own.kept.pop_front()) {
            return Some(task);
        }
        self.empty_inbox();
        self.own(|own| own.kept.pop_front())
    }

    /// From run queue, `kept` and injector, each of them first in one turn of three.
    pub(super) fn next_in_turn(&'static self, turn: u32) -> Option<NonNull<Task>> {
        (0..3).find_map(|step| match (turn % 3 + step) % 3 {
            0 => self.next_in_queue(),
            1 => self.next_kept().inspect(|_| self.offer_queue()),
            _ if self.queue.is_empty() => self.take_share(),
            _ => self.executor.injector.pop().inspect(|_| self.offer_queue()),
        })
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
