//! What a panic said, where, and its payload.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::drops::drop_quietly;

/// A panic: what it said, where, and what was thrown.
///
/// # Examples
/// ```
/// use drift::{ConcurrencyError, Error};
///
/// let broken = drift::spawn(|| panic!("out of ideas")).join();
/// let Err(ConcurrencyError::Failed(Error::Panic(panic))) = broken else { unreachable!() };
/// assert_eq!(panic.message, "out of ideas");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Panic {
    /// The message; for a payload that is no string, a word on that.
    pub message: String,
    /// `file:line:column`; none if the program replaced the panic hook after the first spawn.
    pub location: Option<String>,
    payload: Arc<Mutex<Payload>>,
}

/// What was thrown, until somebody takes it.
struct Payload(Option<Box<dyn Any + Send>>);

impl Drop for Payload {
    fn drop(&mut self) {
        drop_quietly(self.0.take());
    }
}

impl Panic {
    /// A panic without a payload.
    pub(crate) fn new(message: String, location: Option<String>) -> Self {
        Self { message, location, payload: Arc::new(Mutex::new(Payload(None))) }
    }

    pub(crate) fn with_payload(self, payload: Box<dyn Any + Send>) -> Self {
        Self { payload: Arc::new(Mutex::new(Payload(Some(payload)))), ..self }
    }

    /// What was thrown, to be downcast, or thrown again by [`std::panic::resume_unwind`]. Once:
    /// clones share it.
    ///
    /// # Source
    /// The error of [`std::thread::JoinHandle::join`].
    ///
    /// # Examples
    /// ```
    /// use drift::{ConcurrencyError, Error};
    ///
    /// let broken = drift::spawn(|| std::panic::panic_any(404_u16)).join();
    /// let Err(ConcurrencyError::Failed(Error::Panic(panic))) = broken else { unreachable!() };
    /// let code = panic.take_payload().unwrap().downcast::<u16>().unwrap();
    /// assert_eq!(*code, 404);
    /// assert!(panic.take_payload().is_none());
    /// ```
    #[must_use = "a payload that is taken is nobody else's"]
    pub fn take_payload(&self) -> Option<Box<dyn Any + Send>> {
        // Nothing of the program's runs under the lock.
        self.payload.lock().unwrap_or_else(PoisonError::into_inner).0.take()
    }
}

/// The same words from the same place; not the payload.
impl PartialEq for Panic {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message && self.location == other.location
    }
}

impl Eq for Panic {}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "panicked at {location}: {}", self.message),
            None => write!(f, "panicked: {}", self.message),
        }
    }
}
