//! Waiting for each other: the primitives, each a state and its waiters under one short lock.
//!
//! | who waits                      | who makes it true                                       |
//! |--------------------------------|---------------------------------------------------------|
//! | looks at the state and links   | changes the state and pops, under the same lock; what   |
//! | itself under one lock          | the waiter wants is handed to it, so nobody barges in   |
//!
//! That is the whole protocol, and all of it is in `wait/wait_queue.rs`. To write a primitive: put
//! its state and a `Waiters` behind a `SpinLock`; decide in the closure of `Queue::wait` whether to
//! wait; pop where the state changes, and `resume` what was popped after the unlock. First come,
//! first served, for virtual threads and OS threads alike.
//!
//! All of them wait by a [`Wait`], which says how long and whether cancellation ends it: the
//! answers are `Timeout` and `Cancelled`, and nothing is lost then. None needs a heap, and none
//! knows what it protects: data, guards and poison are for the layer above.

pub mod barrier;
pub mod channel;
pub mod condvar;
pub mod event;
pub mod mutex;
pub mod once;
pub mod reentrant;
pub mod rwlock;
pub mod select;
pub mod semaphore;

pub use crate::wait::bounds::Wait;

macro_rules! new_is_default {
    ($($primitive:ty),*) => {$(
        impl Default for $primitive {
            fn default() -> Self {
                Self::new()
            }
        }
    )*};
}

new_is_default!(condvar::Condvar, event::Event, mutex::Mutex, once::Once);
new_is_default!(reentrant::ReentrantMutex, rwlock::RwLock);

#[cfg(all(test, loom))]
pub(crate) mod loom;
#[cfg(test)]
pub(crate) mod stage;
#[cfg(all(test, not(loom)))]
mod tests;
