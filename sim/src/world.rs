//! One world: its threads, its clock, and who goes on next.
//!
//! The OS thread that called `Sim::run` plays everybody, one at a time: each carrier and each
//! thread of the program has a stack of its own, and the scheduler, on the caller's stack,
//! switches into one of those that can go on. Which is drawn from the seed.
//!
//! ```text
//!            choose                 sleeps, blocks, ends; its turn is over; interrupted
//! scheduler --------> a thread ------------------------------------------------------> scheduler
//!     |
//!     +-- nobody can go on: the clock jumps to the next deadline; none: a deadlock
//! ```
//!
//! | a thread is | and can go on                                                             |
//! |-------------|---------------------------------------------------------------------------|
//! | Ready       | now                                                                       |
//! | Waiting     | when its deadline comes, or when another makes it ready                   |
//! | Over        | never                                                                     |
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a world is touched by one OS thread only, which is
//! checked where a call comes in (`current`), and no borrow of its cells is held across a switch.
#![allow(unsafe_code)]

mod entered;
mod schedule;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use drift_asm::sanitizer::{TaskStack, ThreadStack};
use drift_asm::{Context, init, slot};
use drift_core::platform::{Poll, Stack, StackClass};
#[cfg(feature = "points")]
use drift_core::prim::Point;
use drift_core::runtime::Runtime;
use drift_core::task::Handle;

use crate::actor::{Body, On, Seat, ThreadId};
use crate::dice::{Dice, Stream};
use crate::faults::{Fault, Injector};
#[cfg(miri)]
use crate::interpreted::CURRENT;
use crate::log::{Entry, Log, What, Who};
use crate::net::Net;
use crate::pool::Pool;
use crate::settings::Settings;

#[cfg(not(miri))]
thread_local! {
    static CURRENT: Cell<*const World> = const { Cell::new(ptr::null()) };
}

/// The world that the calling OS thread plays, if it does.
pub(crate) fn current() -> Option<&'static World> {
    // SAFETY: set by `World::enter`, and taken back before the world is gone.
    unsafe { CURRENT.get().as_ref() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ready,
    Waiting { on: On, until: Option<u64> },
    Over,
}

/// A thread of the world. Stays where it is: it is suspended with a pointer to `context`.
pub(crate) struct Thread {
    pub who: Who,
    status: Cell<Status>,
    context: Cell<Context>,
    /// The word of `drift_asm::slot` while it does not run.
    slot: Cell<*mut u8>,
    /// It has nothing to do until somebody else went on.
    gives_way: Cell<bool>,
    /// Locks of the core's that it has.
    locks: Cell<u32>,
    body: RefCell<Option<Body>>,
    told: Cell<TaskStack>,
    _stack: Stack,
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: it began with its stack, and a world that is over runs no thread any more.
        unsafe { self.told.get().end() };
    }
}

/// Why a world stopped before it was done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody can ever go on.
    Deadlock,
    /// It took more steps than it may.
    Steps,
    /// Something panicked where no program catches it: in the runtime itself, or in a thread.
    Panic(Who, Box<dyn Any + Send>),
}

/// See the module's head.
pub(crate) struct World {
    pub settings: Settings,
    pub now: Cell<u64>,
    pub schedule: RefCell<Dice>,
    pub entropy: RefCell<Dice>,
    pub faults: RefCell<Injector>,
    pub seats: RefCell<Vec<Seat>>,
    pub pool: RefCell<Pool>,
    pub net: RefCell<Net>,
    /// Threads that sleep beside sources, and which.
    pub beside: RefCell<Vec<(ThreadId, Vec<Poll>)>>,
    pub runtime: Cell<Option<&'static Runtime>>,
    /// The program's first virtual thread.
    pub root: Cell<Option<Handle>>,
    /// A suspended thread is pointed to: they stay where they are, and nobody has one for itself.
    threads: RefCell<Vec<Rc<Thread>>>,
    /// Some OS thread plays it.
    is_played: AtomicBool,
    running: Cell<Option<ThreadId>>,
    last: Cell<Option<ThreadId>>,
    scheduler: Cell<Context>,
    /// What sanitizers know of the OS thread that plays the world.
    told: Cell<ThreadStack>,
    log: RefCell<Log>,
    pub steps: Cell<u64>,
    /// Stretches of the running thread in which it must not be interrupted.
    calm: Cell<u32>,
    /// One that unwinds, and cannot go on before somebody else did.
    unwinding: Cell<Option<ThreadId>>,
    /// Accesses until the next interruption.
    #[cfg(feature = "points")]
    until_point: Cell<u64>,
    broken: RefCell<Option<Stop>>,
}

