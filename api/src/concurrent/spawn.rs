//! Spawning and joining.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: what a virtual thread borrows outlives it: nothing for
//! those that may be detached; `run` and scopes wait for theirs.
#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drift_core::runtime::Runtime;
use drift_core::task::Handle;
use drift_core::wait::Wait;

use super::executor::Executor;
use super::names;
use super::packet::{self, Outcome, Results};
use super::stack::{STACK, stack_class};
use super::thread::Thread;
use crate::error::{ConcurrencyError, Error};
use crate::runtime::{CALL, SYSTEM_CALL, pay, runtime, wait, wait_for, wait_to_the_end};
use crate::time::Duration;

/// A virtual thread that was spawned, and its result. Dropping it detaches: the virtual thread
/// goes on, and its result is dropped when it ends.
///
/// # Source
/// Drift's `std.concurrent.VirtualThread`.
///
/// # Examples
/// ```
/// let thread = drift::spawn(|| 6 * 7);
/// assert_eq!(thread.join(), Ok(42));
/// ```
#[must_use = "dropping it detaches the virtual thread"]
pub struct VirtualThread<T> {
    results: Arc<dyn Results<T>>,
    thread: Thread,
    runtime: &'static Runtime,
    /// 0 if there is no virtual thread to wait for.
    handle: Handle,
    /// Why there is none.
    refused: Option<ConcurrencyError>,
    /// Whether nobody but a join would say so.
    tells: bool,
}

impl<T> VirtualThread<T> {
    /// Waits until it has ended, and takes its result.
    ///
    /// # Errors
    /// `Failed(Panic)` if it panicked, with the payload; `Failed(ExecSubmitFailed)` if the executor
    /// did not take it; `Cancelled` if it was cancelled before it started, or the calling virtual
    /// thread is cancelled (then it can be joined again); `Closed` if it was joined before, or is
    /// the caller itself. `Failed(Unwinding)` if it has not ended, on a virtual thread that
    /// unwinds; then it can be joined again.
    ///
    /// # Source
    /// Drift's `VirtualThread.join`.
    pub fn join(&self) -> Result<T, ConcurrencyError> {
        self.join_as(wait)
    }

    /// The same, for at most `timeout`.
    ///
    /// # Errors
    /// As [`join`](Self::join), and `Timeout`: then it can be joined again. With zero, `Timeout`
    /// unless it has ended. `Failed(InvalidDuration)` for a negative one.
    ///
    /// # Source
    /// Drift's `VirtualThread.join_timeout`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration};
    ///
    /// let never = drift::spawn(drift::park);
    /// assert_eq!(never.join_timeout(Duration::ZERO), Err(ConcurrencyError::Timeout));
    /// ```
    pub fn join_timeout(&self, timeout: impl Into<Duration>) -> Result<T, ConcurrencyError> {
        self.result_timeout(timeout.into())?
    }

    /// Asks it to end. One that has not started never will; in any other, what waits answers
    /// `Cancelled` from now on, until it ends by itself. Asking twice, or too late, changes
    /// nothing.
    ///
    /// # Source
    /// Drift's `VirtualThread.cancel`.
    ///
    /// # Examples
    /// ```
    /// let never = drift::spawn(|| while drift::park().is_ok() {});
    /// never.cancel();
    /// never.cancel(); // as often as you like
    /// drop(never.join()); // it ends
    /// ```
    pub fn cancel(&self) {
        self.runtime.cancel(self.handle);
        pay(CALL);
    }

    /// Whether it has ended, and everything that it did is visible.
    ///
    /// # Source
    /// Drift's `VirtualThread.is_completed`.
    ///
    /// # Examples
    /// ```
    /// let one = drift::spawn(|| ());
    /// while !one.is_completed() {
    ///     drift::yield_now();
    /// }
    /// ```
    #[must_use]
    pub fn is_completed(&self) -> bool {
        pay(CALL);
        self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.refused.is_some() || self.runtime.is_completed(self.handle)
    }

    /// To unpark it, and its name.
    ///
    /// # Examples
    /// ```
    /// let parked = drift::spawn(drift::park);
    /// parked.thread().unpark();
    /// parked.join().unwrap().unwrap();
    /// ```
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    fn join_as(
        &self,
        how: impl FnOnce() -> Result<Wait, ConcurrencyError>,
    ) -> Result<T, ConcurrencyError> {
        self.result_as(how)?
    }

    /// Joins; `how` is asked only if there is something to wait for. The inner result is the
    /// virtual thread's and is taken by this; the outer error is why it was not.
    pub(super) fn result_as(
        &self,
        how: impl FnOnce() -> Result<Wait, ConcurrencyError>,
    ) -> Result<Result<T, ConcurrencyError>, ConcurrencyError> {
        match self.has_ended() {
            true => {
                pay(CALL);
                self.runtime.abandon(self.handle);
            }
            false => self.runtime.join_as(self.handle, &how().inspect_err(|_| pay(CALL))?)?,
        }
        self.take()
    }

