//! What a scope's `spawn` gives.

use super::left::Left;
use super::shared::Shared;
use super::ticket::Fate;
use crate::concurrent::spawn::VirtualThread;
use crate::concurrent::thread::Thread;
use crate::error::ConcurrencyError;
use crate::runtime::wait;
use crate::time::Duration;

/// A child of a scope, and its result. A failure that nobody has joined when this is dropped is
/// the scope's.
///
/// # Source
/// Beyond Drift's `std.concurrent`; [`std::thread::ScopedJoinHandle`].
///
/// # Examples
/// ```
/// let word = String::from("borrowed");
/// let length = drift::scope(|s| s.spawn(|| word.len()).join().unwrap());
/// assert_eq!(length.unwrap(), 8);
/// ```
#[derive(Debug)]
pub struct ScopedVirtualThread<'scope, T> {
    thread: VirtualThread<Result<Left<'scope, T>, ConcurrencyError>>,
    fate: Fate,
    shared: &'scope Shared,
}

impl<'scope, T> ScopedVirtualThread<'scope, T> {
    pub(super) fn new(
        shared: &'scope Shared,
        thread: VirtualThread<Result<Left<'scope, T>, ConcurrencyError>>,
        fate: Fate,
    ) -> Self {
        Self { thread, fate, shared }
    }

    /// The child's result was taken by its owner, if it was.
    fn take(
        &self,
        joined: Result<
            Result<Result<Left<'scope, T>, ConcurrencyError>, ConcurrencyError>,
            ConcurrencyError,
        >,
    ) -> Result<T, ConcurrencyError> {
        let result = joined?;
        if let Some(number) = self.fate.settle() {
            self.shared.forgive(number);
        }
        result?.map(Left::into_inner)
    }

    /// As [`VirtualThread::join`].
    ///
    /// # Errors
    /// As [`VirtualThread::join`], and what a fallible child returned. Once it is taken here, it is
    /// no failure of the scope.
    pub fn join(&self) -> Result<T, ConcurrencyError> {
        self.take(self.thread.result_as(wait))
    }

    /// As [`VirtualThread::join_timeout`].
    ///
    /// # Errors
    /// As [`VirtualThread::join_timeout`], and what a fallible child returned.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration};
    ///
    /// drift::scope(|s| {
    ///     let child = s.spawn(|| while drift::park().is_ok() {});
    ///     let waited = child.join_timeout(Duration::from_millis(2));
    ///     assert_eq!(waited, Err(ConcurrencyError::Timeout));
    ///     child.cancel();
    /// })
    /// .unwrap();
    /// ```
    pub fn join_timeout(&self, timeout: impl Into<Duration>) -> Result<T, ConcurrencyError> {
        self.take(self.thread.result_timeout(timeout.into()))
    }

    /// As [`VirtualThread::cancel`]; not a failure of the scope, even if it never runs.
    ///
    /// # Examples
    /// ```
    /// drift::scope(|s| {
    ///     let child = s.spawn(|| while drift::park().is_ok() {});
    ///     child.cancel();
    /// })
    /// .unwrap();
    /// ```
    pub fn cancel(&self) {
        self.fate.ask();
        self.thread.cancel();
    }

    /// As [`VirtualThread::is_completed`].
    ///
    /// # Examples
    /// ```
    /// drift::scope(|s| {
    ///     let child = s.spawn(|| 1);
    ///     child.join().unwrap();
    ///     assert!(child.is_completed());
    /// })
    /// .unwrap();
    /// ```
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.thread.is_completed()
    }

    /// As [`VirtualThread::thread`].
    ///
    /// # Examples
    /// ```
    /// drift::scope(|s| {
    ///     let child = s.spawn(|| drift::park());
    ///     child.thread().unpark();
    /// })
    /// .unwrap();
    /// ```
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.thread.thread()
    }
}

/// What nobody took is the scope's.
impl<T> Drop for ScopedVirtualThread<'_, T> {
    fn drop(&mut self) {
        if let Some(number) = self.fate.settle() {
            self.shared.lose(number);
        }
    }
}
