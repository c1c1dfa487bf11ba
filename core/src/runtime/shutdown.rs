//! Shutting an executor down: its tasks end, its carriers end, its place is free.
//!
//! | step                                                  | by                              |
//! |-------------------------------------------------------|---------------------------------|
//! | close: no submit succeeds any more, nobody waits for a| the shutdown                    |
//! | place                                                 |                                 |
//! | count the live tasks, and ask them to end             | the shutdown                    |
//! | survey: look for one that is alive; wait for its end  | the shutdown, until its deadline|
//! | the same, without waiting                             | a carrier with nothing to do    |
//! | end: none is alive; wake the carriers, which end      | whoever finds that              |
//! | finish: look until the carriers' threads are gone     | the same, until its deadline    |
//! | the same, without waiting                             | who wants the place             |
//!
//! What happens between two words of this is in `sched/stage.rs`.
//!
//! **The survey** walks over all records, once for all together: a closed executor gets no task
//! more, so a record that was passed need not be looked at again, and the place where a live one
//! was found is where the next survey begins. A task counts as alive until it was let go of, after
//! its end, by a carrier of the executor; that carrier then finds nothing to do, and surveys. One
//! that is dropped without having run is alive until its canceller has done that, who then wakes
//! a carrier. So the last one to end is noticed although nobody counts the tasks of an executor.
//! A submit that is halfway waits for nothing, and is waited for whatever the deadline.

use crate::error::ConcurrencyError;
use crate::prim::Ordering;
use crate::queues::waiters;
use crate::sched::here::current_carrier;
use crate::sched::parts::{Carrier, Executor, ExecutorRef, Life, Runtime};
use crate::sched::stage::Stage;
use crate::sched::survey::{Found, Survey};
use crate::task::handle::Handle;
use crate::task::reason::WaitsFor;
use crate::time::{Instant, MILLISECOND};
use crate::wait::bounds::Wait;
use crate::wait::sleeper::sleep;
use crate::wait::timers::evacuate;
use crate::wait::wait_queue::{Queue, Waited};

/// What a shutdown does with virtual threads that are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Lets them end.
    Drain,
    /// Asks all of them to end: as [`Runtime::cancel`] for each.
    Cancel,
}

/// What a shutdown came to: the virtual threads that were alive when it began, and its carriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Ended, and this shutdown did not ask them to.
    pub completed: usize,
    /// Ended after this shutdown asked them to.
    pub cancelled: usize,
    /// Still alive at the deadline.
    pub timed_out: usize,
    /// Carriers whose OS thread was left at the deadline, although no virtual thread was: one has
    /// not let go of the last of these, or the destructors of its thread's own variables run. In
    /// a report of zeros nothing is left.
    pub carriers: usize,
}

/// Why there is no shutdown: the caller's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownError {
    /// A face's own default, which never ends.
    Default,
    /// The caller is one of the executor's own virtual threads.
    Own,
    /// The handle never named an executor.
    Unknown,
}

impl core::fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Default => "the runtime's own executor cannot be shut down",
            Self::Own => "an executor cannot be shut down by one of its own virtual threads",
            Self::Unknown => "there never was such an executor",
        })
    }
}

impl Runtime {
    /// Ends an executor: it takes no virtual threads from now on, those that are alive end by
    /// themselves or are asked to, and then its carriers end and their OS threads are gone. Waits
    /// for that until `until`; parks a virtual thread, blocks an OS thread.
    ///
    /// If some are alive at `until`, the executor stays closed, and its carriers end when the
    /// last one has; one that ends may take its time as well, if its thread has variables with
    /// destructors. A second shutdown finishes the job; when there is nothing left to do, its
    /// report is zeros. So it is for a handle whose executor was shut down long ago.
    ///
    /// Not for the drop of an entry that was cancelled before it ran on that executor: it is alive
    /// until then, and would wait for itself.
    ///
    /// # Errors
    /// [`ShutdownError`]; nothing is done then.
    pub fn shutdown(
        &'static self,
        executor_handle: i64,
        how: Shutdown,
        until: Instant,
    ) -> Result<ShutdownReport, ShutdownError> {
        let found = self.find_executor(executor_handle).ok_or(ShutdownError::Unknown)?;
        let ExecutorRef { executor, generation } = found;
        if self.is_lasting(found) {
            return Err(ShutdownError::Default);
        }
        if executor.lives.generation() != generation {
            return Ok(ShutdownReport::default());
        }
        if current_carrier(self).is_some_and(|here| core::ptr::eq(here.executor, executor)) {
            return Err(ShutdownError::Own);
        }
        executor.lives.close(generation);
        executor.admission.close(|| executor.lives.generation() == generation);
        let mut report = executor.last_call(generation, how);
        if executor.wait_for_all(generation, until) {
            report.carriers = executor.finish(generation, until);
        } else {
            report.timed_out = executor.count_alive(generation);
            if report.timed_out == 0 {
                report.carriers = executor.count_left(generation);
            }
        }
        // Whoever was alive before is asked, or has ended, or is alive.
        let asked = report.cancelled;
        report.cancelled = asked.saturating_sub(report.timed_out);
        report.completed = report.completed.saturating_sub(report.timed_out.saturating_sub(asked));
        Ok(report)
    }
}

