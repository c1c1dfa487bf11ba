//! How many carriers of an executor take part, and whether one more stands by: two words. What is
//! done with them is in `standby.rs`.

use crate::platform::PlatformError;
use crate::prim::{AtomicBool, AtomicU32, Ordering};
use crate::sched::idle::Idle;

/// How many carriers of an executor take part, and whether one more stands by. SeqCst throughout:
/// see `standby.rs`.
#[derive(Debug)]
pub(crate) struct Crew {
    active: AtomicU32,
    standby: AtomicBool,
}

impl Crew {
    pub(crate) fn new() -> Self {
        Self { active: AtomicU32::new(0), standby: AtomicBool::new(false) }
    }

    /// Carriers that take part; not the standby.
    pub(crate) fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    /// One more takes part.
    pub(super) fn join_in(&self) {
        self.active.fetch_add(1, Ordering::SeqCst);
    }

    /// One less.
    pub(super) fn drop_out(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes the standby's place; true for one.
    pub(super) fn take_standby(&self) -> bool {
        !self.standby.swap(true, Ordering::SeqCst)
    }

    pub(super) fn leave_standby(&self) {
        self.standby.store(false, Ordering::SeqCst);
    }

    /// Has one stand by, unless somebody does. `start` gives none if no carrier is off.
    pub(super) fn appoint(
        &self,
        mut start: impl FnMut() -> Option<Result<(), PlatformError>>,
        is_one_off: impl Fn() -> bool,
    ) {
        while self.take_standby() {
            let started = start();
            if matches!(started, Some(Ok(()))) {
                return;
            }
            self.leave_standby();
            // One that ended meanwhile found the place taken.
            if started.is_some() || !is_one_off() {
                return;
            }
        }
    }

    /// Whether nobody stands by, and there is room. Asked by one that runs, of an executor that
    /// may grow up to `most` carriers.
    pub(super) fn wants_standby(&self, most: u32) -> bool {
        !self.standby.load(Ordering::SeqCst) && self.active() < most
    }

    /// The same, and somebody runs. Asked by one that has ended.
    pub(super) fn lacks_standby(&self, idle: &Idle, most: u32) -> bool {
        self.wants_standby(most) && !idle.are_asleep(self.active())
    }

    /// Whether somebody else runs, and nobody stands by. Asked by one that takes part, and is
    /// awake.
    pub(super) fn relies_on_one(&self, idle: &Idle) -> bool {
        !self.standby.load(Ordering::SeqCst) && !idle.are_asleep(self.active().saturating_sub(1))
    }
}
