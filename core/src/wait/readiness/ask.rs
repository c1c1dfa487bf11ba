//! The conversation with the platform about one descriptor: who asks for what, and what an event
//! wakes.
//!
//! Watching from outside may race with the end of the wait. As in `wait/timers.rs`, the watcher
//! looks at the state after it has counted itself in `watching`, and the other looks at `watching`
//! after it has changed the state, all SeqCst.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: records are never unmapped, and `State::wake` and
//! `State::wake_inside` claim a task for one caller only.
#![allow(unsafe_code)]

use crate::platform::{Armed, Event, Interest, Source};
use crate::prim::{Ordering, SpinGuard};
use crate::queues::watch::Watch;
use crate::sched::here::schedule as schedule_one;
use crate::sched::parts::Runtime;
use crate::source::slot::{Ask, Slot, SlotState};
use crate::source::waiting::Claimed;
use crate::state::Ticket;
use crate::task::handle::Handle;
use crate::task::header::Task;
use crate::time::Instant;
use crate::wait::timers::{arm, wake};

impl Runtime {
    /// Unparks the virtual thread once when `source` is ready for any of `interest`, or at
    /// `deadline`, within its present wait. What cannot be waited for wakes it at once: the next
    /// system call tells why. Each call takes a watch until the wait ends, unless it is for the
    /// source of the call before.
    pub fn unpark_ready(
        &'static self,
        handle: Handle,
        source: Source,
        interest: Interest,
        deadline: Instant,
    ) {
        let Some((task, generation)) = self.tasks.find(handle) else { return };
        let outsider = task.outsiders.enter();
        let Some(ticket) = outsider.ticket(&task.state, generation) else { return };
        if deadline == Instant::ZERO {
            return wake(task, ticket);
        }
        // SAFETY: a record of this runtime.
        unsafe { arm(self, task, ticket, deadline) };
        let watched = self
            .sources
            .slot_for(self.platform(), source)
            .is_ok_and(|slot| watch(self, slot, task, source, ticket, interest));
        if !watched {
            wake(task, ticket);
        }
    }
}

/// Links a watch and asks the platform; false if there is no watch to be had.
fn watch(
    runtime: &'static Runtime,
    slot: &'static Slot,
    task: &'static Task,
    source: Source,
    ticket: Ticket,
    interest: Interest,
) -> bool {
    runtime.sources.use_it();
    let store = &runtime.sources.watches;
    let ask = {
        let mut watches = task.watches.lock();
        if let Some(watch) = watches.newest(store, source.0, ticket) {
            let mut state = slot.state.lock();
            state.widen(watch, interest);
            state.ask()
        } else {
            let Some(watch) = watches.take(store, source.0) else {
                drop(watches);
                let has_room = store.make_room(runtime.platform()).is_ok();
                return has_room && self::watch(runtime, slot, task, source, ticket, interest);
            };
            Watch::at(watch).set(task.state_word(), ticket, interest, false);
            let mut state = slot.state.lock();
            state.add(watch);
            // SeqCst, before the look at the state: see the module's head.
            task.watching.fetch_add(1, Ordering::SeqCst);
            if task.state.is_over(ticket) {
                state.remove(watch);
                drop(state);
                watches.give_back(store);
                task.watching.fetch_sub(1, Ordering::SeqCst);
                return true;
            }
            state.ask()
        }
    };
    converse(runtime, slot, source, ask);
    true
}

/// Asks the platform until nothing is left to ask.
pub(super) fn converse(runtime: &'static Runtime, slot: &Slot, source: Source, mut ask: Ask) {
    loop {
        let mut owned = None;
        match ask {
            Ask::Nothing => return,
            Ask::Look(interest) => {
                let ready = runtime.level(source, interest).unwrap_or(Interest::BOTH);
                let mut state = slot.state.lock();
                state.event(ready);
                wake_due(slot, state);
                ask = Ask::Nothing;
            }
            Ask::Arm(interest, generation) => {
                let answer = runtime.platform().io_arm(source, token(source, generation), interest);
                let mut state = slot.state.lock();
                ask = match answer {
                    Ok(armed) => state.armed(armed == Armed::New),
                    Err(_) => {
                        state.refused();
                        Ask::Nothing
                    }
                };
                owned = state.owned_generation();
                wake_due(slot, state);
            }
        }
        while let Some(generation) = owned {
            // Taken over meanwhile: what was just armed has replaced its registration. If the
            // platform refuses to have it back, nobody is told of events: its owner's next try
            // tells why, and watches look for themselves.
            if runtime.register_as(slot, source, generation).is_err() {
                let mut state = slot.state.lock();
                state.event(Interest::BOTH);
                wake_due(slot, state);
            }
            // And this has replaced what came meanwhile: the next owner's, or a question.
            let mut state = slot.state.lock();
            owned = state.owned_generation().filter(|now| *now != generation);
            if ask == Ask::Nothing {
                ask = state.rest();
            }
        }
    }
}

