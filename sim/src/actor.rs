//! What the threads of a world are: what they do, what they wait for, where carriers sleep.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a body is made for one start of its carrier.
#![allow(unsafe_code)]

use drift_core::platform::CarrierMain;
use drift_core::prim::AtomicU32;

use crate::world::World;

/// The number of a thread in its world.
pub(crate) type ThreadId = usize;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// A wake of its carrier.
    Wake,
    /// A word, as an OS thread does. The address is only a name.
    Word(*const AtomicU32),
    /// The end of another.
    End(ThreadId),
}

/// What a thread does. A carrier's is no closure: it is left where it stands when the world is
/// over, and must own nothing.
pub(crate) enum Body {
    Carrier(&'static dyn CarrierMain),
    Program(Box<dyn FnOnce()>),
}

impl Body {
    pub(crate) fn run(self, world: &'static World) {
        match self {
            // SAFETY: for the one `carrier_start` that made this body; a world gives each of its
            // threads the carrier slot that it left, as if it were an OS thread of its own.
            Self::Carrier(carrier) => unsafe { carrier.run_between(&|| world.pause(false)) },
            Self::Program(program) => program(),
        }
    }
}

/// Where a carrier sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seat {
    pub thread: Option<ThreadId>,
    /// A wake came that no sleep has used.
    pub is_woken: bool,
    /// It sleeps in the poller.
    pub polls: bool,
}
