//! An executor: carriers, their shared queue, and the policy that admits virtual threads.
//!
//! Carriers start as they are needed: the first at the first submit, up to `min_threads` while
//! work waits and nobody is idle; beyond that, up to `max_threads`, as `standby.rs` says.
//!
//! Its place lives for ever; the executor in it may be shut down (`shutdown.rs`), and another one
//! made there. So whoever has a handle goes through an [`ExecutorRef`], which knows the life.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: records are never unmapped; only a task's claimer
//! queues it.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::link::list::List;
use crate::platform::PlatformError;
use crate::prim::{AtomicU8, AtomicU64, Ordering, fence};
use crate::runtime::Runtime;
use crate::sched::admission::{Admission, Admitted, UnderWay};
use crate::sched::idle::Idle;
use crate::sched::injector::Injector;
use crate::sched::policy::{ExecutorPolicy, Saturation, Terms};
use crate::sched::stage::Lives;
use crate::sched::standby::Crew;
use crate::sched::{self, Carrier};
use crate::sync::wait_queue::Wait;
use crate::task::Handle;
use crate::task::header::{InQueue, Task};
use crate::task::state::{Hold, Phase, Submitted, Unsubmitted};
use crate::time::Instant;

/// Whether a carrier has an OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Life {
    Off = 0,
    Starting = 1,
    On = 2,
}

/// Carriers, a queue and a policy: one place in the runtime's table.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) runtime: &'static Runtime,
    pub(crate) index: u32,
    /// Its carriers are those from `first` on, as many; the same in every life.
    pub(crate) max_threads: u32,
    pub(crate) first: u16,
    pub(crate) terms: Terms,
    pub(crate) lives: Lives,
    /// How far the records were searched for live tasks of a closed life; see `survey`.
    pub(super) surveyed: AtomicU64,
    pub(crate) injector: Injector<InQueue, Task>,
    /// Tasks that found no memory for their stack. No work: who has nothing else tries one, and
    /// sleeps a little if there is still none. If all of those get other work, and it blocks, the
    /// last searcher among them, the lookout or the standby finds the list.
    pub(super) starved: Injector<InQueue, Task>,
    /// Tasks that a carrier with many would not start; see `home.rs`.
    pub(super) offered: Injector<InQueue, Task>,
    pub(crate) idle: Idle,
    pub(super) admission: Admission,
    pub(crate) crew: Crew,
}

/// One executor, as its handle names it: of no use, and harmless, when it was shut down.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorRef {
    pub(crate) executor: &'static Executor,
    pub(crate) generation: u32,
}

impl ExecutorRef {
    /// Hands a new virtual thread over to be run; one that was submitted or cancelled before is
    /// left as it is, with success.
    ///
    /// # Safety
    /// If the executor's virtual threads migrate: what this one runs keeps nothing across a wait
    /// that belongs to its OS thread.
    ///
    /// # Errors
    /// `Closed` for a stale handle, and if the executor was shut down; `Busy` and `Timeout` at
    /// the queue limit, as the policy says; `Failed` if there is no carrier and none can be
    /// started. The virtual thread is then as it was, or was cancelled or given up meanwhile.
    pub unsafe fn submit(self, handle: Handle) -> Result<(), ConcurrencyError> {
        let wait = || Ok(Wait::new(self.executor.runtime).uncancellable());
        // SAFETY: the caller's promise.
        unsafe { self.submit_as(handle, wait) }
    }

    /// The same, for a caller that may be cancelled while it waits for a place; `wait` is asked
    /// only if it has to.
    ///
    /// # Safety
    /// As for [`submit`](Self::submit).
    ///
    /// # Errors
    /// As [`submit`](Self::submit); `Cancelled`; and those of `wait`.
    pub unsafe fn submit_as(
        self,
        handle: Handle,
        wait: impl Fn() -> Result<Wait, ConcurrencyError>,
    ) -> Result<(), ConcurrencyError> {
        let executor = self.executor;
        let (task, generation) =
            executor.runtime.tasks.find(handle).ok_or(ConcurrencyError::Closed)?;
        // SAFETY: records are never unmapped.
        let record = unsafe { task.as_ref() };
        // Somebody else's submit may come first, and that one may be taken back.
        while self.is_new(record, generation)? {
            let admitted = match self.admit(&wait) {
                Ok(admitted) => admitted,
                Err(error) if self.is_new(record, generation)? => return Err(error),
                Err(_) => return Ok(()),
            };
            if record.state.submit(generation) == Submitted::Enqueue {
                return self.hand_over(task, generation, admitted);
            }
            executor.admission.give_back(admitted);
        }
        Ok(())
    }

    /// Whether it has to be submitted; `Closed` if it is gone. Looks again while somebody else
    /// submits it, who may find the executor closed.
    fn is_new(self, record: &Task, generation: u32) -> Result<bool, ConcurrencyError> {
        let mut turn = 0;
        loop {
            match record.state.phase(generation).ok_or(ConcurrencyError::Closed)? {
                Phase::New => return Ok(true),
                Phase::Active if record.executor().is_none() => {
                    self.executor.runtime.platform().thread_yield(turn);
                    turn += 1;
                }
                _ => return Ok(false),
            }
        }
    }