    /// As [`result_as`](Self::result_as), for at most `timeout`.
    pub(super) fn result_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Result<T, ConcurrencyError>, ConcurrencyError> {
        timeout.nanoseconds().inspect_err(|_| pay(CALL))?;
        self.result_as(|| wait_for(timeout)?.ok_or(ConcurrencyError::Timeout))
    }

    /// Waits for its end, whatever happens.
    pub(super) fn wait_for_end(&self) {
        let ended = self.runtime.join_as(self.handle, &wait_to_the_end());
        ended.expect("nothing but the end ends this wait");
    }

    /// The result of one that has ended, and whose record was given back.
    fn take(&self) -> Result<Result<T, ConcurrencyError>, ConcurrencyError> {
        let outcome = self.results.take()?;
        if let Some(error) = &self.refused {
            return Ok(Err(error.clone()));
        }
        Ok(match outcome {
            Outcome::Value(value) => Ok(value),
            Outcome::Panicked(panic) => Err(Error::Panic(*panic).into()),
            Outcome::Cancelled => Err(ConcurrencyError::Cancelled),
        })
    }

    /// As `join`, whatever happens to the caller.
    pub(super) fn join_to_the_end(&self) -> Result<T, ConcurrencyError> {
        self.join_as(|| Ok(wait_to_the_end()))
    }

    pub(super) fn results(&self) -> &Arc<dyn Results<T>> {
        &self.results
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle
    }

    /// Whether it is the parent's of this forked process.
    pub(super) fn is_left_behind(&self) -> bool {
        self.runtime.is_left_behind()
    }

    /// Why it was not started. The caller tells, so this does not.
    pub(super) fn refusal(&mut self) -> Option<&ConcurrencyError> {
        self.tells = false;
        self.refused.as_ref()
    }
}

impl<T> Drop for VirtualThread<T> {
    fn drop(&mut self) {
        // A result that nobody has taken: nobody was told either.
        if let Some(error) = self.refused.as_ref().filter(|_| self.tells)
            && self.results.take().is_ok()
        {
            tell_once(error);
        }
        self.runtime.abandon(self.handle);
    }
}

impl<T> fmt::Debug for VirtualThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualThread")
            .field("thread", &self.thread)
            .field("is_completed", &self.has_ended())
            .finish_non_exhaustive()
    }
}

/// What a new virtual thread is given.
///
/// # Source
/// Beyond Drift's `std.concurrent`; [`std::thread::Builder`].
///
/// # Examples
/// ```
/// let thread = drift::Builder::new().name("deep").stack_size(1 << 20).spawn(|| {
///     drift::current().and_then(|thread| thread.name().map(str::to_owned))
/// });
/// assert_eq!(thread.join(), Ok(Some("deep".to_owned())));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    name: Option<String>,
    stack: Option<usize>,
}

impl Builder {
    /// No name, and the executor's stack size, or else 256 KiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name, for [`Thread::name`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Bytes of stack, rounded up to 64 KiB, 256 KiB, 1 MiB or 8 MiB; what is not touched costs
    /// address space only. A virtual thread that runs out of its stack ends the process, with a
    /// line that names it.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack = Some(bytes);
        self
    }

    /// As [`spawn()`].
    pub fn spawn<F, T>(self, f: F) -> VirtualThread<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: nothing is borrowed.
        unsafe { self.start(None, f) }
    }

    /// As [`spawn_on`].
    ///
    /// # Errors
    /// As [`spawn_on`].
    pub fn spawn_on<F, T>(
        self,
        executor: &Executor,
        f: F,
    ) -> Result<VirtualThread<T>, ConcurrencyError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: nothing is borrowed.
        accepted(unsafe { self.start(Some(executor), f) })
    }

    /// Spawns and submits, to the default executor if none is named.
    ///
    /// # Safety
    /// What `f` and its result borrow outlives the virtual thread, and the packet: the caller
    /// waits for the end and drops the handle before that.
    pub(super) unsafe fn start<'a, F, T>(self, on: Option<&Executor>, f: F) -> VirtualThread<T>
    where
        F: FnOnce() -> T + Send + 'a,
        T: Send + 'a,
    {
        let on = on.copied().map_or_else(|| Executor::default_of(runtime()), Ok);
        // SAFETY: as the caller says.
        unsafe { self.start_on(on, f) }
    }

    /// The same, on an executor that may not be there.
    ///
    /// # Safety
    /// As [`start`](Self::start).
    pub(super) unsafe fn start_on<'a, F, T>(
        self,
        on: Result<Executor, ConcurrencyError>,
        f: F,
    ) -> VirtualThread<T>
    where
        F: FnOnce() -> T + Send + 'a,
        T: Send + 'a,
    {
        pay(SYSTEM_CALL);
        let runtime = runtime();
        let packed: Arc<dyn Results<T> + 'a> = packet::pack(f, self.name.map(Arc::from));
        let body = packed.clone();
        // SAFETY: the same type but for a lifetime, which the caller vouches for.
        let results =
            unsafe { std::mem::transmute::<Arc<dyn Results<T> + 'a>, Arc<dyn Results<T>>>(packed) };
        let class = self.stack.map(stack_class).transpose();
        let place = on.and_then(|executor| {
            let class = class?.or(executor.stack_class(runtime)).unwrap_or(STACK);
            Ok((executor, class))
        });
        // SAFETY: as the caller says.
        let entry = unsafe { packet::entry(body) };
        let spawned = place.and_then(|(executor, class)| {
            // SAFETY: what the entry runs catches what unwinds, is sent, and borrows nothing that
            // ends before it, as the caller says.
            Ok((executor, unsafe { runtime.spawn(entry, class) }?))
        });
        let (handle, refused) = match spawned {
            Err(error) => {
                let mut payload = entry.payload;
                // SAFETY: the runtime did not take it, and nobody else has it.
                unsafe { (entry.discard)(&raw mut payload) };
                (Handle(0), Some(error))
            }
            Ok((executor, handle)) => {
                names::keep(runtime, handle, results.about().name.as_ref());
                match executor.submit(runtime, handle) {
                    Ok(()) => (handle, None),
                    Err(error) => {
                        runtime.abandon(handle);
                        (Handle(0), Some(submit_failed(error)))
                    }
                }
            }
        };
        let thread = Thread::new(runtime, handle, results.about().name.clone());
        let tells = refused.as_ref().is_some_and(|why| *why != ConcurrencyError::Cancelled);
        VirtualThread { results, thread, runtime, handle, refused, tells }
    }
}

