//! Executors: limits, queues, shutdown; carriers that fall asleep and are woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use drift::sync::{Event, channel};
use drift::{ConcurrencyError, Duration, Executor, ExecutorPolicy, Instant, Saturation, Shutdown};
use drift::{park, sleep, spawn, spawn_on, yield_now};
use drift_sim::Faults;

use crate::program::{Census, Scenario, os_thread};
use crate::scenarios;
use crate::waits::sleep_whole;

pub const ALL: &[Scenario] = scenarios![
    // One whose stack is refused goes behind the others.
    one_carrier_keeps_the_order { Faults { stack_alloc: 0, ..Faults::QUIET } },
    bursts_find_sleeping_carriers,
    os_threads_find_sleeping_carriers,
    long_queues_are_shared,
    a_limit_refuses,
    a_limit_lets_wait,
    a_drain_waits_for_all,
    a_cancelling_shutdown_ends_all,
    submits_race_with_a_shutdown,
    executors_come_and_go,
    what_is_accepted_without_threads_runs {
        Faults { thread_start: 500_000, stack_reserve: 100_000, ..Faults::QUIET }
    },
];

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis)
}

fn end(executor: &Executor, how: Shutdown) -> drift::ShutdownReport {
    executor.shutdown(how, Instant::now() + ms(3_600_000)).unwrap()
}

/// First in, first out, whoever submits.
fn one_carrier_keeps_the_order() {
    let executor = Executor::new(ExecutorPolicy::new()).unwrap();
    let order = Arc::new(AtomicI64::new(0));
    let all: Vec<_> = (0..10)
        .map(|number| {
            let order = order.clone();
            spawn_on(&executor, move || assert_eq!(order.fetch_add(1, Ordering::SeqCst), number))
        })
        .collect();
    for one in all {
        one.unwrap().join().unwrap();
    }
    end(&executor, Shutdown::Drain);
}

/// Work, then nothing for longer than carriers look around, then work again.
fn bursts_find_sleeping_carriers() {
    for pause in [1, 15, 40, 150] {
        let begun = Instant::now();
        let all: Vec<_> = (0..6).map(|_| spawn(yield_now)).collect();
        for one in all {
            one.join().unwrap();
        }
        let (to, from) = channel::bounded::<u8>(1);
        let receiver = spawn(move || from.recv());
        to.send(1).unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(1));
        sleep_whole(pause);
        assert!(begun.elapsed().as_millis() >= pause as u128);
    }
}

fn os_threads_find_sleeping_carriers() {
    let done = Arc::new(AtomicU32::new(0));
    let told = Arc::new(Event::new());
    let threads: Vec<_> = (0..2)
        .map(|number| {
            let (done, told) = (done.clone(), told.clone());
            os_thread(move || {
                for round in 0..3 {
                    let done = done.clone();
                    spawn(move || done.fetch_add(1, Ordering::SeqCst)).join().unwrap();
                    sleep(ms(number * 7 + round * 30)).unwrap_or_default();
                }
                told.set();
            })
        })
        .collect();
    told.wait().unwrap();
    while done.load(Ordering::SeqCst) < 6 {
        sleep_whole(5);
    }
    sleep_whole(100);
    for thread in threads {
        thread.join();
    }
}

