//! A virtual thread, to be named and unparked.

use std::fmt;
use std::sync::Arc;

use drift_core::runtime::Runtime;
use drift_core::task::Handle;

use super::packet;
use crate::runtime::{CALL, pay};

/// A virtual thread, by name: to unpark it. Does not keep it; a stale one has no effect.
///
/// # Source
/// Drift's `VtHandle`.
///
/// # Examples
/// ```
/// drift::run(|| {
///     let sleeper = drift::Builder::new().name("sleeper").spawn(|| drift::park());
///     assert_eq!(sleeper.thread().name(), Some("sleeper"));
///     sleeper.thread().unpark();
///     assert_eq!(sleeper.join(), Ok(Ok(())));
/// });
/// ```
#[derive(Clone)]
pub struct Thread {
    runtime: &'static Runtime,
    handle: Handle,
    name: Option<Arc<str>>,
}

impl Thread {
    pub(super) fn new(runtime: &'static Runtime, handle: Handle, name: Option<Arc<str>>) -> Self {
        Self { runtime, handle, name }
    }

    /// A number that no other virtual thread of the process has or had. 0 for one that could not
    /// be spawned.
    ///
    /// # Examples
    /// ```
    /// let one = drift::spawn(|| drift::current().unwrap().id());
    /// let id = one.thread().id();
    /// assert_eq!(one.join(), Ok(id));
    /// ```
    #[must_use]
    pub fn id(&self) -> u64 {
        self.handle.0.unsigned_abs()
    }

    /// Its name, if it was spawned with one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Lets it go on from its [`park`](crate::park()), or its next one. From anywhere; several
    /// before a park are one.
    ///
    /// # Source
    /// Drift's `lang.thread.vt_unpark`.
    pub fn unpark(&self) {
        self.runtime.unpark(self.handle);
        pay(CALL);
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread")
            .field("id", &format_args!("{:#x}", self.id()))
            .field("name", &self.name())
            .finish()
    }
}

/// The virtual thread that calls; none on a plain OS thread.
///
/// # Source
/// Drift's `lang.thread.vt_current`, which is 0 there.
///
/// # Examples
/// ```
/// assert!(drift::current().is_none());
/// drift::run(|| assert!(drift::current().is_some()));
/// ```
#[must_use]
pub fn current() -> Option<Thread> {
    let runtime = Runtime::here()?;
    let handle = runtime.current()?;
    let body = packet::here(runtime);
    Some(Thread::new(runtime, handle, body.and_then(|body| body.about().name.clone())))
}
