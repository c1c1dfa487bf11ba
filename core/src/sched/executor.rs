//! An executor: carriers, their shared queue, and the policy that admits virtual threads.
//!
//! Carriers start as they are needed: the first at the first submit, up to `min_threads` while
//! work waits and nobody is idle. Below `max_threads`, while anything runs, one more stands by: it
//! looks every `STUCK_AFTER`, and joins in when no carrier has finished a turn since its last
//! look while work, a deadline or readiness may wait. It ends after `IDLE_LOOKS` looks at an
//! executor where nothing runs. A carrier that joined in so ends after as long without work.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: records are never unmapped; only a task's claimer
//! queues it.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::link::list::List;
use crate::prim::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use crate::runtime::Runtime;
use crate::sched::admission::Admission;
use crate::sched::idle::{Idle, TICK};
use crate::sched::injector::Injector;
use crate::sched::policy::{ExecutorPolicy, Saturation};
use crate::sched::{self, Carrier};
use crate::task::Handle;
use crate::task::header::{InQueue, Task};
use crate::task::state::Submitted;
use crate::time::Instant;

/// How long no carrier may finish a turn before a standby joins in, in nanoseconds.
pub(crate) const STUCK_AFTER: u64 = TICK;

/// Looks at an idle executor before a standby ends: a second.
pub(crate) const IDLE_LOOKS: u32 = 100;

/// Whether a carrier has an OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Life {
    Off = 0,
    Starting = 1,
    On = 2,
}

/// Carriers, a queue and a policy.
#[derive(Debug)]
pub struct Executor {
    pub(crate) runtime: &'static Runtime,
    pub(crate) index: u32,
    pub(crate) policy: ExecutorPolicy,
    /// Its carriers are those from here on, `max_threads` of them.
    pub(crate) first: u16,
    pub(crate) injector: Injector<InQueue, Task>,
    pub(crate) idle: Idle,
    admission: Option<Admission>,
    /// Carriers that take part; not the standby.
    pub(crate) active: AtomicU32,
    pub(crate) standby: AtomicBool,
}

/// The answer of a standby's look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something may wait and nobody gets on: join in.
    Stuck,
    /// Somebody runs.
    Busy,
    /// Everybody sleeps.
    Quiet,
}

impl Executor {
    pub(crate) fn new(
        runtime: &'static Runtime,
        index: u32,
        policy: ExecutorPolicy,
        first: u16,
    ) -> Self {
        Self {
            runtime,
            index,
            policy,
            first,
            injector: Injector::new(),
            idle: Idle::new(),
            admission: (policy.queue_limit > 0).then(|| Admission::new(policy.queue_limit)),
            active: AtomicU32::new(0),
            standby: AtomicBool::new(false),
        }
    }

    /// Whether it never has a second carrier: then nothing is stolen, and order is kept.
    pub(crate) fn is_solo(&self) -> bool {
        self.policy.max_threads == 1
    }

