//! An executor: carriers, their shared queue, and the policy that admits virtual threads.
//!
//! Carriers start as they are needed: the first at the first submit, up to `min_threads` while
//! work waits and nobody is idle; beyond that, up to `max_threads`, as `standby.rs` says.
//!
//! Its place lives for ever; the executor in it may be shut down (`runtime/shutdown.rs`), and
//! another one made there. So whoever has a handle goes through an [`ExecutorRef`], which knows the
//! life.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: records are never unmapped; only a task's claimer
//! queues it.
#![allow(unsafe_code)]

use core::ptr;

use crate::error::ConcurrencyError;
use crate::link::list::List;
use crate::platform::PlatformError;
use crate::prim::{AtomicU8, Ordering, fence};
use crate::sched::here::current_carrier;
use crate::sched::parts::{Carrier, Executor, ExecutorRef, Life, Runtime};
use crate::sched::policy::ExecutorPolicy;
use crate::task::handle::{Kind, unpack};
use crate::task::header::{InQueue, Task};

impl Runtime {
    /// The executor that a handle names; none if it never named one here.
    #[inline]
    pub fn find_executor(&'static self, handle: i64) -> Option<ExecutorRef> {
        let (index, generation) = unpack(Kind::Executor, self.birth, handle)?;
        let executor = self.executor(index)?;
        (1..=executor.lives.generation())
            .contains(&generation)
            .then_some(ExecutorRef { executor, generation })
    }

    /// The default that Rust has for itself, if it was made.
    #[inline]
    pub fn rust_executor(&'static self) -> Option<ExecutorRef> {
        // Acquire: whoever finds the handle finds the executor; pairs with `make_rust_executor`.
        self.find_executor(self.defaults.rust.load(Ordering::Acquire))
    }

    /// A carrier that never ends, for deadlines that no executor has: the first of a face's own
    /// default, of Rust's if it can be started. If none can, the one of the executor of `task`.
    pub(crate) fn lasting_carrier(&'static self, task: &Task) -> &'static Carrier {
        let first = self.first_executor();
        let mut defaults =
            self.rust_executor().map(|rust| rust.executor).into_iter().chain([first]);
        let served = defaults.find(|executor| executor.ensure_carrier().is_ok());
        // Without any, a deadline waits until there is one; there is nobody to tell.
        let server = served.or_else(|| task.executor()).unwrap_or(first);
        self.carrier(server.first as usize)
    }
}

impl ExecutorRef {
    /// Whether it was not shut down.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.executor.lives.is_open(self.generation)
    }

    /// Its policy; none if it was shut down, and its place has been given out again.
    #[must_use]
    pub fn policy(self) -> Option<ExecutorPolicy> {
        let Executor { terms, admission, max_threads, lives, .. } = self.executor;
        let policy = terms.policy(*max_threads, admission.limit());
        // Acquire, before the look: if a field was written for the next life, its number is seen;
        // pairs with the release in `renew`.
        fence(Ordering::Acquire);
        (lives.generation() == self.generation).then_some(policy)
    }
}

impl Task {
    /// The executor it was submitted to; none before.
    #[inline]
    pub(crate) fn executor(&self) -> Option<&'static Executor> {
        // Acquire pairs with the release in `set_executor`.
        let executor = self.executor.load(Ordering::Acquire).cast::<Executor>();
        // SAFETY: `set_executor` writes an executor, which lives for ever, and `recycle` null.
        unsafe { executor.as_ref() }
    }

    /// It is submitted to `executor`. What the caller wrote before is seen by whoever finds that.
    pub(crate) fn set_executor(&self, executor: &'static Executor) {
        // Release pairs with the acquire in `executor`.
        self.executor.store(ptr::from_ref(executor).cast_mut().cast(), Ordering::Release);
    }
}

impl Executor {
    /// Its next life, if the place is free, has that many carriers, and did alike at its limit:
    /// a submit may be late, and do as its own life said (`admission.rs`).
    pub(crate) fn renew(&'static self, policy: &ExecutorPolicy) -> Option<ExecutorRef> {
        if (self.max_threads, self.terms.saturation()) != (policy.max_threads, policy.saturation) {
            return None;
        }
        let generation = self.lives.take(|| self.admission.is_empty())?;
        // Release pairs with the acquire in `ExecutorRef::policy`.
        fence(Ordering::Release);
        self.terms.set(policy);
        self.admission.set_limit(policy.queue_limit);
        self.lives.open(generation);
        Some(ExecutorRef { executor: self, generation })
    }

    /// Queues a task of this executor that is counted already.
    ///
    /// # Safety
    /// The caller has claimed `task`.
    pub(crate) unsafe fn enqueue(&'static self, task: &'static Task) {
        match current_carrier(self.runtime) {
            Some(carrier) if ptr::eq(carrier.executor, self) => {
                // SAFETY: the carrier of this OS thread; the task is the caller's.
                unsafe { carrier.push(task) };
            }
            // SAFETY: the caller has claimed it.
            _ if unsafe { self.send_home(task, None) } => {}
            _ => {
                // SAFETY: the task is the caller's, so it is in no queue.
                unsafe { self.injector.push(task.into()) };
                self.notify();
            }
        }
    }

    /// Queues many at once, behind everything.
    ///
    /// # Safety
    /// The caller has claimed every task of `tasks`.
    pub(crate) unsafe fn inject(&'static self, tasks: List<InQueue, Task>) {
        self.injector.push_list(tasks);
        self.notify();
    }

