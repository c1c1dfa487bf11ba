//! What a scheduler is made of: the runtime with its tables, executors, carriers; and who may touch
//! which field of them. What they do is in the files beside this one, each with its protocol.
//!
//! ```text
//! Runtime ──── executors ──> Executor ──── carriers ──> Carrier ──── current ──> Task
//!    ^                        │    ^                      │  │                    │
//!    └──────── runtime ───────┘    └────── executor ──────┘  └─ Own               │
//!                                  └────────────────── executor ──────────────────┘
//! ```
//!
//! | field of a `Carrier`         | whose                                                       |
//! |------------------------------|-------------------------------------------------------------|
//! | `own`                        | the OS thread that runs this carrier                        |
//! | `queue`, `timers`            | by their own rules                                          |
//! | `inbox`                      | filled by anybody, emptied by the owner; see `home.rs`      |
//! | `current`, `turns`           | written by the owner, read by who looks for stuck carriers  |
//! | `seen`, `homed`              | `home.rs`                                                   |
//! | `asleep`                     | set by the owner; who turns it off has claimed the sleeper  |
//! | `sleeping_until`             | written by the owner; 0 while awake                         |
//! | `life`, `starts_standby`     | `executor.rs`, `standby.rs`                                 |
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: an executor and its carriers are written before it is
//! `listed`, and never moved; `own` is touched on the carrier's OS thread only.
#![allow(unsafe_code)]

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::ptr::{self, NonNull};

use drift_asm::Context;
use drift_asm::sanitizer::ThreadStack;

use crate::platform::{CarrierId, Event, MAX_CARRIERS, Platform, Stack, StackClass, ThreadWords};
use crate::prim::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, SpinLock,
};
use crate::queues::injector::Injector;
use crate::queues::pile::{Pile, Row};
use crate::queues::run_queue::RunQueue;
use crate::queues::wheel::Timers;
use crate::sched::admission::Admission;
use crate::sched::crew::Crew;
use crate::sched::idle::{Idle, Lookout};
use crate::sched::policy::{ExecutorPolicy, Terms};
use crate::sched::stage::Lives;
use crate::source::Sources;
use crate::task::header::{InQueue, Task};
use crate::task::slab::{Slab, Warm};
use crate::time::Instant;

/// Executors that a runtime can ever have.
pub const MAX_EXECUTORS: usize = MAX_CARRIERS;

/// The index of the default executor: the first.
const DEFAULT: u32 = 0;

/// Warm stacks of each class that a carrier keeps.
pub(super) const STACKS: usize = 16;

/// What a virtual thread may spend in one go; see `budget.rs`. A call of 20 ns then costs a switch
/// of 20 ns and a look at the clock once in 128 times.
pub(super) const FULL: i32 = 128;

/// A runtime. Lives for ever.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) platform: &'static dyn Platform,
    pub(crate) birth: u8,
    /// Of another process's life: set in the child of a fork(2).
    pub(crate) left_behind: AtomicBool,
    pub(crate) tasks: Slab,
    pub(crate) sources: Sources,
    pub(crate) wakers: &'static dyn Wakers,
    pub(crate) lookout: Lookout,
    /// These two are tables of one step: they are small, and every wake looks at them.
    pub(crate) executors: NonNull<Executor>,
    pub(crate) carriers: NonNull<Carrier>,
    pub(crate) taken: SpinLock<Taken>,
    /// Executors below are written, and their carriers.
    pub(crate) listed: AtomicU32,
    pub(crate) defaults: Defaults,
}

// SAFETY: the pointers never change, and what they lead to has rules of its own.
unsafe impl Sync for Runtime {}

/// How much of the tables is given out.
#[derive(Debug)]
pub(crate) struct Taken {
    pub executors: usize,
    pub carriers: usize,
}

/// Handles of default executors, 0 for none; see `runtime/defaults.rs`.
#[derive(Debug)]
pub(crate) struct Defaults {
    /// What each face has set.
    pub preferred: [AtomicI64; 2],
    /// What Rust has for itself.
    pub rust: AtomicI64,
}

/// The one way up: what the scheduler asks of deadlines and readiness, which end waits from
/// outside. They come back down by `schedule`.
pub(crate) trait Wakers: Sync {
    /// Wakes whose deadline has come in the wheel of `carrier`; whether there was any.
    fn fire(&self, carrier: &Carrier, now: Instant) -> bool;

    /// Turns an event of the platform into wakes.
    fn deliver(&self, runtime: &'static Runtime, event: Event);

    /// The task has ended: takes back what is registered for it.
    fn forget(&self, runtime: &'static Runtime, task: &'static Task);

    /// Moves what is left in the wheel of `carrier`, which ends, to one that does not.
    fn evacuate(&self, carrier: &Carrier);
}

impl fmt::Debug for dyn Wakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakers")
    }
}

