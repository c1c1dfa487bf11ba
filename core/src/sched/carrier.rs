//! A carrier: the OS thread or CPU that runs virtual threads, one turn at a time.
//!
//! `turn` runs at most one task and never blocks; `run` is the loop that sleeps in between. A
//! task and its carrier change places by two switches: `mount` into the task, `leave` out of it.
//! What the task asked for (yield, park, finish) is done here, on the carrier's own stack: only
//! then may others see the task as parked or ended, and resume or reuse it.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: `own` is touched on the carrier's OS thread only, and
//! what a switch writes there is reached by pointers.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use drift_asm::sanitizer::{TaskStack, ThreadStack};
use drift_asm::{init, slot};

use crate::link::list::List;
use crate::platform::{CarrierId, CarrierMain, Events};
use crate::prim::{Ordering, fence};
use crate::sched::here::here;
use crate::sched::parts::{Carrier, Life};
use crate::sched::words;
use crate::state::{Hold, Then};
use crate::task::header::{Entry, Mounted, Request, Saved, Task};
use crate::time::{Instant, MILLISECOND};

/// Turns between two looks at deadlines, poller and injector while there is work. Prime, so that
/// it does not keep step with a program's own rhythm.
pub(crate) const SERVE_EVERY: u32 = 61;

/// Tasks that go from the injector to a run queue at a time.
pub(super) const SHARE: usize = 128;

/// How long a task waits for memory for its stack's guard before it is tried again.
const STARVED: u64 = MILLISECOND;

/// What a turn came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something ran.
    Worked,
    /// Nothing can run before the next wake, event or deadline, or this instant.
    Idle {
        /// When to look again at the latest; [`Instant::FAR`] for whenever woken.
        until: Instant,
    },
    /// The carrier is not needed any more.
    Done,
}

impl CarrierMain for Carrier {
    fn id(&self) -> CarrierId {
        self.id()
    }

    unsafe fn run(&'static self) {
        self.run_with(None);
    }

    unsafe fn run_between(&'static self, between: &dyn Fn()) {
        self.run_with(Some(between));
    }
}

impl Carrier {
    /// Takes turns until there are no more.
    fn run_with(&'static self, between: Option<&dyn Fn()>) {
        for turn in 0.. {
            if self.life.load(Ordering::Acquire) == Life::On as u8 {
                break;
            }
            self.executor.runtime.platform().thread_yield(turn);
        }
        // SAFETY: a carrier, which lives for ever.
        unsafe { slot::set(ptr::from_ref(self).cast_mut().cast()) };
        self.own.words.set(self.executor.runtime.platform().thread_words());
        // SAFETY: this thread's, and nothing runs here yet.
        unsafe { *self.own.told.get() = ThreadStack::here() };
        let stands_by = self.starts_standby.load(Ordering::Relaxed);
        let stays = self.executor.keeps_home();
        self.own.stands_by.set(stands_by);
        self.own.stays.set(stays);
        if !stands_by || self.stand_by() {
            let mut events = Events::new();
            loop {
                match self.turn() {
                    Turn::Worked => {}
                    Turn::Idle { until } => self.sleep(until, &mut events),
                    Turn::Done => break,
                }
                if let Some(between) = between {
                    between();
                }
            }
        }
        // SAFETY: none runs here any more.
        unsafe { slot::set(ptr::null_mut()) };
        let executor = self.executor;
        let stood_by = self.own.stands_by.replace(false);
        // Release: the next OS thread of this carrier finds it as it was left; pairs with the
        // acquire in `Executor::start`. The last touch of this thread.
        self.life.store(Life::Off as u8, Ordering::Release);
        // Who pushed meanwhile may have found no carrier to start: this one can be now.
        if stood_by {
            executor.crew.leave_standby();
        }
        if executor.has_work() {
            executor.notify();
        }
        // SeqCst: off, then looks who runs and stands by; pairs with `grow`.
        fence(Ordering::SeqCst);
        if executor.may_grow() && executor.crew.lacks_standby(&executor.idle, executor.max_threads)
        {
            executor.grow();
        }
    }

    /// Runs at most one virtual thread.
    fn turn(&'static self) -> Turn {
        // One that found no stack is tried again when there is nothing else.
        let starved = || self.executor.starved.pop();
        let Some(task) = self.next().or_else(starved).map(Task::at) else {
            return self.idle_turn();
        };
        self.found_work();
        if self.run_task(task) { Turn::Worked } else { self.starve(task) }
    }

