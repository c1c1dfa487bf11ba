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
use drift_core::runtime::Runtime;
use drift_core::time::Instant;
use drift_core::wait::readiness::{Owned, ShortCount};

use crate::error::ConcurrencyError;
use crate::runtime::try_runtime;

pub(super) struct Registration {
    /// What a short count means for it.
    pub short: ShortCount,
    /// In the process that made it.
    first: Owned,
    /// In the child of a fork. Nothing of the program's runs under the lock.
    child: Mutex<Option<&'static Runtime>>,
}

impl Registration {
    /// Registers a descriptor that lives at least as long.
    ///
    /// # Errors
    /// The reactor's, which has no room or cannot wait for this descriptor.
    pub fn new(source: Source, short: ShortCount) -> io::Result<Self> {
        Ok(Self { short, first: register(source, short)?, child: Mutex::new(None) })
    }

    /// The descriptor, as it is registered in this process.
    ///
    /// # Errors
    /// In the child of a fork, as `new`.
    #[inline]
    pub fn owned(&self) -> io::Result<Owned> {
        if self.is_inherited() { self.register_anew() } else { Ok(self.first) }
    }

    /// Now, by the platform's clock, which is the same in all processes.
    pub fn now(&self) -> Instant {
        self.first.runtime().platform().now()
    }

    /// Whether this process has it from its parent.
    pub fn is_inherited(&self) -> bool {
        self.first.runtime().is_left_behind()
    }

    #[cold]
    fn register_anew(&self) -> io::Result<Owned> {
        let (source, mut child) = (self.first.source(), self.child());
        if let Some(runtime) = child.filter(|runtime| !runtime.is_left_behind()) {
            return Ok(runtime.owned(source));
        }
        let owned = register(source, self.short)?;
        *child = Some(owned.runtime());
        Ok(owned)
    }

    fn child(&self) -> MutexGuard<'_, Option<&'static Runtime>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn register(source: Source, short: ShortCount) -> io::Result<Owned> {
    let runtime = try_runtime().map_err(ConcurrencyError::from)?;
    runtime.register(source, short).map_err(ConcurrencyError::from)?;
    Ok(runtime.owned(source))
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Each does nothing if it is left behind.
        self.first.runtime().deregister(self.first.source());
        if let Some(child) = *self.child() {
            child.deregister(self.first.source());
        }
    }
}
