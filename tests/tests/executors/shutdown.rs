//! Shutting executors down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use drift_core::error::ConcurrencyError;
use drift_core::runtime::shutdown::{Shutdown, ShutdownError, ShutdownReport};
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::{ExecutorPolicy, Saturation};
use drift_core::task::Handle;
use drift_core::time::Instant;

use crate::world::{CARRIERS, Drops, World, spawn, submit, wait_until};

/// After this long without work, carriers sleep without looking around.
const ASLEEP: Duration = Duration::from_millis(300);

fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

impl World {
    pub fn shut(&self, executor: ExecutorRef, how: Shutdown, until: Instant) -> ShutdownReport {
        let handle = self.runtime.executor_handle(executor);
        self.runtime.shutdown(handle, how, until).unwrap()
    }

    /// Parks until it is cancelled.
    fn parked(&self, on: ExecutorRef, count: usize, parks: &Arc<AtomicUsize>) -> Vec<Handle> {
        let runtime = self.runtime;
        let park = |_| {
            let parks = parks.clone();
            self.start(on, move || {
                parks.fetch_add(1, Ordering::SeqCst);
                while !runtime.is_cancelled() {
                    runtime.park(Instant::FAR);
                }
            })
        };
        (0..count).map(park).collect()
    }

    /// Keeps every carrier busy until `ends`, or until cancelled if that is none.
    pub fn busy(
        &self,
        on: ExecutorRef,
        count: usize,
        ends: Option<&Arc<AtomicBool>>,
    ) -> Vec<Handle> {
        let (runtime, started) = (self.runtime, counter());
        let spin = |_| {
            let (ends, started) = (ends.cloned(), started.clone());
            self.start(on, move || {
                started.fetch_add(1, Ordering::SeqCst);
                let is_over = || match &ends {
                    Some(ends) => ends.load(Ordering::SeqCst),
                    None => runtime.is_cancelled(),
                };
                while !is_over() {
                    thread::yield_now();
                }
            })
        };
        let tasks = (0..count).map(spin).collect();
        wait_until(&started, count);
        tasks
    }
}

fn ended(completed: usize, cancelled: usize, timed_out: usize) -> ShutdownReport {
    ShutdownReport { completed, cancelled, timed_out, carriers: 0 }
}

#[test]
fn a_drain_lets_all_end() {
    for threads in CARRIERS {
        let world = World::new();
        let (runtime, executor) = (world.runtime, world.executor(threads));
        let done = counter();
        let count = |done: &Arc<AtomicUsize>| {
            let done = done.clone();
            move || {
                done.fetch_add(1, Ordering::SeqCst);
            }
        };
        let mut tasks = Vec::new();
        let mut sleepers = Vec::new();
        for _ in 0..50 {
            let one = count(&done);
            tasks.push(world.start(executor, move || {
                (0..100).for_each(|_| runtime.yield_now());
                one();
            }));
            let (one, until) = (count(&done), world.soon(30));
            tasks.push(world.start(executor, move || {
                while runtime.platform().now() < until {
                    runtime.park(until);
                }
                one();
            }));
            let one = count(&done);
            sleepers.push(world.start(executor, move || {
                runtime.park(Instant::FAR);
                runtime.park(Instant::FAR);
                one();
            }));
        }
        let report = thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    thread::sleep(Duration::from_millis(10));
                    sleepers.iter().for_each(|task| runtime.unpark(*task));
                    // A permit that came before the first park must be used up.
                    thread::sleep(Duration::from_millis(10));
                }
            });
            world.shut(executor, Shutdown::Drain, Instant::FAR)
        });
        world.assert_at_baseline();
        assert_eq!(done.load(Ordering::SeqCst), 150);
        assert_eq!((report.cancelled, report.timed_out), (0, 0));
        assert!((50..=150).contains(&report.completed), "{report:?}");
        world.join_all(tasks.into_iter().chain(sleepers));
    }
}

#[test]
fn a_cancel_ends_parked_busy_and_never_started_ones() {
    for threads in CARRIERS {
        let world = World::new();
        let executor = world.executor(threads);
        let (parks, drops) = (counter(), Drops::default());
        let mut tasks = world.parked(executor, 100, &parks);
        wait_until(&parks, 100);
        // They end after the others were cancelled, or those might start.
        let ends = Arc::new(AtomicBool::new(false));
        tasks.extend(world.busy(executor, threads as usize, Some(&ends)));
        for _ in 0..100 {
            let drop = drops.one();
            tasks.push(world.start(executor, move || {
                let _drop = drop;
                panic!("a task that was cancelled before it started ran");
            }));
        }
        let report = thread::scope(|scope| {
            scope.spawn(|| {
                while drops.count() < 100 {
                    thread::yield_now();
                }
                ends.store(true, Ordering::SeqCst);
            });
            world.shut(executor, Shutdown::Cancel, Instant::FAR)
        });
        world.assert_at_baseline();
        assert_eq!(report, ended(0, 200 + threads as usize, 0));
        assert_eq!(drops.count(), 100);
        world.join_all(tasks);
    }
}

