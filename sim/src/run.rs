//! `Sim`: sets a world up, runs a program in it, and tells what came of it.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a world is given back only if nothing of it can run or
//! be reached any more; any other stays for ever.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use drift_core::platform::StackClass;
use drift_core::runtime::Runtime;
use drift_core::runtime::defaults::Face;
use drift_core::runtime::{Standing, View};
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::{Entry, Payload};

use crate::dice::{Dice, Stream};
use crate::faults::Faults;
use crate::log::{Log, Who};
use crate::seeds;
use crate::settings::{Settings, Temper};
use crate::world::{Stop, World, current};

/// Steps that a run may take unless it says otherwise: some seconds of work.
const LIMIT: u64 = 10_000_000;

/// Steps after the end of the program in which what it left behind may end.
const AFTERMATH: u64 = 100_000;

/// A program's world, not yet set up.
///
/// # Examples
/// ```
/// use drift_sim::Sim;
///
/// let sim = Sim::new(7).carriers(3);
/// let one = sim.try_run(|| ()).unwrap();
/// let two = sim.try_run(|| ()).unwrap();
/// assert_eq!(one.log.to_string(), two.log.to_string());
/// ```
#[derive(Clone, Debug)]
pub struct Sim {
    settings: Settings,
}

/// A run that ended well.
#[derive(Clone, Debug)]
pub struct Run<T> {
    /// What the program returned.
    pub value: T,
    /// Everything that happened.
    pub log: Log,
    /// Nanoseconds of virtual time that it took.
    pub elapsed: u64,
    /// How often somebody was chosen to go on.
    pub steps: u64,
    /// Virtual threads that were still there when the program returned, and were cancelled.
    pub left_behind: usize,
}

/// Why a run failed.
#[derive(Debug)]
pub enum Reason {
    /// The program panicked, with this payload.
    Panic(Box<dyn Any + Send>),
    /// A thread of the world or the runtime itself panicked, be it after the program returned.
    Broken(String),
    /// Nobody could ever go on. What each virtual thread waits for is in the report.
    Deadlock,
    /// It was not over after as many steps as it may take.
    Steps(u64),
}

/// A run that failed. Its text is a report, with the line that replays it.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// The seed.
    pub seed: u64,
    /// Everything that happened until then.
    pub log: Log,
    /// The virtual threads that there were, and what they waited for.
    pub virtual_threads: Vec<View>,
    replay: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Panic(payload) => write!(f, "the program panicked: {}", said(&**payload))?,
            Reason::Broken(what) => write!(f, "{what}")?,
            Reason::Deadlock => write!(f, "deadlock: nobody can ever go on")?,
            Reason::Steps(limit) => write!(f, "not over after {limit} steps")?,
        }
        for view in &self.virtual_threads {
            write!(f, "\n  virtual thread {:#x}: ", view.handle.0)?;
            match view.standing {
                Standing::Waits { on, has_deadline } => {
                    let deadline = if has_deadline { ", or a deadline" } else { "" };
                    write!(f, "waits for {on:?}{deadline}")?;
                }
                other => write!(f, "{other:?}")?,
            }
            if view.is_cancelled {
                write!(f, ", cancelled")?;
            }
        }
        write!(f, "\nreplay with {}", self.replay)
    }
}

impl std::error::Error for Failure {}

/// The text of a panic.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// A thread of the world, or the runtime on it, panicked.
fn broken(who: Who, payload: &(dyn Any + Send)) -> Reason {
    Reason::Broken(format!("{who} panicked: {}", said(payload)))
}

