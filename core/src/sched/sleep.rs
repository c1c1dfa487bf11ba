//! How a carrier with nothing to do sleeps, looks out for others, and ends.
//!
//! The protocols are in `idle.rs`; this is the carrier's side of them.

use crate::platform::Events;
use crate::prim::Ordering;
use crate::reactor;
use crate::runtime::Runtime;
use crate::sched::carrier::{Carrier, Turn};
use crate::sched::executor::{IDLE_LOOKS, Look, STUCK_AFTER};
use crate::sched::idle::{QUIET_TICKS, Role, TICK};
use crate::time::Instant;
use crate::timer;

impl Carrier {
    /// Every so many turns: deadlines and the poller, without sleeping.
    pub(super) fn serve(&'static self) {
        let runtime = self.executor.runtime;
        self.fire(runtime);
        let poller = &runtime.lookout.poller;
        if runtime.reactor.is_used() && poller.take(self.id().0) {
            let mut events = Events::new();
            runtime.platform().carrier_sleep(self.id(), Some(Instant::ZERO), Some(&mut events));
            poller.leave();
            for event in events {
                reactor::deliver(runtime, event);
            }
        }
    }

    /// A turn that found nothing: deadlines that have come are work; a carrier above
    /// `min_threads` that nobody needs ends.
    pub(super) fn idle_turn(&'static self) -> Turn {
        let executor = self.executor;
        self.fire(executor.runtime);
        if !self.queue.is_empty() || !executor.injector.is_empty() {
            return Turn::Worked;
        }
        let unused = self.own(|own| own.unused);
        if self.may_end() && unused > IDLE_LOOKS && self.is_timeless() {
            self.stop_search();
            self.stop_running();
            executor.active.fetch_sub(1, Ordering::SeqCst);
            self.empty_caches();
            return Turn::Done;
        }
        Turn::Idle { until: Instant::FAR }
    }

    /// Whether this is one of the carriers above `min_threads`.
    fn may_end(&self) -> bool {
        u32::from(self.id().0 - self.executor.first) >= self.executor.policy.min_threads
    }

    fn stop_search(&'static self) {
        let searched = self.own(|own| core::mem::take(&mut own.searching));
        if searched && self.executor.idle.stop_searching() && self.executor.has_work() {
            self.executor.notify();
        }
    }

    fn stop_running(&self) {
        if self.own(|own| core::mem::take(&mut own.running)) {
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
        executor.idle.fall_asleep(self.own(|own| core::mem::take(&mut own.searching)));
        // SeqCst, before the look at the deadlines; pairs with `hurry`.
        self.sleeping_until.store(u64::MAX, Ordering::SeqCst);
        let until = hint.min(self.plan(polls, deputizes));
        self.sleeping_until.store(until.0, Ordering::SeqCst);
        if !executor.has_work() {
            let until = (until != Instant::FAR).then_some(until);
            runtime.platform().carrier_sleep(self.id(), until, polls.then_some(&mut *events));
        }
        self.sleeping_until.store(0, Ordering::SeqCst);
        executor.idle.wake_up();
        if !self.take_sleeper() {
            // Who took it counts this carrier as searching.
            executor.idle.was_woken();
            self.own(|own| own.searching = true);
        }
        if polls {
            runtime.lookout.poller.leave();
            for event in events.iter() {
                reactor::deliver(runtime, *event);
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
        if !(polls || deputizes) || !runtime.has_many_carriers() {
            return own;
        }
        let role: &Role = if polls { &runtime.lookout.poller } else { &runtime.lookout.deputy };
        if self.own(|own| own.quiet) >= QUIET_TICKS {
            // SeqCst: dozes first, then looks whether anything runs; pairs with `rouse`.
            role.set_dozing(true);
            if runtime.lookout.running.load(Ordering::SeqCst) == 0 {
                return own;
            }
            role.set_dozing(false);
        }
        let tick = runtime.platform().now() + TICK;
        let others = runtime.carriers().map(|carrier| carrier.timers.next());
        others.fold(own.min(tick), Instant::min)
    }

    /// After a sleep on the lookout: serves the deadlines of those who are busy.
    fn look_out(&'static self, on_duty: bool) {
        let runtime = self.executor.runtime;
        let runs = runtime.lookout.running.load(Ordering::SeqCst) > 0;
        self.own(|own| {
            own.unused = own.unused.saturating_add(1);
            own.quiet = if runs { 0 } else { own.quiet.saturating_add(1) };
        });
        if on_duty && runs {
            let now = runtime.platform().now();
            for carrier in runtime.carriers() {
                if carrier.timers.next() <= now {
                    timer::fire(runtime, carrier, now);
                }
            }
        }
    }

    /// Claims this carrier's sleep; true for one claimer only.
    pub(crate) fn take_sleeper(&self) -> bool {
        let taken = self.asleep.compare_exchange(true, false, Ordering::SeqCst, Ordering::SeqCst);
        taken.is_ok()
    }

    /// A deadline was armed here that comes at `sooner`: wakes the carrier if it would sleep
    /// longer.
    pub(crate) fn hurry(&self, runtime: &'static Runtime, sooner: Instant) {
        // SeqCst: after the store of the deadline; pairs with `sleep`.
        if self.sleeping_until.load(Ordering::SeqCst) > sooner.0 {
            runtime.platform().carrier_wake(self.id());
        }
    }

    /// Waits for the executor to get stuck; true to join in, false to end.
    pub(super) fn stand_by(&'static self) -> bool {
        let executor = self.executor;
        let platform = executor.runtime.platform();
        let mut progress = 0;
        let mut quiet = 0;
        let _ = executor.look(&mut progress);
        loop {
            platform.carrier_sleep(self.id(), Some(platform.now() + STUCK_AFTER), None);
            match executor.look(&mut progress) {
                Look::Stuck => {
                    executor.active.fetch_add(1, Ordering::SeqCst);
                    // Release pairs with the swap in `grow`: another standby may follow.
                    executor.standby.store(false, Ordering::Release);
                    return true;
                }
                Look::Busy => quiet = 0,
                Look::Quiet if quiet >= IDLE_LOOKS => {
                    executor.standby.store(false, Ordering::Release);
                    return false;
                }
                Look::Quiet => quiet += 1,
            }
        }
    }
}

impl Runtime {
    /// A carrier starts to run after a sleep: counts it, and wakes a lookout that dozes.
    pub(crate) fn rouse(&'static self) {
        // SeqCst: counted first, then looks who dozes; pairs with `plan`.
        self.lookout.running.fetch_add(1, Ordering::SeqCst);
        let dozer = self.lookout.poller.dozer().or_else(|| self.lookout.deputy.dozer());
        if let Some(dozer) = dozer {
            self.platform().carrier_wake(crate::platform::CarrierId(dozer));
        }
    }
}