/// More than a run queue has room for, from one virtual thread.
fn long_queues_are_shared() {
    let count = Arc::new(AtomicU32::new(0));
    let all: Vec<_> = (0..400)
        .map(|_| {
            let count = count.clone();
            spawn(move || {
                count.fetch_add(1, Ordering::SeqCst);
                yield_now();
                count.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    for one in all {
        one.join().unwrap();
    }
    assert_eq!(count.load(Ordering::SeqCst), 800);
}

fn a_limit_refuses() {
    let policy = ExecutorPolicy::new().queue_limit(2).on_saturation(Saturation::ReturnBusy);
    let executor = Executor::new(policy).unwrap();
    let census = Census::new();
    let busy = Arc::new(AtomicU32::new(0));
    let submitters: Vec<_> = (0..3)
        .map(|_| {
            let (census, busy) = (census.clone(), busy.clone());
            spawn(move || {
                for _ in 0..4 {
                    let captured = census.citizen();
                    match spawn_on(&executor, move || drop(captured)) {
                        Ok(one) => one.join().unwrap(),
                        Err(ConcurrencyError::Busy) => {
                            busy.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    for one in submitters {
        one.join().unwrap();
    }
    census.check();
    let report = end(&executor, Shutdown::Drain);
    assert_eq!(report.cancelled + report.timed_out, 0);
}

fn a_limit_lets_wait() {
    let policy = ExecutorPolicy::new().queue_limit(1).on_saturation(Saturation::Block);
    let executor = Executor::new(policy).unwrap();
    let inside = Arc::new(AtomicU32::new(0));
    let submitters: Vec<_> = (0..4)
        .map(|_| {
            let inside = inside.clone();
            spawn(move || {
                let one = spawn_on(&executor, move || {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "one place");
                    yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
                one.unwrap().join().unwrap();
            })
        })
        .collect();
    for one in submitters {
        one.join().unwrap();
    }
    end(&executor, Shutdown::Drain);
}

fn a_drain_waits_for_all() {
    let executor = Executor::new(ExecutorPolicy::new().min_threads(2)).unwrap();
    let done = Arc::new(AtomicU32::new(0));
    for number in 0..6 {
        let done = done.clone();
        let one = spawn_on(&executor, move || {
            sleep(ms(number % 3)).unwrap_or_default();
            done.fetch_add(1, Ordering::SeqCst);
        });
        drop(one.unwrap());
    }
    let report = end(&executor, Shutdown::Drain);
    assert_eq!(done.load(Ordering::SeqCst), 6);
    assert_eq!((report.cancelled, report.timed_out), (0, 0));
    let refused = spawn_on(&executor, || ());
    assert!(refused.is_err(), "a submit after the end");
    assert_eq!(end(&executor, Shutdown::Drain).timed_out, 0);
}

fn a_cancelling_shutdown_ends_all() {
    let executor = Executor::new(ExecutorPolicy::new().min_threads(2)).unwrap();
    let census = Census::new();
    for number in 0..6 {
        let captured = census.citizen();
        let one = spawn_on(&executor, move || {
            let _captured = captured;
            match number % 3 {
                0 => while park().is_ok() {},
                1 => drop(sleep(ms(3_600_000))),
                _ => yield_now(),
            }
        });
        drop(one.unwrap());
    }
    yield_now();
    let report = end(&executor, Shutdown::Cancel);
    assert_eq!(report.timed_out, 0);
    census.check();
}

fn submits_race_with_a_shutdown() {
    let executor = Executor::new(ExecutorPolicy::new().min_threads(2)).unwrap();
    let census = Census::new();
    let submitters: Vec<_> = (0..3)
        .map(|_| {
            let census = census.clone();
            spawn(move || {
                for _ in 0..5 {
                    let captured = census.citizen();
                    if let Ok(one) = spawn_on(&executor, move || drop(captured)) {
                        // Accepted: it runs, or was cancelled; its end is told either way.
                        assert!(matches!(one.join(), Ok(()) | Err(ConcurrencyError::Cancelled)));
                    }
                    yield_now();
                }
            })
        })
        .collect();
    yield_now();
    let report = end(&executor, Shutdown::Cancel);
    assert_eq!(report.timed_out, 0);
    for one in submitters {
        one.join().unwrap();
    }
    census.check();
}

/// Threads and memory are refused half of the time: each call says so, or what it took runs.
fn what_is_accepted_without_threads_runs() {
    let census = Census::new();
    for _ in 0..6 {
        let Ok(executor) = Executor::new(ExecutorPolicy::new().min_threads(2)) else { continue };
        for _ in 0..3 {
            let captured = census.citizen();
            match spawn_on(&executor, move || drop(captured)) {
                Ok(one) => match one.join() {
                    Ok(()) | Err(ConcurrencyError::Failed(_)) => {}
                    Err(other) => panic!("{other:?}"),
                },
                Err(ConcurrencyError::Failed(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        end(&executor, Shutdown::Drain);
    }
    census.check();
}

fn executors_come_and_go() {
    for round in 0..4 {
        let executor = Executor::new(ExecutorPolicy::new().min_threads(1 + round % 2)).unwrap();
        let one = spawn_on(&executor, move || {
            sleep(ms(1)).unwrap_or_default();
            round
        });
        assert_eq!(one.unwrap().join(), Ok(round));
        let report = end(&executor, if round < 2 { Shutdown::Drain } else { Shutdown::Cancel });
        assert_eq!(report.timed_out, 0);
    }
    // The default executor goes on.
    assert_eq!(spawn(|| 1).join(), Ok(1));
}
