//! Scopes: virtual threads that borrow, and end before the scope does.
//!
//! A child fails if it panics, in its closure or in the destructor of what it leaves; if it returns
//! an error; if it is refused; and if it never runs because its executor is shut down.
//!
//! | event                            | the other children | the scope                            |
//! |----------------------------------|--------------------|--------------------------------------|
//! | a child fails whose handle is    | are cancelled      | has its error                        |
//! | gone                             |                    |                                      |
//! | a child fails whose handle is    | go on              | nothing yet                          |
//! | there                            |                    |                                      |
//! | - a join takes its result        | go on              | nothing: it was handled              |
//! | - the handle is dropped          | are cancelled      | has its error                        |
//! | - all have ended, and the handle |                    | has its error                        |
//! |   was forgotten                  |                    |                                      |
//! | the body panics                  | are cancelled      | panics, after they have ended        |
//! | the scope's caller is cancelled  | are cancelled      | has `Cancelled`                      |
//! | the scope's time runs out        | are cancelled      | has `Timeout`; its body goes on      |
//!
//! What a child came to does not depend on whether it or the join comes first.
//!
//! Then the scope waits for all of them, whatever happens to its caller.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: children and what they leave behind may borrow for
//! `'scope`, because `scope` returns only after every child has ended.
#![allow(unsafe_code)]

mod child;
mod left;
mod shared;
mod ticket;

use std::error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

pub use self::child::ScopedVirtualThread;

use self::left::Left;
use self::shared::Shared;
use self::ticket::{Fate, Ticket};
use super::calls::{is_cancelled, sleep_until};
use super::executor::Executor;
use super::packet;
use super::spawn::{Builder, VirtualThread};
use super::stack::STACK;
use crate::error::{ConcurrencyError, Error};
use crate::runtime::{CALL, pay, wait, wait_until};
use crate::time::{Duration, Instant};

/// Where virtual threads are spawned that may borrow. See [`scope`].
///
/// # Examples
/// ```
/// let mut numbers = [1, 2, 3];
/// drift::scope(|s| {
///     for number in &mut numbers {
///         s.spawn(move || *number *= 2); // borrows from this frame
///     }
/// })
/// .unwrap();
/// assert_eq!(numbers, [2, 4, 6]);
/// ```
#[derive(Debug)]
pub struct Scope<'scope, 'env: 'scope> {
    shared: Arc<Shared>,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// Why a scope failed: the errors of its children, in the order in which they came.
///
/// # Examples
/// ```
/// let failed = drift::scope(|s| {
///     s.spawn(|| panic!("no luck"));
/// });
/// let error = failed.unwrap_err();
/// assert_eq!(error.errors().len(), 1);
/// assert!(error.cause().to_string().contains("no luck"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeError {
    errors: Vec<ConcurrencyError>,
}

impl ScopeError {
    /// The first, which cancelled the rest.
    #[must_use]
    pub fn cause(&self) -> &ConcurrencyError {
        &self.errors[0]
    }

    /// All; never none.
    #[must_use]
    pub fn errors(&self) -> &[ConcurrencyError] {
        &self.errors
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => write!(f, "a scope failed: {}", self.cause()),
            n => write!(f, "a scope failed with {n} errors, first: {}", self.cause()),
        }
    }
}

impl error::Error for ScopeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(self.cause())
    }
}

impl From<ConcurrencyError> for ScopeError {
    fn from(error: ConcurrencyError) -> Self {
        Self { errors: vec![error] }
    }
}

