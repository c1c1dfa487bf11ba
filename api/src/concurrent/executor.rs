//! Executors: carriers, a queue and a policy.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the default of Rust does not migrate, unless the caller
//! of an unsafe function vouched for what runs there.
#![allow(unsafe_code)]

use drift_core::error::ConcurrencyError as CoreError;
use drift_core::platform::StackClass;
use drift_core::runtime::defaults::Face;
use drift_core::runtime::shutdown;
use drift_core::runtime::shutdown::ShutdownError;
use drift_core::runtime::{ExecutorError, Runtime};
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy;
use drift_core::task::Handle;

use super::carriers;
use super::stack::stack_class;
use crate::error::{ConcurrencyError, Error};
use crate::runtime::{CALL, SETUP, may_wait, pay, runtime, try_runtime, wait};
use crate::time::{Duration, Instant};

/// What an executor does with a virtual thread that comes when it is at its queue limit.
///
/// # Source
/// Drift's `std.concurrent.Saturation`.
///
/// # Examples
/// ```
/// use drift::{ConcurrencyError, Error, Executor, ExecutorPolicy, Saturation, spawn_on};
///
/// let policy = ExecutorPolicy::new().queue_limit(1).on_saturation(Saturation::ReturnBusy);
/// let executor = Executor::new(policy).unwrap();
/// let (go, gone) = drift::sync::bounded(0);
/// // It is ready or runs, and so has the one place, until the OS thread's value comes.
/// let busy = spawn_on(&executor, move || while gone.try_recv().is_err() {}).unwrap();
/// assert_eq!(spawn_on(&executor, || ()).unwrap_err(), ConcurrencyError::Busy);
/// go.send(()).unwrap_or_default();
/// # drop(busy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saturation {
    /// Lets the spawner wait, in first-come order: a virtual thread parks, an OS thread blocks.
    Block,
    /// Refuses with `Busy`.
    ReturnBusy,
}

/// How many carriers an executor has, and how many virtual threads it takes.
///
/// # Source
/// Drift's `std.concurrent.ExecutorPolicy` and its builder, with the same defaults.
///
/// # Examples
/// ```
/// use drift::{Duration, Executor, ExecutorPolicy, Saturation};
///
/// let policy = ExecutorPolicy::new()
///     .min_threads(2)
///     .max_threads(4)
///     .queue_limit(1000)
///     .timeout(Duration::from_millis(50))
///     .on_saturation(Saturation::Block)
///     .stack_size(64 << 10);
/// let executor = Executor::new(policy).unwrap();
/// # let _ = executor;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ExecutorPolicy {
    min_threads: u32,
    max_threads: u32,
    queue_limit: u32,
    timeout: Duration,
    saturation: Saturation,
    stack: Option<usize>,
    migrates: bool,
}

impl ExecutorPolicy {
    /// One carrier, no limit, no time-out, `ReturnBusy`.
    pub const fn new() -> Self {
        Self {
            min_threads: 1,
            max_threads: 1,
            queue_limit: 0,
            timeout: Duration::ZERO,
            saturation: Saturation::ReturnBusy,
            stack: None,
            migrates: false,
        }
    }

    /// Carriers that stay; as many at most as `max_threads`, which is raised to it.
    pub const fn min_threads(mut self, threads: u32) -> Self {
        self.min_threads = threads;
        if self.max_threads < threads {
            self.max_threads = threads;
        }
        self
    }

    /// Carriers at most. They start as work comes.
    pub const fn max_threads(mut self, threads: u32) -> Self {
        self.max_threads = threads;
        self
    }

    /// Ready and running virtual threads at most when one is spawned; 0 for no limit.
    pub const fn queue_limit(mut self, virtual_threads: u32) -> Self {
        self.queue_limit = virtual_threads;
        self
    }

