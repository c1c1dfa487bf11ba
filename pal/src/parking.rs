//! The word on which one carrier sleeps.
//!
//! | from                 | event                   | by      | to             | then             |
//! |----------------------|-------------------------|---------|----------------|------------------|
//! | Awake                | sleep                   | carrier | Asleep there   | sleeps           |
//! | Notified             | sleep                   | carrier | Awake          | does not sleep   |
//! | AsleepOnFutex        | woke, for any cause     | carrier | Awake          | nothing          |
//! | AsleepInPoller       | woke, for any cause     | carrier | Awake          | nothing          |
//! | Notified             | woke, for any cause     | carrier | Awake          | nothing          |
//! | Awake, Notified      | wake                    | anyone  | Notified       | nothing          |
//! | AsleepOnFutex        | wake                    | anyone  | Notified       | wakes the futex  |
//! | AsleepInPoller       | wake                    | anyone  | Notified       | rings the poller |
//!
//! So a wake that came first is kept, many wakes are one, and a wake is a system call only when
//! the carrier sleeps, or is just about to. The carrier is the only one that leaves `Notified`;
//! while it does not, further wakes cost one exchange each.
//!
//! A bell of the poller that rings late, for a carrier that left for another reason, finds the
//! next one there still `AsleepInPoller`: it goes on sleeping. A bell that is meant for it
//! follows the change to `Notified`, and is rung after every earlier one.

use drift_core::prim::{AtomicU32, Ordering};

/// Where a carrier sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bed {
    /// On the futex that is its word.
    Futex,
    /// In the poller, for events as well.
    Poller,
}

impl Bed {
    /// The word of a carrier that sleeps there.
    pub(crate) const fn asleep(self) -> u32 {
        match self {
            Self::Futex => ASLEEP_ON_FUTEX,
            Self::Poller => ASLEEP_IN_POLLER,
        }
    }
}

/// The word of a mapped and never written table: its carrier runs, or does not exist.
const AWAKE: u32 = 0;
const NOTIFIED: u32 = 1;
const ASLEEP_ON_FUTEX: u32 = 2;
const ASLEEP_IN_POLLER: u32 = 3;

/// One carrier's word, on cache lines of its own: a wake must not disturb its neighbours.
#[repr(align(128))]
pub(crate) struct Parking(AtomicU32);

impl Parking {
    /// A carrier that is awake.
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(AWAKE))
    }

    /// The carrier is about to sleep in `bed`. False when a wake came first: then it must not,
    /// and that wake is spent. Only from the carrier itself.
    #[must_use]
    pub(crate) fn fall_asleep(&self, bed: Bed) -> bool {
        if self.set(AWAKE, bed.asleep()) {
            return true;
        }
        self.wake_up();
        false
    }

    /// The carrier is awake again; a wake that came until now is spent.
    pub(crate) fn wake_up(&self) {
        // Acquire pairs with the release in `notify`: what came before the wake is seen here.
        self.0.swap(AWAKE, Ordering::Acquire);
    }

    /// Whether a carrier that fell asleep in `bed` has not been woken.
    pub(crate) fn is_asleep(&self, bed: Bed) -> bool {
        // Relaxed: `wake_up` follows, and acquires.
        self.0.load(Ordering::Relaxed) == bed.asleep()
    }

    /// Ends the current or the next sleep. Returns where the caller must wake the carrier.
    ///
    /// An exchange even when the word is `Notified` already: the carrier must see what
    /// came before this wake, too.
    #[must_use]
    pub(crate) fn notify(&self) -> Option<Bed> {
        // Release pairs with the acquire in `wake_up`. No acquire: the bed is all it learns.
        match self.0.swap(NOTIFIED, Ordering::Release) {
            ASLEEP_ON_FUTEX => Some(Bed::Futex),
            ASLEEP_IN_POLLER => Some(Bed::Poller),
            _ => None,
        }
    }

    /// The word itself, for the kernel to sleep on.
    #[cfg(not(loom))]
    pub(crate) const fn word(&self) -> &AtomicU32 {
        &self.0
    }

    fn set(&self, from: u32, to: u32) -> bool {
        // Relaxed: it publishes nothing, and on failure `wake_up` follows, and acquires.
        self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;
