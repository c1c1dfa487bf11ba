//! How long a call waits, and what may end it early.

use crate::error::ConcurrencyError;
use crate::platform::Platform;
use crate::sched::here::{current_carrier, current_task};
use crate::sched::parts::Runtime;
use crate::task::header::Task;
use crate::time::Instant;

/// How long a caller waits, and what may end it early. Who that is, is found out when the wait
/// begins: it may be another than made this one.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// None: an OS thread, also where it carries virtual ones.
    pub(super) runtime: Option<&'static Runtime>,
    pub(super) platform: &'static dyn Platform,
    pub(super) until: Instant,
    is_cancellable: bool,
}

impl Wait {
    /// For ever, until cancelled. An OS thread, which cannot be cancelled, blocks by the platform
    /// of `runtime`.
    #[inline]
    pub fn new(runtime: &'static Runtime) -> Self {
        Self {
            runtime: Some(runtime),
            platform: runtime.platform(),
            until: Instant::FAR,
            is_cancellable: true,
        }
    }

    /// Of an OS thread, by `platform`.
    pub fn of_thread(platform: &'static dyn Platform) -> Self {
        Self { runtime: None, platform, until: Instant::FAR, is_cancellable: false }
    }

    /// Until then at the longest.
    #[must_use]
    #[inline]
    pub fn until(self, until: Instant) -> Self {
        Self { until, ..self }
    }

    /// Cancelled or not.
    #[must_use]
    #[inline]
    pub fn uncancellable(self) -> Self {
        Self { is_cancellable: false, ..self }
    }

    /// The virtual thread that waits: the one that calls, if one does.
    #[inline]
    pub(super) fn task(&self) -> Option<(&'static Task, &'static Runtime)> {
        let runtime = self.runtime?;
        current_task(runtime).map(|task| (task, runtime))
    }

    /// Whether it is an OS thread that waits.
    pub(crate) fn is_of_thread(&self) -> bool {
        self.task().is_none()
    }

    /// Whether cancellation ends a wait of `task`, which calls.
    #[inline]
    pub(super) fn heeds_cancel(&self, task: &'static Task) -> bool {
        self.is_cancellable && !task.is_shielded()
    }

    /// Whether there is no time to wait at all.
    pub(crate) fn is_over(&self) -> bool {
        self.until != Instant::FAR && self.until <= self.platform.now()
    }

    /// `Cancelled` if that would end the wait.
    ///
    /// # Errors
    /// That one.
    #[inline]
    pub fn check(&self) -> Result<(), ConcurrencyError> {
        let is_cancelled =
            |(task, _): (&'static Task, _)| self.heeds_cancel(task) && task.is_cancelled();
        match self.is_cancellable && self.task().is_some_and(is_cancelled) {
            true => Err(ConcurrencyError::Cancelled),
            false => Ok(()),
        }
    }

    /// A number for a choice among equals.
    pub fn random(&self) -> u32 {
        let runtime = self.task().map(|(_, runtime)| runtime);
        let drawn = runtime.and_then(current_carrier).map(|carrier| carrier.random());
        drawn.unwrap_or_else(|| self.platform.entropy() as u32)
    }

    /// Why a wait ended that nobody ended.
    pub(crate) fn why(&self) -> ConcurrencyError {
        self.check().err().unwrap_or(ConcurrencyError::Timeout)
    }
}