impl Executor {
    /// Calls `with` for every task that is alive, and has not ended.
    fn for_all_alive(&'static self, generation: u32, mut with: impl FnMut(Handle)) {
        let mut patience = Patience::new(self.runtime);
        for index in 0..self.runtime.tasks.used() {
            if !self.lives.is(generation, Stage::Closed) {
                return;
            }
            loop {
                match self.look_at(index, generation) {
                    Survey::Undecided => patience.wait(Instant::FAR),
                    Survey::Alive(found) if !found.ended => {
                        break with(self.runtime.tasks.handle(index, found.generation));
                    }
                    Survey::Alive(_) | Survey::Over => break,
                }
            }
        }
    }

    /// Counts the live tasks, and asks them to end. Counted as cancelled are those that were
    /// asked, as completed all others.
    fn last_call(&'static self, generation: u32, how: Shutdown) -> ShutdownReport {
        let mut report = ShutdownReport::default();
        self.for_all_alive(generation, |task| {
            if how == Shutdown::Cancel && self.runtime.cancel(task) {
                report.cancelled += 1;
            } else {
                report.completed += 1;
            }
        });
        report
    }

    fn count_alive(&'static self, generation: u32) -> usize {
        let mut alive = 0;
        self.for_all_alive(generation, |_| alive += 1);
        alive
    }

    /// Carriers that are left, of an executor that no shutdown found ended although no task is
    /// alive: a carrier or a canceller is about to let go of the last one.
    fn count_left(&'static self, generation: u32) -> usize {
        // SeqCst: pairs with `start`. Counted before the look at the stage, as they ended after it.
        let is_on = |carrier: &&Carrier| carrier.life.load(Ordering::SeqCst) != Life::Off as u8;
        let on = self.carriers().filter(is_on).count();
        if self.lives.is(generation, Stage::Closed) {
            // The canceller is none of its carriers.
            return on.max(1);
        }
        self.finish_now(generation)
    }

    /// Waits until all tasks have ended; false if `until` came first.
    fn wait_for_all(&'static self, generation: u32, until: Instant) -> bool {
        let mut patience = Patience::new(self.runtime);
        loop {
            if !self.lives.is(generation, Stage::Closed) {
                return true;
            }
            let found = match self.survey(generation) {
                Survey::Over => {
                    self.end(generation);
                    return true;
                }
                Survey::Undecided => {
                    patience.wait(Instant::FAR);
                    continue;
                }
                Survey::Alive(found) => found,
            };
            match self.wait_for(found, until) {
                Ok(Waited::Yes) => patience = Patience::new(self.runtime),
                Err(_) => return false,
                // Somebody is about to let go of it.
                Ok(Waited::No) if self.runtime.platform().now() >= until => return false,
                Ok(Waited::No) => patience.wait(until),
            }
        }
    }

    /// Waits until one task has ended, if it has not already.
    fn wait_for(&'static self, found: Found, until: Instant) -> Result<Waited, ConcurrencyError> {
        let Found { index, generation, .. } = found;
        let record = self.runtime.tasks.record(index);
        let joiners = Queue::new(WaitsFor::Join, &record.joiners, waiters::all);
        let wait = Wait::new(self.runtime).until(until).uncancellable();
        joiners.wait(&wait, |_| record.state.expect_joiner(generation), |_| {})
    }

    /// Waits until the carriers are gone, or whoever looks for them has seen that; `until` at the
    /// longest. How many are left.
    fn finish(&'static self, generation: u32, until: Instant) -> usize {
        let mut patience = Patience::new(self.runtime);
        loop {
            let left = self.finish_now(generation);
            if left == 0 || self.runtime.platform().now() >= until {
                return left;
            }
            patience.wait(until);
        }
    }

    /// The same, without waiting: the executor's place is free if none is left.
    fn finish_now(&'static self, generation: u32) -> usize {
        if !self.lives.claim(generation) {
            // Whoever claimed it looks, or has seen one at least and left it again.
            return usize::from(self.lives.is_left(generation));
        }
        let left = self.carriers().filter(|carrier| !carrier.is_gone()).count();
        if left > 0 {
            self.lives.leave(generation);
            return left;
        }
        for carrier in self.carriers() {
            evacuate(carrier);
        }
        self.lives.free(generation);
        0
    }

    /// Finishes what a shutdown left behind at its deadline, if the carriers are gone since.
    pub(crate) fn finish_if_left(&'static self) {
        let generation = self.lives.generation();
        if self.lives.is(generation, Stage::Ending) {
            self.finish_now(generation);
        }
    }
}

impl Carrier {
    /// Whether nothing is left of the OS threads that ran it. Of an executor that is Claimed.
    fn is_gone(&self) -> bool {
        // SeqCst: after the change to Ending; pairs with `start`.
        let is_off = self.life.load(Ordering::SeqCst) == Life::Off as u8;
        // SAFETY: off, and only who has claimed the executor looks, which no thread of it does.
        is_off && unsafe { self.executor.runtime.platform().carrier_is_gone(self.id()) }
    }
}

/// How a shutdown waits for what nobody tells it, and what others do soon: it looks again and
/// again, at first at once.
struct Patience {
    runtime: &'static Runtime,
    looks: u32,
}

impl Patience {
    /// Looks before it sleeps.
    const AT_ONCE: u32 = 20;

    fn new(runtime: &'static Runtime) -> Self {
        Self { runtime, looks: 0 }
    }

    fn wait(&mut self, until: Instant) {
        self.looks += 1;
        if self.looks <= Self::AT_ONCE {
            return self.runtime.yield_now();
        }
        let span = (MILLISECOND / 20 * u64::from(self.looks - Self::AT_ONCE)).min(MILLISECOND);
        let until = until.min(self.runtime.platform().now() + span);
        // Neither cancelled nor over before: it cannot fail.
        let _ = sleep(&Wait::new(self.runtime).until(until).uncancellable());
    }
}