#[test]
fn after_the_deadline_carriers_end_with_the_last_task() {
    for threads in CARRIERS {
        for how in [Shutdown::Drain, Shutdown::Cancel] {
            let world = World::new();
            let (runtime, executor) = (world.runtime, world.executor(threads));
            let started = counter();
            let goes = Arc::new(AtomicBool::new(false));
            let mut tasks = Vec::new();
            for _ in 0..20 {
                let (goes, started) = (goes.clone(), started.clone());
                tasks.push(world.start(executor, move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    while !goes.load(Ordering::SeqCst) {
                        runtime.park(runtime.platform().now() + 1_000_000);
                        thread::yield_now();
                    }
                }));
            }
            wait_until(&started, 20);
            let until = world.soon(20);
            let report = world.shut(executor, how, until);
            assert!(world.now() >= until);
            assert_eq!(report, ended(0, 0, 20));
            let late = spawn(runtime, || ());
            assert_eq!(submit(executor, late), Err(ConcurrencyError::Closed));
            goes.store(true, Ordering::SeqCst);
            world.join_all(tasks);
            world.wait_for_baseline();
            assert_eq!(world.shut(executor, how, Instant::FAR), ended(0, 0, 0));
            world.assert_at_baseline();
            assert_eq!(submit(executor, late), Err(ConcurrencyError::Closed));
            runtime.abandon(late);
        }
    }
}

#[test]
fn the_last_one_that_is_dropped_elsewhere_ends_the_carriers_too() {
    let world = World::new();
    let (runtime, executor) = (world.runtime, world.executor(1));
    let ends = Arc::new(AtomicBool::new(false));
    let mut tasks = world.busy(executor, 1, Some(&ends));
    let (entered, leave) = (counter(), Arc::new(AtomicBool::new(false)));
    struct Slow(Arc<AtomicUsize>, Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            while !self.1.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
    }
    let slow = Slow(entered.clone(), leave.clone());
    let dropped = world.start(executor, move || drop(slow));
    thread::scope(|scope| {
        scope.spawn(|| assert!(runtime.cancel(dropped)));
        wait_until(&entered, 1);
        assert_eq!(world.shut(executor, Shutdown::Drain, world.soon(1)), ended(0, 0, 2));
        ends.store(true, Ordering::SeqCst);
        world.join_all(tasks.drain(..));
        // The carrier lets go of the dropped one meanwhile, and falls asleep for good.
        thread::sleep(ASLEEP);
        leave.store(true, Ordering::SeqCst);
    });
    world.wait_for_baseline();
    runtime.join(dropped, Instant::FAR);
}

#[test]
fn who_waits_for_a_place_is_told_that_there_is_none() {
    for threads in CARRIERS {
        let world = World::new();
        let runtime = world.runtime;
        let policy = ExecutorPolicy {
            min_threads: threads,
            max_threads: threads,
            queue_limit: 1,
            saturation: Saturation::Block,
            ..ExecutorPolicy::DEFAULT
        };
        let executor = runtime.create_executor(policy).unwrap();
        let mut tasks = world.busy(executor, 1, None);
        let (waits, closed) = (counter(), counter());
        let refused = {
            let (waits, closed) = (waits.clone(), closed.clone());
            move || {
                let task = spawn(runtime, || panic!("it was refused, and ran"));
                waits.fetch_add(1, Ordering::SeqCst);
                assert_eq!(submit(executor, task), Err(ConcurrencyError::Closed));
                runtime.abandon(task);
                closed.fetch_add(1, Ordering::SeqCst);
            }
        };
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(refused.clone());
                tasks.push(world.start(runtime.default_executor(), refused.clone()));
            }
            wait_until(&waits, 6);
            thread::sleep(Duration::from_millis(5));
            // The one that has the only place keeps it.
            let report = world.shut(executor, Shutdown::Drain, world.soon(1));
            assert_eq!(report, ended(0, 0, 1));
            wait_until(&closed, 6);
        });
        assert_eq!(world.shut(executor, Shutdown::Cancel, Instant::FAR), ended(0, 1, 0));
        world.join_all(tasks);
        world.assert_at_baseline();
        // All places were given back: in its next life one is taken, and one refused.
        let policy = ExecutorPolicy { saturation: Saturation::ReturnBusy, ..policy };
        let executor = runtime.create_executor(policy).unwrap();
        let task = world.busy(executor, 1, None);
        let late = spawn(runtime, || ());
        assert_eq!(submit(executor, late), Err(ConcurrencyError::Busy));
        runtime.abandon(late);
        assert_eq!(world.shut(executor, Shutdown::Cancel, Instant::FAR), ended(0, 1, 0));
        world.join_all(task);
    }
}

