//! Virtual threads for Rust: plain blocking code, a million at once.
//!
//! ```
//! use drift::{sleep, spawn, Duration};
//!
//! let sum = drift::run(|| {
//!     let threads: Vec<_> = (0..1000u64)
//!         .map(|n| {
//!             spawn(move || {
//!                 sleep(Duration::from_millis(5)).unwrap(); // parks; costs no OS thread
//!                 n
//!             })
//!         })
//!         .collect();
//!     threads.iter().map(|thread| thread.join().unwrap()).sum::<u64>()
//! });
//! assert_eq!(sum, 499_500);
//! ```
//!
//! | module          | what                                                                     |
//! |-----------------|--------------------------------------------------------------------------|
//! | [`concurrent`]  | virtual threads, scopes, futures, executors; also at the root            |
//! | [`sync`]        | locks, channels, [`select!`]: they park, and serve OS threads too        |
//! | [`net`]         | TCP, UDP and Unix sockets that park                                      |
//! | [`io`]          | waiting for any other descriptor                                         |
//!
//! Every call that waits may answer [`ConcurrencyError::Cancelled`], if the virtual thread that
//! calls was cancelled, and has a form with a time-out. All of them work on plain OS threads,
//! which they block.
//!
//! Virtual threads run in parallel, on one carrier for each CPU that the process may use;
//! `DRIFT_CARRIERS=n` in the environment, `#[drift::main(carriers = n)]` and [`run_with`] say
//! otherwise. One that has started stays on its carrier, which is an OS thread.
//!
//! # What std's own cannot know
//! Virtual threads of one carrier share its OS thread, and so whatever std keeps for a thread.
//!
//! | of std                        | on a virtual thread                     | instead          |
//! |-------------------------------|-----------------------------------------|------------------|
//! | `thread_local!`               | **its initialiser must call nothing of  | `const { .. }`,  |
//! |                               | this crate**: each call may give way to | or an empty cell |
//! |                               | another virtual thread, which makes and | that is filled   |
//! |                               | borrows the value, and std then drops   | afterwards       |
//! |                               | it. Nobody can detect this.             |                  |
//! | `LazyLock`, `OnceLock`, `Once`| if the initialiser gives way, who comes | [`sync`]'s       |
//! |                               | meanwhile blocks the carrier, for ever  |                  |
//! |                               | if the initialiser is on it             |                  |
//! | `Mutex`, `RwLock`, `mpsc`, .. | block the carrier                       | [`sync`]'s       |
//! | `thread::scope`, `join`       | block the carrier                       | [`scope()`]      |
//!
//! # Unsafe
//! `concurrent/executor`, `concurrent/packet`, `concurrent/run`, `concurrent/scope`,
//! `concurrent/spawn`, `net/as_std`, `net/peek`, `sync/channel/segments`, `sync/lazy_lock`,
//! `sync/mutex`, `sync/once_lock`, `sync/reentrant`, `sync/rwlock`.
#![deny(unsafe_code)]

pub mod concurrent;
mod drops;
mod error;
pub mod io;
pub mod net;
mod runtime;
pub mod sync;
mod time;

pub use drift_macros::main;

pub use crate::concurrent::{
    Builder, Executor, ExecutorPolicy, Future, FutureGroup, Saturation, Scope, ScopeError,
    ScopedVirtualThread, Shutdown, ShutdownReport, Thread, VirtualThread, current, is_cancelled,
    park, park_until, run, run_with, scope, scope_timeout, sleep, sleep_until, spawn, spawn_future,
    spawn_future_on, spawn_on, uncancellable, yield_now,
};
pub use crate::error::{ConcurrencyError, Error, Panic};
pub use crate::time::{Duration, Instant};

/// The programs of the guide, run as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;

/// The program of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
