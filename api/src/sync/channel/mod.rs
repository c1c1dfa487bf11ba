//! Channels: values from any number of senders to any number of receivers, in order.
//!
//! | made by          | a send waits                               | like                       |
//! |------------------|--------------------------------------------|----------------------------|
//! | [`unbounded`]    | never                                      | `std::sync::mpsc::channel` |
//! | [`bounded`]`(n)` | while `n` values wait to be received       | Go's `make(chan T, n)`     |
//! | [`bounded`]`(0)` | until a receiver has the value             | Go's `make(chan T)`        |
//!
//! A channel closes from either end: by `close`, or when the last sender or the last receiver is
//! dropped. Then sends answer `Closed`; receives too, after what was sent before.

pub(super) mod carried;
mod look;
mod refused;
mod segments;
mod values;

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift_core::error::ConcurrencyError as CoreError;
use drift_core::wait::Wait;

use self::carried::Carried;
pub use self::refused::SendError;
pub use self::values::{Iter, Received, TryIter};
use crate::drops::drop_each;
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, wait, wait_for};
use crate::time::Duration;

struct Shared<T> {
    channel: Carried<T>,
    /// Values that it keeps at most.
    limit: usize,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> Shared<T> {
    /// The channel, for a call that is paid for.
    fn paid(&self) -> &Carried<T> {
        pay(CALL);
        &self.channel
    }
}

/// The end that values go into. Clones send to the same channel.
///
/// # Source
/// Beyond Drift's `std.concurrent`; [`std::sync::mpsc`], Go's channels.
///
/// # Examples
/// ```
/// use drift::sync::bounded;
///
/// let (sender, receiver) = bounded(1);
/// drift::spawn(move || sender.send("hello"));
/// assert_eq!(receiver.recv(), Ok("hello"));
/// ```
pub struct Sender<T>(Arc<Shared<T>>);

/// The end that values come out of. Clones share them: each value goes to one.
///
/// # Source
/// As [`Sender`].
///
/// # Examples
/// ```
/// use drift::ConcurrencyError;
/// use drift::sync::unbounded;
///
/// let (sender, receiver) = unbounded();
/// for n in 0..3 {
///     sender.send(n).unwrap();
/// }
/// drop(sender); // closes it
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
/// assert_eq!(receiver.recv(), Err(ConcurrencyError::Closed));
/// ```
pub struct Receiver<T>(Arc<Shared<T>>);

/// A channel without a limit: a send never waits, and memory is the limit.
///
/// # Examples
/// ```
/// let (sender, receiver) = drift::sync::unbounded();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    with_limit(usize::MAX)
}

/// A channel that holds up to `limit` values; with 0, every send meets a receive.
///
/// # Examples
/// ```
/// let (sender, receiver) = drift::sync::bounded(1);
/// sender.send(1).unwrap();
/// assert!(sender.try_send(2).is_err()); // full
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
pub fn bounded<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    with_limit(limit)
}

