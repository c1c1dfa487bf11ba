//! Futures, as Drift calls a spawned result, and groups of them.

use std::collections::BTreeMap;
use std::fmt;

use super::executor::Executor;
use super::packet::Watcher;
use super::spawn::{VirtualThread, spawn, spawn_on};
use crate::drops::drop_quietly;
use crate::error::{ConcurrencyError, Error};
use crate::runtime::{CALL, pay};
use crate::sync::channel::{Receiver, Sender, unbounded};
use crate::time::Duration;

/// A value that a virtual thread computes.
///
/// # Source
/// Drift's `std.concurrent.Future`.
///
/// # Examples
/// ```
/// let answer = drift::spawn_future(|| 42);
/// assert_eq!(answer.join(), Ok(42));
/// ```
#[derive(Debug)]
#[must_use = "dropping it detaches the virtual thread"]
pub struct Future<T>(VirtualThread<T>);

impl<T> Future<T> {
    /// As [`VirtualThread::join`].
    ///
    /// # Errors
    /// As [`VirtualThread::join`].
    pub fn join(&self) -> Result<T, ConcurrencyError> {
        self.0.join()
    }

    /// As [`VirtualThread::join_timeout`].
    ///
    /// # Errors
    /// As [`VirtualThread::join_timeout`].
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration};
    ///
    /// let never = drift::spawn_future(|| drift::park());
    /// let waited = never.join_timeout(Duration::from_millis(2));
    /// assert_eq!(waited, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn join_timeout(&self, timeout: impl Into<Duration>) -> Result<T, ConcurrencyError> {
        self.0.join_timeout(timeout)
    }

    /// As [`VirtualThread::cancel`].
    ///
    /// # Examples
    /// ```
    /// let never = drift::spawn_future(|| while drift::park().is_ok() {});
    /// never.cancel();
    /// drop(never.join()); // it ends
    /// ```
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// As [`VirtualThread::is_completed`].
    ///
    /// # Examples
    /// ```
    /// let later = drift::spawn_future(|| 1);
    /// while !later.is_completed() {
    ///     drift::yield_now();
    /// }
    /// assert_eq!(later.join(), Ok(1));
    /// ```
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.0.is_completed()
    }
}

impl<T> From<VirtualThread<T>> for Future<T> {
    fn from(thread: VirtualThread<T>) -> Self {
        Self(thread)
    }
}

/// As [`spawn()`], for a value that is wanted later.
///
/// # Source
/// Drift's `std.concurrent.spawn_future`.
///
/// # Examples
/// ```
/// let later = drift::spawn_future(|| "computed meanwhile");
/// assert_eq!(later.join(), Ok("computed meanwhile"));
/// ```
pub fn spawn_future<F, T>(f: F) -> Future<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Future(spawn(f))
}

/// As [`spawn_on`], for a value that is wanted later.
///
/// # Errors
/// As [`spawn_on`].
///
/// # Source
/// Drift's `std.concurrent.spawn_future_on`.
///
/// # Examples
/// ```
/// let executor = drift::Executor::default_get();
/// let later = drift::spawn_future_on(&executor, || 3).unwrap();
/// assert_eq!(later.join(), Ok(3));
/// ```
pub fn spawn_future_on<F, T>(executor: &Executor, f: F) -> Result<Future<T>, ConcurrencyError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_on(executor, f).map(Future)
}

/// What a member of a group came to.
///
/// # Examples
/// ```
/// use drift::{FutureGroup, spawn_future};
///
/// let mut group = FutureGroup::new();
/// let number = group.add(spawn_future(|| "done"));
/// let completed = group.select().unwrap();
/// assert_eq!((completed.index, completed.result), (number, Ok("done")));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Completed<T> {
    /// The number that [`FutureGroup::add`] gave.
    pub index: usize,
    /// As [`Future::join`].
    pub result: Result<T, ConcurrencyError>,
}