    /// No memory for the stack of `task` just now: behind everything, and a little later.
    fn starve(&self, task: &'static Task) -> Turn {
        // SAFETY: it came from a queue, and is this carrier's.
        unsafe { self.executor.starved.push(task.into()) };
        if !self.queue.is_empty() || !self.keeps_none() {
            return Turn::Worked;
        }
        Turn::Idle { until: self.executor.runtime.platform().now() + STARVED }
    }

    /// Queues a task at this carrier.
    ///
    /// # Safety
    /// On the carrier's own OS thread; the caller has claimed `task`, one of the same executor.
    pub(crate) unsafe fn push(&'static self, task: &'static Task) {
        let executor = self.executor;
        if executor.is_solo() {
            // In order: behind what waits in the injector already.
            if !executor.injector.is_empty() {
                // SAFETY: the caller has claimed it.
                unsafe { executor.injector.push(task.into()) };
                return;
            }
            // SAFETY: the owner's thread, and a claimed task.
            if unsafe { self.queue.push(task.into()) }.is_err() {
                // SAFETY: the same task.
                unsafe { executor.injector.push(task.into()) };
            }
            return;
        }
        // SAFETY: the caller has claimed it.
        if self.own.stays.get() && unsafe { executor.send_home(task, Some(self)) } {
            return;
        }
        let waits = !self.queue.is_empty();
        // SAFETY: the owner's thread, and a claimed task.
        if unsafe { self.queue.push(task.into()) }.is_err() {
            // SAFETY: the same.
            unsafe { self.overflow(task) };
        }
        // The first in the queue is what this carrier runs next; for those behind, somebody
        // else may be idle.
        if waits && executor.idle.wants_help() {
            executor.notify();
        }
    }

    /// Half of a full queue goes to the injector, and `task` behind it.
    ///
    /// # Safety
    /// As for `push`.
    unsafe fn overflow(&'static self, task: &'static Task) {
        let mut half = List::new();
        for _ in 0..SHARE {
            // SAFETY: the owner's thread.
            let Some(old) = (unsafe { self.queue.pop() }) else { break };
            // SAFETY: popped, so in no queue.
            unsafe { half.push_back(old) };
        }
        // SAFETY: the caller has claimed it.
        unsafe { half.push_back(task.into()) };
        // SAFETY: all of them are this carrier's.
        unsafe { self.executor.inject(half) };
    }

    /// Runs `task` until it leaves; false if there was no stack for it.
    fn run_task(&'static self, task: &'static Task) -> bool {
        if !task.state.is_started() {
            // SAFETY: it came from a queue, and is this carrier's.
            if unsafe { self.offers(task) } {
                return true;
            }
            // SAFETY: the spawner wrote it before the task was queued.
            let class = task.class.with(|class| unsafe { *class });
            let stack = match task.state.will_start() {
                true => self.take_stack(class),
                false => None,
            };
            if stack.is_none() && task.state.will_start() {
                return false;
            }
            if stack.is_none() || !task.state.start() {
                // Whoever cancelled it gives its place back.
                stack.into_iter().for_each(|stack| self.put_stack(stack));
                self.let_go(task);
                return true;
            }
            self.settle(task);
            // Memory came: those that had none need not wait until this one leaves.
            let others = self.executor.starved.pop_batch(usize::MAX);
            if !others.is_empty() {
                // SAFETY: they came from a queue, and are this carrier's.
                unsafe { self.executor.inject(others) };
            }
            let stack = stack.expect("just checked");
            task.mounted.with_mut(|mounted| {
                // SAFETY: a started task that is not mounted is its carrier's.
                let mounted = unsafe { &mut *mounted };
                let argument = ptr::from_ref(task).cast_mut().cast();
                // SAFETY: the stack is this task's alone, and its top is aligned.
                mounted.context = unsafe { init(stack.top as *mut u8, begin, argument) };
                // SAFETY: the stack was just taken for this task.
                mounted.told = unsafe { TaskStack::begin(stack.limit, stack.top) };
                mounted.stack = Some(stack);
                mounted.saved = Saved::CLEAR;
            });
        }
        self.mount(task);
        true
    }

