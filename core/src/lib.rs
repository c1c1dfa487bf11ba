//! The drift runtime: virtual threads scheduled M:N on carriers, without a heap.
//!
//! Three rules carry everything:
//!
//! 1. A turn never blocks, and the runtime never asks the world directly: a carrier takes one
//!    turn ([`sched`]), and everything from outside comes through [`platform::Platform`].
//! 2. Each kind of variation has one home: instruction set in `drift-asm`, kernel in `drift-pal`,
//!    memory model in [`prim`], world in a `Platform` value.
//! 3. Every shared word has a table at the head of its file, one private writer and a model.
//!
//! Imports go one way, down these layers, and `cargo xtask tidy` checks it:
//!
//! | layer                            | knows                                                     |
//! |----------------------------------|-----------------------------------------------------------|
//! | [`prim`], [`time`], `link`       | words, cells, lists: nothing of us                        |
//! | [`platform`], [`error`], `table` | what is asked of the world                                |
//! | `state`                          | the state word of a virtual thread                        |
//! | `queues`                         | run queue, injector, wheel, wait list, watches            |
//! | [`task`]                         | the record, and who may touch which field of it; handles  |
//! | `source`                         | a slot for each descriptor, with its waiters              |
//! | [`sched`]                        | carriers and executors: who runs, sleeps, is woken        |
//! | [`wait`]                         | parks, timers, readiness, joins, submits, the wait queue  |
//! | [`sync`]                         | locks, channels, `select`: over the wait queue            |
//! | [`runtime`]                      | puts them together; shutdown, and what a debugger sees    |
//!
//! # Unsafe
//! The files that need it say so under this heading, each with its invariant: `link`, `link/list`,
//! `platform`, `prim/native`, `prim/points`, `queues/injector`, `queues/pile`, `queues/run_queue`,
//! `queues/waiters`, `queues/watch`, `queues/wheel`, `runtime`, `runtime/defaults`, `sched/budget`,
//! `sched/cache`, `sched/carrier`, `sched/executor`, `sched/here`, `sched/home`, `sched/life`,
//! `sched/overflow`, `sched/parts`, `sched/search`, `sched/words`, `source`, `source/slot`,
//! `source/waiting`, `sync/channel`, `sync/select`, `sync/stage`, `table`, `task/header`,
//! `task/slab`, `wait/park`, `wait/readiness/ask`, `wait/readiness/line`,
//! `wait/readiness/os_thread`, `wait/readiness/poll_many`, `wait/sleeper`, `wait/submit`,
//! `wait/timers`, `wait/wait_queue`.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, loom, feature = "fuzzing"))]
extern crate std;

pub mod error;
pub(crate) mod link;
pub mod platform;
pub mod prim;
pub(crate) mod queues;
pub mod runtime;
pub mod sched;
pub(crate) mod source;
pub(crate) mod state;
pub mod sync;
pub(crate) mod table;
pub mod task;
pub mod time;
pub mod wait;

/// What `fuzz` drives, and can only be reached from within.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::queues::wheel::model::fuzz as wheel;
}

pub use crate::source::MAX_SOURCES;
pub use crate::task::slab::MAX_TASKS;