    /// After a push: wakes a sleeper if nobody searches, or starts a carrier if nobody sleeps.
    pub(crate) fn notify(&'static self) {
        loop {
            if !self.idle.begin_wake() {
                if !self.idle.has_anyone() {
                    self.grow();
                }
                return;
            }
            let poller = &self.runtime.lookout.poller;
            let mut carriers = self.carriers();
            let woken = carriers
                .find(|carrier| !poller.is_held_by(carrier.id().0) && carrier.take_sleeper())
                .or_else(|| self.carriers().find(|carrier| carrier.take_sleeper()));
            if let Some(carrier) = woken {
                self.runtime.platform().carrier_wake(carrier.id());
                return;
            }
            self.idle.undo_wake();
            if !self.has_work() {
                return self.grow_if_nobody_looks();
            }
        }
    }

    /// Whether something waits in a queue. SeqCst within: a sleeper's second look.
    pub(crate) fn has_work(&self) -> bool {
        !self.injector.is_empty()
            || (!self.is_solo() && self.carriers().any(|carrier| !carrier.queue.is_empty()))
    }

    /// Whether a task waits that no carrier has to take at once.
    pub(crate) fn has_leftovers(&self) -> bool {
        !self.starved.is_empty() || !self.offered.is_empty()
    }

    /// Counts a woken task; its wake is not checked against the limit.
    #[inline]
    pub(crate) fn count(&self, record: &Task) {
        // AcqRel: one turn of the flag sees the one before, and with it the count.
        if self.admission.limit() != 0 && !record.counted.swap(true, Ordering::AcqRel) {
            self.admission.resume();
        }
    }

    /// Uncounts a task that parks, ends or was cancelled; once, whoever comes first.
    #[inline]
    pub(crate) fn uncount(&self, record: &Task) {
        // AcqRel: as in `count`.
        if self.admission.limit() != 0 && record.counted.swap(false, Ordering::AcqRel) {
            self.admission.leave();
        }
    }

    /// Makes sure that one carrier runs; `Closed` if none may any more.
    pub(crate) fn ensure_carrier(&'static self) -> Result<(), ConcurrencyError> {
        let first = self.runtime.carrier(self.first as usize);
        let mut turn = 0;
        loop {
            // Acquire pairs with the release in `start`.
            match first.life.load(Ordering::Acquire) {
                on if on == Life::On as u8 => return Ok(()),
                off if off == Life::Off as u8 => match self.start(first, false) {
                    Some(started) => return started.map_err(ConcurrencyError::Failed),
                    None if self.lives.is_ending() => return Err(ConcurrencyError::Closed),
                    None => continue,
                },
                _ => {
                    self.runtime.platform().thread_yield(turn);
                    turn += 1;
                }
            }
        }
    }

    /// Starts one carrier; none if somebody else does, or none may start.
    fn start(
        &'static self,
        carrier: &'static Carrier,
        standby: bool,
    ) -> Option<Result<(), PlatformError>> {
        let life: &AtomicU8 = &carrier.life;
        // Acquire: what the carrier's last OS thread left; pairs with the release in `run`.
        // SeqCst: claimed first, then looks; pairs with `finish` (`stage.rs`).
        life.compare_exchange(
            Life::Off as u8,
            Life::Starting as u8,
            Ordering::SeqCst,
            Ordering::Relaxed,
        )
        .ok()?;
        if self.lives.is_ending() {
            life.store(Life::Off as u8, Ordering::Release);
            return None;
        }
        carrier.starts_standby.store(standby, Ordering::Relaxed);
        if !standby {
            self.crew.join_in();
        }
        // SAFETY: turned from off to starting above, by this call alone.
        let started = unsafe { self.runtime.platform().carrier_start(carrier) };
        let life_now = if started.is_ok() { Life::On } else { Life::Off };
        if started.is_err() && !standby {
            self.crew.drop_out();
        }
        // Release pairs with the acquire in `ensure_carrier`. A thread that has ended already
        // waits for this store before it turns `life` off.
        life.store(life_now as u8, Ordering::Release);
        Some(started)
    }

    /// Whether not all of the carriers that stay take part yet.
    pub(crate) fn lacks_carriers(&self) -> bool {
        self.crew.active() < self.terms.min_threads()
    }

    /// One carrier more if nobody sleeps or searches, so that somebody looks around (`idle.rs`).
    pub(crate) fn grow_if_nobody_looks(&'static self) {
        if !self.idle.has_anyone() && self.lacks_carriers() {
            self.grow();
        }
    }

    /// Nobody is idle: one carrier more, if the policy has one.
    pub(crate) fn grow(&'static self) {
        let (active, least) = (self.crew.active(), self.terms.min_threads());
        if active >= self.max_threads || self.lives.is_ending() {
            return;
        }
        if active < least {
            let _ = self.carriers().find_map(|carrier| self.start(carrier, false));
            return;
        }
        let spare = || self.carriers().skip(least as usize);
        // SeqCst: the standby's place is left, then this; pairs with one that ends (`run_between`).
        let is_off = |carrier: &Carrier| carrier.life.load(Ordering::SeqCst) == Life::Off as u8;
        self.crew.appoint(
            || spare().find_map(|carrier| self.start(carrier, true)),
            || !self.lives.is_ending() && spare().any(is_off),
        );
    }
}
