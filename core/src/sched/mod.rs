//! Scheduling: which virtual thread runs next, and where.
//!
//! A carrier's turn looks for the next task in this order; the first that has one wins:
//!
//! 1. every 61 turns (`SERVE_EVERY`): deadlines that have come, the poller, one that found no
//!    stack when it was to start, and (where there are several carriers) the injector, so that
//!    none starves behind a busy queue;
//! 2. its own run queue, oldest first;
//! 3. the injector, a share of it;
//! 4. another carrier's run queue, half of it;
//! 5. sleep, in the poller if nobody else is there.
//!
//! **Order.** On an executor with one carrier the order is first in, first out, as tasks become
//! ready, whoever makes them so: nothing is put into the run queue while older tasks wait in the
//! injector, and the injector is looked at only when the run queue is empty. With several
//! carriers there is no order between virtual threads, but none is overtaken for ever. One whose
//! calls never wait takes its turn too (`budget.rs`); one that computes does not.
//!
//! Where started tasks must not migrate (`home.rs`), step 2 and 3 take turns with those that stay
//! on the carrier and with those that other carriers offered, and step 4 finds only tasks that have
//! not started. A carrier that is home of many offers what it would start to one that has fewer.
//!
//! Who sleeps and who is woken is in `idle`.
//!
//! **What it knows** is records and queues. It does not know what a task waits for: whoever wakes
//! has claimed the task by its state word, and calls `schedule` (`here.rs`). It asks upwards in one
//! place only, `Wakers` (`parts.rs`): deadlines that have come, events of the platform, and what is
//! to be forgotten of a task that ends.

pub(crate) mod admission;
pub mod budget;
mod cache;
pub(crate) mod carrier;
mod crew;
pub(crate) mod executor;
pub(crate) mod here;
mod home;
pub(crate) mod idle;
mod life;
mod overflow;
pub(crate) mod parts;
pub mod policy;
mod search;
mod sleep;
pub(crate) mod stage;
mod standby;
pub(crate) mod survey;
mod words;

pub use crate::sched::overflow::{OverflowReport, overflow_report, stack_limit};
pub use crate::sched::parts::ExecutorRef;
