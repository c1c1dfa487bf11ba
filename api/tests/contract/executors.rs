//! Executors: their end, their places, their stacks.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use drift::sync::Event;
use drift::{ConcurrencyError, Duration, Error, Executor, ExecutorPolicy, Instant};
use drift::{Saturation, Shutdown};
use drift::{scope, sleep, spawn, spawn_on, uncancellable, yield_now};

use crate::harness::{Bomb, Case, Occupied, Tally, carriers, policy, prefer, unwinding};

pub const CASES: &[Case] = cases![
    a_shutdown_drains,
    a_shutdown_cancels,
    a_shutdown_outlives_captures_that_panic_when_dropped,
    a_shutdown_has_a_deadline,
    nothing_comes_after_a_shutdown,
    a_root_that_a_shutdown_cancels_says_so,
    some_executors_are_not_to_be_shut_down,
    os_threads_end_with_their_executor,
    a_policy_names_the_stack,
    a_spawner_that_waits_heeds_cancel,
    a_spawner_that_unwinds_does_not_wait,
    places_go_round,
    a_virtual_thread_that_stays_stays,
];

fn late() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// So many that have begun, and wait for the gate as `wait` says.
fn begun(executor: &Executor, count: usize, wait: fn(&Event) -> bool) -> Arc<Event> {
    let gate = Arc::new(Event::new());
    for _ in 0..count {
        let (waits, began) = (gate.clone(), Arc::new(Event::new()));
        let tells = began.clone();
        drop(spawn_on(executor, move || {
            tells.set();
            wait(&waits)
        }));
        began.wait().unwrap();
    }
    gate
}

fn a_shutdown_drains() {
    let executor = Executor::new(policy()).unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let ended = ended.clone();
        drop(spawn_on(&executor, move || {
            sleep(Duration::from_millis(3)).unwrap();
            ended.fetch_add(1, Ordering::SeqCst)
        }));
    }
    let report = executor.shutdown(Shutdown::Drain, late()).unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 10, "all before it returns");
    assert_eq!((report.cancelled, report.timed_out), (0, 0));
    let again = executor.shutdown(Shutdown::Cancel, late()).unwrap();
    assert_eq!((again.completed, again.cancelled, again.timed_out), (0, 0, 0));
}

fn a_shutdown_cancels() {
    let executor = Executor::new(policy()).unwrap();
    begun(&executor, 5, |gate| gate.wait() == Err(ConcurrencyError::Cancelled));
    let report = executor.shutdown(Shutdown::Cancel, late()).unwrap();
    assert_eq!((report.completed, report.cancelled, report.timed_out), (0, 5, 0));
}

/// Of those that never start, each capture is dropped, whatever the others throw.
fn a_shutdown_outlives_captures_that_panic_when_dropped() {
    let executor = Executor::new(policy()).unwrap();
    let tally = Tally::default();
    let occupied = Occupied::of(&executor, carriers());
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let captured = (tally.one(), Bomb, tally.one());
            let starts = move || {
                let _captured = captured;
                unreachable!("it was cancelled before its start");
            };
            spawn_on(&executor, starts).unwrap()
        })
        .collect();
    let soon = Instant::now() + Duration::from_millis(20);
    let report = executor.shutdown(Shutdown::Cancel, soon).unwrap();
    assert_eq!(report.timed_out, carriers() as usize, "those that keep the carriers");
    assert_eq!(report.cancelled, 20);
    tally.settle();
    for thread in threads {
        assert_eq!(thread.join(), Err(ConcurrencyError::Cancelled));
    }
    drop(occupied);
    executor.shutdown(Shutdown::Drain, late()).unwrap();
}

fn a_shutdown_has_a_deadline() {
    let executor = Executor::new(policy()).unwrap();
    let gate = begun(&executor, 3, |gate| uncancellable(|| gate.wait()).is_ok());
    let began = Instant::now();
    let report = executor.shutdown(Shutdown::Cancel, began + Duration::from_millis(5)).unwrap();
    assert_eq!(report.timed_out, 3);
    assert!(began.elapsed() >= std::time::Duration::from_millis(5));
    gate.set();
    let rest = executor.shutdown(Shutdown::Drain, late()).unwrap();
    assert_eq!(rest.timed_out, 0);
}

fn nothing_comes_after_a_shutdown() {
    let executor = Executor::new(policy()).unwrap();
    let thread = spawn_on(&executor, || 1).unwrap();
    executor.shutdown(Shutdown::Drain, late()).unwrap();
    assert_eq!(thread.join(), Ok(1), "what has ended is kept");
    assert_eq!(spawn_on(&executor, || 1).unwrap_err(), ConcurrencyError::Closed);
    let failed = scope(|s| drop(s.spawn_on(&executor, || 1))).unwrap_err();
    assert_eq!(failed.errors(), [Error::ExecSubmitFailed(3).into()]);
}