/// What travels with an event.
pub(super) fn token(source: Source, generation: u32) -> u64 {
    u64::from(source.0) | u64::from(generation) << 32
}

/// Turns one event into wakes.
pub(crate) fn deliver(runtime: &'static Runtime, event: Event) {
    let (source, generation) = (event.token as u32, (event.token >> 32) as u32);
    let Some(slot) = runtime.sources.slot(source) else { return };
    let mut state = slot.state.lock();
    if !state.ready(generation, event.ready) {
        return;
    }
    if state.is_owned() {
        return slot.edge(state, event.ready);
    }
    let ask = wake_all_due(slot, state, SlotState::rest);
    converse(runtime, slot, Source(source), ask);
}

/// In `watching`, beside the number of watches in use: the task has spare ones.
const SPARE: u32 = 1 << 31;

/// Takes the watches of ended waits back; those of the wait of `keep` stay.
#[inline]
pub(crate) fn unwatch(runtime: &'static Runtime, task: &Task, keep: Ticket) {
    // SeqCst: see the module's head.
    if task.watching.load(Ordering::SeqCst) & !SPARE != 0 {
        take_back(runtime, task, keep);
    }
}

#[inline(never)]
fn take_back(runtime: &'static Runtime, task: &Task, keep: Ticket) {
    let store = &runtime.sources.watches;
    let ended = task.watches.lock().take_ended(store, keep);
    let (mut count, mut last) = (0, None);
    for watch in ended.iter(store) {
        let slot = runtime.sources.slot(Watch::at(watch).source()).expect("a watch has a slot");
        slot.state.lock().remove(watch);
        (count, last) = (count + 1, Some(watch));
    }
    if let Some(last) = last {
        task.watches.lock().keep(ended, last);
        task.watching.fetch_sub(count, Ordering::SeqCst);
    }
    // Relaxed: only the task itself reads and writes this bit.
    if task.watching.load(Ordering::Relaxed) & SPARE == 0 {
        task.watching.fetch_add(SPARE, Ordering::Relaxed);
    }
}

/// The task has ended: all its watches go back to the runtime.
#[inline]
pub(crate) fn forget(runtime: &'static Runtime, task: &'static Task) {
    // SeqCst: see the module's head.
    if task.watching.load(Ordering::SeqCst) != 0 {
        give_back(runtime, task);
    }
}

#[inline(never)]
fn give_back(runtime: &'static Runtime, task: &Task) {
    take_back(runtime, task, Ticket::NONE);
    task.watching.fetch_sub(SPARE, Ordering::Relaxed);
    let spares = task.watches.lock().take_spare();
    runtime.sources.watches.give_back(spares);
}

/// Wakes those whose watches are due, and ends the hold of the lock.
#[inline]
pub(super) fn wake_due<'a>(slot: &'a Slot, state: SpinGuard<'a, SlotState>) {
    if state.has_due() {
        wake_all_due(slot, state, |_| ());
    }
}

/// The same, with what `last` says under the last hold of the lock. Gives the lock away between two
/// batches of them.
fn wake_all_due<'a, R>(
    slot: &'a Slot,
    mut state: SpinGuard<'a, SlotState>,
    last: impl FnOnce(&mut SlotState) -> R,
) -> R {
    loop {
        let mut claimed = Claimed::new();
        let are_more = state.claim(&mut claimed);
        if !are_more {
            let said = last(&mut state);
            drop(state);
            schedule(claimed);
            return said;
        }
        drop(state);
        schedule(claimed);
        state = slot.state.lock();
    }
}

/// Schedules tasks that were claimed under a slot's lock.
fn schedule(mut claimed: Claimed) {
    while let Some(task) = claimed.pop_front() {
        // SAFETY: a claimed task is its claimer's until it is scheduled.
        unsafe { schedule_one(Task::at(task)) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
