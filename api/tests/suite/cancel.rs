//! Cancellation, and futures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::sync::Event;
use drift::{ConcurrencyError, Duration, FutureGroup, Instant, VirtualThread};
use drift::{park_until, sleep, spawn, spawn_future};

use crate::harness::{Case, Occupied};

pub const CASES: &[Case] = cases![
    future_basic,
    future_group,
    future_join_timeout_nonzero_ok,
    cancel_before_start_join_returns_cancelled,
    cancel_before_start_join_timeout_nonzero_cancelled,
    cancel_before_start_join_timeout_zero_cancelled,
    cancel_idempotent,
    cancel_then_join_closed,
    cancel_prestart_does_not_execute_task,
    future_cancel_before_start_join_cancelled,
    future_cancel_before_start_join_timeout_zero_cancelled,
    cancel_join,
    cancel_join_timeout,
    cancel_join_timeout_zero,
    cancel_after_start_does_not_kill,
    cancel_after_completion_no_effect,
    future_cancel_after_completion_no_effect,
];

const CANCELLED: ConcurrencyError = ConcurrencyError::Cancelled;

fn future_basic() {
    let future = spawn_future(|| sleep(Duration::from_millis(10)).map(|()| 5));
    assert_eq!(future.join(), Ok(Ok(5)));
}

fn future_group() {
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let mut group = FutureGroup::new();
    group.add(spawn_future(move || waits.wait().map_or(0, |()| 2)));
    group.add(spawn_future(|| 1));
    assert_eq!(group.join_any(), Ok(&1));
    gate.set();
    assert_eq!(group.join_any(), Ok(&1), "the same one until it is taken");
    assert_eq!(group.join_all(), Ok(vec![2, 1]));
}

fn future_join_timeout_nonzero_ok() {
    let future = spawn_future(|| sleep(Duration::from_millis(10)).map(|()| 5));
    assert_eq!(future.join_timeout(Duration::from_secs(60)), Ok(Ok(5)));
}

/// Cancelled while every carrier is busy elsewhere.
fn cancelled_before_start() -> VirtualThread<i32> {
    let _occupied = Occupied::default();
    let thread = spawn(|| 1);
    thread.cancel();
    assert!(thread.is_completed(), "without a carrier");
    thread
}

fn cancel_before_start_join_returns_cancelled() {
    assert_eq!(cancelled_before_start().join(), Err(CANCELLED));
}

fn cancel_before_start_join_timeout_nonzero_cancelled() {
    let thread = cancelled_before_start();
    assert_eq!(thread.join_timeout(Duration::from_secs(60)), Err(CANCELLED));
}

fn cancel_before_start_join_timeout_zero_cancelled() {
    assert_eq!(cancelled_before_start().join_timeout(Duration::ZERO), Err(CANCELLED));
}

fn cancel_idempotent() {
    let thread = cancelled_before_start();
    thread.cancel();
    thread.cancel();
    assert_eq!(thread.join(), Err(CANCELLED));
    thread.cancel();
}

fn cancel_then_join_closed() {
    let thread = cancelled_before_start();
    assert_eq!(thread.join(), Err(CANCELLED));
    assert_eq!(thread.join(), Err(ConcurrencyError::Closed));
}

fn cancel_prestart_does_not_execute_task() {
    let ran = Arc::new(AtomicU32::new(0));
    let occupied = Occupied::default();
    let seen = ran.clone();
    let thread = spawn(move || seen.fetch_add(1, Ordering::Relaxed));
    thread.cancel();
    assert_eq!(Arc::strong_count(&ran), 1, "the captures are dropped at once");
    drop(occupied);
    // Whatever stood behind it in the queue has run after this.
    drop(Occupied::default());
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    assert_eq!(thread.join(), Err(CANCELLED));
}

fn future_cancel_before_start_join_cancelled() {
    let occupied = Occupied::default();
    let future = spawn_future(|| 1);
    future.cancel();
    drop(occupied);
    assert_eq!(future.join(), Err(CANCELLED));
}

fn future_cancel_before_start_join_timeout_zero_cancelled() {
    let _occupied = Occupied::default();
    let future = spawn_future(|| 1);
    future.cancel();
    assert_eq!(future.join_timeout(Duration::ZERO), Err(CANCELLED));
}

/// A task that has started and parks; a cancel cuts that short.
fn started() -> VirtualThread<Result<(), ConcurrencyError>> {
    let began = Arc::new(Event::new());
    let tells = began.clone();
    let thread = spawn(move || {
        tells.set();
        park_until(Instant::now() + Duration::from_secs(600))
    });
    began.wait().unwrap();
    thread.cancel();
    thread
}

fn cancel_join() {
    assert_eq!(started().join(), Ok(Err(CANCELLED)));
}

fn cancel_join_timeout() {
    assert_eq!(started().join_timeout(Duration::from_secs(60)), Ok(Err(CANCELLED)));
}

fn cancel_join_timeout_zero() {
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let (began, tells) = drift::sync::bounded(0);
    let thread = spawn(move || {
        began.send(()).unwrap();
        drift::uncancellable(|| waits.wait())
    });
    tells.recv().unwrap();
    thread.cancel();
    assert_eq!(thread.join_timeout(Duration::ZERO), Err(ConcurrencyError::Timeout));
    gate.set();
    assert_eq!(thread.join(), Ok(Ok(())));
}

fn cancel_after_start_does_not_kill() {
    let began = Arc::new(Event::new());
    let tells = began.clone();
    let thread = spawn(move || {
        tells.set();
        let cut_short = sleep(Duration::from_secs(600));
        (cut_short, "ran to its end")
    });
    began.wait().unwrap();
    thread.cancel();
    assert_eq!(thread.join(), Ok((Err(CANCELLED), "ran to its end")));
}

fn cancel_after_completion_no_effect() {
    let thread = spawn(|| 1);
    assert_eq!(thread.join(), Ok(1));
    thread.cancel();
    let thread = spawn(|| 2);
    while !thread.is_completed() {
        drift::yield_now();
    }
    thread.cancel();
    assert_eq!(thread.join(), Ok(2));
}

fn future_cancel_after_completion_no_effect() {
    let future = spawn_future(|| 1);
    assert_eq!(future.join(), Ok(1));
    future.cancel();
    assert_eq!(future.join(), Err(ConcurrencyError::Closed));
}