/// What a refused submit is called at the join.
fn submit_failed(error: drift_core::error::ConcurrencyError) -> ConcurrencyError {
    use drift_core::error::ConcurrencyError as Core;
    use drift_core::platform::PlatformError;
    let code = match error {
        Core::Cancelled => return ConcurrencyError::Cancelled,
        Core::Busy => 1,
        Core::Timeout => 2,
        Core::Failed(PlatformError::Code(code)) => 3 + i64::from(code),
        Core::Failed(other) => return Error::Platform(other).into(),
        Core::Closed => 3,
    };
    Error::ExecSubmitFailed(code).into()
}

/// Says why one that nobody waits for does not run: once, because those that follow are refused for
/// the same reason, or for want of what is not there.
#[cold]
fn tell_once(error: &ConcurrencyError) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    // Relaxed: it only elects.
    if !TOLD.swap(true, Ordering::Relaxed) {
        // A closed standard error must not end a program that goes on.
        let _ = writeln!(
            io::stderr(),
            "drift: a virtual thread that nobody joins was not started: {error} (said once)"
        );
    }
}

/// An executor that was named answers at once, in its own words.
fn accepted<T>(mut thread: VirtualThread<T>) -> Result<VirtualThread<T>, ConcurrencyError> {
    let Some(refused) = thread.refused.take() else { return Ok(thread) };
    Err(match refused {
        ConcurrencyError::Failed(Error::ExecSubmitFailed(1)) => ConcurrencyError::Busy,
        ConcurrencyError::Failed(Error::ExecSubmitFailed(2)) => ConcurrencyError::Timeout,
        ConcurrencyError::Failed(Error::ExecSubmitFailed(3)) => ConcurrencyError::Closed,
        other => other,
    })
}

/// Runs `f` on a virtual thread of the default executor. Never fails itself: what went wrong is
/// told at the join.
///
/// # Source
/// Drift's `std.concurrent.spawn`.
///
/// # Examples
/// ```
/// let threads: Vec<_> = (0..4).map(|n| drift::spawn(move || n * n)).collect();
/// let squares: Result<Vec<_>, _> = threads.iter().map(|thread| thread.join()).collect();
/// assert_eq!(squares.unwrap(), [0, 1, 4, 9]);
/// ```
pub fn spawn<F, T>(f: F) -> VirtualThread<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f)
}

/// Runs `f` on a virtual thread of `executor`.
///
/// # Errors
/// `Busy` if the executor is at its queue limit, `Timeout` if it waited in vain for a place,
/// `Closed` if it was shut down, `Failed` if there is no thread or memory for it. Then `f` is
/// dropped, and was not run.
///
/// # Source
/// Drift's `std.concurrent.spawn_on`.
///
/// # Examples
/// ```
/// use drift::{Executor, ExecutorPolicy};
///
/// let two = Executor::new(ExecutorPolicy::new().max_threads(2)).unwrap();
/// let thread = drift::spawn_on(&two, || 1 + 1).unwrap();
/// assert_eq!(thread.join(), Ok(2));
/// ```
pub fn spawn_on<F, T>(executor: &Executor, f: F) -> Result<VirtualThread<T>, ConcurrencyError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn_on(executor, f)
}
