//! The record of a virtual thread: 256 bytes, type-stable, never unmapped.
//!
//! | field                      | whose, and when                                              |
//! |----------------------------|--------------------------------------------------------------|
//! | `state`                    | everybody's; see `state.rs`                                  |
//! | `context`, `stack`, `saved`| the carrier's while mounting and unmounting; the task's own  |
//! |                            | `context` is written by the switch away, before `Parked`     |
//! | `request`                  | the task's before a switch, the carrier's after it           |
//! | `link`                     | whoever has claimed the task: one queue at a time            |
//! | `executor`                 | written once, by the submitter that won, before it enqueues  |
//! | `counted`                  | whoever turns it on counts, whoever turns it off uncounts    |
//! | `timer`, `timer_ticket`    | under the lock of the wheel that `timer_home` names          |
//! | `watches`                  | under its own lock; `watching` counts what is in use, and    |
//! |                            | has a bit if anything is spare                               |
//! | `joiners`                  | under its own lock                                           |
//! | `entry`                    | the spawner's, then the task's or its canceller's            |
//! | `class`, `reserved`        | the owner of the record                                      |
//! | `shields`, `reason`        | the task's own; anybody may look at the second               |
//! | `outsiders`                | everybody's; see `state/outside.rs`                          |
//! | `home`, `began`            | written by the carrier that starts it, if it has to stay     |
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the table above; links are plain fields of records that
//! are never unmapped.
#![allow(unsafe_code)]

use core::fmt;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::{self, NonNull};

use drift_asm::Context;
use drift_asm::sanitizer::TaskStack;

use crate::link::{Link, Linked};
use crate::platform::{Stack, StackClass};
use crate::prim::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, Ordering, SpinLock, UnsafeCell};
use crate::queues::waiters::{WaitQueue, Waiters};
use crate::queues::watch::Watches;
use crate::queues::wheel::{Kind, TimerNode};
use crate::state::outside::Outsiders;
use crate::state::{Heeds, State, Ticket};
use crate::task::reason::Reason;

/// The words of what a virtual thread runs: its captured state, or where that is. They keep what
/// is put in, a pointer with what it may lead to and padding as padding, as no integer could.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Payload([MaybeUninit<u64>; 7]);

impl Payload {
    /// Nothing.
    pub const EMPTY: Self = Self([MaybeUninit::uninit(); 7]);

    /// With `value` at its beginning.
    #[inline]
    pub const fn of<T: Copy>(value: T) -> Self {
        const { assert!(size_of::<T>() <= size_of::<Self>(), "a payload has seven words") };
        const { assert!(align_of::<T>() <= align_of::<Self>(), "a payload is aligned as a word") };
        let mut payload = Self::EMPTY;
        // SAFETY: it fits, as was just asserted.
        unsafe { (&raw mut payload).cast::<T>().write(value) };
        payload
    }

    /// What lies at the beginning of `payload`.
    ///
    /// # Safety
    /// `payload` leads to one that was made by [`of`](Self::of) with a `T`, or has the bytes of
    /// one, and nobody writes to it meanwhile.
    #[inline]
    pub const unsafe fn read<T: Copy>(payload: *const Self) -> T {
        // SAFETY: the caller's promise.
        unsafe { payload.cast::<T>().read() }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

/// What runs, or drops, a payload.
pub type Run = unsafe fn(*mut Payload);

/// What a virtual thread runs. Exactly one of the two functions is called, exactly once, with the
/// address of the record's own copy of `payload`, which does not change meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Runs the virtual thread, on its own stack, and drops what it captured.
    pub run: Run,
    /// Drops what it captured, for one that will never run; on the stack of whoever cancels.
    pub discard: Run,
    /// The captured words.
    pub payload: Payload,
}

/// Why a task gave its carrier up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// To the tail of the queue.
    Yield,
    /// Until something ends the wait.
    Park(Heeds),
    /// The entry has returned.
    Finish,
}

// No reference is made on the way to a payload: `run` uses its pointer for as long as the virtual
// thread lives, and another way there by `&mut` would end what that pointer may do.
impl Entry {
    /// `discard` and what to call it with.
    ///
    /// # Safety
    /// The caller owns the entry.
    pub(crate) unsafe fn discarding(entry: *mut Self) -> (Run, *mut Payload) {
        // SAFETY: the caller's promise.
        let discard = unsafe { (*entry).discard };
        // SAFETY: the same.
        (discard, unsafe { &raw mut (*entry).payload })
    }

    /// `run` and what to call it with.
    ///
    /// # Safety
    /// As for `discarding`.
    #[inline]
    pub(crate) unsafe fn running(entry: *mut Self) -> (Run, *mut Payload) {
        // SAFETY: the caller's promise.
        let run = unsafe { (*entry).run };
        // SAFETY: the same.
        (run, unsafe { &raw mut (*entry).payload })
    }
}

/// Marks run queues, the injector and free lists: a claimed task is in one of them.
#[derive(Debug)]
pub(crate) struct InQueue;

/// `errno` and the C++ exception globals of a task that is not mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Saved {
    pub caught: usize,
    pub uncaught: u32,
    pub errno: i32,
}

impl Saved {
    pub(crate) const CLEAR: Self = Self { caught: 0, uncaught: 0, errno: 0 };
}

/// The fields that only the present holder of the task touches.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub context: Context,
    pub stack: Option<Stack>,
    pub request: Request,
    pub saved: Saved,
    pub told: TaskStack,
}

