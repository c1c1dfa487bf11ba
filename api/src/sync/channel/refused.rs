//! What a send gives back that was refused.

use std::error;
use std::fmt;

use drift_core::sync::channel::Refused;

use crate::error::ConcurrencyError;

/// A value that was not sent, and why.
///
/// # Examples
/// ```
/// let (to, from) = drift::sync::bounded(1);
/// drop(from);
/// assert_eq!(to.send("kept").unwrap_err().value, "kept");
/// ```
#[derive(Clone, PartialEq)]
pub struct SendError<T> {
    /// The value.
    pub value: T,
    /// `Closed`, `Cancelled`, `Timeout`, or `Busy` from [`try_send`](super::Sender::try_send).
    pub error: ConcurrencyError,
}

impl<T> From<Refused<T>> for SendError<T> {
    fn from((value, error): Refused<T>) -> Self {
        Self { value, error: error.into() }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value was not sent: {}", self.error)
    }
}

impl<T> error::Error for SendError<T> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Drops the value.
impl<T> From<SendError<T>> for ConcurrencyError {
    fn from(error: SendError<T>) -> Self {
        error.error
    }
}