    /// How long a spawn waits for a place, with `Block`; zero for no bound.
    pub fn timeout(mut self, timeout: impl Into<Duration>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// What happens at the limit.
    pub const fn on_saturation(mut self, saturation: Saturation) -> Self {
        self.saturation = saturation;
        self
    }

    /// Bytes of stack of its virtual threads: [`Builder::stack_size`](crate::Builder::stack_size).
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.stack = Some(bytes);
        self
    }

    /// Lets a virtual thread that was parked go on on any of the carriers. Without it, a virtual
    /// thread that has started stays on its carrier, as code with thread-locals needs; those that
    /// have not started go wherever there is time, all the same.
    ///
    /// # Safety
    /// Nothing that runs on the executor keeps across a call that may park what belongs to its OS
    /// thread: a guard of a `std` lock, an `Rc` out of a `thread_local!`, a reference into one.
    ///
    /// # Examples
    /// ```
    /// use drift::{Executor, ExecutorPolicy};
    ///
    /// // SAFETY: nothing here keeps what belongs to an OS thread across a call that waits.
    /// let policy = unsafe { ExecutorPolicy::new().min_threads(2).migrating() };
    /// let executor = Executor::new(policy).unwrap();
    /// assert_eq!(drift::spawn_on(&executor, || 1).unwrap().join(), Ok(1));
    /// ```
    pub const unsafe fn migrating(mut self) -> Self {
        self.migrates = true;
        self
    }

    fn core(&self) -> Result<policy::ExecutorPolicy, ConcurrencyError> {
        Ok(policy::ExecutorPolicy {
            min_threads: self.min_threads,
            max_threads: self.max_threads,
            queue_limit: self.queue_limit,
            timeout: self.timeout.nanoseconds()?,
            saturation: match self.saturation {
                Saturation::Block => policy::Saturation::Block,
                Saturation::ReturnBusy => policy::Saturation::ReturnBusy,
            },
            stack: self.stack.map(stack_class).transpose()?,
            migrates: self.migrates,
        })
    }
}

impl Default for ExecutorPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// An executor, by name: copies name the same one.
///
/// # Source
/// Drift's `std.concurrent.Executor`.
///
/// # Examples
/// ```
/// use drift::{Executor, ExecutorPolicy};
///
/// let executor = Executor::new(ExecutorPolicy::new().max_threads(2)).unwrap();
/// let thread = drift::spawn_on(&executor, || "done").unwrap();
/// assert_eq!(thread.join(), Ok("done"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Executor {
    handle: i64,
}

/// How an executor ends.
///
/// # Examples
/// ```
/// use drift::{Duration, Executor, ExecutorPolicy, Instant, Shutdown, park, spawn_on};
///
/// let executor = Executor::new(ExecutorPolicy::new()).unwrap();
/// let _ = spawn_on(&executor, || while park().is_ok() {}).unwrap();
/// // It would never end by itself.
/// let report = executor.shutdown(Shutdown::Cancel, Instant::now() + Duration::from_secs(60));
/// assert_eq!(report.unwrap().timed_out, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// What it has taken runs to its end.
    Drain,
    /// What it has taken is cancelled.
    Cancel,
}

/// What a shutdown came to, in virtual threads that the executor had when it began.
///
/// # Examples
/// ```
/// use drift::{Duration, Executor, ExecutorPolicy, Instant, Shutdown, spawn_on};
///
/// let executor = Executor::new(ExecutorPolicy::new()).unwrap();
/// let one = spawn_on(&executor, || ()).unwrap();
/// let until = Instant::now() + Duration::from_secs(60);
/// let report = executor.shutdown(Shutdown::Drain, until).unwrap();
/// assert_eq!((report.cancelled, report.timed_out), (0, 0));
/// # drop(one);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Ended by themselves.
    pub completed: usize,
    /// Ended after they were cancelled.
    pub cancelled: usize,
    /// Still there at the deadline.
    pub timed_out: usize,
    /// Carriers whose OS thread was still there at the deadline, although no virtual thread was:
    /// one has not let go of the last of these, or destructors of its thread-locals take their
    /// time. In a report of zeros nothing is left.
    pub carriers: usize,
}