impl Mounted {
    /// What to switch to, and the words to restore before.
    #[inline]
    pub(crate) fn resumption(&self) -> (Context, Saved) {
        (self.context, self.saved)
    }
}

/// The record of a virtual thread.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Task {
    pub state: State,
    pub link: Link<Task>,
    /// An `Executor`, which only `sched` knows.
    pub executor: AtomicPtr<()>,
    pub mounted: UnsafeCell<Mounted>,
    pub timer_home: AtomicU16,
    /// The turns of its home when it started there, modulo 2^16.
    pub began: AtomicU16,
    pub watching: AtomicU32,
    pub timer_ticket: UnsafeCell<Ticket>,
    pub timer: TimerNode,
    pub watches: SpinLock<Watches>,
    pub joiners: WaitQueue,
    pub entry: UnsafeCell<Entry>,
    pub index: u32,
    /// The number of the carrier that it must run on, once it has started.
    pub home: AtomicU16,
    pub class: UnsafeCell<StackClass>,
    /// The class of which a stack is reserved for this record; kept for its next life, unless that
    /// one is of another.
    pub reserved: UnsafeCell<Option<StackClass>>,
    /// Whether the task counts towards its executor's limit just now.
    pub counted: AtomicBool,
    /// Stretches that cancellation must not disturb, one inside the other; the task's own.
    pub shields: AtomicU16,
    /// Who registers something for its present wait.
    pub outsiders: Outsiders,
    /// What it waits for.
    pub reason: Reason,
}

// SAFETY: shared as the table above says; each field's owner is alone with it.
unsafe impl Sync for Task {}

// SAFETY: `link` is a plain field; a record is never unmapped, and whoever has claimed a task
// links it in one queue at a time.
unsafe impl Linked<InQueue> for Task {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live record, so `link` lies inside the same allocation.
        unsafe { node.byte_add(offset_of!(Task, link)) }.cast()
    }
}

unsafe fn nothing(_: *mut Payload) {}

/// Whether they are one record.
impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl Task {
    /// A record that was never used.
    pub(crate) fn new(index: u32) -> Self {
        Self {
            state: State::free(),
            link: Link::new(),
            executor: AtomicPtr::new(ptr::null_mut()),
            counted: AtomicBool::new(false),
            mounted: UnsafeCell::new(Mounted {
                context: Context::NONE,
                stack: None,
                request: Request::Yield,
                saved: Saved::CLEAR,
                told: TaskStack::NONE,
            }),
            timer_home: AtomicU16::new(0),
            began: AtomicU16::new(0),
            watching: AtomicU32::new(0),
            timer_ticket: UnsafeCell::new(Ticket::NONE),
            timer: TimerNode::new(Kind::Task),
            watches: SpinLock::new(Watches::new()),
            joiners: WaitQueue::new(Waiters::new()),
            entry: UnsafeCell::new(Entry {
                run: nothing,
                discard: nothing,
                payload: Payload::EMPTY,
            }),
            index,
            home: AtomicU16::new(0),
            class: UnsafeCell::new(StackClass::M1),
            reserved: UnsafeCell::new(None),
            shields: AtomicU16::new(0),
            outsiders: Outsiders::new(),
            reason: Reason::new(),
        }
    }

    /// The record around a timer node.
    ///
    /// # Safety
    /// The node's kind is `Kind::Task`.
    pub(crate) unsafe fn of_timer(node: NonNull<TimerNode>) -> &'static Self {
        // SAFETY: such a node is the field `timer` of a record.
        Self::at(unsafe { node.byte_sub(offset_of!(Task, timer)) }.cast())
    }

    /// The record that a list or a queue has: there are no others, and none is ever unmapped.
    #[inline]
    pub(crate) fn at(node: NonNull<Self>) -> &'static Self {
        // SAFETY: as said.
        unsafe { node.as_ref() }
    }

    /// Its state word, from which [`of_state`](Self::of_state) leads back.
    #[inline]
    pub(crate) fn state_word(&'static self) -> NonNull<State> {
        const { assert!(offset_of!(Task, state) == 0) };
        NonNull::from(self).cast()
    }

    /// The record of a word that [`state_word`](Self::state_word) gave.
    #[inline]
    pub(crate) fn of_state(state: NonNull<State>) -> &'static Self {
        Self::at(state.cast())
    }

    /// Whether anything was registered for one of its waits, and not taken back.
    #[inline]
    pub(crate) fn has_registered(&self) -> bool {
        // SeqCst: after the end of the wait; pairs with who registers (`wait/timers.rs`,
        // `wait/readiness/mod.rs`).
        self.timer_home.load(Ordering::SeqCst) != 0 || self.watching.load(Ordering::SeqCst) != 0
    }

    /// The node that wheels link.
    pub(crate) fn timer_node(&'static self) -> NonNull<TimerNode> {
        // SAFETY: the field lies inside the record.
        unsafe { NonNull::from(self).byte_add(offset_of!(Task, timer)) }.cast()
    }

    /// Whether its waits do not heed cancellation just now. Only the task itself asks.
    #[inline]
    pub(crate) fn is_shielded(&self) -> bool {
        self.shields.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody asked it to end.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.is_cancelled()
    }
}

#[cfg(not(any(loom, feature = "sanitize")))]
static_assertions::const_assert!(size_of::<Task>() <= 256);