    /// Its carriers, running or not.
    pub(crate) fn carriers(&self) -> impl Iterator<Item = &'static Carrier> {
        let (runtime, first) = (self.runtime, self.first as usize);
        (first..first + self.policy.max_threads as usize).map(|index| runtime.carrier(index))
    }

    /// Hands a new virtual thread over to be run; one that was submitted or cancelled before is
    /// left as it is, with success.
    ///
    /// # Errors
    /// `Closed` for a stale handle; `Busy` and `Timeout` at the queue limit, as the policy says;
    /// `Failed` if there is no carrier and none can be started. The virtual thread is then as it
    /// was.
    pub fn submit(&'static self, handle: Handle) -> Result<(), ConcurrencyError> {
        let runtime = self.runtime;
        let (task, generation) = runtime.tasks.find(handle).ok_or(ConcurrencyError::Closed)?;
        // SAFETY: records are never unmapped.
        let record = unsafe { task.as_ref() };
        if !record.state.is_new(generation).ok_or(ConcurrencyError::Closed)? {
            return Ok(());
        }
        self.ensure_carrier().map_err(ConcurrencyError::Failed)?;
        if let Some(admission) = &self.admission {
            match self.policy.saturation {
                Saturation::ReturnBusy => admission.enter()?,
                Saturation::Block => {
                    let until = match self.policy.timeout {
                        0 => Instant::FAR,
                        timeout => runtime.platform().now() + timeout,
                    };
                    admission.enter_blocking(runtime, until)?;
                }
            }
        }
        let submitted = record.state.submit(generation);
        if submitted != Submitted::Enqueue {
            if let Some(admission) = &self.admission {
                admission.leave();
            }
            let gone = submitted == Submitted::Gone;
            return if gone { Err(ConcurrencyError::Closed) } else { Ok(()) };
        }
        if self.admission.is_some() {
            // Release pairs with the acquire in `uncount`; before `executor`, whose reader may
            // be a canceller that uncounts.
            record.counted.store(true, Ordering::Release);
        }
        // Release pairs with the acquire in `Task::executor`.
        record.executor.store(ptr::from_ref(self).cast_mut(), Ordering::Release);
        // SAFETY: `submit` claimed the task.
        unsafe { self.enqueue(task) };
        Ok(())
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

    /// Counts a woken task; its wake is not checked against the limit.
    pub(crate) fn count(&self, record: &Task) {
        if let Some(admission) = &self.admission {
            // AcqRel: one turn of the flag sees the one before, and with it the count.
            if !record.counted.swap(true, Ordering::AcqRel) {
                admission.resume();
            }
        }
    }

    /// Uncounts a task that parks, ends or was cancelled; once, whoever comes first.
    pub(crate) fn uncount(&self, record: &Task) {
        if let Some(admission) = &self.admission {
            // AcqRel: as in `count`.
            if record.counted.swap(false, Ordering::AcqRel) {
                admission.leave();
            }
        }
    }

    /// Makes sure that one carrier runs.
    pub(crate) fn ensure_carrier(&'static self) -> Result<(), crate::platform::PlatformError> {
        let first = self.runtime.carrier(self.first as usize);
        loop {
            // Acquire pairs with the release in `start`.
            match first.life.load(Ordering::Acquire) {
                on if on == Life::On as u8 => return Ok(()),
                off if off == Life::Off as u8 => match self.start(first, false) {
                    Some(started) => return started,
                    None => continue,
                },
                _ => self.runtime.platform().thread_yield(),
            }
        }
    }

    /// Starts one carrier; none if somebody else does.
    fn start(
        &'static self,
        carrier: &'static Carrier,
        standby: bool,
    ) -> Option<Result<(), crate::platform::PlatformError>> {
        let life: &AtomicU8 = &carrier.life;
        // Acquire: what the carrier's last OS thread left; pairs with the release in `run`.
        life.compare_exchange(
            Life::Off as u8,
            Life::Starting as u8,
            Ordering::Acquire,
            Ordering::Relaxed,
        )
        .ok()?;
        carrier.starts_standby.store(standby, Ordering::Relaxed);
        if !standby {
            self.active.fetch_add(1, Ordering::SeqCst);
        }
        let started = self.runtime.platform().carrier_start(carrier);
        let life_now = if started.is_ok() { Life::On } else { Life::Off };
        if started.is_err() && !standby {
            self.active.fetch_sub(1, Ordering::SeqCst);
        }
        // Release pairs with the acquire in `ensure_carrier`. A thread that has ended already
        // waits for this store before it turns `life` off.
        life.store(life_now as u8, Ordering::Release);
        Some(started)
    }

    /// Work waits and nobody is idle: one carrier more, if the policy has one.
    pub(crate) fn grow(&'static self) {
        let active = self.active.load(Ordering::SeqCst);
        let standby = active >= self.policy.min_threads;
        if active >= self.policy.max_threads {
            return;
        }
        // SeqCst: one standby at a time; a push, then this, against `standby` off, then a look.
        if standby && self.standby.swap(true, Ordering::SeqCst) {
            return;
        }
        let started = self
            .carriers()
            .skip(if standby { self.policy.min_threads as usize } else { 0 })
            .find_map(|carrier| self.start(carrier, standby));
        if standby && !matches!(started, Some(Ok(()))) {
            self.standby.store(false, Ordering::SeqCst);
        }
    }

    /// Whether a carrier more may have to join in.
    pub(crate) fn wants_standby(&self) -> bool {
        self.policy.min_threads < self.policy.max_threads
            && !self.standby.load(Ordering::Relaxed)
            && self.active.load(Ordering::Relaxed) < self.policy.max_threads
    }

    /// A standby's look; `progress` is what it saw the last time.
    pub(crate) fn look(&self, progress: &mut u32) -> Look {
        let turns = self
            .carriers()
            .fold(0u32, |sum, carrier| sum.wrapping_add(carrier.turns.load(Ordering::Relaxed)));
        let stuck = core::mem::replace(progress, turns) == turns;
        if self.idle.are_asleep(self.active.load(Ordering::SeqCst)) {
            return Look::Quiet;
        }
        let now = self.runtime.platform().now();
        let waits = self.has_work()
            || self.runtime.reactor.is_used()
            || self.carriers().any(|carrier| carrier.timers.next() <= now);
        if stuck && waits { Look::Stuck } else { Look::Busy }
    }
}
