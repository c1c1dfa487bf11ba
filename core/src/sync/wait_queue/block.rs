//! How an OS thread sleeps: on its word, and beside sources if it waits for some.

use crate::platform::Poll;
use crate::prim::Ordering;
use crate::sync::wait_queue::{Sleeper, Wait};
use crate::time::Instant;

impl Sleeper {
    /// As `sleep`, of an OS thread that waits for `sources` too; true if one of them may be ready.
    pub(crate) fn sleep_beside(&self, wait: &Wait, sources: &[Poll]) -> bool {
        wait.until != Instant::ZERO && self.block(wait.until, sources)
    }

    /// Until claimed, or `until`; true if a source ended it.
    pub(super) fn block(&self, until: Instant, sources: &[Poll]) -> bool {
        let deadline = (until != Instant::FAR).then_some(until);
        let (platform, claim) = (self.platform, &self.claim);
        // Acquire pairs with the release in `claim`.
        while claim.load(Ordering::Acquire) == 0 {
            if deadline.is_some_and(|deadline| platform.now() >= deadline) {
                return false;
            }
            if sources.is_empty() {
                platform.thread_wait(claim, 0, deadline);
            } else if platform.thread_poll(claim, 0, deadline, sources) {
                return true;
            }
        }
        false
    }
}
