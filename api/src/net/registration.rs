//! What the reactor has of a descriptor, until this is dropped.
//!
//! | process                       | a call                            | the drop             |
//! |-------------------------------|-----------------------------------|----------------------|
//! | that registered it            | uses that registration            | ends it              |
//! | a child that was forked since | registers it anew, at first, with | ends the child's, if |
//! |                               | the child's own runtime           | there is one         |
//!
//! A child has the same file, which stays registered with the parent's poller: nothing that the
//! child does changes that.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use drift_core::platform::Source;
use drift_core::reactor::ShortCount;
use drift_core::runtime::Runtime;

use crate::error::ConcurrencyError;
use crate::runtime::try_runtime;

pub(super) struct Registration {
    pub source: Source,
    /// What a short count means for it.
    pub short: ShortCount,
    /// For its clock, which is the same in all processes; else as `runtime` says.
    pub first: &'static Runtime,
    /// Of the child of a fork. Nothing of the program's runs under the lock.
    child: Mutex<Option<&'static Runtime>>,
}

impl Registration {
    /// Registers a descriptor that lives at least as long.
    ///
    /// # Errors
    /// The reactor's, which has no room or cannot wait for this descriptor.
    pub fn new(source: Source, short: ShortCount) -> io::Result<Self> {
        let first = try_runtime().map_err(ConcurrencyError::from)?;
        first.register(source, short).map_err(ConcurrencyError::from)?;
        Ok(Self { source, short, first, child: Mutex::new(None) })
    }

    /// The runtime that it is registered with in this process.
    ///
    /// # Errors
    /// In the child of a fork, as `new`.
    #[inline]
    pub fn runtime(&self) -> io::Result<&'static Runtime> {
        if self.is_inherited() { self.register_anew() } else { Ok(self.first) }
    }

    /// Whether this process has it from its parent.
    pub fn is_inherited(&self) -> bool {
        self.first.is_left_behind()
    }

    #[cold]
    fn register_anew(&self) -> io::Result<&'static Runtime> {
        let mut child = self.child();
        if let Some(runtime) = child.filter(|runtime| !runtime.is_left_behind()) {
            return Ok(runtime);
        }
        let runtime = try_runtime().map_err(ConcurrencyError::from)?;
        runtime.register(self.source, self.short).map_err(ConcurrencyError::from)?;
        *child = Some(runtime);
        Ok(runtime)
    }

    fn child(&self) -> MutexGuard<'_, Option<&'static Runtime>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Each does nothing if it is left behind.
        self.first.deregister(self.source);
        if let Some(runtime) = *self.child() {
            runtime.deregister(self.source);
        }
    }
}
