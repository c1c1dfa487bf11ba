//! Submitting a virtual thread to an executor, which may wait for a place there.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: records are never unmapped; only a task's claimer
//! queues it.
#![allow(unsafe_code)]

use crate::error::ConcurrencyError;
use crate::prim::{Ordering, fence};
use crate::queues::waiters::{self, Waiters};
use crate::sched::admission::{Admission, Admitted, Reserved, UnderWay};
use crate::sched::parts::{Executor, ExecutorRef, Runtime};
use crate::sched::policy::Saturation;
use crate::state::{Hold, Phase, Then, Unsubmitted};
use crate::task::handle::Handle;
use crate::task::header::Task;
use crate::task::reason::WaitsFor;
use crate::time::Instant;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::Queue;

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
        // Somebody else's submit may come first, and that one may be taken back.
        while self.is_new(task, generation)? {
            let admitted = match self.admit(&wait) {
                Ok(admitted) => admitted,
                Err(error) if self.is_new(task, generation)? => return Err(error),
                Err(_) => return Ok(()),
            };
            if task.state.submit(generation) == Then::Enqueue {
                return self.hand_over(task, generation, admitted);
            }
            executor.admission.give_back(admitted);
        }
        Ok(())
    }

    /// Whether it has to be submitted; `Closed` if it is gone. Looks again while somebody else
    /// submits it, who may find the executor closed.
    fn is_new(self, task: &Task, generation: u32) -> Result<bool, ConcurrencyError> {
        let mut turn = 0;
        loop {
            match task.state.phase(generation).ok_or(ConcurrencyError::Closed)? {
                Phase::New => return Ok(true),
                Phase::Active if task.executor().is_none() => {
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
        task: &'static Task,
        generation: u32,
        admitted: Admitted,
    ) -> Result<(), ConcurrencyError> {
        let executor = self.executor;
        // SeqCst within, after the transition; pairs with the close (`sched/stage.rs`).
        if !self.is_open() {
            // Before foreign code runs.
            executor.admission.give_back(admitted);
            return take_back(executor.runtime, task, generation);
        }
        if admitted.limited {
            // Release pairs with the acquire in `uncount`; before `executor`, whose reader may
            // be a canceller that uncounts.
            task.counted.store(true, Ordering::Release);
        }
        task.set_executor(executor);
        if admitted.limited {
            // SeqCst, before the look: a canceller sees what is stored above and uncounts, or is
            // seen here; pairs with the fence in `Runtime::discard`.
            fence(Ordering::SeqCst);
            if !task.state.will_start() {
                executor.uncount(task);
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
        wait_for_place(admission, &wait()?.until(until), || self.is_open(), pause)
    }
}

/// The executor was closed while `task` was submitted: it goes back to its holder.
#[cold]
fn take_back(
    runtime: &'static Runtime,
    task: &'static Task,
    generation: u32,
) -> Result<(), ConcurrencyError> {
    let state = &task.state;
    match state.unsubmit(generation) {
        Unsubmitted::New => Err(ConcurrencyError::Closed),
        Unsubmitted::Discard => {
            runtime.discard(task);
            Err(ConcurrencyError::Closed)
        }
        Unsubmitted::Cancelled => {
            if state.release(Hold::Engagement, generation) {
                runtime.recycle(task);
            }
            Ok(())
        }
    }
}

/// Takes a place, waiting for it in first-come order; who has waited is not under way. Whoever
/// waits when the executor is closed has a place, too, and must look whether it `is_open`.
fn wait_for_place<'a>(
    admission: &'a Admission,
    wait: &Wait,
    is_open: impl Fn() -> bool,
    pause: impl Fn(u32),
) -> Result<Option<UnderWay<'a>>, ConcurrencyError> {
    let queue = Queue::new(WaitsFor::Place, &admission.queue, waiters::all);
    let mut turn = 0;
    loop {
        let mut found = None;
        let waits = |_: &mut Waiters| {
            // Under the lock that `close` takes: it finds who waits, or who waits finds it.
            found = is_open().then(|| admission.places.reserve_or_wait());
            found == Some(Reserved::Full)
        };
        let _ = queue.wait(wait, waits, |_| admission.places.give_up())?;
        match found {
            Some(Reserved::Held) => return Ok(Some(UnderWay(&admission.places))),
            Some(Reserved::Full) => return Ok(None),
            Some(Reserved::Unsettled) => pause(turn),
            None => return Err(ConcurrencyError::Closed),
        }
        turn += 1;
    }
}