    /// Makes sure of a carrier, and of a place if there is a limit.
    fn admit(
        self,
        wait: impl FnOnce() -> Result<Wait, ConcurrencyError>,
    ) -> Result<Admitted, ConcurrencyError> {
        if !self.is_open() {
            return Err(ConcurrencyError::Closed);
        }
        self.executor.ensure_carrier()?;
        let limited = self.executor.admission.limit() != 0;
        if !limited {
            return Ok(Admitted { limited, under_way: None });
        }
        match self.enter(wait) {
            // Perhaps of the next life.
            Err(ConcurrencyError::Busy) if !self.is_open() => Err(ConcurrencyError::Closed),
            entered => entered.map(|under_way| Admitted { limited, under_way }),
        }
    }

    /// Queues a task that was claimed by `submit`.
    fn hand_over(
        self,
        task: NonNull<Task>,
        generation: u32,
        admitted: Admitted,
    ) -> Result<(), ConcurrencyError> {
        let executor = self.executor;
        // SAFETY: records are never unmapped.
        let record = unsafe { task.as_ref() };
        // SeqCst within, after the transition; pairs with the close (`stage.rs`).
        if !self.is_open() {
            // Before foreign code runs.
            executor.admission.give_back(admitted);
            return take_back(executor.runtime, task, generation);
        }
        if admitted.limited {
            // Release pairs with the acquire in `uncount`; before `executor`, whose reader may
            // be a canceller that uncounts.
            record.counted.store(true, Ordering::Release);
        }
        // Release pairs with the acquire in `Task::executor`.
        record.executor.store(ptr::from_ref(executor).cast_mut(), Ordering::Release);
        if admitted.limited {
            // SeqCst, before the look: a canceller sees what is stored above and uncounts, or is
            // seen here; pairs with the fence in `Runtime::discard`.
            fence(Ordering::SeqCst);
            if !record.state.will_start() {
                executor.uncount(record);
            }
        }
        drop(admitted);
        // SAFETY: `submit` claimed the task.
        unsafe { executor.enqueue(task) };
        Ok(())
    }

    /// Takes a place, as the policy says.
    fn enter(
        self,
        wait: impl FnOnce() -> Result<Wait, ConcurrencyError>,
    ) -> Result<Option<UnderWay<'static>>, ConcurrencyError> {
        let Executor { runtime, admission, terms, .. } = self.executor;
        let platform = runtime.platform();
        let pause = |turn| platform.thread_yield(turn);
        let reserved = admission.reserve(pause);
        if reserved.is_ok() || terms.saturation() == Saturation::ReturnBusy {
            return reserved.map(Some);
        }
        let until = match terms.timeout() {
            0 => Instant::FAR,
            timeout => platform.now() + timeout,
        };
        admission.wait(&wait()?.until(until), || self.is_open(), pause)
    }

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

/// The executor was closed while `task` was submitted: it goes back to its holder.
#[cold]
fn take_back(
    runtime: &'static Runtime,
    task: NonNull<Task>,
    generation: u32,
) -> Result<(), ConcurrencyError> {
    // SAFETY: records are never unmapped, and the submitter's engagement holds this one.
    let state = &unsafe { task.as_ref() }.state;
    match state.unsubmit(generation) {
        Unsubmitted::New => Err(ConcurrencyError::Closed),
        Unsubmitted::Discard => {
            runtime.discard(task);
            Err(ConcurrencyError::Closed)
        }
        Unsubmitted::Cancelled => {
            if state.release(Hold::Engagement, generation) {
                runtime.tasks.recycle(runtime, task);
            }
            Ok(())
        }
    }
}

impl Executor {
    pub(crate) fn new(
        runtime: &'static Runtime,
        index: u32,
        policy: &ExecutorPolicy,
        first: u16,
    ) -> Self {
        Self {
            runtime,
            index,
            max_threads: policy.max_threads,
            first,
            terms: Terms::new(policy),
            lives: Lives::new(),
            surveyed: AtomicU64::new(0),
            injector: Injector::new(),
            starved: Injector::new(),
            offered: Injector::new(),
            idle: Idle::new(),
            admission: Admission::new(policy.queue_limit),
            crew: Crew::new(),
        }
    }

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

    /// Whether it never has a second carrier: then nothing is stolen, and order is kept.
    pub(crate) fn is_solo(&self) -> bool {
        self.max_threads == 1
    }

    /// Its carriers, running or not.
    pub(crate) fn carriers(&self) -> impl Iterator<Item = &'static Carrier> + use<> {
        let (runtime, first) = (self.runtime, self.first as usize);
        (first..first + self.max_threads as usize).map(|index| runtime.carrier(index))
    }

    /// Queues a task of this executor that is counted already.
    ///
    /// # Safety
    /// The caller has claimed `task`.
    pub(crate) unsafe fn enqueue(&'static self, task: NonNull<Task>) {
        match sched::current_carrier(self.runtime) {
            Some(carrier) if ptr::eq(carrier.executor, self) => {
                // SAFETY: the carrier of this OS thread; the task is the caller's.
                unsafe { carrier.push(task) };
            }
            // SAFETY: the caller has claimed it.
            _ if unsafe { self.send_home(task, None) } => {}
            _ => {
                // SAFETY: the task is the caller's, so it is in no queue.
                unsafe { self.injector.push(task) };
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
                return;
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
