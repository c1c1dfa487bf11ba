//! The one place where a virtual thread, or an OS thread, waits for another.
//!
//! A `Waiter` lives on the stack of who waits. It is linked, popped and looked at only under the
//! queue's lock, and its owner leaves the frame only after it has seen, under the lock, that the
//! waiter is not linked. So a popper may touch it while it has the lock, and no longer.
//!
//! | step of the one who waits        | step of the one who wakes                               |
//! |----------------------------------|---------------------------------------------------------|
//! | lock; look at the condition;     | make the condition true                                 |
//! | link; unlock                     |                                                         |
//! | sleep                            | lock; pop; claim the sleeper by its ticket, or set its  |
//! |                                  | word; unlock                                            |
//! | lock; unlink if still linked;    | enqueue the claimed task, or wake the OS thread         |
//! | unlock                           |                                                         |
//!
//! A virtual thread that was woken by something else in between (deadline, cancel) has ended the
//! wait of its ticket, and the claim does nothing. An OS thread's word is set under the lock, and
//! only its address is used afterwards, as a name (futex(2)).
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: linked waiters are alive, as said above.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::link::list::List;
use crate::link::{Link, Linked};
use crate::prim::{AtomicU32, Ordering, SpinGuard, SpinLock};
use crate::runtime::Runtime;
use crate::sched::{self, park};
use crate::task::header::Task;
use crate::task::state::{Then, Ticket};
use crate::time::Instant;

/// Marks the list of a [`WaitQueue`].
#[derive(Debug)]
pub(crate) struct InWaitQueue;

/// Who waits, and how to wake them.
#[derive(Debug)]
struct Waiter {
    link: Link<Waiter>,
    /// The virtual thread that waits; none for an OS thread.
    task: Option<NonNull<Task>>,
    ticket: Ticket,
    /// 1 once popped; what an OS thread sleeps on.
    woken: AtomicU32,
}

// SAFETY: `link` is a plain field, and a waiter stays in its frame while it is linked.
unsafe impl Linked<InWaitQueue> for Waiter {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live `Waiter`, so `link` lies inside the same allocation.
        unsafe { node.byte_add(core::mem::offset_of!(Waiter, link)) }.cast()
    }
}

/// First in, first out.
#[derive(Debug)]
pub(crate) struct WaitQueue(SpinLock<Waiters>);

/// What the lock of a [`WaitQueue`] protects.
#[derive(Debug)]
pub(crate) struct Waiters(List<InWaitQueue, Waiter>);

// SAFETY: the pointers in the list lead to waiters, which are touched only under the lock.
unsafe impl Send for Waiters {}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Somebody popped the waiter.
    Woken,
    /// The deadline passed.
    Timeout,
}

/// Someone who was popped and has to be set going, after the lock is released.
#[must_use]
#[derive(Debug)]
pub(crate) enum Popped {
    /// A claimed task, to be enqueued.
    Task(NonNull<Task>),
    /// An OS thread, asleep on this word.
    Thread(*const AtomicU32),
    /// A task whose wait had ended already; it sees for itself that it was popped.
    Late,
}

impl Popped {
    /// Sets them going.
    pub(crate) fn resume(self, runtime: &'static Runtime) {
        match self {
            // SAFETY: a claimed task is its claimer's until it is scheduled.
            Self::Task(task) => unsafe { sched::schedule(runtime, task) },
            Self::Thread(word) => runtime.platform().thread_wake(word),
            Self::Late => {}
        }
    }
}

impl Waiters {
    /// Pops and claims the first waiter.
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        let waiter = self.0.pop_front()?;
        // SAFETY: it was linked, and the lock that `self` is behind keeps its frame in place.
        let waiter = unsafe { waiter.as_ref() };
        // Release: what the popper did before is seen by the OS thread's acquire in `sleep`. A task
        // reads it under the lock.
        waiter.woken.store(1, Ordering::Release);
        Some(match waiter.task {
            None => Popped::Thread(&raw const waiter.woken),
            Some(task) => {
                // SAFETY: records are never unmapped; the ticket says whether it is still the
                // same wait.
                match unsafe { task.as_ref() }.state.wake_inside(waiter.ticket) {
                    Then::Enqueue => Popped::Task(task),
                    Then::Nothing => Popped::Late,
                }
            }
        })
    }
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        Self(SpinLock::new(Waiters(List::new())))
    }

    /// The lock, for whoever decides under it whether to wait or whom to wake.
    pub(crate) fn lock(&self) -> SpinGuard<'_, Waiters> {
        self.0.lock()
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self, runtime: &'static Runtime) {
        loop {
            let popped = self.lock().pop();
            match popped {
                Some(popped) => popped.resume(runtime),
                None => return,
            }
        }
    }

    /// Waits until popped or `until`. `waits` decides under the lock whether to wait at all; if
    /// not, the wait has not begun and the answer is none. `gives_up` is called under the lock if
    /// nobody popped the waiter. A cancel request does not end the wait.
    pub(crate) fn wait(
        &self,
        runtime: &'static Runtime,
        until: Instant,
        waits: impl FnOnce() -> bool,
        gives_up: impl FnOnce(),
    ) -> Option<Ended> {
        let task = sched::current_task(runtime);
        let waiter = Waiter {
            link: Link::new(),
            task,
            // SAFETY: the current task's record is alive: we run on it.
            ticket: task.map_or(Ticket::NONE, |task| unsafe { task.as_ref() }.state.own_ticket()),
            woken: AtomicU32::new(0),
        };
        let node = NonNull::from(&waiter);
        {
            let mut waiters = self.lock();
            if !waits() {
                return None;
            }
            // SAFETY: `waiter` stays in this frame until `leave` has seen it unlinked.
            unsafe { waiters.0.push_back(node) };
        }
        match task {
            Some(task) => {
                // SAFETY: `task` is the current one, and stays so across the park.
                unsafe { park::wait_inside(runtime, task, until) };
            }
            None => sleep(runtime, &waiter.woken, until),
        }
        let ended = self.leave(node, gives_up);
        if let Some(task) = task {
            // Both the deadline and a popper may have come; nobody can any more.
            // SAFETY: it runs here, so its record is alive.
            unsafe { task.as_ref() }.state.end_inside();
        }
        Some(ended)
    }

    /// Unlinks the waiter if nobody popped it.
    fn leave(&self, node: NonNull<Waiter>, gives_up: impl FnOnce()) -> Ended {
        let mut waiters = self.lock();
        // SAFETY: the waiter is this thread's own, in the frame of `wait`.
        let woken = unsafe { node.as_ref() }.woken.load(Ordering::Relaxed) == 1;
        if woken {
            return Ended::Woken;
        }
        // SAFETY: not popped, so still linked, in this queue, whose lock is held.
        unsafe { waiters.0.remove(node) };
        gives_up();
        Ended::Timeout
    }
}

/// Blocks an OS thread until `word` is 1 or the deadline.
fn sleep(runtime: &'static Runtime, word: &AtomicU32, until: Instant) {
    let platform = runtime.platform();
    let deadline = (until != Instant::FAR).then_some(until);
    // Acquire pairs with the release in `pop`.
    while word.load(Ordering::Acquire) == 0 {
        if deadline.is_some_and(|deadline| platform.now() >= deadline) {
            return;
        }
        platform.thread_wait(word, 0, deadline);
    }
}