/// Futures that are waited for together. Dropping it detaches them.
///
/// # Source
/// Drift's `std.concurrent.FutureGroup`; `select` and completion order are beyond it.
///
/// # Examples
/// ```
/// use drift::{Duration, FutureGroup, sleep, spawn_future};
///
/// let mut group = FutureGroup::new();
/// for n in [3u64, 1, 2] {
///     group.add(spawn_future(move || {
///         sleep(Duration::from_millis(20 * n as i64)).unwrap();
///         n
///     }));
/// }
/// assert_eq!(group.join_any(), Ok(&1)); // does not consume
/// assert_eq!(group.join_all(), Ok(vec![3, 1, 2])); // in the order of `add`
/// ```
pub struct FutureGroup<T> {
    /// Those that were not selected, by their numbers. A map, so that what was selected leaves
    /// nothing behind.
    members: BTreeMap<usize, Member<T>>,
    /// The number of the next.
    next: usize,
    /// The first that has ended, and was not selected.
    ended: Option<usize>,
    /// Ends that were not looked at yet.
    tells: Sender<usize>,
    told: Receiver<usize>,
}

enum Member<T> {
    Waits(Future<T>),
    Ended(Ended<T>),
}

/// What was looked at, and may stay in the group for ever.
struct Ended<T>(Option<Result<T, ConcurrencyError>>);

impl<T> Ended<T> {
    fn result(&self) -> &Result<T, ConcurrencyError> {
        self.0.as_ref().expect("it is taken once, by value")
    }

    fn into_inner(mut self) -> Result<T, ConcurrencyError> {
        self.0.take().expect("it is taken once, by value")
    }
}

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        drop_quietly(self.0.take());
    }
}

