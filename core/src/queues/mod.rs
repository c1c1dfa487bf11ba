//! Data structures: what tasks and waiters are linked in. Each is provable alone.
//!
//! **What it knows** is links, ticks and state words. It does not know records, carriers or what
//! anything is linked for; `task`, `source`, `sched` and `wait` call it.

pub(crate) mod injector;
pub(crate) mod pile;
pub(crate) mod run_queue;
pub(crate) mod waiters;
pub(crate) mod watch;
pub(crate) mod wheel;
