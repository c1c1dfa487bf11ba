//! Sleeping, and nothing else.

use crate::error::ConcurrencyError;
use crate::queues::waiters::Sleeper;
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;

/// Sleeps until `wait` is over.
///
/// # Errors
/// `Cancelled`, if that ends it early.
pub fn sleep(wait: &Wait) -> Result<(), ConcurrencyError> {
    let sleeper = Sleeper::new(wait, false);
    sleeper.sleep(wait, WaitsFor::Time);
    sleeper.forget();
    wait.check()
}
