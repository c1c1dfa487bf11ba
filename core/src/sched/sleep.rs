//! How a carrier with nothing to do sleeps, looks out for others, and ends.
//!
//! The protocols are in `idle.rs`; this is the carrier's side of them.

use crate::platform::{CarrierId, Events};
use crate::prim::Ordering;
use crate::sched::carrier::Turn;
use crate::sched::idle::{Lookout, QUIET_TICKS, Role, TICK};
use crate::sched::parts::{Carrier, Executor, Own, Runtime};
use crate::sched::standby::IDLE_LOOKS;
use crate::sched::survey::Survey;
use crate::time::{Instant, MILLISECOND};

impl Carrier {
    /// Every so many turns: deadlines and the poller, without sleeping.
    pub(super) fn serve(&'static self) {
        let runtime = self.executor.runtime;
        self.fire(runtime);
        let Lookout { poller, deputy, .. } = &runtime.lookout;
        if poller.is_free() && deputy.is_free() && runtime.has_many_carriers() {
            self.serve_others();
        }
        if runtime.sources.is_used() && poller.take(self.id().0) {
            let mut events = Events::new();
            runtime.platform().carrier_sleep(self.id(), Some(Instant::ZERO), Some(&mut events));
            poller.leave();
            // Who left a role meanwhile took this carrier for the lookout.
            runtime.hand_on();
            for event in events {
                runtime.wakers.deliver(runtime, event);
            }
        }
    }

    /// Fires this carrier's deadlines that have come.
    fn fire(&self, runtime: &'static Runtime) {
        let next = self.timers.next();
        if next != Instant::FAR {
            runtime.wakers.fire(self, runtime.platform().now());
        }
    }

    /// A turn that found nothing: deadlines that have come are work; a carrier above
    /// `min_threads` that nobody needs ends.
    pub(super) fn idle_turn(&'static self) -> Turn {
        let executor = self.executor;
        self.fire(executor.runtime);
        if !self.queue.is_empty() || !executor.injector.is_empty() || !self.keeps_none() {
            return Turn::Worked;
        }
        if let Some(generation) = executor.lives.closed() {
            match executor.survey(generation) {
                Survey::Over => executor.end(generation),
                Survey::Alive(_) => {}
                Survey::Undecided => {
                    return Turn::Idle { until: executor.runtime.platform().now() + MILLISECOND };
                }
            }
        }
        if let Some(turn) = self.wait_for_takers() {
            return turn;
        }
        let unused = self.own.unused.get();
        let is_ending = executor.lives.is_ending();
        let is_needed = !self.may_end()
            || unused <= IDLE_LOOKS
            || !self.is_homeless()
            || executor.crew.relies_on_one(&executor.idle);
        if is_ending || (!is_needed && self.timers.is_empty()) {
            return self.end(is_ending);
        }
        Turn::Idle { until: Instant::FAR }
    }

    /// The last turn, unless somebody relies on this carrier.
    fn end(&'static self, with_executor: bool) -> Turn {
        let executor = self.executor;
        // Counted out first: who pushes from now on does not rely on this carrier, and the
        // look sees who did before.
        executor.crew.drop_out();
        self.stop_search();
        if executor.has_work() {
            executor.crew.join_in();
            return Turn::Worked;
        }
        self.stop_running();
        self.empty_caches();
        self.own.unused.set(0);
        self.own.quiet.set(0);
        self.own.newcomers.forget();
        if with_executor {
            executor.runtime.wakers.evacuate(self);
        }
        executor.runtime.hand_on();
        Turn::Done
    }

    /// Whether this is one of the carriers above `min_threads`.
    pub(crate) fn may_end(&self) -> bool {
        u32::from(self.id().0 - self.executor.first) >= self.executor.terms.min_threads()
    }

    fn stop_search(&'static self) {
        let searched = self.own.searching.replace(false);
        if searched && self.executor.idle.stop_searching() && self.executor.has_work() {
            self.executor.notify();
        }
    }

