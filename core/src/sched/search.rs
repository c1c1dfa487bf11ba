//! Where a carrier finds its next task: the order that `sched` promises.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: all of it runs on the carrier's own OS thread.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use crate::sched::carrier::{SERVE_EVERY, SHARE};
use crate::sched::parts::{Carrier, Own};
use crate::task::header::Task;

impl Own {
    /// The next `random`: Marsaglia, "Xorshift RNGs", 2003.
    pub(super) fn draw(&self) {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
    }
}

impl Carrier {
    /// The next task, by the order of `sched`.
    #[inline]
    pub(super) fn next(&'static self) -> Option<NonNull<Task>> {
        let executor = self.executor;
        let tick = self.own.tick.get().wrapping_add(1);
        self.own.tick.set(tick);
        if tick.is_multiple_of(SERVE_EVERY) {
            self.serve();
            // Those that found no stack must not wait for ever behind one that only yields.
            if let Some(task) = executor.starved.pop() {
                self.offer_queue();
                return Some(task);
            }
            if !executor.is_solo()
                && let Some(task) = executor.injector.pop().or_else(|| self.look_at_offered())
            {
                return Some(task);
            }
        }
        if executor.is_solo() {
            // SAFETY: the owner's thread.
            return unsafe { self.queue.pop() }.or_else(|| self.take_share());
        }
        if self.own.stays.get() {
            return self.next_of_four(tick);
        }
        self.next_in_queue().or_else(|| self.take_share()).or_else(|| self.steal())
    }

    /// The same, where tasks stay.
    #[inline(never)]
    fn next_of_four(&'static self, tick: u32) -> Option<NonNull<Task>> {
        // Those that stay may keep this carrier busy for ever; others must not wait for that in
        // the queue of a carrier that is blocked.
        if tick.is_multiple_of(SERVE_EVERY)
            && self.queue.is_empty()
            && let Some(task) = self.rob(tick)
        {
            self.offer_queue();
            return Some(task);
        }
        self.next_in_turn(tick).or_else(|| self.steal()).or_else(|| self.take_back())
    }

    /// From the run queue of one carrier of several.
    #[inline]
    pub(super) fn next_in_queue(&'static self) -> Option<NonNull<Task>> {
        let executor = self.executor;
        // SAFETY: the owner's thread.
        let task = unsafe { self.queue.pop() }?;
        if !self.queue.is_empty() && executor.idle.wants_help() {
            executor.notify();
        }
        Some(task)
    }

    /// From the injector, to an empty run queue.
    pub(super) fn take_share(&'static self) -> Option<NonNull<Task>> {
        let executor = self.executor;
        let waiting = executor.injector.len();
        if waiting == 0 {
            return None;
        }
        let active = executor.crew.active().max(1) as usize;
        let mut share = executor.injector.pop_batch((waiting / active + 1).min(SHARE));
        let task = share.pop_front();
        while let Some(next) = share.pop_front() {
            // SAFETY: the owner's thread, and tasks that were just taken from a queue.
            let pushed = unsafe { self.queue.push(next) };
            debug_assert!(pushed.is_ok(), "an empty queue has room for a share");
        }
        if !executor.is_solo() {
            // SAFETY: the owner's thread.
            unsafe { self.queue.publish() };
        }
        if executor.idle.wants_help() && executor.has_work() {
            executor.notify();
        }
        task
    }

    /// From somebody else's run queue.
    fn steal(&'static self) -> Option<NonNull<Task>> {
        let executor = self.executor;
        let active = executor.crew.active();
        let own = &self.own;
        own.searching.set(own.searching.get() || executor.idle.begin_search(active));
        // Thieves start at different victims.
        own.draw();
        if own.searching.get() { self.rob(own.random.get()) } else { None }
    }

    /// Half of the first run queue that has anything, from carrier number `start` on.
    fn rob(&'static self, start: u32) -> Option<NonNull<Task>> {
        let executor = self.executor;
        let count = executor.max_threads;
        let start = start % count;
        (0..count).find_map(|step| {
            let index = u32::from(executor.first) + (start + step) % count;
            let victim = executor.runtime.carrier(index as usize);
            if ptr::eq(victim, self) {
                return None;
            }
            // SAFETY: the owner's thread of the queue that receives.
            unsafe { victim.queue.steal_into(&self.queue) }
        })
    }

    /// A task was found. Mostly the carrier has run one just before, and nothing changes.
    #[inline]
    pub(super) fn found_work(&'static self) {
        let executor = self.executor;
        // Read, and not written: a store that the next turn's look waits for costs a nanosecond.
        self.own.unused.set(0);
        if !self.own.running.get() || self.own.searching.get() {
            self.found_first_work();
        }
        if executor.may_grow() && executor.crew.wants_standby(executor.max_threads) {
            executor.grow();
        }
    }

    /// The first one after a sleep or a search: a searcher is one no more, and the last one sees
    /// that the rest is seen.
    #[inline(never)]
    fn found_first_work(&'static self) {
        let executor = self.executor;
        let searched = self.own.searching.replace(false);
        if !self.own.running.replace(true) {
            executor.runtime.rouse();
        }
        let waits = || executor.has_work() || !executor.starved.is_empty();
        match searched && executor.idle.stop_searching() && waits() {
            true => executor.notify(),
            false => executor.grow_if_nobody_looks(),
        }
    }
}