#[test]
fn a_submit_is_run_or_refused_while_the_executor_is_shut_down() {
    for threads in CARRIERS {
        let world = World::new();
        let runtime = world.runtime;
        for round in 0..150 {
            let executor = world.executor(threads);
            let (ran, drops, taken) = (counter(), Drops::default(), counter());
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        loop {
                            let (ran, drop) = (ran.clone(), drops.one());
                            let task = spawn(runtime, move || {
                                let _drop = drop;
                                ran.fetch_add(1, Ordering::SeqCst);
                            });
                            let answer = submit(executor, task);
                            runtime.abandon(task);
                            match answer {
                                Ok(()) => taken.fetch_add(1, Ordering::SeqCst),
                                Err(ConcurrencyError::Closed) => return,
                                Err(other) => panic!("{other}"),
                            };
                        }
                    });
                }
                wait_until(&taken, round);
                let report = world.shut(executor, Shutdown::Drain, Instant::FAR);
                assert_eq!((report.cancelled, report.timed_out), (0, 0));
            });
            let taken = taken.load(Ordering::SeqCst);
            assert_eq!(ran.load(Ordering::SeqCst), taken, "a task was lost, or ran too late");
            assert_eq!(drops.count(), taken + 3);
            world.assert_at_baseline();
        }
    }
}

#[test]
fn executors_come_and_go_for_ever() {
    let world = World::new();
    let mut last = 0;
    for round in 0..3000 {
        let threads = CARRIERS[round % 3];
        let executor = world.executor(threads);
        let handle = world.runtime.executor_handle(executor);
        assert_ne!(handle, last);
        last = handle;
        assert_eq!(executor.policy().unwrap().max_threads, threads);
        let task = world.start(executor, || ());
        let report = world.shut(executor, Shutdown::Drain, Instant::FAR);
        assert!(report.completed <= 1 && report.timed_out == 0, "{report:?}");
        assert!(world.runtime.is_completed(task));
        world.runtime.abandon(task);
        assert!(!executor.is_open());
    }
    world.assert_at_baseline();
}

#[test]
fn an_earlier_handle_is_no_use_for_the_next_executor() {
    let world = World::new();
    let (runtime, first) = (world.runtime, world.executor(2));
    let handle = runtime.executor_handle(first);
    assert_eq!(world.shut(first, Shutdown::Drain, Instant::FAR), ended(0, 0, 0));
    let second = world.executor(2);
    assert_ne!(runtime.executor_handle(second), handle);
    assert_eq!(runtime.executor_handle(second) & 0xff_ffff, handle & 0xff_ffff, "the same place");
    assert!(first.policy().is_none() && second.policy().is_some());
    let task = spawn(runtime, || ());
    assert_eq!(submit(first, task), Err(ConcurrencyError::Closed));
    let found = runtime.find_executor(handle).unwrap();
    assert_eq!(submit(found, task), Err(ConcurrencyError::Closed));
    assert_eq!(runtime.shutdown(handle, Shutdown::Cancel, Instant::FAR), Ok(ended(0, 0, 0)));
    submit(second, task).unwrap();
    world.join_all([task]);
    let task = spawn(runtime, || ());
    // Another number of carriers: another place.
    let third = world.executor(3);
    submit(third, task).unwrap();
    world.join_all([task]);
    world.shut(second, Shutdown::Drain, Instant::FAR);
    world.shut(third, Shutdown::Drain, Instant::FAR);
    world.assert_at_baseline();
}