    fn stop_running(&self) {
        if self.own.running.replace(false) {
            self.executor.runtime.lookout.running.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Sleeps until there may be something to do.
    pub(super) fn sleep(&'static self, hint: Instant, events: &mut Events) {
        let executor = self.executor;
        let runtime = executor.runtime;
        self.stop_running();
        let polls = runtime.lookout.poller.take(self.id().0);
        let deputizes = !polls && runtime.lookout.deputy.take(self.id().0);
        // SeqCst, and in this order: flag, word, then the look at the queues (`idle.rs`).
        self.asleep.store(true, Ordering::SeqCst);
        executor.idle.fall_asleep(self.own.searching.replace(false));
        // SeqCst, before the look at the deadlines; pairs with `hurry`.
        self.sleeping_until.store(u64::MAX, Ordering::SeqCst);
        let until = hint.min(self.plan(polls, deputizes));
        self.sleeping_until.store(until.0, Ordering::SeqCst);
        let is_missed = !polls && !deputizes && runtime.lookout.poller.is_free();
        // What is offered is no work for one that leaves it to others for a while.
        let sees_work =
            executor.has_work() || (hint == Instant::FAR && !executor.offered.is_empty());
        if !sees_work && self.inbox.is_empty() && !is_missed {
            let until = (until != Instant::FAR).then_some(until);
            runtime.platform().carrier_sleep(self.id(), until, polls.then_some(&mut *events));
        }
        self.sleeping_until.store(0, Ordering::SeqCst);
        executor.idle.wake_up();
        if !self.take_sleeper() {
            // Who took it counts this carrier as searching.
            executor.idle.was_woken();
            self.own.searching.set(true);
        } else if sees_work {
            executor.idle.search_on();
            self.own.searching.set(true);
        }
        if polls {
            runtime.lookout.poller.leave();
            for event in events.iter() {
                runtime.wakers.deliver(runtime, *event);
            }
            events.clear();
        }
        if deputizes {
            runtime.lookout.deputy.leave();
        }
        self.look_out(polls || deputizes);
    }

    /// When to wake without being woken: the own next deadline; on the lookout also the others'
    /// while they run, and the tick.
    fn plan(&'static self, polls: bool, deputizes: bool) -> Instant {
        let runtime = self.executor.runtime;
        let own = self.timers.next();
        if self.may_end() {
            return own.min(runtime.platform().now() + TICK);
        }
        if !(polls || deputizes) {
            return own;
        }
        let role: &Role = if polls { &runtime.lookout.poller } else { &runtime.lookout.deputy };
        if self.own.quiet.get() >= QUIET_TICKS || !runtime.has_many_carriers() {
            // SeqCst: dozes first, then looks whether anything runs, or nobody polls; pairs with
            // `hand_on`.
            role.set_dozing(true);
            let lookout = &runtime.lookout;
            if lookout.running.load(Ordering::SeqCst) == 0 && (polls || !lookout.poller.is_free()) {
                return own;
            }
            role.set_dozing(false);
        }
        let tick = runtime.platform().now() + TICK;
        let others = runtime.carriers().filter(|carrier| !carrier.is_asleep());
        others.map(|carrier| carrier.timers.next()).fold(own.min(tick), Instant::min)
    }

    /// Whether it serves its own deadlines just now, by sleeping until the next.
    pub(super) fn is_asleep(&self) -> bool {
        // SeqCst: the look of `hand_on` and of `wake_home`; pairs with the store in `sleep`.
        self.asleep.load(Ordering::SeqCst)
    }

    /// After a sleep on the lookout: serves the deadlines of those who are busy.
    fn look_out(&'static self, on_duty: bool) {
        let runtime = self.executor.runtime;
        let runs = runtime.lookout.running.load(Ordering::SeqCst) > 0;
        let Own { unused, quiet, .. } = &self.own;
        unused.set(unused.get().saturating_add(1));
        quiet.set(if runs { 0 } else { quiet.get().saturating_add(1) });
        if on_duty {
            self.serve_others();
            let waits = |executor: &&Executor| executor.has_work() || executor.has_leftovers();
            runtime.executors().filter(waits).for_each(Executor::notify);
        }
    }

    /// Fires the deadlines of those who are busy.
    fn serve_others(&'static self) {
        let runtime = self.executor.runtime;
        let now = runtime.platform().now();
        runtime.carriers().for_each(|carrier| {
            if !carrier.is_asleep() && carrier.timers.next() <= now {
                runtime.wakers.fire(carrier, now);
            }
        });
    }

    /// Claims this carrier's sleep; true for one claimer only.
    pub(crate) fn take_sleeper(&self) -> bool {
        let taken = self.asleep.compare_exchange(true, false, Ordering::SeqCst, Ordering::SeqCst);
        taken.is_ok()
    }

    /// A deadline was armed here that comes at `sooner`: wakes the carrier if it would sleep
    /// longer.
    pub(crate) fn hurry(&self, sooner: Instant) {
        // SeqCst: after the store of the deadline; pairs with `sleep`.
        if self.sleeping_until.load(Ordering::SeqCst) > sooner.0 {
            self.executor.runtime.platform().carrier_wake(self.id());
        }
    }
}

impl Runtime {
    /// A carrier starts to run after a sleep: counts it, and wakes a lookout that dozes.
    pub(crate) fn rouse(&'static self) {
        // SeqCst: counted first, then looks who dozes; pairs with `plan`.
        self.lookout.running.fetch_add(1, Ordering::SeqCst);
        self.hand_on();
    }

    /// Sees to it that somebody looks out, after the caller has left its role or starts to run.
    pub(crate) fn hand_on(&'static self) {
        let Lookout { poller, deputy, .. } = &self.lookout;
        let dozer = poller.dozer().or_else(|| deputy.dozer()).map(CarrierId);
        let lookout = match poller.is_free() && deputy.is_free() {
            true => dozer.or_else(|| self.carriers().find(|one| one.is_asleep()).map(Carrier::id)),
            false => dozer,
        };
        if let Some(lookout) = lookout {
            self.platform().carrier_wake(lookout);
        }
    }
}
