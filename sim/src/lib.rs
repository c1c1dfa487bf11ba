//! Whole programs of virtual threads under one seed: the real scheduler, the real context switch,
//! virtual time. What fails once can be run again, step for step.
//!
//! ```
//! use drift_sim::Sim;
//!
//! for seed in drift_sim::seeds(100) {
//!     let answer = Sim::new(seed).carriers(2).run(|| 6 * 7);
//!     assert_eq!(answer, 42);
//! }
//! ```
//!
//! | what                                     | where                                          |
//! |------------------------------------------|------------------------------------------------|
//! | [`Sim`], [`seeds`]                       | set a world up and run a program in it         |
//! | [`Run`], [`Failure`]                     | what came of it, with the log of all events    |
//! | [`Faults`]                               | what the machine may refuse or disturb         |
//! | [`Faulty`]                               | the same on the real platform                  |
//! | [`thread`]                               | threads of the world that run no virtual ones  |
//! | [`pipe`]                                 | pipes of a world, to be waited for             |
//! | [`net`]                                  | sockets of a world, in place of `drift::net`'s |
//! | [`note`]                                 | a line of the program's own in the log         |
//! | [`who`]                                  | the carrier or thread of the world that calls  |
//!
//! One OS thread plays all carriers, so a program under the simulator must not wait for anything
//! but virtual threads and what is in its world: no `std::thread`, no locks of std across a wait,
//! no clock but the runtime's. A thread-local is one for all carriers.
//!
//! Handles, locks with waiters and sockets do not outlive their world: its memory is the next
//! world's. That alone is not checked, and who uses one later may see anything.
//!
//! # Unsafe
//! Files with unsafe code: `actor.rs`, `faulty.rs`, `interpreted.rs`, `platform.rs`, `pool.rs`,
//! `run.rs`, `world.rs`, `world/entered.rs`; each says at its head what it relies on.
#![deny(unsafe_code)]

mod actor;
mod dice;
mod faults;
mod faulty;
#[cfg(miri)]
mod interpreted;
mod log;
pub mod net;
mod platform;
mod pool;
mod run;
mod seeds;
mod settings;
pub mod thread;
mod world;

pub use faults::{Fault, Faults};
pub use faulty::Faulty;
pub use log::{Entry, Log, What, Who};
pub use net::{PipeReader, PipeWriter, pipe};
pub use run::{Failure, Reason, Run, Sim};
pub use seeds::{Seeds, seeds};

/// Adds a line of the program's own to the log of its world; nothing outside of one.
///
/// # Examples
/// ```
/// use drift_sim::{Sim, note};
///
/// let run = Sim::new(1).try_run(|| note("here")).unwrap();
/// assert!(run.log.to_string().contains("note: here"));
/// ```
pub fn note(text: impl Into<String>) {
    if let Some(world) = world::current() {
        world.note(What::Note(text.into()));
    }
}

/// Whether the caller runs in a world.
///
/// # Examples
/// ```
/// use drift_sim::{Sim, is_inside};
///
/// assert!(Sim::new(1).run(is_inside) && !is_inside());
/// ```
#[must_use]
pub fn is_inside() -> bool {
    world::current().is_some()
}

/// Which thread of its world the caller runs on; none outside of one.
///
/// # Examples
/// ```
/// use drift_sim::{Sim, Who, who};
///
/// assert!(matches!(Sim::new(1).run(who), Some(Who::Carrier(_))));
/// ```
#[must_use]
pub fn who() -> Option<Who> {
    world::current().map(world::World::who)
}

#[cfg(all(doctest, feature = "points"))]
#[doc = include_str!("../../docs/simulator.md")]
struct Page;