/// Carriers, a queue and a policy: one place in the runtime's table.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) runtime: &'static Runtime,
    pub(crate) index: u32,
    /// Its carriers are those from `first` on, as many; the same in every life.
    pub(crate) max_threads: u32,
    pub(crate) first: u16,
    pub(crate) terms: Terms,
    pub(crate) lives: Lives,
    /// How far the records were searched for live tasks of a closed life; see `survey.rs`.
    pub(super) surveyed: AtomicU64,
    pub(crate) injector: Injector<InQueue, Task>,
    /// Tasks that found no memory for their stack. No work: who has nothing else tries one, and
    /// sleeps a little if there is still none. If all of those get other work, and it blocks, the
    /// last searcher among them, the lookout or the standby finds the list.
    pub(super) starved: Injector<InQueue, Task>,
    /// Tasks that a carrier with many would not start; see `home.rs`.
    pub(super) offered: Injector<InQueue, Task>,
    pub(super) idle: Idle,
    pub(crate) admission: Admission,
    pub(super) crew: Crew,
}

/// One executor, as its handle names it: of no use, and harmless, when it was shut down.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorRef {
    pub(crate) executor: &'static Executor,
    pub(crate) generation: u32,
}

/// Whether a carrier has an OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Life {
    Off = 0,
    Starting = 1,
    On = 2,
}

/// An OS thread or CPU that runs virtual threads.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Carrier {
    pub(super) queue: RunQueue<Task>,
    pub(super) inbox: Injector<InQueue, Task>,
    pub(crate) timers: Timers,
    /// The task that runs here; null between tasks.
    pub(super) current: AtomicPtr<Task>,
    pub(crate) turns: AtomicU32,
    pub(super) homed: AtomicU32,
    pub(super) seen: AtomicU64,
    pub(super) asleep: AtomicBool,
    pub(super) sleeping_until: AtomicU64,
    pub(crate) life: AtomicU8,
    pub(super) starts_standby: AtomicBool,
    pub(super) own: Own,
    pub(crate) executor: &'static Executor,
    id: CarrierId,
}

// SAFETY: `own` is used on one OS thread at a time, as the table says; the rest has rules of its
// own.
unsafe impl Sync for Carrier {}

/// What only the carrier's own OS thread touches; what each turn does, in one cache line. Cells of
/// one thread: nobody holds a reference to what is in one while something else runs.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Own {
    /// These two are written by a switch, through pointers.
    pub context: UnsafeCell<Context>,
    pub told: UnsafeCell<ThreadStack>,
    pub words: Cell<ThreadWords>,
    pub budget: Budget,
    pub tick: Cell<u32>,
    pub random: Cell<u32>,
    /// Sleeps in a row that brought no work, for carriers that may end.
    pub unused: Cell<u32>,
    /// Whether started tasks stay: `Executor::keeps_home`, which does not change while the carrier
    /// runs.
    pub stays: Cell<bool>,
    pub searching: Cell<bool>,
    /// Counted in `Lookout::running`.
    pub running: Cell<bool>,
    /// Is its executor's standby.
    pub stands_by: Cell<bool>,
    /// Ticks on the lookout since anything ran.
    pub quiet: Cell<u32>,
    pub newcomers: Newcomers,
    /// Started tasks that stay here, of an executor whose tasks do not migrate.
    pub kept: Row<InQueue, Task>,
    pub records: Warm,
    pub stacks: [Pile<Stack, STACKS>; StackClass::ALL.len()],
    /// How many of each class were reserved for `stacks`; those in use are their records'.
    pub reserved: [Cell<usize>; StackClass::ALL.len()],
}

/// What is left of the budget of the task that runs; see `budget.rs`.
#[derive(Debug)]
pub(super) struct Budget {
    /// What the mounted task may still spend; below 0 if nothing.
    pub left: Cell<i32>,
    /// When one that only spends lets the carrier serve deadlines and the poller.
    pub serve_at: Cell<Instant>,
}

/// What a carrier knows of its starts, and of what was offered; see `home.rs`.
#[derive(Debug)]
pub(super) struct Newcomers {
    /// Evidence that new tasks last, in starts times the number of other carriers.
    pub last: Cell<u32>,
    /// Looks in a row at which something was offered, of a busy carrier.
    pub looks: Cell<u32>,
    /// Since when something has been offered, as far as an idle carrier knows.
    pub since: Cell<Instant>,
    /// The task that is started next was offered: this carrier starts it for certain.
    pub accepts: Cell<bool>,
}

impl Newcomers {
    const fn new() -> Self {
        Self {
            last: Cell::new(0),
            looks: Cell::new(0),
            since: Cell::new(Instant::FAR),
            accepts: Cell::new(false),
        }
    }

    /// Nothing is known.
    pub fn forget(&self) {
        self.last.set(0);
        self.looks.set(0);
        self.since.set(Instant::FAR);
        self.accepts.set(false);
    }
}

