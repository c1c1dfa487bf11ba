//! How blocking calls end other than by success.

mod panic;

use std::error;
use std::fmt;
use std::io;
use std::sync::Arc;

use drift_core::platform::PlatformError;
use drift_core::sched::policy::PolicyError;

use crate::time::duration::Duration;

pub use self::panic::Panic;

/// How a blocking call ends other than by success. When several hold, the first listed wins; the
/// order is frozen: [`Failed`](Self::Failed) dominates, [`Closed`](Self::Closed) is only for
/// misuse, [`Timeout`](Self::Timeout) and [`Busy`](Self::Busy) only when nothing is decided yet.
///
/// # Source
/// Drift's `std.concurrent.ConcurrencyError`, "outcome precedence".
///
/// # Examples
/// ```
/// use drift::ConcurrencyError;
///
/// let both = ConcurrencyError::Timeout.or(ConcurrencyError::Cancelled);
/// assert_eq!(both, ConcurrencyError::Cancelled);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum ConcurrencyError {
    /// It went wrong: a panic, the executor, the machine, or an argument.
    Failed(Error),
    /// What is waited for was given up before: a second join, a channel or executor that was
    /// closed.
    Closed,
    /// The virtual thread that was waited for, or the one that waits, was cancelled.
    Cancelled,
    /// The time ran out first.
    Timeout,
    /// It would have to wait, and was asked not to: a full queue, a lock that is held.
    Busy,
}

impl ConcurrencyError {
    const fn rank(&self) -> u8 {
        match self {
            Self::Failed(_) => 0,
            Self::Closed => 1,
            Self::Cancelled => 2,
            Self::Timeout => 3,
            Self::Busy => 4,
        }
    }

    /// The outcome to report when both hold.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}

impl fmt::Display for ConcurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Closed => f.write_str("closed: it was joined, closed or shut down before"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Timeout => f.write_str("the time ran out first"),
            Self::Busy => f.write_str("busy: it would have to wait"),
        }
    }
}

impl error::Error for ConcurrencyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl From<drift_core::error::ConcurrencyError> for ConcurrencyError {
    fn from(error: drift_core::error::ConcurrencyError) -> Self {
        use drift_core::error::ConcurrencyError as Core;
        match error {
            Core::Failed(error) => Self::Failed(Error::Platform(error)),
            Core::Closed => Self::Closed,
            Core::Cancelled => Self::Cancelled,
            Core::Timeout => Self::Timeout,
            Core::Busy => Self::Busy,
        }
    }
}

/// As an I/O error, whose [`get_ref`](io::Error::get_ref) is this again: `Timeout` is
/// [`TimedOut`](io::ErrorKind::TimedOut), `Busy` is [`WouldBlock`](io::ErrorKind::WouldBlock),
/// `Closed` is [`NotConnected`](io::ErrorKind::NotConnected), and the rest is
/// [`Other`](io::ErrorKind::Other): libraries that repeat `Interrupted` calls must not repeat a
/// cancelled one for ever.
impl From<ConcurrencyError> for io::Error {
    fn from(error: ConcurrencyError) -> Self {
        let kind = match &error {
            ConcurrencyError::Timeout => io::ErrorKind::TimedOut,
            ConcurrencyError::Busy => io::ErrorKind::WouldBlock,
            ConcurrencyError::Closed => io::ErrorKind::NotConnected,
            ConcurrencyError::Failed(Error::Platform(PlatformError::Code(code))) => {
                return Self::from_raw_os_error(*code as i32);
            }
            ConcurrencyError::Failed(Error::Platform(PlatformError::Refused { code, .. })) => {
                Self::from_raw_os_error(*code as i32).kind()
            }
            ConcurrencyError::Failed(_) | ConcurrencyError::Cancelled => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What went wrong, inside [`ConcurrencyError::Failed`].
///
/// # Source
/// The first three are Drift's errors of those names.
///
/// # Examples
/// ```
/// use drift::{ConcurrencyError, Duration, Error, sleep};
///
/// let backwards = sleep(Duration::from_millis(-1)).unwrap_err();
/// assert!(matches!(backwards, ConcurrencyError::Failed(Error::InvalidDuration(_))));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The executor did not take the virtual thread: 1 busy, 2 time-out, 3 closed, above that 3
    /// plus the platform's own code.
    ExecSubmitFailed(i64),
    /// A negative duration.
    InvalidDuration(Duration),
    /// The virtual thread has ended and left no result: it belongs to the parent of a forked
    /// process.
    VtResultNotAvailable,
    /// The closure panicked.
    Panic(Panic),
    /// Somebody panicked while it was being done, or held.
    Poisoned,
    /// The virtual thread is unwinding from a panic: until that is done it may not wait, because
    /// std counts panics for each OS thread.
    Unwinding,
    /// The executor is not to be shut down: it is the runtime's own, or the caller runs on it.
    InUse,
    /// The policy of an executor makes no sense.
    Policy(PolicyError),
    /// A variable of the environment makes no sense.
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must do, and the way out.
        must: &'static str,
    },
    /// The platform refused.
    Platform(PlatformError),
    /// An error of the program's own, from a child of a [`scope`](crate::scope()).
    Other(Arc<dyn error::Error + Send + Sync>),
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ExecSubmitFailed(one), Self::ExecSubmitFailed(other)) => one == other,
            (Self::InvalidDuration(one), Self::InvalidDuration(other)) => one == other,
            (Self::Panic(one), Self::Panic(other)) => one == other,
            (Self::Policy(one), Self::Policy(other)) => one == other,
            (Self::Variable { name, value, .. }, Self::Variable { name: n, value: v, .. }) => {
                (name, value) == (n, v)
            }
            (Self::Platform(one), Self::Platform(other)) => one == other,
            (Self::Other(one), Self::Other(other)) => Arc::ptr_eq(one, other),
            (Self::VtResultNotAvailable, Self::VtResultNotAvailable)
            | (Self::Poisoned, Self::Poisoned)
            | (Self::Unwinding, Self::Unwinding)
            | (Self::InUse, Self::InUse) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExecSubmitFailed(code) => {
                let why = match code {
                    1 => "it is at its queue limit",
                    2 => "no place became free in time",
                    3 => "it was shut down",
                    _ => "the platform has no thread or memory for it",
                };
                write!(f, "the executor did not take the virtual thread: {why} (code {code})")
            }
            Self::InvalidDuration(time) => write!(f, "a duration is negative: {time}"),
            Self::VtResultNotAvailable => f.write_str("the virtual thread has left no result"),
            Self::Panic(panic) => panic.fmt(f),
            Self::Poisoned => f.write_str("poisoned: somebody panicked in the middle of it"),
            Self::Unwinding => f.write_str("a virtual thread that unwinds may not wait"),
            Self::InUse => f.write_str("the executor is the runtime's own, or the caller's"),
            Self::Policy(error) => error.fmt(f),
            Self::Variable { name, value, must } => {
                write!(f, "the environment's {name} is {value:?}, and must {must}")
            }
            Self::Platform(error) => error.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<Error> for ConcurrencyError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<PlatformError> for ConcurrencyError {
    fn from(error: PlatformError) -> Self {
        Self::Failed(Error::Platform(error))
    }
}

impl From<PlatformError> for Error {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error)
    }
}
