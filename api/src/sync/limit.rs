//! How long a call may wait, and one way to keep to it.

use drift_core::error::ConcurrencyError as CoreError;
use drift_core::wait::Wait;

use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, wait, wait_for};
use crate::time::Duration;

/// How long a call may wait.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    Never,
    Forever,
    For(Duration),
}

impl Limit {
    /// Tries first, and waits if it must: `attempt` says whether it could be done at once. A
    /// negative time is refused in any case.
    pub(super) fn acquire(
        self,
        attempt: impl FnOnce() -> bool,
        acquire: impl FnOnce(&Wait) -> Result<(), CoreError>,
    ) -> Result<(), ConcurrencyError> {
        pay(CALL);
        if let Self::For(time) = self {
            time.nanoseconds()?;
        }
        if attempt() {
            return Ok(());
        }
        let wait = match self {
            Self::Never => return Err(ConcurrencyError::Busy),
            Self::Forever => wait()?,
            Self::For(time) => wait_for(time)?.ok_or(ConcurrencyError::Timeout)?,
        };
        Ok(acquire(&wait)?)
    }
}