impl Sim {
    /// A world that follows from `seed`: one carrier, no faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let temper = Temper::draw(&mut Dice::new(seed, Stream::Temper));
        let (faults, limit) = (Faults::NONE, LIMIT);
        Self { settings: Settings { seed, carriers: 1, migrates: true, faults, limit, temper } }
    }

    /// With so many carriers on the default executor.
    #[must_use]
    pub fn carriers(mut self, carriers: u32) -> Self {
        self.settings.carriers = carriers;
        self
    }

    /// Whether its virtual threads may go on on another carrier, as they may if nothing is said.
    #[must_use]
    pub fn migrating(mut self, migrates: bool) -> Self {
        self.settings.migrates = migrates;
        self
    }

    /// With what may go wrong.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.settings.faults = faults;
        self
    }

    /// With so many steps at most, 10 million if nothing is said.
    #[must_use]
    pub fn limit(mut self, steps: u64) -> Self {
        self.settings.limit = steps;
        self
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// Runs `program` as the first virtual thread of a new world, and returns what it does. What
    /// is still there when it returns is cancelled, and left behind if it does not end then.
    ///
    /// # Panics
    /// As the program does, and with a report if it can never end. Either way the line that
    /// replays it goes to the standard error first.
    pub fn run<T>(&self, program: impl FnOnce() -> T) -> T {
        match self.try_run(program) {
            Ok(run) => run.value,
            Err(Failure { reason: Reason::Panic(payload), replay, .. }) => {
                eprintln!("replay with {replay}");
                panic::resume_unwind(payload);
            }
            Err(failure) => panic!("{failure}"),
        }
    }

    /// The same, with all that can be known of it.
    ///
    /// # Errors
    /// When the program panics or can never end, or takes more steps than it may; when a thread of
    /// the world or the runtime itself panics, also after the program returned.
    ///
    /// # Panics
    /// On a thread of a world: they are not one inside the other. If the machine has no memory
    /// for a world, as it may be after some ten thousand that failed: those keep theirs.
    ///
    /// # Examples
    /// ```
    /// use drift_sim::{Reason, Sim};
    ///
    /// let failure = Sim::new(1).try_run(|| panic!("on purpose")).unwrap_err();
    /// assert!(matches!(failure.reason, Reason::Panic(_)));
    /// assert!(failure.to_string().ends_with("replay with DRIFT_SIM_SEED=1"));
    /// ```
    pub fn try_run<T>(&self, program: impl FnOnce() -> T) -> Result<Run<T>, Failure> {
        assert!(current().is_none(), "a world inside a world");
        hook();
        let place = Box::into_raw(Box::new(World::new(self.settings)));
        // SAFETY: from a box; given back below, if nothing of it is left, or never.
        let world: &'static World = unsafe { &*place };
        let entered = world.enter();
        // The value outlives this, as one that is returned does: it is dropped outside.
        let mut value = None;
        let outcome = world.play(program).and_then(|played| {
            value = Some(played);
            let (elapsed, steps) = (world.now.get(), world.steps.get());
            Ok((world.clean_up()?, elapsed, steps))
        });
        let log = world.take_log();
        let result = match outcome {
            Ok((left_behind, elapsed, steps)) => {
                let value = value.take().expect("it was played");
                Ok(Run { value, log, elapsed, steps, left_behind })
            }
            Err(reason) => Err(Failure {
                reason,
                seed: self.settings.seed,
                log,
                virtual_threads: world.virtual_threads().collect(),
                replay: seeds::replay(self.settings.seed),
            }),
        };
        let is_over = result.is_ok() && world.is_quiet();
        drop(entered);
        if is_over {
            // SAFETY: all that ran in it is over, and the rest is only memory.
            unsafe { world.pool.borrow_mut().clear() };
            // For Miri the frames of those that are over stand as long as their OS threads do.
            if !cfg!(miri) {
                // SAFETY: from a box; its runtime, which had the only other reference, is gone.
                drop(unsafe { Box::from_raw(place) });
            }
        } else {
            world.pool.borrow_mut().abandon();
        }
        result
    }
}

/// Makes the core and the process's runtime ask which world calls. Once.
fn hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        #[cfg(feature = "points")]
        drift_core::prim::set_hook(|point| current().is_some_and(|world| world.point(point)));
        drift_pal::process::set_worlds(|| current().and_then(|world| world.runtime.get()));
    });
}

/// Runtimes of worlds have births that a process's own never gets to: it begins at 0, and goes
/// up by one with each fork.
fn next_birth() -> u8 {
    static BIRTHS: AtomicU8 = AtomicU8::new(0);
    32 + BIRTHS.fetch_add(1, Ordering::Relaxed) % 32
}

/// The program on its way to its virtual thread, and what it came to.
struct Root<'a> {
    program: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
    is_over: Cell<bool>,
}

/// # Safety
/// The payload is what `World::play` wrote.
unsafe fn run_root(payload: *mut Payload) {
    // SAFETY: the caller's.
    let root: *const Root<'_> = unsafe { Payload::read(payload) };
    // SAFETY: `play` returns only after the root is over, or never lets it run again.
    let root = unsafe { &*root };
    let program = root.program.take().expect("a root runs once");
    program();
    root.is_over.set(true);
}

/// # Safety
/// As `run_root`.
unsafe fn discard_root(_: *mut Payload) {
    unreachable!("nobody has the handle of a root, to cancel it");
}

