//! Joins, cancels, dropped handles: what began ends once, and what was made is dropped once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::{ConcurrencyError, Duration, FutureGroup};
use drift::{park, scope, sleep, spawn, spawn_future, yield_now};

use crate::program::{Census, Scenario, os_thread};
use crate::scenarios;
use crate::waits::sleep_whole;

pub const ALL: &[Scenario] = scenarios![
    trees_are_joined,
    several_join_one,
    cancels_and_drops_leave_nothing,
    a_cancel_before_the_start_means_never,
    a_timed_join_and_the_end_race,
    scopes_wait_for_all,
    groups_give_each_once,
    panics_are_told_at_the_join,
];

fn trees_are_joined() {
    fn leaves(depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        let (left, right) = (spawn(move || leaves(depth - 1)), spawn(move || leaves(depth - 1)));
        left.join().unwrap() + right.join().unwrap()
    }
    assert_eq!(leaves(4), 16);
}

/// Virtual threads and OS threads wait for the same end; one of them gets the value.
fn several_join_one() {
    let one = Arc::new(spawn(|| {
        sleep_whole(2);
        7
    }));
    let values = Arc::new(AtomicU32::new(0));
    let told = Arc::new(AtomicU32::new(0));
    let join = {
        let (values, told) = (values.clone(), told.clone());
        move |one: &drift::VirtualThread<u32>| {
            match one.join() {
                Ok(value) => values.fetch_add(value, Ordering::SeqCst),
                Err(ConcurrencyError::Closed) => 0,
                Err(other) => panic!("{other:?}"),
            };
            told.fetch_add(1, Ordering::SeqCst);
        }
    };
    let joiners: Vec<_> = (0..3)
        .map(|_| {
            let (one, join) = (one.clone(), join.clone());
            spawn(move || join(&one))
        })
        .collect();
    let thread = os_thread({
        let one = one.clone();
        move || join(&one)
    });
    for joiner in joiners {
        joiner.join().unwrap();
    }
    while told.load(Ordering::SeqCst) < 4 {
        sleep_whole(1);
    }
    thread.join();
    assert_eq!(values.load(Ordering::SeqCst), 7);
}

/// Every order of cancel, drop, end and join.
fn cancels_and_drops_leave_nothing() {
    let census = Census::new();
    let mut kept = Vec::new();
    for number in 0..24_u32 {
        let (captured, made) = (census.citizen(), census.clone());
        let one = spawn(move || {
            match number % 3 {
                0 => yield_now(),
                1 => drop(sleep(Duration::from_millis(1))),
                _ => {}
            }
            drop(captured);
            made.citizen()
        });
        if number % 4 == 1 {
            one.cancel();
        }
        match number % 5 {
            0 => drop(one),
            1 => drop(one.join()),
            2 => drop(one.join_timeout(Duration::from_millis(1))),
            3 => drop(spawn(move || one.join())),
            _ => kept.push(one),
        }
    }
    for one in kept {
        one.cancel();
        drop(one.join());
    }
    // What nobody joins ends by itself: a yield, or one millisecond.
    while !census.is_empty() {
        sleep_whole(1);
    }
}

fn a_cancel_before_the_start_means_never() {
    let census = Census::new();
    for _ in 0..8 {
        let captured = census.citizen();
        let ran = Arc::new(AtomicU32::new(0));
        let runs = ran.clone();
        let one = spawn(move || {
            runs.fetch_add(1, Ordering::SeqCst);
            drop(captured);
        });
        one.cancel();
        let end = one.join();
        match ran.load(Ordering::SeqCst) {
            0 => assert_eq!(end, Err(ConcurrencyError::Cancelled)),
            1 => assert_eq!(end, Ok(())),
            more => panic!("it ran {more} times"),
        }
    }
    census.check();
}

fn a_timed_join_and_the_end_race() {
    for span in 1..5 {
        let one = spawn(move || {
            sleep_whole(span);
            span
        });
        let joined = match one.join_timeout(Duration::from_millis(2)) {
            Ok(value) => value,
            Err(ConcurrencyError::Timeout) => one.join().unwrap(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(joined, span);
        assert_eq!(one.join(), Err(ConcurrencyError::Closed));
        sleep_whole(1);
    }
}

/// Children borrow; a failing one cancels its siblings, and all are over when the scope is.
fn scopes_wait_for_all() {
    let running = AtomicU32::new(0);
    let sum = AtomicU32::new(0);
    scope(|s| {
        for number in 0..5 {
            let (running, sum) = (&running, &sum);
            s.spawn(move || {
                running.fetch_add(1, Ordering::SeqCst);
                yield_now();
                sum.fetch_add(number, Ordering::SeqCst);
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
    })
    .unwrap();
    assert_eq!((running.load(Ordering::SeqCst), sum.load(Ordering::SeqCst)), (0, 10));
    let failed = scope(|s| {
        for _ in 0..3 {
            let running = &running;
            s.spawn(move || {
                running.fetch_add(1, Ordering::SeqCst);
                while park().is_ok() {}
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        s.spawn_fallible(|| {
            yield_now();
            Err::<(), _>("failed")
        });
    });
    assert!(failed.is_err());
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

fn groups_give_each_once() {
    let mut group = FutureGroup::new();
    for number in 0..6_i64 {
        group.add(spawn_future(move || {
            sleep(Duration::from_millis(number % 3)).unwrap_or_default();
            number
        }));
    }
    let first = *group.join_any().unwrap();
    assert!((0..6).contains(&first));
    assert_eq!(group.join_all().unwrap(), [0, 1, 2, 3, 4, 5]);
}

fn panics_are_told_at_the_join() {
    let census = Census::new();
    for _ in 0..3 {
        let captured = census.citizen();
        let one = spawn(move || {
            let _captured = captured;
            yield_now();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(matches!(one.join(), Err(ConcurrencyError::Failed(_))));
    }
    census.check();
}