impl Runtime {
    /// The platform it runs on.
    #[inline]
    pub fn platform(&self) -> &'static dyn Platform {
        self.platform
    }

    /// Whether it belongs to the parent of this forked process. Its locks may be held for ever.
    #[inline]
    pub fn is_left_behind(&self) -> bool {
        // Relaxed: set before anything else runs in the child.
        self.left_behind.load(Ordering::Relaxed)
    }

    /// The executor of that index.
    pub(crate) fn executor(&'static self, index: u32) -> Option<&'static Executor> {
        // Acquire pairs with the release in `Runtime::make_executor`.
        if index >= self.listed.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the table has a place for each that is listed.
        let place = unsafe { self.executors.add(index as usize) };
        // SAFETY: it is listed, so written.
        Some(unsafe { place.as_ref() })
    }

    pub(crate) fn first_executor(&'static self) -> &'static Executor {
        self.executor(DEFAULT).expect("`new` made it")
    }

    /// All executors.
    pub(crate) fn executors(&'static self) -> impl Iterator<Item = &'static Executor> {
        (0..).map_while(|index| self.executor(index))
    }

    /// The carrier of that number, which some executor has.
    #[inline]
    pub(crate) fn carrier(&'static self, index: usize) -> &'static Carrier {
        debug_assert!(index < MAX_CARRIERS, "carrier {index} is out of the table");
        // SAFETY: numbers come from an executor's range, which lies in the table.
        let place = unsafe { self.carriers.add(index) };
        // SAFETY: the same, and written.
        unsafe { place.as_ref() }
    }

    /// All carriers of all executors.
    pub(crate) fn carriers(&'static self) -> impl Iterator<Item = &'static Carrier> {
        self.executors().flat_map(Executor::carriers)
    }

    /// Whether more than one carrier takes part.
    pub(super) fn has_many_carriers(&'static self) -> bool {
        self.executors().map(|executor| executor.crew.active()).sum::<u32>() > 1
    }
}

impl Executor {
    pub(crate) fn new(
        runtime: &'static Runtime,
        index: u32,
        policy: &ExecutorPolicy,
        first: u16,
    ) -> Self {
        Self {
            runtime,
            index,
            max_threads: policy.max_threads,
            first,
            terms: Terms::new(policy),
            lives: Lives::new(),
            surveyed: AtomicU64::new(0),
            injector: Injector::new(),
            starved: Injector::new(),
            offered: Injector::new(),
            idle: Idle::new(),
            admission: Admission::new(policy.queue_limit),
            crew: Crew::new(),
        }
    }

    /// Whether it never has a second carrier: then nothing is stolen, and order is kept.
    pub(super) fn is_solo(&self) -> bool {
        self.max_threads == 1
    }

    /// Its carriers, running or not.
    pub(crate) fn carriers(&self) -> impl Iterator<Item = &'static Carrier> + use<> {
        let (runtime, first) = (self.runtime, self.first as usize);
        (first..first + self.max_threads as usize).map(|index| runtime.carrier(index))
    }
}

impl Carrier {
    pub(crate) fn new(executor: &'static Executor, id: CarrierId, random: u32) -> Self {
        Self {
            queue: RunQueue::new(executor.is_solo()),
            inbox: Injector::new(),
            timers: Timers::new(),
            current: AtomicPtr::new(ptr::null_mut()),
            turns: AtomicU32::new(0),
            homed: AtomicU32::new(0),
            seen: AtomicU64::new(u64::MAX),
            asleep: AtomicBool::new(false),
            sleeping_until: AtomicU64::new(0),
            life: AtomicU8::new(Life::Off as u8),
            starts_standby: AtomicBool::new(false),
            own: Own {
                context: UnsafeCell::new(Context::NONE),
                told: UnsafeCell::new(ThreadStack::NONE),
                words: Cell::new(ThreadWords::NONE),
                stacks: [const { Pile::new() }; StackClass::ALL.len()],
                reserved: [const { Cell::new(0) }; StackClass::ALL.len()],
                records: Pile::new(),
                kept: Row::new(),
                stays: Cell::new(false),
                newcomers: Newcomers::new(),
                tick: Cell::new(0),
                budget: Budget { left: Cell::new(FULL), serve_at: Cell::new(Instant::ZERO) },
                random: Cell::new(random | 1),
                searching: Cell::new(false),
                stands_by: Cell::new(false),
                running: Cell::new(false),
                quiet: Cell::new(0),
                unused: Cell::new(0),
            },
            executor,
            id,
        }
    }

    /// Its number in the runtime.
    #[must_use]
    pub(crate) fn id(&self) -> CarrierId {
        self.id
    }

    /// The task that runs here. Only on the carrier's own OS thread.
    #[inline]
    pub(crate) fn current(&self) -> Option<&'static Task> {
        self.current_elsewhere().map(Task::at)
    }

    /// The same as a guess, on any thread: the record may be a new one, which is not seen yet.
    #[inline]
    pub(crate) fn current_elsewhere(&self) -> Option<NonNull<Task>> {
        NonNull::new(self.current.load(Ordering::Relaxed))
    }
}
