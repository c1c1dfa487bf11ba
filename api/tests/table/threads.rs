//! `concurrent`: sleeps, parks, joins, scopes, groups, and a full executor.

use std::sync::{Arc, Condvar, Mutex};

use drift::{Duration, Executor, ExecutorPolicy, FutureGroup, Instant, Saturation, Thread};
use drift::{park, park_until, scope, scope_timeout, sleep, sleep_until, spawn_future, spawn_on};

use super::Row;
use super::cells::{Column, Holder, Outcome, Subject, Token, Word};
use crate::harness;

const NO_CLOSE: (Column, &str) = (Column::Close, "it has no end to close");
const NO_HOLDER: (Column, &str) = (Column::PanicInHolder, "nobody has it");
const NO_LIMIT: (Column, &str) = (Column::TimeOut, "it has no form with a time-out");
const NO_OS_LIMIT: (Column, &str) = (Column::OsTimeOut, "it has no form with a time-out");

const TIME_ONLY: [(Column, &str); 5] = [
    (Column::ValueBefore, "only time ends it: see its time-out"),
    (Column::ValueWhile, "only time ends it: see its time-out"),
    (Column::OsThread, "only time ends it: see its time-out"),
    NO_CLOSE,
    NO_HOLDER,
];
const PARK: [(Column, &str); 4] = [NO_CLOSE, NO_HOLDER, NO_LIMIT, NO_OS_LIMIT];
const PARK_UNTIL: [(Column, &str); 3] =
    [NO_CLOSE, NO_HOLDER, (Column::OsThread, "an OS thread cannot be unparked")];
const FULL: [(Column, &str); 3] =
    [NO_CLOSE, NO_HOLDER, (Column::Unwinding, "it says Busy: see the contract of executors")];

pub fn rows() -> Vec<Row> {
    let close: &[_] = &[NO_CLOSE];
    let untimed: &[_] = &[NO_CLOSE, NO_LIMIT, NO_OS_LIMIT];
    vec![
        Row { name: "sleep", make: sleeps, without: &TIME_ONLY },
        Row { name: "sleep_until", make: sleeps_until, without: &TIME_ONLY },
        Row { name: "park", make: parks, without: &PARK },
        Row { name: "park_until", make: parks_until, without: &PARK_UNTIL },
        Row { name: "VirtualThread::join", make: joins, without: close },
        Row { name: "scope, its end", make: scopes, without: close },
        Row { name: "ScopedVirtualThread::join", make: scoped_joins, without: close },
        Row { name: "FutureGroup::join_all", make: join_all, without: untimed },
        Row { name: "FutureGroup::join_any", make: join_any, without: close },
        Row { name: "FutureGroup::select", make: group_select, without: untimed },
        Row { name: "spawn_on, Block", make: full, without: &FULL },
    ]
}

/// For what only time or a cancel ends: the next use of it is short.
fn time_only(wait: impl Fn(Duration) -> Outcome + Send + Sync + Clone + 'static) -> Subject {
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (is_over, timed) = (over.clone(), wait.clone());
    let mut subject = Subject::new(
        move || match is_over.swap(true, std::sync::atomic::Ordering::Relaxed) {
            false => wait(Duration::from_secs(600)),
            true => wait(Duration::from_millis(1)),
        },
        |_| (),
    )
    .timed(move |time| {
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        timed(time)
    });
    subject.timed_gives = Word::Fine;
    subject
}

fn sleeps(_: &Token) -> Subject {
    time_only(sleep)
}

fn sleeps_until(_: &Token) -> Subject {
    time_only(|time| sleep_until(Instant::now() + time))
}

fn unpark(thread: Option<&Thread>) {
    // An OS thread returns from its park by itself.
    if let Some(thread) = thread {
        thread.unpark();
    }
}

fn parks(_: &Token) -> Subject {
    Subject::new(park, unpark)
}

fn parks_until(_: &Token) -> Subject {
    let wait = || park_until(Instant::now() + Duration::from_secs(600));
    let mut subject = Subject::new(wait, unpark).timed(|time| park_until(Instant::now() + time));
    subject.timed_gives = Word::Fine;
    subject
}

fn joins(token: &Token) -> Subject {
    let holder = Holder::new(token, |until| until());
    let (thread, timed) = (holder.thread.clone(), holder.thread.clone());
    let mut subject = Subject::new(move || thread.join().map(drop), holder.release())
        .timed(move |time| timed.join_timeout(time).map(drop))
        .panic(holder.panics(), Word::Panicked, Word::Closed);
    subject.next = Word::Closed;
    subject
}