fn a_root_that_a_shutdown_cancels_says_so() {
    let before = Executor::default_get();
    let executor = Executor::new(policy()).unwrap();
    let occupied = Occupied::of(&executor, carriers());
    // With one carrier, the other begins when the caller of `run` waits for its root.
    let one = Executor::new(ExecutorPolicy::new()).unwrap();
    let caller = spawn_on(&one, move || {
        prefer(executor);
        let other = spawn_on(&one, move || executor.shutdown(Shutdown::Cancel, Instant::now()));
        drift::run(|| drop(other))
    });
    let joined = caller.unwrap().join();
    prefer(before);
    let Err(ConcurrencyError::Failed(Error::Panic(panic))) = joined else { panic!("{joined:?}") };
    assert!(panic.message.starts_with("the root virtual thread cannot start"), "{panic}");
    assert!(panic.message.contains("shut down"), "{panic}");
    drop(occupied);
    executor.shutdown(Shutdown::Drain, late()).unwrap();
    one.shutdown(Shutdown::Drain, late()).unwrap();
}

fn some_executors_are_not_to_be_shut_down() {
    let in_use: ConcurrencyError = Error::InUse.into();
    let executor = Executor::new(policy()).unwrap();
    let own = spawn_on(&executor, move || executor.shutdown(Shutdown::Drain, late())).unwrap();
    assert_eq!(own.join(), Ok(Err(in_use)));
    let thread = spawn_on(&executor, || 1).unwrap();
    assert_eq!(thread.join(), Ok(1), "nothing was done");
    executor.shutdown(Shutdown::Drain, late()).unwrap();
}

fn os_threads_end_with_their_executor() {
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    for _ in 0..5 {
        let executor = Executor::new(policy()).unwrap();
        drop(Occupied::of(&executor, carriers()));
        executor.shutdown(Shutdown::Drain, late()).unwrap();
    }
    // The harness and a standby of the default executor may have ended meanwhile.
    assert!(threads() <= before, "{} of {before}", threads());
}

fn a_policy_names_the_stack() {
    fn descend(levels: u32) -> u32 {
        let frame = std::hint::black_box([levels; 256]);
        if levels == 0 { 0 } else { descend(levels - 1) + frame[255] / levels }
    }
    let executor = Executor::new(policy().stack_size(8 << 20)).unwrap();
    assert_eq!(spawn_on(&executor, || descend(3000)).unwrap().join(), Ok(3000));
    executor.shutdown(Shutdown::Drain, late()).unwrap();
    assert!(Executor::new(policy().stack_size((8 << 20) + 1)).is_err());
}

/// Without a place, whose spawns wait.
fn full() -> (Executor, Occupied) {
    let policy = policy().queue_limit(carriers()).on_saturation(Saturation::Block);
    let executor = Executor::new(policy).unwrap();
    (executor, Occupied::of(&executor, carriers()))
}

fn a_spawner_that_waits_heeds_cancel() {
    let (executor, occupied) = full();
    let dropped = Arc::new(());
    let (kept, began) = (dropped.clone(), Arc::new(Event::new()));
    let tells = began.clone();
    let spawner = spawn(move || {
        tells.set();
        spawn_on(&executor, move || drop(kept)).map(drop)
    });
    began.wait().unwrap();
    spawn(yield_now).join().unwrap();
    spawner.cancel();
    assert_eq!(spawner.join(), Ok(Err(ConcurrencyError::Cancelled)));
    assert_eq!(Arc::strong_count(&dropped), 1, "it was dropped, not run");
    drop(occupied);
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1), "no place was lost");
    executor.shutdown(Shutdown::Drain, late()).unwrap();
}

fn a_spawner_that_unwinds_does_not_wait() {
    let (executor, occupied) = full();
    let spawner = spawn(move || {
        unwinding(|| assert!(spawn_on(&executor, || 1).is_err()));
    });
    spawner.join().unwrap();
    drop(occupied);
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));
    executor.shutdown(Shutdown::Drain, late()).unwrap();
}

fn places_go_round() {
    let policy = policy().queue_limit(1).on_saturation(Saturation::Block);
    let executor = Executor::new(policy).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    scope(|s| {
        for _ in 0..20 {
            s.spawn(|| {
                for _ in 0..20 {
                    let count = count.clone();
                    drop(spawn_on(&executor, move || count.fetch_add(1, Ordering::SeqCst)));
                }
            });
        }
        thread::scope(|os| {
            os.spawn(|| {
                for _ in 0..20 {
                    let count = count.clone();
                    drop(spawn_on(&executor, move || count.fetch_add(1, Ordering::SeqCst)));
                }
            });
        });
    })
    .unwrap();
    executor.shutdown(Shutdown::Drain, late()).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 420);
}

fn a_virtual_thread_that_stays_stays() {
    let executor = Executor::new(ExecutorPolicy::new().min_threads(carriers())).unwrap();
    let threads: Vec<_> = (0..20)
        .map(|_| {
            spawn_on(&executor, || {
                let first = thread::current().id();
                (0..20).all(|_| {
                    yield_now();
                    sleep(Duration::from_millis(1)).unwrap();
                    thread::current().id() == first
                })
            })
            .unwrap()
        })
        .collect();
    assert!(threads.iter().all(|thread| thread.join().unwrap()));
    executor.shutdown(Shutdown::Drain, late()).unwrap();
}
