//! How readiness becomes an unpark.
//!
//! A table of slots, one for each descriptor (`source/slot.rs`), and watches that link a task into
//! them. A watch belongs to one wait: an event claims its task by the ticket, and whoever ends the
//! wait takes the task's watches back when it runs again (`ask.rs`).
//!
//! Descriptors that the runtime owns are registered once (`owned.rs`, `source/readiness.rs`). Raw
//! descriptors are armed for one event at a time, because nobody tells us when they are closed. One
//! that is closed and opened anew is found at the next question (`source/slot.rs`). One that is
//! closed and stays closed gives no event: who waits for it wakes at its deadline, or when the
//! number is waited for again.
//!
//! A watch promises a wake to each of those that asked: an event wakes all of them, as poll(2)
//! does. Callers of an owned descriptor take something away, so they have turns (`line.rs`).
//!
//! Locks, in this order: `watches` of a task, then a slot, or the free watches. No system call
//! under any of them.

mod ask;
mod line;
mod os_thread;
mod owned;
mod poll_many;

pub use crate::platform::Poll;
pub use crate::source::readiness::{Readiness, ShortCount};
pub(super) use crate::wait::readiness::ask::{deliver, forget, unwatch};
pub use crate::wait::readiness::line::Turn;
pub use crate::wait::readiness::owned::Owned;
pub use crate::wait::readiness::poll_many::Place;