/// Why there is no executor.
fn refused(error: ExecutorError) -> ConcurrencyError {
    match error {
        ExecutorError::Policy(error) => Error::Policy(error).into(),
        ExecutorError::Platform(error) => error.into(),
    }
}

impl Executor {
    /// A new executor. Its carriers start as work comes.
    ///
    /// # Errors
    /// `Failed(Policy)` names the field that makes no sense; `Failed(Platform)` if there are too
    /// many carriers; `Failed(InvalidDuration)`.
    ///
    /// # Source
    /// Drift's `std.concurrent.Executor.build`.
    pub fn new(policy: ExecutorPolicy) -> Result<Self, ConcurrencyError> {
        pay(SETUP);
        let runtime = try_runtime()?;
        let executor = runtime.create_executor(policy.core()?).map_err(refused)?;
        Ok(Self { handle: runtime.executor_handle(executor) })
    }

    /// The default executor of Rust: what was set last, or else the runtime's own, which has one
    /// carrier for each CPU that the process may use, or as many as the environment's
    /// `DRIFT_CARRIERS` says. C code in the same process has a default of its own, and nothing that
    /// it sets changes this one.
    ///
    /// # Panics
    /// If the runtime's own cannot be made.
    ///
    /// # Source
    /// Drift's `std.concurrent.default_executor`.
    ///
    /// # Examples
    /// ```
    /// let default = drift::Executor::default_get();
    /// assert_eq!(drift::spawn_on(&default, || 1).unwrap().join(), Ok(1));
    /// ```
    #[must_use]
    pub fn default_get() -> Self {
        pay(CALL);
        Self::default_of(runtime())
            .unwrap_or_else(|error| panic!("there is no default executor: {error}"))
    }

    /// Makes `self` the default executor of the process: what [`spawn`](crate::spawn()) means.
    ///
    /// # Panics
    /// If it lets virtual threads migrate: safe code that only calls `spawn` relies on staying on
    /// its OS thread. [`default_set_migrating`](Self::default_set_migrating) is for those.
    ///
    /// # Source
    /// Drift's `std.concurrent.set_default_executor`.
    ///
    /// # Examples
    /// ```
    /// use drift::{Executor, ExecutorPolicy};
    ///
    /// let before = Executor::default_get();
    /// Executor::new(ExecutorPolicy::new().max_threads(2)).unwrap().default_set();
    /// drift::spawn(|| "on the new one").join().unwrap();
    /// before.default_set();
    /// ```
    pub fn default_set(self) {
        pay(CALL);
        let runtime = runtime();
        let policy = runtime.find_executor(self.handle).and_then(ExecutorRef::policy);
        assert!(
            policy.is_none_or(|policy| !policy.migrates),
            "an executor whose virtual threads migrate cannot be the default: make one without \
             `migrating`, or vouch for everything with `default_set_migrating`"
        );
        // SAFETY: the executor does not migrate; after a shutdown it takes no virtual thread.
        unsafe { runtime.prefer_executor(Face::Rust, self.handle) };
    }

    /// The same for an executor that lets virtual threads migrate.
    ///
    /// # Safety
    /// What [`ExecutorPolicy::migrating`] asks holds for everything that the process spawns from
    /// now on without naming an executor.
    ///
    /// # Source
    /// Beyond Drift's `std.concurrent`.
    ///
    /// # Examples
    /// ```
    /// use drift::{Executor, ExecutorPolicy};
    ///
    /// // SAFETY: nothing here keeps what belongs to an OS thread across a call that waits.
    /// let policy = unsafe { ExecutorPolicy::new().min_threads(2).migrating() };
    /// let executor = Executor::new(policy).unwrap();
    /// // SAFETY: the same.
    /// unsafe { executor.default_set_migrating() };
    /// assert_eq!(drift::spawn(|| 1).join(), Ok(1));
    /// ```
    pub unsafe fn default_set_migrating(self) {
        pay(CALL);
        // SAFETY: as the caller says.
        unsafe { runtime().prefer_executor(Face::Rust, self.handle) };
    }