// SAFETY: other OS threads never get a reference: `current` is a thread-local, and the runtime,
// which has one, is reached through it.
unsafe impl Sync for World {}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.settings.seed).finish_non_exhaustive()
    }
}

/// While it lives, the calling thread is not interrupted.
pub(crate) struct Calm<'a>(&'a World);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.calm.set(self.0.calm.get() - 1);
    }
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let dice = |stream| Dice::new(settings.seed, stream);
        Self {
            now: Cell::new(0),
            schedule: RefCell::new(dice(Stream::Schedule)),
            entropy: RefCell::new(dice(Stream::Entropy)),
            faults: RefCell::new(Injector::new(settings.faults, dice(Stream::Faults))),
            seats: RefCell::new(Vec::new()),
            pool: RefCell::new(Pool::new()),
            net: RefCell::new(Net::default()),
            beside: RefCell::default(),
            runtime: Cell::new(None),
            root: Cell::new(None),
            threads: RefCell::new(Vec::new()),
            is_played: AtomicBool::new(false),
            running: Cell::new(None),
            last: Cell::new(None),
            scheduler: Cell::new(Context::NONE),
            told: Cell::new(ThreadStack::NONE),
            log: RefCell::new(Log::default()),
            steps: Cell::new(0),
            calm: Cell::new(0),
            unwinding: Cell::new(None),
            #[cfg(feature = "points")]
            until_point: Cell::new(settings.temper.points),
            broken: RefCell::new(None),
            settings,
        }
    }

    /// Who runs.
    pub(crate) fn who(&self) -> Who {
        self.running.get().map_or(Who::Nobody, |running| self.threads.borrow()[running].who)
    }

    pub(crate) fn note(&self, what: What) {
        let entry = Entry { at: self.now.get(), who: self.who(), what };
        self.log.borrow_mut().push(entry);
    }

    pub(crate) fn take_log(&self) -> Log {
        self.log.take()
    }

    /// Whether `fault` happens now; if so it is in the log.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        let strikes = self.faults.borrow_mut().strikes(fault);
        if strikes {
            self.note(What::Fault(fault));
        }
        strikes
    }

    /// Until it is dropped, the calling thread is not interrupted.
    pub(crate) fn calm(&self) -> Calm<'_> {
        self.assert_here();
        self.calm.set(self.calm.get() + 1);
        Calm(self)
    }

    /// A new thread, ready to run `body`.
    pub(crate) fn start(&'static self, who: Who, stack: Stack, body: Body) -> ThreadId {
        let mut threads = self.threads.borrow_mut();
        let thread = Rc::new(Thread {
            who,
            status: Cell::new(Status::Ready),
            context: Cell::new(Context::NONE),
            slot: Cell::new(ptr::null_mut()),
            gives_way: Cell::new(false),
            locks: Cell::new(0),
            body: RefCell::new(Some(body)),
            // SAFETY: the stack was taken for this thread, and nothing has run on it.
            told: Cell::new(unsafe { TaskStack::begin(stack.limit, stack.top) }),
            _stack: Stack { limit: stack.limit, top: stack.top, id: stack.id, class: stack.class },
        });
        let argument = Rc::as_ptr(&thread).cast_mut().cast();
        let top = ptr::with_exposed_provenance_mut(stack.top);
        // SAFETY: the stack is this thread's alone, and its top is aligned.
        thread.context.set(unsafe { init(top, begin, argument) });
        threads.push(thread);
        threads.len() - 1
    }

    /// The number of the next thread that is no carrier.
    pub(crate) fn next_thread(&self) -> u32 {
        let threads = self.threads.borrow();
        threads.iter().filter(|thread| matches!(thread.who, Who::Thread(_))).count() as u32
    }

    /// Stacks of threads that are no virtual threads.
    pub(crate) const THREAD_STACK: StackClass = StackClass::M1;

    pub(crate) fn is_over(&self, thread: ThreadId) -> bool {
        self.threads.borrow()[thread].status.get() == Status::Over
    }

    /// Whether every thread is over that is no carrier.
    pub(crate) fn are_threads_over(&self) -> bool {
        self.threads.borrow().iter().all(|thread| {
            matches!(thread.who, Who::Carrier(_)) || thread.status.get() == Status::Over
        })
    }

    /// The running thread waits until `wake` finds it, or until then.
    pub(crate) fn wait(&self, on: On, until: Option<u64>) {
        self.leave(Status::Waiting { on, until });
    }

    /// The running thread lets the scheduler choose; `gives_way` if it has nothing to do itself.
    ///
    /// One that unwinds is left only if it gives way: std counts panics for the OS thread, so that
    /// everybody would seem to unwind. Whoever goes on then does so until it has no lock.
    pub(crate) fn pause(&self, gives_way: bool) {
        let Some(running) = self.running.get() else { return };
        let unwinds = std::thread::panicking() && self.unwinding.get().is_none();
        if unwinds {
            if !gives_way {
                return;
            }
            self.unwinding.set(Some(running));
        }
        self.running_thread().gives_way.set(gives_way);
        self.leave(Status::Ready);
        if unwinds {
            self.unwinding.set(None);
        }
    }

    /// After something that others may have waited for.
    pub(crate) fn maybe_pause(&self) {
        let parts = self.settings.temper.pauses;
        if self.running.get().is_some() && self.schedule.borrow_mut().hits(parts) {
            self.pause(false);
        }
    }

    /// A preemption point of the core's; true if somebody else may have gone on.
    #[cfg(feature = "points")]
    pub(crate) fn point(&self, point: Point) -> bool {
        if self.running.get().is_none() {
            return false;
        }
        let locks = &self.running_thread().locks;
        match point {
            Point::Taken => locks.set(locks.get() + 1),
            Point::Given => locks.set(locks.get() - 1),
            Point::Access | Point::Spin => {}
        }
        if point == Point::Taken || self.calm.get() > 0 {
            return false;
        }
        let helps = self.unwinding.get().is_some();
        if point == Point::Spin || helps && locks.get() == 0 {
            self.pause(true);
            return true;
        }
        if helps || std::thread::panicking() {
            return false;
        }
        match self.until_point.get() {
            0 => {
                self.until_point.set(self.next_point());
                self.note(What::Interrupted);
                self.pause(false);
                true
            }
            left => {
                self.until_point.set(left - 1);
                false
            }
        }
    }

    /// Accesses until the next interruption.
    #[cfg(feature = "points")]
    fn next_point(&self) -> u64 {
        self.schedule.borrow_mut().below(2 * self.settings.temper.points + 1)
    }

    /// Makes those ready that wait on `on`; how many.
    pub(crate) fn wake(&self, on: On) -> u32 {
        let mut woken = 0;
        for thread in self.threads.borrow().iter() {
            if matches!(thread.status.get(), Status::Waiting { on: its, .. } if its == on) {
                self.make_ready(thread);
                woken += 1;
            }
        }
        woken
    }

    /// Makes one ready if it waits on `on`.
    pub(crate) fn wake_one(&self, thread: ThreadId, on: On) {
        let threads = self.threads.borrow();
        let thread = &threads[thread];
        if matches!(thread.status.get(), Status::Waiting { on: its, .. } if its == on) {
            self.make_ready(thread);
        }
    }

    /// Makes one ready that sleeps beside sources.
    pub(crate) fn end_word_wait(&self, thread: ThreadId) {
        let threads = self.threads.borrow();
        let thread = &threads[thread];
        if matches!(thread.status.get(), Status::Waiting { on: On::Word(_), .. }) {
            self.make_ready(thread);
        }
    }

    fn make_ready(&self, thread: &Thread) {
        let Status::Waiting { on, until } = thread.status.get() else { return };
        if self.strikes(Fault::LateWake) {
            let late = self.now.get() + self.faults.borrow_mut().amount(LATEST);
            let until = Some(until.map_or(late, |until| until.min(late)));
            return thread.status.set(Status::Waiting { on, until });
        }
        thread.status.set(Status::Ready);
    }

    /// Until then, or later if that is the fault of the day.
    pub(crate) fn maybe_late(&self, until: Option<u64>) -> Option<u64> {
        match self.strikes(Fault::LateWake) {
            true => until.map(|until| until + self.faults.borrow_mut().amount(LATEST)),
            false => until,
        }
    }

    /// Which thread runs.
    pub(crate) fn running(&self) -> ThreadId {
        self.running.get().expect("only a thread of the world waits")
    }

    fn running_thread(&self) -> &Thread {
        let running = self.running();
        let thread = Rc::as_ptr(&self.threads.borrow()[running]);
        // SAFETY: counted, and never taken out of the list while the world lives.
        unsafe { &*thread }
    }

    /// Back to the scheduler; returns when it is chosen again.
    fn leave(&self, status: Status) {
        let thread = self.running_thread();
        thread.status.set(status);
        let calm = self.calm.replace(0);
        thread.slot.set(slot::get());
        // SAFETY: the scheduler of a world is no carrier.
        unsafe { slot::set(ptr::null_mut()) };
        let (here, own) = (self.told.as_ptr(), thread.told.as_ptr());
        let ends = matches!(status, Status::Over);
        // SAFETY: the scheduler saved its context when it entered this thread, which alone runs.
        unsafe {
            ThreadStack::leave(here, own, ends, thread.context.as_ptr(), self.scheduler.get())
        };
        self.entered(thread);
        self.calm.set(calm);
    }

    /// `thread` runs on the stack that is its own.
    fn entered(&self, thread: &Thread) {
        let mut told = self.told.get();
        // SAFETY: called just after the switch to it, on its stack.
        unsafe { told.entered(&thread.told.get()) };
        self.told.set(told);
    }

    /// Lets threads go on until `done`, which is asked between steps.
    pub(crate) fn run_until(&self, limit: u64, done: impl Fn() -> bool) -> Result<(), Stop> {
        while !done() {
            if self.steps.get() >= limit {
                return Err(Stop::Steps);
            }
            self.steps.set(self.steps.get() + 1);
            let next = self.choose().ok_or(Stop::Deadlock)?;
            self.go_on(next);
            if let Some(stop) = self.broken.take() {
                return Err(stop);
            }
        }
        Ok(())
    }

    fn go_on(&self, next: ThreadId) {
        self.running.set(Some(next));
        if self.last.replace(Some(next)) != Some(next) {
            self.note(What::GoesOn);
        }
        let thread = self.running_thread();
        // SAFETY: what this thread left there, which goes on.
        unsafe { slot::set(thread.slot.get()) };
        let (here, there) = (self.told.as_ptr(), thread.told.get());
        // SAFETY: the thread is suspended in `leave`, or new; its stack is alive.
        unsafe { ThreadStack::enter(here, &there, self.scheduler.as_ptr(), thread.context.get()) };
        // SAFETY: after the switch above, on the same stack.
        unsafe { self.told.get().back() };
        self.running.set(None);
    }
}

/// How late a late wake may be, in nanoseconds.
const LATEST: u64 = 100_000_000;

/// What every thread of a world runs first and last, on its own stack.
unsafe extern "C" fn begin(argument: *mut u8) -> ! {
    let thread: *const Thread = argument.cast_const().cast();
    // SAFETY: `World::start` gave a thread, which lives as long as its world.
    let thread = unsafe { &*thread };
    let world = current().expect("threads run in their world only");
    world.entered(thread);
    let body = thread.body.take().expect("a thread begins once");
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body.run(world)));
    if let Err(panic) = ended {
        *world.broken.borrow_mut() = Some(Stop::Panic(thread.who, panic));
    }
    world.note(What::Ends);
    let own = world.running.get().expect("it runs");
    world.wake(On::End(own));
    world.leave(Status::Over);
    unreachable!("a thread that is over was resumed")
}
