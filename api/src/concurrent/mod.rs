//! Virtual threads, scopes, futures and executors: Drift's `std.concurrent` in Rust.

mod calls;
mod carriers;
mod executor;
mod future;
mod names;
mod packet;
#[cfg(doctest)]
mod refused;
mod run;
mod scope;
mod spawn;
mod stack;
mod thread;

pub use self::calls::{
    is_cancelled, park, park_until, sleep, sleep_until, uncancellable, yield_now,
};
pub use self::executor::{Executor, ExecutorPolicy, Saturation, Shutdown, ShutdownReport};
pub use self::future::{Completed, Future, FutureGroup, spawn_future, spawn_future_on};
pub use self::run::{run, run_with};
pub use self::scope::{Scope, ScopeError, ScopedVirtualThread, scope, scope_timeout};
pub use self::spawn::{Builder, VirtualThread, spawn, spawn_on};
pub use self::thread::{Thread, current};