impl World {
    fn play<T>(&'static self, program: impl FnOnce() -> T) -> Result<T, Reason> {
        let mut value = None;
        let root = Root { program: RefCell::new(None), is_over: Cell::new(false) };
        {
            let value = &mut value;
            let program = move || {
                *value = Some(panic::catch_unwind(AssertUnwindSafe(program)));
            };
            *root.program.borrow_mut() = Some(Box::new(program));
        }
        self.begin(&root)?;
        let limit = self.settings.limit;
        let played = self.run_until(limit, || root.is_over.get());
        played.map_err(|stop| match stop {
            Stop::Deadlock => Reason::Deadlock,
            Stop::Steps => Reason::Steps(limit),
            Stop::Panic(who, payload) => broken(who, &*payload),
        })?;
        drop(root);
        value.expect("the root is over").map_err(Reason::Panic)
    }

    /// The runtime, and the root in its queue.
    fn begin(&'static self, root: &Root<'_>) -> Result<(), Reason> {
        let refused = |what: &str, error: &dyn fmt::Debug| {
            Reason::Broken(format!("the world has no {what}: {error:?}"))
        };
        // SAFETY: a world begins once.
        let runtime = unsafe { Runtime::new(self, next_birth()) }
            .map_err(|error| refused("runtime", &error))?;
        self.runtime.set(Some(runtime));
        let carriers = self.settings.carriers;
        let policy = ExecutorPolicy {
            min_threads: carriers,
            max_threads: carriers,
            migrates: self.settings.migrates,
            ..ExecutorPolicy::DEFAULT
        };
        let executor = match carriers {
            1 => runtime.default_executor(),
            _ => runtime.create_executor(policy).map_err(|error| refused("executor", &error))?,
        };
        // Not as the machine and its environment would have it.
        let own = ExecutorPolicy { migrates: false, ..ExecutorPolicy::DEFAULT };
        runtime.make_rust_executor(own).map_err(|error| refused("executor of its own", &error))?;
        let handle = runtime.executor_handle(executor);
        for face in [Face::C, Face::Rust] {
            // SAFETY: one OS thread plays all carriers of a world.
            unsafe { runtime.prefer_executor(face, handle) };
        }
        let payload = Payload::of(ptr::from_ref(root));
        let entry = Entry { run: run_root, discard: discard_root, payload };
        // What is refused at random is tried again: the program is not there to see it.
        for _ in 0..100 {
            // SAFETY: all carriers of a world are on this OS thread, and `play`, whose frame the
            // root lies in, returns only after the root is over, or never lets it run again.
            let Ok(handle) = (unsafe { runtime.spawn(entry, StackClass::K256) }) else { continue };
            for _ in 0..100 {
                // SAFETY: all carriers of a world are on one OS thread.
                if unsafe { executor.submit(handle) }.is_ok() {
                    runtime.abandon(handle);
                    self.root.set(Some(handle));
                    return Ok(());
                }
            }
        }
        Err(refused("place for the program", &"refused 100 times"))
    }

    pub(crate) fn virtual_threads(&self) -> impl Iterator<Item = View> {
        self.runtime.get().into_iter().flat_map(Runtime::virtual_threads)
    }

    fn unfinished(&self) -> impl Iterator<Item = View> {
        self.virtual_threads().filter(|view| view.standing != Standing::Ended)
    }

    /// Lets the program's first virtual thread leave its stack; cancels what it left behind, and
    /// lets that end. How many there were; or what panicked first, after the others had their time.
    fn clean_up(&'static self) -> Result<usize, Reason> {
        let runtime = self.runtime.get().expect("it was played");
        let others: Vec<View> =
            self.unfinished().filter(|view| Some(view.handle) != self.root.get()).collect();
        for view in &others {
            match view.standing {
                Standing::New => runtime.abandon(view.handle),
                _ => drop(runtime.cancel(view.handle)),
            }
        }
        let asked = Cell::new(0_u32);
        let limit = self.steps.get() + AFTERMATH;
        let is_done = || {
            asked.set(asked.get() + 1);
            asked.get().is_multiple_of(16) && self.is_quiet()
        };
        let mut first = None;
        // Who panicked is over: each time there is one thread less. What cannot end, or does not
        // in time, is left behind.
        while let Err(Stop::Panic(who, payload)) = self.run_until(limit, is_done) {
            first.get_or_insert_with(|| broken(who, &*payload));
        }
        first.map_or(Ok(others.len()), Err)
    }

    /// Whether nothing is left that could run, and no source is open that somebody may close.
    fn is_quiet(&self) -> bool {
        self.unfinished().next().is_none()
            && self.are_threads_over()
            && self.net.borrow().open_count() == 0
    }
}