    /// Switches into the task and, when it has left, does what it asked for.
    fn mount(&'static self, task: &'static Task) {
        let mounted: *mut Mounted = task.mounted.with_mut(|mounted| mounted);
        self.current.store(ptr::from_ref(task).cast_mut(), Ordering::Relaxed);
        let words = self.own.words.get();
        let (thread, from) = (self.own.told.get(), self.own.context.get());
        // SAFETY: the task is this carrier's until it parks or ends.
        let (to, saved) = unsafe { (&*mounted).resumption() };
        // SAFETY: the words are this OS thread's.
        unsafe { words::restore(words, saved) };
        // SAFETY: the task is ours, as above.
        let told = unsafe { (*mounted).told };
        // SAFETY: the context was made by `init` or saved when the task left; the task is ours.
        unsafe { ThreadStack::enter(thread, &told, from, to) };
        // SAFETY: this thread's own field, which nothing else refers to after the switch.
        let thread = unsafe { &mut *thread };
        // SAFETY: after the switch above, on the same stack.
        unsafe { thread.back() };
        self.current.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the words are this OS thread's.
        let saved = unsafe { words::save(words) };
        // SAFETY: the task has left, and is this carrier's again.
        unsafe { (*mounted).saved = saved };
        self.turns.store(self.turns.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        // SAFETY: the same.
        match unsafe { (*mounted).request } {
            // SAFETY: the owner's thread, and the task that just left.
            Request::Yield => unsafe { self.push(task) },
            Request::Park(heeds) => {
                self.fill_budget();
                self.executor.uncount(task);
                if task.state.commit_park(heeds) == Then::Enqueue {
                    self.executor.count(task);
                    // SAFETY: the owner's thread, and `commit_park` left the task to us.
                    unsafe { self.push(task) };
                }
            }
            Request::Finish => {
                self.fill_budget();
                // SAFETY: an ended task is its carrier's, and nothing is suspended on its stack.
                let stack = unsafe { (*mounted).stack.take() };
                // SAFETY: the same.
                let told = unsafe { (*mounted).told };
                // SAFETY: it began with the task's stack, which it leaves here.
                unsafe { told.end() };
                self.put_stack(stack.expect("a task that ran has a stack"));
                self.unsettle(task);
                self.executor.uncount(task);
                self.executor.runtime.complete(task);
                self.let_go(task);
            }
        }
    }

    /// Gives up a carrier's hold of an ended task.
    fn let_go(&self, task: &'static Task) {
        let runtime = self.executor.runtime;
        let state = &task.state;
        if state.release(Hold::Engagement, state.generation()) {
            runtime.recycle(task);
        }
    }

    /// A number for a choice among equals. Only on the carrier's own OS thread.
    pub(crate) fn random(&self) -> u32 {
        self.own.draw();
        self.own.random.get()
    }
}

/// What every virtual thread runs first and last, on its own stack.
unsafe extern "C" fn begin(argument: *mut u8) -> ! {
    let task = Task::at(NonNull::new(argument.cast()).expect("init was given a record"));
    entered(task);
    let entry = task.entry.with_mut(|entry| entry);
    // SAFETY: a started task owns its entry.
    let (run, payload) = unsafe { Entry::running(entry) };
    // SAFETY: `run` is called here only, once: `spawn`'s caller vouches for it.
    unsafe { run(payload) };
    // SAFETY: it is the current task.
    unsafe { leave(task, Request::Finish) };
    unreachable!("an ended virtual thread was resumed")
}

/// Switches from the current task to its carrier; returns when the task is mounted again,
/// perhaps on another carrier.
///
/// # Safety
/// `task` is the current task of this OS thread.
#[inline]
pub(crate) unsafe fn leave(task: &'static Task, request: Request) {
    let mounted: *mut Mounted = task.mounted.with_mut(|mounted| mounted);
    let carrier = here().expect(
        "a child that was forked on a virtual thread has no carrier: it must exec or _exit",
    );
    // SAFETY: this thread's own field, which its last mount has written.
    let to = unsafe { *carrier.own.context.get() };
    let ends = matches!(request, Request::Finish);
    // SAFETY: a running task's own field.
    unsafe { (*mounted).request = request };
    // SAFETY: the same; a pointer to it, no reference that would outlast the switch.
    let from = unsafe { &raw mut (*mounted).context };
    let thread = carrier.own.told.get().cast_const();
    // SAFETY: a running task's own field.
    let told = unsafe { &raw mut (*mounted).told };
    // SAFETY: the carrier saved its context when it mounted this task.
    unsafe { ThreadStack::leave(thread, told, ends, from, to) };
    entered(task);
}

/// The current task runs, for the first time or again.
#[inline(always)]
fn entered(task: &'static Task) {
    if cfg!(feature = "sanitize") {
        let carrier = here().expect("a task runs on a carrier");
        // SAFETY: a running task's own field.
        let told = task.mounted.with(|mounted| unsafe { (*mounted).told });
        // SAFETY: this thread's own field, which nothing else refers to while the task runs.
        let thread = unsafe { &mut *carrier.own.told.get() };
        // SAFETY: it was just switched to, and this is its stack.
        unsafe { thread.entered(&told) };
    }
}
