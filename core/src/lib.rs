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
//! Reading order: [`platform`] and [`time`]; `task` (the state word, the record, handles, joins);
//! [`sched`] (carriers, queues, sleeping, executors); `timer` and `reactor` (deadlines and
//! readiness as wakes); `sync` (the wait queue and the primitives on it); `link` (intrusive
//! lists); [`runtime`]; [`defaults`].
//!
//! # Unsafe
//! The files that need it say so under this heading, each with its invariant: `defaults`, `link`,
//! `link/list`, `platform`, `prim/native`, `prim/points`, `reactor`, `reactor/os_thread`,
//! `reactor/poll_many`, `reactor/line`, `reactor/slot`, `reactor/waiting`, `runtime`, `sched`,
//! `sched/budget`, `sched/cache`, `sched/carrier`, `sched/executor`, `sched/home`,
//! `sched/injector`, `sched/park`, `sched/run_queue`, `sched/search`, `sched/told`, `sched/watch`,
//! `sched/words`, `sync/channel`, `sync/select`, `sync/stage`, `sync/wait`, `sync/wait_queue`,
//! `sync/wake`, `table`, `task`, `task/header`, `task/join`, `task/slab`, `timer`, `timer/alarm`,
//! `timer/level`, `timer/wheel`.
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