/// The cause.
impl From<ScopeError> for ConcurrencyError {
    fn from(mut error: ScopeError) -> Self {
        error.errors.swap_remove(0)
    }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Runs `f` on a virtual thread of the default executor. It fails if it panics.
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedVirtualThread<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.start(Builder::new(), None, move || Ok(f()))
    }

    /// Runs `f` on a virtual thread of `executor`. It fails if it panics.
    ///
    /// # Examples
    /// ```
    /// let executor = drift::Executor::default_get();
    /// let doubled = drift::scope(|s| s.spawn_on(&executor, || 21 * 2).join());
    /// assert_eq!(doubled, Ok(Ok(42)));
    /// ```
    pub fn spawn_on<F, T>(&'scope self, executor: &Executor, f: F) -> ScopedVirtualThread<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.start(Builder::new(), Some(executor), move || Ok(f()))
    }

    /// Runs `f` on a virtual thread of the default executor. It fails if it panics, or with the
    /// error that `f` returns; a `Cancelled` of one that was cancelled is no failure.
    ///
    /// ```
    /// let numbers = ["4", "x"];
    /// let sum = drift::scope(|s| {
    ///     for text in &numbers {
    ///         s.spawn_fallible(move || text.parse::<i32>());
    ///     }
    /// });
    /// assert!(sum.unwrap_err().cause().to_string().contains("invalid digit"));
    /// ```
    ///
    /// # Examples
    /// ```
    /// let ended = drift::scope(|s| {
    ///     s.spawn_fallible(|| "7x".parse::<u32>());
    ///     s.spawn(|| while drift::park().is_ok() {}); // cancelled when its sibling fails
    /// });
    /// assert!(ended.unwrap_err().to_string().contains("invalid digit"));
    /// ```
    pub fn spawn_fallible<F, T, E>(&'scope self, f: F) -> ScopedVirtualThread<'scope, T>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
        E: Into<Box<dyn error::Error + Send + Sync>>,
    {
        let fallible = move || f().map_err(|error| as_ours(error.into()));
        self.start(Builder::new(), None, fallible)
    }

    /// Asks all children to end; what is spawned from now on never runs.
    ///
    /// # Examples
    /// ```
    /// drift::scope(|s| {
    ///     s.spawn(|| while drift::park().is_ok() {});
    ///     s.cancel(); // nobody failed
    /// })
    /// .unwrap();
    /// ```
    pub fn cancel(&self) {
        self.shared.cancel();
        pay(CALL);
    }

    fn start<F, T>(
        &'scope self,
        builder: Builder,
        on: Option<&Executor>,
        f: F,
    ) -> ScopedVirtualThread<'scope, T>
    where
        F: FnOnce() -> Result<T, ConcurrencyError> + Send + 'scope,
        T: Send + 'scope,
    {
        assert!(
            !self.shared.runtime().is_left_behind(),
            "a scope of the parent process cannot wait for what the forked child spawns; open one \
             in the child",
        );
        self.shared.heed_time();
        let comes_late = self.shared.is_cancelled();
        let fate = Fate::default();
        let ticket = Ticket::new(&self.shared, &fate);
        let f = Left::new(&self.shared, f);
        let child = move || {
            let fate = ticket.enter();
            if comes_late {
                // It may start before it is cancelled.
                return Err(ConcurrencyError::Cancelled);
            }
            let f = f.into_inner();
            let result = panic::catch_unwind(AssertUnwindSafe(f))
                .unwrap_or_else(|thrown| Err(Error::Panic(packet::panic_of(thrown)).into()));
            if let Err(error) = &result
                && !(*error == ConcurrencyError::Cancelled && is_cancelled())
            {
                self.shared.blame(&fate, error.clone());
            }
            result.map(|value| Left::new(&self.shared, value))
        };
        // SAFETY: `scope` waits for it, and so for everything that borrows; the handle lives
        // for `'scope` at most.
        let mut thread = unsafe { builder.start(on, child) };
        match thread.refusal() {
            Some(error) => self.shared.blame(&fate, error.clone()),
            None => {
                self.shared.adopt(thread.handle());
                if fate.take() {
                    self.shared.miss(&fate);
                }
            }
        }
        ScopedVirtualThread::new(&self.shared, thread, fate)
    }
}

impl Builder {
    /// As [`Scope::spawn`]: on the default executor, and may borrow what outlives the scope.
    ///
    /// # Source
    /// [`std::thread::Builder::spawn_scoped`].
    ///
    /// # Examples
    /// ```
    /// let word = String::from("borrowed");
    /// let length = drift::scope(|s| {
    ///     let child = drift::Builder::new().name("counter").stack_size(64 << 10);
    ///     let child = child.spawn_scoped(s, || word.len());
    ///     assert_eq!(child.thread().name(), Some("counter"));
    ///     child.join().unwrap()
    /// });
    /// assert_eq!(length, Ok(8));
    /// ```
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> ScopedVirtualThread<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        scope.start(self, None, move || Ok(f()))
    }
}

/// A child's error, without a second wrapping, and out of the one that sockets put around ours.
fn as_ours(error: Box<dyn error::Error + Send + Sync>) -> ConcurrencyError {
    let error = match error.downcast::<ConcurrencyError>() {
        Ok(own) => return *own,
        Err(error) => error,
    };
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner.and_then(|inner| inner.downcast_ref::<ConcurrencyError>()) {
        Some(own) => own.clone(),
        None => Error::Other(Arc::from(error)).into(),
    }
}

