//! Virtual threads that do not migrate.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use drift_core::platform::StackClass;
use drift_core::runtime::shutdown::Shutdown;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::Handle;
use drift_core::time::{Instant, MILLISECOND};

use crate::world::{CARRIERS, World, submit, wait_until};

/// The OS thread that this runs on, as the kernel names it: asked anew each time.
pub fn os_thread() -> PathBuf {
    fs::read_link("/proc/thread-self").unwrap()
}

pub fn staying(world: &World, min_threads: u32, max_threads: u32) -> ExecutorRef {
    let policy = ExecutorPolicy {
        min_threads,
        max_threads,
        migrates: false,
        stack: Some(StackClass::K256),
        ..ExecutorPolicy::DEFAULT
    };
    let executor = world.runtime.create_executor(policy).unwrap();
    assert_eq!(executor.policy(), Some(policy));
    executor
}

/// Tasks that each wait for a signal of another one in every round; all of them end.
struct Ring {
    tasks: OnceLock<Vec<Handle>>,
    signals: Vec<AtomicUsize>,
    rounds: usize,
}

impl Ring {
    fn new(tasks: usize, rounds: usize) -> Arc<Self> {
        let signals = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Self { tasks: OnceLock::new(), signals, rounds })
    }

    fn play(&self, me: usize, wait: impl Fn(usize), unpark: impl Fn(Handle)) {
        for round in 0..self.rounds {
            let next = (me + 1 + 37 * round) % self.signals.len();
            self.signals[next].fetch_add(1, Ordering::SeqCst);
            unpark(self.tasks.wait()[next]);
            while self.signals[me].load(Ordering::SeqCst) <= round {
                wait(round);
            }
        }
    }
}

#[test]
fn a_task_stays_on_its_os_thread() {
    for threads in CARRIERS {
        let world = World::new();
        let runtime = world.runtime;
        let executor = staying(&world, threads, threads);
        let ring = Ring::new(4000, 20);
        let (started, homes) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let play = |me: usize| {
            let (ring, started, homes) = (ring.clone(), started.clone(), homes.clone());
            world.start(executor, move || {
                let home = os_thread();
                if me < threads as usize {
                    // As many that keep their OS thread as there are: each has one of its own.
                    homes.lock().unwrap().push(home.clone());
                    started.fetch_add(1, Ordering::SeqCst);
                    while started.load(Ordering::SeqCst) < threads as usize {
                        thread::yield_now();
                    }
                    // Until all are known, a wait in the ring would block the OS thread.
                    while ring.tasks.get().is_none() {
                        runtime.yield_now();
                    }
                }
                let wait = |round| {
                    match round % 3 {
                        0 => runtime.yield_now(),
                        1 => drop(runtime.park(Instant::FAR)),
                        _ => drop(runtime.park(runtime.platform().now() + MILLISECOND)),
                    }
                    assert_eq!(os_thread(), home);
                };
                ring.play(me, wait, |task| runtime.unpark(task));
            })
        };
        let tasks: Vec<_> = (0..4000).map(play).collect();
        ring.tasks.set(tasks.clone()).unwrap();
        world.join_all(tasks);
        let mut homes = std::mem::take(&mut *homes.lock().unwrap());
        homes.sort();
        homes.dedup();
        assert_eq!(homes.len(), threads as usize, "{homes:?}");
        let report =
            runtime.shutdown(runtime.executor_handle(executor), Shutdown::Drain, Instant::FAR);
        assert_eq!(report, Ok(Default::default()));
        world.assert_at_baseline();
    }
}

#[test]
fn those_that_only_yield_starve_nobody() {
    for threads in CARRIERS {
        let world = World::new();
        let runtime = world.runtime;
        let executor = staying(&world, threads, threads);
        let over = Arc::new(AtomicBool::new(false));
        let ran = Arc::new(AtomicUsize::new(0));
        let mut tasks: Vec<_> = (0..8)
            .map(|_| {
                let over = over.clone();
                world.start(executor, move || {
                    while !over.load(Ordering::SeqCst) {
                        runtime.yield_now();
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            let ran = ran.clone();
            tasks.push(world.start(executor, move || {
                // Its own start, a wake from another thread, and a deadline.
                runtime.park(Instant::FAR);
                runtime.park(runtime.platform().now() + MILLISECOND);
                ran.fetch_add(1, Ordering::SeqCst);
            }));
        }
        tasks[8..].iter().for_each(|task| runtime.unpark(*task));
        wait_until(&ran, 100);
        over.store(true, Ordering::SeqCst);
        world.join_all(tasks);
        let handle = runtime.executor_handle(executor);
        runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
        world.assert_at_baseline();
    }
}

#[test]
fn children_are_started_wherever_there_is_time() {
    let world = World::new();
    let runtime = world.runtime;
    let executor = staying(&world, 2, 2);
    let blocked = Arc::new(AtomicBool::new(true));
    let ran = Arc::new(AtomicUsize::new(0));
    let (still, count) = (blocked.clone(), ran.clone());
    let parent = world.start(executor, move || {
        for _ in 0..50 {
            let count = count.clone();
            let child = crate::world::spawn(runtime, move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
            submit(executor, child).unwrap();
            runtime.abandon(child);
        }
        // Keeps its carrier: only the other one can run the children.
        while still.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    });
    wait_until(&ran, 50);
    blocked.store(false, Ordering::SeqCst);
    world.join_all([parent]);
    runtime.shutdown(runtime.executor_handle(executor), Shutdown::Drain, Instant::FAR).unwrap();
    world.assert_at_baseline();
}

#[test]
fn a_carrier_that_is_a_home_does_not_end() {
    let world = World::new();
    let runtime = world.runtime;
    let executor = staying(&world, 1, 3);
    let (started, moved) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (started, moved) = (started.clone(), moved.clone());
            world.start(executor, move || {
                let home = os_thread();
                // Blocks its carrier until all have one: the executor must grow.
                started.fetch_add(1, Ordering::SeqCst);
                while started.load(Ordering::SeqCst) < 3 {
                    thread::yield_now();
                }
                runtime.park(Instant::FAR);
                moved.fetch_add(usize::from(os_thread() != home), Ordering::SeqCst);
            })
        })
        .collect();
    wait_until(&started, 3);
    // Longer than a carrier above `min_threads` waits for work: a second.
    thread::sleep(std::time::Duration::from_millis(1500));
    tasks.iter().for_each(|task| runtime.unpark(*task));
    world.join_all(tasks);
    assert_eq!(moved.load(Ordering::SeqCst), 0);
    runtime.shutdown(runtime.executor_handle(executor), Shutdown::Drain, Instant::FAR).unwrap();
    world.assert_at_baseline();
}