#[test]
fn a_timer_of_another_executor_goes_on() {
    for threads in CARRIERS {
        let world = World::new();
        let (runtime, executor) = (world.runtime, world.executor(threads));
        // Everybody is asleep for good when the deadline comes: nobody finds it by chance.
        let other = world.executor(1);
        let (until, far) = (world.soon(500), world.soon(3_600_000));
        let early = counter();
        let parked: Vec<_> = (0..20)
            .map(|_| {
                let early = early.clone();
                world.start(other, move || {
                    runtime.park(Instant::FAR);
                    let is_early = runtime.platform().now() < until;
                    early.fetch_add(usize::from(is_early), Ordering::SeqCst);
                })
            })
            .collect();
        let never: Vec<_> = (0..20)
            .map(|_| world.start(other, move || assert!(runtime.park(Instant::FAR))))
            .collect();
        let (theirs, long) = (parked.clone(), never.clone());
        let armer = world.start(executor, move || {
            theirs.iter().for_each(|task| runtime.unpark_at(*task, until));
            long.iter().for_each(|task| runtime.unpark_at(*task, far));
        });
        world.join_all([armer]);
        world.shut(executor, Shutdown::Drain, Instant::FAR);
        assert!(world.now() < until, "the machine was busy for too long: no test");
        world.join_all(parked);
        assert_eq!(early.load(Ordering::SeqCst), 0);
        assert_eq!(world.shut(other, Shutdown::Cancel, Instant::FAR), ended(0, 20, 0));
        world.join_all(never);
        world.assert_at_baseline();
    }
}

#[test]
fn misuse_is_named() {
    let world = World::new();
    let runtime = world.runtime;
    let shut = |handle| runtime.shutdown(handle, Shutdown::Cancel, Instant::FAR);
    let default = runtime.executor_handle(runtime.default_executor());
    assert_eq!(shut(default), Err(ShutdownError::Default));
    for handle in [0, -1, i64::MAX, default + 1, default + (1 << 24), runtime.reactor_handle()] {
        assert_eq!(shut(handle), Err(ShutdownError::Unknown), "{handle:#x}");
    }
    let executor = world.executor(1);
    let own = runtime.executor_handle(executor);
    let task = world.start(executor, move || {
        assert_eq!(shut(own), Err(ShutdownError::Own));
    });
    world.join_all([task]);
    assert!(executor.is_open());
    assert_eq!(shut(own), Ok(ended(0, 0, 0)));
    assert_eq!(shut(own), Ok(ended(0, 0, 0)));
    world.assert_at_baseline();
}

#[test]
fn a_virtual_thread_may_shut_another_executor_down() {
    for threads in CARRIERS {
        let world = World::new();
        let (runtime, executor) = (world.runtime, world.executor(threads));
        let parks = counter();
        let tasks = world.parked(executor, 50, &parks);
        wait_until(&parks, 50);
        let handle = runtime.executor_handle(executor);
        let shutter = world.start(runtime.default_executor(), move || {
            let until = runtime.platform().now() + 5_000_000;
            let drained = runtime.shutdown(handle, Shutdown::Drain, until).unwrap();
            assert_eq!(drained, ended(0, 0, 50));
            let cancelled = runtime.shutdown(handle, Shutdown::Cancel, Instant::FAR).unwrap();
            assert_eq!(cancelled, ended(0, 50, 0));
        });
        world.join_all([shutter]);
        world.assert_at_baseline();
        world.join_all(tasks);
    }
}

#[test]
fn two_shutdowns_at_once_do_the_job_once() {
    for threads in CARRIERS {
        let world = World::new();
        for _ in 0..50 {
            let executor = world.executor(threads);
            let parks = counter();
            let tasks = world.parked(executor, 20, &parks);
            wait_until(&parks, 20);
            thread::scope(|scope| {
                let drain = scope.spawn(|| {
                    let report = world.shut(executor, Shutdown::Drain, Instant::FAR);
                    world.assert_at_baseline();
                    report
                });
                let cancelled = world.shut(executor, Shutdown::Cancel, Instant::FAR);
                world.assert_at_baseline();
                assert_eq!(cancelled, ended(0, 20, 0));
                assert_eq!(drain.join().unwrap().timed_out, 0);
            });
            world.join_all(tasks);
        }
    }
}

#[test]
fn elastic_carriers_and_the_standby_end_as_well() {
    let world = World::new();
    let policy = ExecutorPolicy { min_threads: 1, max_threads: 4, ..ExecutorPolicy::DEFAULT };
    for busy in [0, 1, 4] {
        let executor = world.runtime.create_executor(policy).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        // Each of them blocks a carrier, so that another joins in.
        let mut tasks = world.busy(executor, busy, Some(&ends));
        let parks = counter();
        tasks.extend(world.parked(executor, 10, &parks));
        ends.store(true, Ordering::SeqCst);
        wait_until(&parks, 10);
        let report = world.shut(executor, Shutdown::Cancel, Instant::FAR);
        assert_eq!(report.timed_out, 0);
        world.assert_at_baseline();
        world.join_all(tasks);
    }
}