/// Runs `f`, which may spawn virtual threads that borrow what outlives the scope, and waits until
/// all of them have ended. If one fails whose handle was dropped, the others are cancelled; as long
/// as there is a handle, the failure is its owner's: a join that takes it has handled it, and a
/// drop leaves it to the scope.
///
/// # Errors
/// All errors together that no join took, if children failed or the caller was cancelled while it
/// waited for them. A child that never ran, because its executor was shut down, has failed with
/// `Cancelled`; one whose result panicked as it was dropped, with that.
/// `Failed(Unwinding)` on a virtual thread that unwinds: then `f` was not run.
///
/// # Panics
/// As `f` does, after the children were cancelled and have ended.
///
/// # Source
/// Drift's plan of structured cancellation with error aggregation; [`std::thread::scope`].
///
/// # Examples
/// ```
/// let words = ["one", "two", "three"];
/// let lengths = drift::scope(|s| {
///     let children: Vec<_> = words.iter().map(|word| s.spawn(|| word.len())).collect();
///     children.iter().map(|child| child.join().unwrap()).sum::<usize>()
/// });
/// assert_eq!(lengths.unwrap(), 11);
///
/// let handled = drift::scope(|s| s.spawn(|| panic!("no luck")).join().is_err());
/// assert_eq!(handled, Ok(true));
/// ```
pub fn scope<'env, F, T>(f: F) -> Result<T, ScopeError>
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    run(f, None)
}

/// As [`scope`], and cancels the children when `timeout` is over, also while `f` runs, which goes
/// on: what it waits for from them comes to an end. What is spawned after that never runs.
///
/// # Errors
/// As [`scope`]; `Timeout` is among them if the time was over before `f` and all children had
/// ended, even if only `f` took too long; it is the cause if nothing failed before. At once,
/// without running `f`, if it is zero; `Failed(InvalidDuration)` if it is negative.
///
/// # Panics
/// As [`scope`].
///
/// # Source
/// As [`scope`].
///
/// # Examples
/// ```
/// use drift::{ConcurrencyError, Duration, scope_timeout, sleep};
///
/// let late = scope_timeout(Duration::from_millis(2), |s| {
///     s.spawn(|| sleep(Duration::from_secs(60)));
/// });
/// assert_eq!(late.unwrap_err().cause(), &ConcurrencyError::Timeout);
/// ```
pub fn scope_timeout<'env, F, T>(timeout: impl Into<Duration>, f: F) -> Result<T, ScopeError>
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let timeout = timeout.into();
    pay(CALL);
    match timeout.nanoseconds() {
        Ok(0) => Err(ConcurrencyError::Timeout.into()),
        Ok(_) => run(f, Some(Instant::now() + timeout)),
        Err(error) => Err(error.into()),
    }
}

/// Expires the scope at `deadline`, by a virtual thread that nobody waits for: while the body
/// runs, and may wait for children, nobody else looks at the time. On the runtime's own
/// executor, which has room; if there is none, or its carrier is busy, the next spawn or the
/// end of the scope sees to it.
fn watch(shared: &Arc<Shared>, deadline: Instant) -> VirtualThread<()> {
    let executor = Executor::own_of(shared.runtime());
    let shared = shared.clone();
    let watch = move || {
        if sleep_until(deadline).is_ok() {
            shared.expire();
        }
    };
    // Who cancels drops what the children have captured: that takes a stack as others have.
    let builder = Builder::new().stack_size(STACK.bytes());
    // SAFETY: nothing is borrowed.
    unsafe { builder.start_on(executor, watch) }
}

fn run<'env, F, T>(f: F, deadline: Option<Instant>) -> Result<T, ScopeError>
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let wait = deadline.map_or_else(wait, |deadline| wait_until(deadline.core()))?;
    let shared = Arc::new(Shared::new(deadline));
    let watch = deadline.map(|deadline| watch(&shared, deadline));
    let scope = Scope { shared, scope: PhantomData, env: PhantomData };
    let ended = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if ended.is_err() {
        scope.shared.cancel();
    }
    scope.shared.finish(wait);
    if let Some(watch) = watch {
        watch.cancel();
    }
    let errors = scope.shared.errors();
    match ended {
        Err(thrown) => panic::resume_unwind(thrown),
        Ok(value) if errors.is_empty() => Ok(value),
        Ok(_) => Err(ScopeError { errors }),
    }
}
