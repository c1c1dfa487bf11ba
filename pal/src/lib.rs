//! `Host`: the `Platform` of the machine we are compiled for.
//!
//! | file             | what                                                              |
//! |------------------|-------------------------------------------------------------------|
//! | `parking.rs`     | the word on which a carrier sleeps: its table, who wakes how      |
//! | `bells.rs`       | how a wake reaches an OS thread that waits for sources too        |
//! | `host.rs`        | `Host`: each promise of `Platform`, kept by the files around it   |
//! | `process.rs`     | the one runtime of this process, made by whoever calls first      |
//! | `arena.rs`       | tables for the runtimes of a simulator, which end                 |
//! | `table.rs`       | tables of a host, which go with one that came to nothing          |
//! | `stack_cache.rs` | stacks: reserve, reuse, limits; the same on every kernel          |
//! | `watch.rs`       | who keeps a carrier for long, if the environment asks for it      |
//! | `sys/`           | the kernel: one folder each, the same names in all of them        |
//!
//! Nothing here allocates from a heap: a `Host` lives in memory that it maps for itself. Nothing
//! that a runtime has is ever unmapped or closed, so `exit` is safe while everything runs. A
//! process may make several: after fork(2) the child makes one of its own, and its parent's is
//! dead there.
//!
//! # Safety
//!
//! Files with unsafe code: `arena.rs`, `host.rs`, `process.rs`, `stack_cache.rs`,
//! `stack_cache/lists.rs`, `table.rs`, `watch.rs`, and those in `sys/linux`. Each says at its
//! head what it relies on.

#![no_std]
#![deny(unsafe_code)]

mod bells;
mod parking;

// Under loom only the shared words are compiled: what is above it calls the kernel, which loom
// cannot follow.
cfg_if::cfg_if! {
    if #[cfg(not(loom))] {
        #[cfg(feature = "worlds")]
        pub mod arena;
        mod host;
        pub mod process;
        mod stack_cache;
        mod sys;
        mod table;
        pub mod watch;

        pub use host::Host;
    }
}