/// Children wait for the same gate as a holder, and panic with it.
fn gated(token: &Token) -> (Holder, impl Fn() -> Token + Send + Sync + Clone + 'static) {
    let holder = Holder::new(token, |until| until());
    let (go, thread, token) = (holder.go.clone(), holder.thread.clone(), token.clone());
    let child = move || {
        if go.wait().is_ok() {
            // Its panic is that of the holder.
            if let Err(drift::ConcurrencyError::Failed(error)) = thread.join() {
                panic!("{}: {error}", harness::PURPOSE);
            }
        }
        token.clone()
    };
    (holder, child)
}

fn scopes(token: &Token) -> Subject {
    let (holder, child) = gated(token);
    let timed = child.clone();
    let cause = |failed: drift::ScopeError| failed.cause().clone();
    Subject::new(
        move || {
            scope(|s| {
                s.spawn(&child);
            })
            .map_err(cause)
        },
        holder.release(),
    )
    .timed(move |time| {
        scope_timeout(time, |s| {
            s.spawn(&timed);
        })
        .map_err(cause)
    })
    .panic(holder.panics(), Word::Panicked, Word::Fine)
}

fn scoped_joins(token: &Token) -> Subject {
    let (holder, child) = gated(token);
    let timed = child.clone();
    let wait = move || {
        let mut joined = Ok(());
        let ended = scope(|s| {
            joined = s.spawn(&child).join().map(drop);
            s.cancel();
        });
        // While it unwinds there is no scope.
        if joined.is_ok() { ended.map_err(drift::ConcurrencyError::from) } else { joined }
    };
    Subject::new(wait, holder.release())
        .timed(move |time| {
            let mut joined = Ok(());
            let _ = scope(|s| {
                joined = s.spawn(&timed).join_timeout(time).map(drop);
                s.cancel();
            });
            joined
        })
        .panic(holder.panics(), Word::Panicked, Word::Fine)
}

fn group_of(child: &(impl Fn() -> Token + Send + Clone + 'static)) -> FutureGroup<Token> {
    let mut group = FutureGroup::new();
    group.add(spawn_future(child.clone()));
    group
}

fn join_all(token: &Token) -> Subject {
    let (holder, child) = gated(token);
    Subject::new(move || group_of(&child).join_all().map(drop), holder.release()).panic(
        holder.panics(),
        Word::Panicked,
        Word::Fine,
    )
}

fn join_any(token: &Token) -> Subject {
    let (holder, child) = gated(token);
    let timed = child.clone();
    Subject::new(move || group_of(&child).join_any().map(drop), holder.release())
        .timed(move |time| group_of(&timed).join_any_timeout(time).map(drop))
        .panic(holder.panics(), Word::Panicked, Word::Fine)
}

fn group_select(token: &Token) -> Subject {
    let (holder, child) = gated(token);
    let wait = move || group_of(&child).select().and_then(|ended| ended.result.map(drop));
    Subject::new(wait, holder.release()).panic(holder.panics(), Word::Panicked, Word::Fine)
}

/// A spawn waits for the one place of an executor, whose virtual thread runs until it is let go:
/// a parked one has no place.
fn full(token: &Token) -> Subject {
    static EXECUTORS: Mutex<Vec<(ExecutorPolicy, Executor, Executor)>> = Mutex::new(Vec::new());
    let mut executors = EXECUTORS.lock().unwrap();
    let world = harness::policy();
    if !executors.iter().any(|(made, ..)| *made == world) {
        let policy = world.queue_limit(1).on_saturation(Saturation::Block);
        let forever = Executor::new(policy).unwrap();
        let limited = Executor::new(policy.timeout(Duration::from_millis(2))).unwrap();
        executors.push((world, forever, limited));
    }
    let (_, forever, limited) = *executors.iter().find(|(made, ..)| *made == world).unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    for executor in [forever, limited] {
        let (gate, token) = (gate.clone(), token.clone());
        drop(spawn_on(&executor, move || {
            let _kept = token;
            drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open));
        }));
    }
    let (token, timed) = (token.clone(), token.clone());
    Subject::new(
        move || {
            let token = token.clone();
            spawn_on(&forever, move || drop(token))?.join()
        },
        move |_| {
            *gate.0.lock().unwrap() = true;
            gate.1.notify_all();
        },
    )
    .timed(move |_| {
        let token = timed.clone();
        spawn_on(&limited, move || drop(token))?.join()
    })
}
