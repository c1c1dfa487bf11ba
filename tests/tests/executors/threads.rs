//! Carriers' OS threads that take their time to end: destructors of thread-locals run for long.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use drift_core::runtime::shutdown::{Shutdown, ShutdownReport};
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::time::{Instant, MILLISECOND};

use crate::world::{CARRIERS, World, spawn, submit, wait_until};

thread_local! {
    /// What a carrier's thread does when it ends.
    static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

struct AtTheEnd(Box<dyn FnOnce() + Send>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        std::mem::replace(&mut self.0, Box::new(|| ()))();
    }
}

/// The destructor of a carrier's thread-local waits until the test lets it go.
#[test]
fn a_thread_that_takes_its_time_to_end_is_told_and_the_deadline_holds() {
    for threads in CARRIERS {
        let world = World::new();
        let executor = world.executor(threads);
        let (gate, waits) = mpsc::channel::<()>();
        let task = world.start(executor, move || {
            let end = AtTheEnd(Box::new(move || {
                let _ = waits.recv();
            }));
            LAST.with(|last| *last.borrow_mut() = Some(end));
        });
        world.join_all([task]);
        let mut report = world.shut(executor, Shutdown::Drain, world.soon(50));
        assert_eq!(report.timed_out, 0);
        assert!(report.carriers <= threads as usize, "{report:?} of {threads}");
        // On a busy machine, the other threads may take longer than that to end.
        while report.carriers > 1 {
            report = world.shut(executor, Shutdown::Drain, world.soon(50));
        }
        assert_eq!(report.carriers, 1);
        // Its place is not given out again.
        let other = world.executor(threads);
        world.shut(other, Shutdown::Drain, Instant::FAR);
        drop(gate);
        let report = world.shut(executor, Shutdown::Drain, Instant::FAR);
        assert_eq!(report, ShutdownReport::default());
        world.assert_at_baseline();
    }
}

/// The same, told by the face.
#[test]
fn a_thread_that_takes_its_time_to_end_is_told_by_the_face() {
    for threads in CARRIERS {
        let world = World::new();
        let policy = drift::ExecutorPolicy::new().min_threads(threads);
        let executor = drift::Executor::new(policy).unwrap();
        let (gate, waits) = mpsc::channel::<()>();
        let end = AtTheEnd(Box::new(move || {
            let _ = waits.recv();
        }));
        let task = drift::spawn_on(&executor, move || {
            LAST.with(|last| *last.borrow_mut() = Some(end));
        });
        task.unwrap().join().unwrap();
        let soon = drift::Instant::now() + drift::Duration::from_millis(50);
        let report = executor.shutdown(drift::Shutdown::Drain, soon).unwrap();
        assert_eq!(report.timed_out, 0);
        // On a busy machine, those that end by themselves may not have yet.
        assert!((1..=threads as usize).contains(&report.carriers), "{report:?} of {threads}");
        drop(gate);
        let late = drift::Instant::now() + drift::Duration::from_secs(600);
        let report = executor.shutdown(drift::Shutdown::Drain, late).unwrap();
        assert_eq!(report.carriers, 0, "of {threads}");
        world.assert_at_baseline();
    }
}

/// The destructor needs the carrier of the virtual thread that shuts the executor down.
#[test]
fn who_waits_for_a_thread_to_end_does_not_keep_its_carrier() {
    for threads in CARRIERS {
        let world = World::new();
        let (runtime, executor) = (world.runtime, world.executor(threads));
        let ends = AtTheEnd(Box::new(move || {
            let other = spawn(runtime, || ());
            submit(runtime.default_executor(), other).unwrap();
            assert!(runtime.join(other, Instant::FAR));
        }));
        let task = world.start(executor, move || {
            LAST.with(|last| *last.borrow_mut() = Some(ends));
        });
        world.join_all([task]);
        let handle = runtime.executor_handle(executor);
        let shuts = spawn(runtime, move || {
            let report = runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
            assert_eq!(report, ShutdownReport::default());
        });
        submit(runtime.default_executor(), shuts).unwrap();
        world.join_all([shuts]);
        world.assert_at_baseline();
    }
}

/// The destructor asks for the end of its own carrier, which cannot come before it returns.
#[test]
fn a_thread_at_its_end_that_shuts_its_own_executor_down_waits_for_its_deadline() {
    for threads in CARRIERS {
        let world = World::new();
        let (runtime, executor) = (world.runtime, world.executor(threads));
        let handle = runtime.executor_handle(executor);
        let (tell, told) = mpsc::channel();
        let task = world.start(executor, move || {
            let ends = AtTheEnd(Box::new(move || {
                let until = runtime.platform().now() + 20 * MILLISECOND;
                let report = runtime.shutdown(handle, Shutdown::Drain, until);
                tell.send((report, runtime.platform().now() >= until)).unwrap();
            }));
            LAST.with(|last| *last.borrow_mut() = Some(ends));
        });
        world.join_all([task]);
        world.shut(executor, Shutdown::Drain, Instant::FAR);
        let own = ShutdownReport { carriers: 1, ..ShutdownReport::default() };
        assert_eq!(told.recv(), Ok((Ok(own), true)), "on {threads}");
        let report = world.shut(executor, Shutdown::Drain, Instant::FAR);
        assert_eq!(report, ShutdownReport::default());
        world.assert_at_baseline();
    }
}

/// A carrier whose last thread has not ended runs virtual threads on a new one.
#[test]
fn a_thread_that_takes_its_time_to_end_is_not_in_the_way_of_the_next() {
    let world = World::new();
    let policy = ExecutorPolicy { min_threads: 1, max_threads: 2, ..ExecutorPolicy::DEFAULT };
    let executor = world.runtime.create_executor(policy).unwrap();
    let (gate, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(Some(waits));
    // Every carrier that ever ran ends with the same wait: it must be the second's thread.
    let ends = Arc::new(AtomicUsize::new(0));
    let seen = ends.clone();
    let tasks = world.busy(executor, 1, None);
    let task = world.start(executor, move || {
        let waits = waits.lock().unwrap().take().unwrap();
        let end = AtTheEnd(Box::new(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = waits.recv();
        }));
        LAST.with(|last| *last.borrow_mut() = Some(end));
    });
    world.join_all([task]);
    tasks.iter().for_each(|task| assert!(world.runtime.cancel(*task)));
    world.join_all(tasks);
    // The carrier above `min_threads` ends after a second without work.
    wait_until(&ends, 1);
    let tasks = world.busy(executor, 2, None);
    tasks.iter().for_each(|task| assert!(world.runtime.cancel(*task)));
    world.join_all(tasks);
    drop(gate);
    world.shut(executor, Shutdown::Drain, Instant::FAR);
    world.assert_at_baseline();
}