    /// That of `runtime`.
    #[inline]
    pub(super) fn default_of(runtime: &'static Runtime) -> Result<Self, ConcurrencyError> {
        let set = runtime.preferred_executor(Face::Rust);
        match runtime.find_executor(set) {
            Some(_) => Ok(Self { handle: set }),
            None => Self::own_of(runtime),
        }
    }

    /// The runtime's own for Rust, which has no limit, and no end; made by the first who asks.
    pub(super) fn own_of(runtime: &'static Runtime) -> Result<Self, ConcurrencyError> {
        let own = match runtime.rust_executor() {
            Some(own) => own,
            None => {
                let policy = ExecutorPolicy::new().min_threads(carriers::by_default()?).core()?;
                runtime.make_rust_executor(policy).map_err(refused)?
            }
        };
        Ok(Self { handle: runtime.executor_handle(own) })
    }

    /// Ends the executor: it takes no virtual threads from now on, those that it has end by
    /// themselves or are cancelled, and then its carriers end. Waits for that until `deadline`;
    /// afterwards their OS threads are gone. What is still there at the deadline goes on, and the
    /// carriers end with the last of it. A second shutdown finishes the job, or finds nothing to
    /// do.
    ///
    /// What a virtual thread has captured, and drops because it was cancelled before it ran, must
    /// not do this to that thread's executor: it would wait for itself until the deadline.
    ///
    /// # Errors
    /// `Failed(InUse)` for the runtime's own default executor, and from a virtual thread of this
    /// one, which would wait for itself; then nothing was done.
    ///
    /// # Source
    /// Beyond Drift's `std.concurrent`; `java.util.concurrent.ExecutorService`.
    ///
    /// # Examples
    /// ```
    /// use drift::{Duration, Executor, ExecutorPolicy, Instant, Shutdown};
    ///
    /// let executor = Executor::new(ExecutorPolicy::new()).unwrap();
    /// let sleeper = drift::spawn_on(&executor, || drift::sleep(Duration::from_secs(60))).unwrap();
    /// let deadline = Instant::now() + Duration::from_secs(10);
    /// let report = executor.shutdown(Shutdown::Cancel, deadline).unwrap();
    /// assert_eq!((report.cancelled, report.timed_out), (1, 0));
    /// assert!(sleeper.is_completed());
    /// assert!(drift::spawn_on(&executor, || ()).is_err());
    /// ```
    pub fn shutdown(
        &self,
        how: Shutdown,
        deadline: Instant,
    ) -> Result<ShutdownReport, ConcurrencyError> {
        pay(SETUP);
        may_wait()?;
        let how = match how {
            Shutdown::Drain => shutdown::Shutdown::Drain,
            Shutdown::Cancel => shutdown::Shutdown::Cancel,
        };
        match runtime().shutdown(self.handle, how, deadline.core()) {
            Ok(shutdown::ShutdownReport { completed, cancelled, timed_out, carriers }) => {
                Ok(ShutdownReport { completed, cancelled, timed_out, carriers })
            }
            Err(ShutdownError::Default | ShutdownError::Own) => Err(Error::InUse.into()),
            Err(ShutdownError::Unknown) => Err(ConcurrencyError::Closed),
        }
    }

    pub(super) fn stack_class(self, runtime: &'static Runtime) -> Option<StackClass> {
        runtime.find_executor(self.handle)?.policy()?.stack
    }

    pub(super) fn submit(self, runtime: &'static Runtime, handle: Handle) -> Result<(), CoreError> {
        let executor = runtime.find_executor(self.handle).ok_or(CoreError::Closed)?;
        // One that may not wait is told that it would have to.
        let wait = || wait().map_err(|_| CoreError::Busy);
        // SAFETY: who made a policy that migrates vouches for what runs there.
        unsafe { executor.submit_as(handle, wait) }
    }
}
