//! The life of a virtual thread, and what others may do to it through its handle.
//!
//! ```text
//! spawn -> New -> submit -> Active (ready, running) <-> Parked
//!                    |         |
//!                 cancelled    finished -> Completed -> joined or dropped -> Free
//! ```
//!
//! `state` decides, `header` says which field belongs to whom, `slab` keeps the records and finds
//! the one that a handle names. A record stays while one of three holds it: the handle, a run queue
//! or carrier, a canceller. The last to let go gives it back.
//!
//! **What it knows** is one record and the table of all. It does not know who runs a task or what
//! that waits for: `sched` and `wait` do, which call it.

pub(crate) mod handle;
pub(crate) mod header;
pub(crate) mod reason;
pub(crate) mod slab;

pub use crate::task::handle::Handle;
pub use crate::task::header::{Entry, Payload, Run};
pub use crate::task::reason::WaitsFor;