fn with_limit<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        channel: Carried::new(limit),
        limit,
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    /// Sends, and waits for room.
    ///
    /// # Errors
    /// The value, with `Closed` or `Cancelled`.
    ///
    /// # Examples
    /// ```
    /// let (to, from) = drift::sync::bounded(1);
    /// to.send(7).unwrap();
    /// assert_eq!(from.recv(), Ok(7));
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_as(value, || wait().map(Some))
    }

    /// Sends if there is room, or a receiver waits.
    ///
    /// # Errors
    /// The value, with `Busy` or `Closed`.
    ///
    /// # Examples
    /// ```
    /// use drift::ConcurrencyError;
    ///
    /// let (to, _from) = drift::sync::bounded(1);
    /// to.try_send(1).unwrap();
    /// assert_eq!(to.try_send(2).unwrap_err().error, ConcurrencyError::Busy);
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        self.0.paid().try_send(value).map_err(SendError::from)
    }

    /// Sends, and waits for room for at most `timeout`.
    ///
    /// # Errors
    /// The value, with `Closed`, `Cancelled`, `Timeout` or `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration};
    ///
    /// let (to, _from) = drift::sync::bounded(1);
    /// to.send(1).unwrap();
    /// let full = to.send_timeout(2, Duration::from_millis(2)).unwrap_err();
    /// assert_eq!((full.value, full.error), (2, ConcurrencyError::Timeout));
    /// ```
    pub fn send_timeout(&self, value: T, timeout: impl Into<Duration>) -> Result<(), SendError<T>> {
        let timeout = timeout.into();
        if let Err(error) = timeout.nanoseconds() {
            pay(CALL);
            return Err(SendError { value, error });
        }
        self.send_as(value, || wait_for(timeout))
    }

    fn send_as(
        &self,
        value: T,
        how: impl FnOnce() -> Result<Option<Wait>, ConcurrencyError>,
    ) -> Result<(), SendError<T>> {
        let value = match self.0.paid().try_send(value) {
            Ok(()) => return Ok(()),
            Err((value, CoreError::Busy)) => value,
            Err(refused) => return Err(refused.into()),
        };
        match how() {
            Ok(Some(wait)) => self.0.channel.send(value, &wait).map_err(SendError::from),
            Ok(None) => Err(SendError { value, error: ConcurrencyError::Timeout }),
            Err(error) => Err(SendError { value, error }),
        }
    }

    pub(crate) fn core(&self) -> &Carried<T> {
        &self.0.channel
    }
}

impl<T> Receiver<T> {
    /// Receives, and waits for a value.
    ///
    /// # Errors
    /// `Closed` if none will come any more; `Cancelled`.
    ///
    /// # Examples
    /// ```
    /// use drift::ConcurrencyError;
    ///
    /// let (to, from) = drift::sync::bounded(1);
    /// to.send(7).unwrap();
    /// drop(to);
    /// assert_eq!(from.recv(), Ok(7));
    /// assert_eq!(from.recv(), Err(ConcurrencyError::Closed));
    /// ```
    pub fn recv(&self) -> Result<T, ConcurrencyError> {
        match self.0.paid().try_receive() {
            Err(CoreError::Busy) => Ok(self.0.channel.receive(&wait()?)?),
            other => Ok(other?),
        }
    }

    /// Receives if a value is there.
    ///
    /// # Errors
    /// `Busy` if none is; `Closed` if none will come any more.
    ///
    /// # Examples
    /// ```
    /// use drift::ConcurrencyError;
    ///
    /// let (_to, from) = drift::sync::bounded::<u8>(1);
    /// assert_eq!(from.try_recv(), Err(ConcurrencyError::Busy));
    /// ```
    pub fn try_recv(&self) -> Result<T, ConcurrencyError> {
        Ok(self.0.paid().try_receive()?)
    }

    /// Receives, and waits for a value for at most `timeout`.
    ///
    /// # Errors
    /// `Closed`, `Cancelled`, `Timeout`; `Failed(InvalidDuration)`.
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Duration};
    ///
    /// let (_to, from) = drift::sync::bounded::<u8>(1);
    /// let nothing = from.recv_timeout(Duration::from_millis(2));
    /// assert_eq!(nothing, Err(ConcurrencyError::Timeout));
    /// ```
    pub fn recv_timeout(&self, timeout: impl Into<Duration>) -> Result<T, ConcurrencyError> {
        let timeout = timeout.into();
        let channel = self.0.paid();
        timeout.nanoseconds()?;
        match channel.try_receive() {
            Err(CoreError::Busy) => {
                let wait = wait_for(timeout)?.ok_or(ConcurrencyError::Timeout)?;
                Ok(self.0.channel.receive(&wait)?)
            }
            other => Ok(other?),
        }
    }

    pub(crate) fn core(&self) -> &Carried<T> {
        &self.0.channel
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: what every sender sent comes before the close.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.channel.close();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // AcqRel: as for senders.
        if self.0.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.channel.close();
            // Nobody can receive what is left: it is dropped now, one by one, without the lock.
            drop_each(iter::from_fn(|| self.0.channel.try_receive().ok()));
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.0.channel.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.0.channel.len()).finish_non_exhaustive()
    }
}
