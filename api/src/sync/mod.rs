//! Locks, semaphores, channels and `select!`: they park virtual threads and block OS threads.
//!
//! All are fair (first come, first served, handed over), know time-outs and cancellation, and
//! whoever waits gives its carrier up. Guards may be held across anything that parks.
//!
//! | std, Go, Java                          | here                                              |
//! |----------------------------------------|---------------------------------------------------|
//! | `std::sync::Mutex`, `RwLock`           | [`Mutex`], [`RwLock`]: poisoned as in std          |
//! | `std::sync::Condvar`                   | [`Condvar`], never woken without a cause          |
//! | `std::sync::Barrier`, `Once`           | [`Barrier`], [`Once`]                             |
//! | `std::sync::OnceLock`, `LazyLock`      | [`OnceLock`], [`LazyLock`]: whose makers may park |
//! | Java's `ReentrantLock`                 | [`ReentrantMutex`]                                |
//! | `java.util.concurrent.Semaphore`       | [`Semaphore`]                                     |
//! | a manual-reset event                   | [`Event`]                                         |
//! | `std::sync::mpsc`, Go's `chan`         | [`channel`]: many senders and receivers           |
//! | Go's `select`                          | [`select!`](crate::select!)                       |

mod barrier;
pub mod channel;
mod condvar;
mod event;
mod lazy_lock;
mod limit;
mod mutex;
mod once;
mod once_lock;
mod poison;
mod reentrant;
mod rwlock;
#[doc(hidden)]
pub mod select;
mod semaphore;
mod unwind;

pub use self::barrier::{Barrier, BarrierWaitResult};
pub use self::channel::{Receiver, SendError, Sender, bounded, unbounded};
pub use self::condvar::{Condvar, WaitTimeoutResult};
pub use self::event::Event;
pub use self::lazy_lock::LazyLock;
pub use self::mutex::{Mutex, MutexGuard};
pub use self::once::{Once, OnceState};
pub use self::once_lock::OnceLock;
pub use self::poison::{LockError, LockResult};
pub use self::reentrant::{ReentrantMutex, ReentrantMutexGuard};
pub use self::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use self::semaphore::{Permits, Semaphore};
pub use crate::select;
