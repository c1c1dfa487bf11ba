//! Spawning, and scopes.

use drift::{Builder, Duration, Executor, ExecutorPolicy, Scope, scope, scope_timeout};
use drift::{park, spawn_on};

use super::{Call, More};
use crate::harness::Occupied;

pub const CALLS: &[Call] = &[
    ("spawn", |more| repeat(more, || drop(drift::spawn(|| ())))),
    ("spawn_future", |more| repeat(more, || drop(drift::spawn_future(|| ())))),
    ("spawn_on", |more| {
        let own = Executor::default_get();
        repeat(more, || drop(spawn_on(&own, || ())));
    }),
    ("spawn_on, refused", |more| {
        let full = Full::new();
        repeat(more, || assert!(spawn_on(&full.executor, || ()).is_err()));
    }),
    ("spawn_future_on, refused", |more| {
        let full = Full::new();
        repeat(more, || assert!(drift::spawn_future_on(&full.executor, || ()).is_err()));
    }),
    ("Builder::spawn", |more| repeat(more, || drop(Builder::new().spawn(|| ())))),
    ("Builder::spawn, of too large a stack", |more| {
        repeat(more, || drop(Builder::new().stack_size(usize::MAX).spawn(|| ())));
    }),
    ("Builder::spawn_on, refused", |more| {
        let full = Full::new();
        repeat(more, || assert!(Builder::new().spawn_on(&full.executor, || ()).is_err()));
    }),
    ("Builder::spawn_scoped", |more| {
        within(more, |s| drop(Builder::new().spawn_scoped(s, || ())));
    }),
    ("run", |more| repeat(more, || drift::run(|| ()))),
    ("scope, of none", |more| repeat(more, || scope(|_| ()).unwrap())),
    ("scope_timeout, of no time", |more| {
        repeat(more, || assert!(scope_timeout(Duration::ZERO, |_| ()).is_err()));
    }),
    ("scope_timeout, of none", |more| {
        repeat(more, || scope_timeout(Duration::from_secs(60), |_| ()).unwrap());
    }),
    ("Scope::spawn", |more| within(more, |s| drop(s.spawn(|| ())))),
    ("Scope::spawn_on", |more| {
        let own = Executor::default_get();
        within(more, |s| drop(s.spawn_on(&own, || ())));
    }),
    ("Scope::spawn_fallible", |more| {
        within(more, |s| drop(s.spawn_fallible(|| Ok::<_, drift::ConcurrencyError>(()))));
    }),
    ("Scope::cancel", |more| within(more, |s| s.cancel())),
    ("ScopedVirtualThread::join, of one that was joined", |more| {
        let ended = scope(|s| {
            let one = s.spawn(|| ());
            one.join().unwrap();
            repeat(more, || assert!(one.join().is_err()));
        });
        ended.unwrap();
    }),
    ("ScopedVirtualThread::join_timeout, of no time", |more| {
        let ended = scope(|s| {
            let never = s.spawn(|| while park().is_ok() {});
            repeat(more, || assert!(never.join_timeout(Duration::ZERO).is_err()));
            never.cancel();
        });
        ended.unwrap();
    }),
    ("ScopedVirtualThread::cancel", |more| {
        let ended = scope(|s| {
            let never = s.spawn(|| while park().is_ok() {});
            repeat(more, || never.cancel());
        });
        ended.unwrap();
    }),
    ("ScopedVirtualThread::is_completed", |more| {
        let ended = scope(|s| {
            let never = s.spawn(|| while park().is_ok() {});
            repeat(more, || assert!(!never.is_completed()));
            never.cancel();
        });
        ended.unwrap();
    }),
];

fn repeat(more: More<'_>, mut call: impl FnMut()) {
    while more() {
        call();
    }
}

/// Repeats a call within one scope.
fn within(more: More<'_>, call: impl for<'scope> Fn(&'scope Scope<'scope, '_>)) {
    let ended = scope(|s| repeat(more, || call(s)));
    ended.unwrap();
}

/// An executor that takes no more.
struct Full {
    executor: Executor,
    _occupied: Occupied,
}

impl Full {
    fn new() -> Self {
        let executor = Executor::new(ExecutorPolicy::new().queue_limit(1)).unwrap();
        Self { _occupied: Occupied::of(&executor, 1), executor }
    }
}