impl<T> FutureGroup<T> {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        let (tells, told) = unbounded();
        Self { members: BTreeMap::new(), next: 0, ended: None, tells, told }
    }

    /// Adds one more; its number, which counts from 0.
    pub fn add(&mut self, mut future: Future<T>) -> usize {
        pay(CALL);
        let index = self.next;
        self.next += 1;
        match future.0.refusal() {
            Some(_) => self.tells.core().try_send(index).expect("the group has the receiver"),
            None => {
                let watcher = Watcher { group: self.tells.clone(), index };
                future.0.results().about().watch(watcher);
            }
        }
        self.members.insert(index, Member::Waits(future));
        index
    }

    /// Members that were not selected.
    ///
    /// # Examples
    /// ```
    /// let mut group = drift::FutureGroup::new();
    /// group.add(drift::spawn_future(|| 1));
    /// assert_eq!(group.len(), 1);
    /// group.select().unwrap();
    /// assert_eq!(group.len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether all were selected, or none was added.
    ///
    /// # Examples
    /// ```
    /// assert!(drift::FutureGroup::<u8>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Waits for all; their values, in the order of [`add`](Self::add), but for those that were
    /// selected.
    ///
    /// # Errors
    /// That of the member that failed worst, after all have ended; `Cancelled` if the caller was.
    ///
    /// # Source
    /// Drift's `FutureGroup.join_all`.
    pub fn join_all(self) -> Result<Vec<T>, ConcurrencyError> {
        pay(CALL);
        let mut values = Vec::with_capacity(self.members.len());
        let mut failed: Option<ConcurrencyError> = None;
        for member in self.members.into_values() {
            let result = match member {
                Member::Waits(future) => future.join(),
                Member::Ended(ended) => ended.into_inner(),
            };
            match (result, failed.take()) {
                (Ok(value), None) => values.push(value),
                (Ok(value), before) => {
                    drop_quietly(value);
                    failed = before;
                }
                (Err(error), None) => failed = Some(error),
                (Err(error), Some(before)) => failed = Some(before.or(error)),
            }
        }
        let Some(failed) = failed else { return Ok(values) };
        // One by one: the destructors of several may panic.
        values.into_iter().for_each(drop_quietly);
        Err(failed)
    }

    /// Waits for the first to end; its value, which stays in the group. The same one, until it is
    /// selected.
    ///
    /// # Errors
    /// That member's; `Closed` if there is none; `Cancelled` if the caller was.
    ///
    /// # Source
    /// Drift's `FutureGroup.join_any`.
    pub fn join_any(&mut self) -> Result<&T, ConcurrencyError> {
        self.first_as(Receiver::recv)
    }

    /// The same, for at most `timeout`.
    ///
    /// # Errors
    /// As [`join_any`](Self::join_any), and `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration, FutureGroup, park, spawn_future};
    ///
    /// let mut group = FutureGroup::new();
    /// group.add(spawn_future(park));
    /// let first = group.join_any_timeout(Duration::from_millis(2));
    /// assert_eq!(first, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn join_any_timeout(
        &mut self,
        timeout: impl Into<Duration>,
    ) -> Result<&T, ConcurrencyError> {
        let timeout = timeout.into();
        if let Err(error) = timeout.nanoseconds() {
            pay(CALL);
            return Err(error);
        }
        self.first_as(|told| told.recv_timeout(timeout))
    }

    /// Waits for the next to end and takes it out.
    ///
    /// # Errors
    /// `Closed` if there is none; `Cancelled` if the caller was. A member's own error is in
    /// [`Completed::result`].
    ///
    /// # Source
    /// Beyond Drift's `std.concurrent`; Go's `select`.
    ///
    /// # Examples
    /// ```
    /// let mut group = drift::FutureGroup::new();
    /// for n in 0..3 {
    ///     group.add(drift::spawn_future(move || n));
    /// }
    /// let mut sum = 0;
    /// while let Ok(completed) = group.select() {
    ///     sum += completed.result.unwrap();
    /// }
    /// assert_eq!(sum, 3);
    /// ```
    pub fn select(&mut self) -> Result<Completed<T>, ConcurrencyError> {
        let index = self.next_as(Receiver::recv)?;
        self.ended = None;
        match self.members.remove(&index) {
            Some(Member::Ended(ended)) => Ok(Completed { index, result: ended.into_inner() }),
            _ => unreachable!("it has ended"),
        }
    }

    /// All members, in the order in which they end. Stops early if the caller is cancelled.
    ///
    /// ```
    /// use drift::{Duration, FutureGroup, sleep, spawn_future};
    ///
    /// let mut group = FutureGroup::new();
    /// for n in [3, 1, 2] {
    ///     group.add(spawn_future(move || sleep(Duration::from_millis(20 * n)).map(|()| n)));
    /// }
    /// let order: Vec<_> = group.completions().map(|ended| ended.index).collect();
    /// assert_eq!(order, [1, 2, 0]);
    /// ```
    pub fn completions(&mut self) -> impl Iterator<Item = Completed<T>> {
        std::iter::from_fn(|| self.select().ok())
    }

    /// In the child of a fork, the first: nobody tells there of what the parent's do.
    fn left_behind(&self) -> Option<usize> {
        let (index, member) = self.members.first_key_value()?;
        match member {
            Member::Waits(future) if future.0.is_left_behind() => Some(*index),
            _ => None,
        }
    }

    fn first_as(
        &mut self,
        how: impl Fn(&Receiver<usize>) -> Result<usize, ConcurrencyError>,
    ) -> Result<&T, ConcurrencyError> {
        let index = self.next_as(how)?;
        match &self.members[&index] {
            Member::Ended(ended) => ended.result().as_ref().map_err(Clone::clone),
            Member::Waits(_) => unreachable!("it has ended"),
        }
    }

    /// The first of those that have ended; waits for one if there is none.
    fn next_as(
        &mut self,
        how: impl Fn(&Receiver<usize>) -> Result<usize, ConcurrencyError>,
    ) -> Result<usize, ConcurrencyError> {
        pay(CALL);
        if let Some(index) = self.ended {
            return Ok(index);
        }
        if self.members.is_empty() {
            return Err(ConcurrencyError::Closed);
        }
        if crate::runtime::unwinds() {
            // The end of what was told of takes a moment yet.
            return Err(Error::Unwinding.into());
        }
        let index = match self.left_behind() {
            Some(index) => index,
            None => how(&self.told)?,
        };
        let member = self.members.get_mut(&index).expect("each is told of once");
        if let Member::Waits(future) = member {
            // It was told at the end of its closure: what is left of it cannot wait.
            *member = Member::Ended(Ended(Some(future.0.join_to_the_end())));
        }
        self.ended = Some(index);
        Ok(index)
    }
}

impl<T> Default for FutureGroup<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for FutureGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureGroup").field("left", &self.len()).finish_non_exhaustive()
    }
}
