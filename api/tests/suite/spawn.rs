//! Spawning and joining.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::sync::Event;
use drift::{ConcurrencyError, Duration, Instant};
use drift::{current, park_until, sleep, sleep_until, spawn, spawn_future};

use crate::harness::{Case, Occupied};

pub const CASES: &[Case] = cases![
    spawn_executes,
    spawn_infers,
    join_stub,
    many_short_tasks_min_repro,
    spawn_join_ordering,
    spawn_future_capture_infers,
    many_short_tasks,
    stress_join_all,
    join_twice_closed,
    vt_current_in_task,
    park_nonvt_noop,
    join_timeout_zero,
    join_timeout_nonzero,
    join_timeout_nonzero_ok,
    join_timeout_after_completion,
];

fn spawn_executes() {
    let ran = Arc::new(AtomicU32::new(0));
    let seen = ran.clone();
    spawn(move || seen.store(1, Ordering::Relaxed)).join().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 1);
}

fn spawn_infers() {
    assert_eq!(spawn(|| 42).join(), Ok(42));
}

fn join_stub() {
    assert_eq!(spawn(|| "value").join(), Ok("value"));
}

fn many_short_tasks_min_repro() {
    let threads: Vec<_> = (0..3).map(|n| spawn(move || n)).collect();
    assert_eq!(threads.iter().map(|thread| thread.join().unwrap()).sum::<i32>(), 3);
}

fn spawn_join_ordering() {
    let threads: Vec<_> = (1..=3).map(|n| spawn(move || n)).collect();
    let values: Vec<i32> = threads.iter().rev().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(values, [3, 2, 1]);
}

fn spawn_future_capture_infers() {
    let mut sum = 0;
    for n in 1..=3 {
        let captured = Box::new(n);
        sum += spawn_future(move || *captured).join().unwrap();
    }
    assert_eq!(sum, 6);
}

fn many_short_tasks() {
    let threads: Vec<_> = (1..=500).map(|n| spawn(move || n)).collect();
    assert_eq!(threads.iter().map(|thread| thread.join().unwrap()).sum::<u64>(), 125_250);
}

fn stress_join_all() {
    let mut group = drift::FutureGroup::new();
    for n in 0..32 {
        group.add(spawn_future(move || {
            let deadline = Instant::now() + Duration::from_millis(5);
            park_until(deadline).unwrap();
            assert!(Instant::now() >= deadline);
            n
        }));
    }
    assert_eq!(group.join_all(), Ok((0..32).collect()));
}

fn join_twice_closed() {
    let thread = spawn(|| 1);
    assert_eq!(thread.join(), Ok(1));
    assert_eq!(thread.join(), Err(ConcurrencyError::Closed));
    assert_eq!(thread.join_timeout(Duration::ZERO), Err(ConcurrencyError::Closed));
    assert_eq!(thread.join_timeout(Duration::from_millis(1)), Err(ConcurrencyError::Closed));
}

fn vt_current_in_task() {
    assert!(current().is_none());
    let (first, last) = spawn(|| {
        let first = current().unwrap().id();
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).unwrap();
            drift::yield_now();
        }
        (first, current().unwrap().id())
    })
    .join()
    .unwrap();
    assert_ne!(first, 0);
    assert_eq!(first, last, "the same before and after every park");
    assert!(current().is_none());
}

fn park_nonvt_noop() {
    drift::park().unwrap();
    let deadline = Instant::now() + Duration::from_millis(1);
    park_until(deadline).unwrap();
    assert!(Instant::now() >= deadline);
}

fn join_timeout_zero() {
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let thread = spawn(move || waits.wait().map(|()| 7));
    assert!(!thread.is_completed());
    assert_eq!(thread.join_timeout(Duration::ZERO), Err(ConcurrencyError::Timeout));
    gate.set();
    assert_eq!(thread.join(), Ok(Ok(7)));
}

fn join_timeout_nonzero() {
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let thread = spawn(move || waits.wait());
    let began = Instant::now();
    assert_eq!(thread.join_timeout(Duration::from_millis(3)), Err(ConcurrencyError::Timeout));
    assert!(began.elapsed() >= std::time::Duration::from_millis(3), "never early");
    // Dropped while it waits: it goes on, and ends with the gate.
    drop(thread);
    gate.set();
}

fn join_timeout_nonzero_ok() {
    let thread = spawn(|| sleep(Duration::from_millis(10)).map(|()| 3));
    assert_eq!(thread.join_timeout(Duration::from_secs(60)), Ok(Ok(3)));
}

fn join_timeout_after_completion() {
    let thread = spawn(|| 3);
    while !thread.is_completed() {
        sleep_until(Instant::now() + Duration::from_millis(1)).unwrap();
    }
    // A carrier is not needed for what has ended.
    let _occupied = Occupied::default();
    assert_eq!(thread.join_timeout(Duration::ZERO), Ok(3));
}
