//! Panics.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use drift::sync::{Event, LockError, Mutex, RwLock, bounded};
use drift::{ConcurrencyError, Duration, Error, Executor, FutureGroup, Instant, Shutdown};
use drift::{park, scope, sleep, spawn, spawn_future, spawn_on, uncancellable, yield_now};

use crate::harness::{Bomb, Case, Occupied, OnDrop, PURPOSE, carriers, policy, unwinding};

pub const CASES: &[Case] = cases![
    message_and_place_come_with_the_join,
    a_payload_that_is_no_string_is_told_so,
    run_panics_with_the_same_payload,
    destructors_of_results_may_panic,
    destructors_of_captures_may_panic,
    destructors_of_payloads_may_panic,
    the_payload_comes_with_the_join,
    destructors_of_members_may_panic,
    destructors_of_what_a_shutdown_drops_may_panic,
    a_panic_in_a_lock_poisons_it,
    a_lock_taken_while_unwinding_is_not_poisoned,
    waits_while_unwinding_fail_and_disturb_nobody,
    run_while_unwinding_runs_there,
    groups_do_not_wait_while_unwinding,
    what_has_ended_is_joined_while_unwinding,
    a_panic_ends_its_uncancellable_stretch,
    callbacks_of_locks_may_panic,
];

const UNWINDING: ConcurrencyError = ConcurrencyError::Failed(Error::Unwinding);

fn panic_of<T: std::fmt::Debug>(joined: Result<T, ConcurrencyError>) -> drift::Panic {
    match joined {
        Err(ConcurrencyError::Failed(Error::Panic(panic))) => panic,
        other => panic!("no panic: {other:?}"),
    }
}

fn message_and_place_come_with_the_join() {
    let line = line!() + 1;
    let panic = panic_of(spawn(|| panic!("{} {PURPOSE}", 1 + 1)).join());
    assert_eq!(panic.message, format!("2 {PURPOSE}"));
    let location = panic.location.unwrap();
    assert!(location.contains("panics.rs") && location.contains(&format!(":{line}:")));
    // After parks, and on whatever carrier.
    let panic = panic_of(
        spawn(|| {
            sleep(Duration::from_millis(1)).unwrap();
            yield_now();
            panic!("later, {PURPOSE}")
        })
        .join(),
    );
    assert!(panic.message.starts_with("later") && panic.location.is_some());
}

fn a_payload_that_is_no_string_is_told_so() {
    let panic = panic_of(spawn(|| panic::resume_unwind(Box::new(5))).join());
    assert!(panic.message.contains("no string") && panic.location.is_none());
}

fn run_panics_with_the_same_payload() {
    let ran = panic::catch_unwind(|| drift::run(|| panic::resume_unwind(Box::new(5u8))));
    assert_eq!(*ran.unwrap_err().downcast::<u8>().unwrap(), 5);
}

/// Its handle is gone before it ends.
fn unread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) {
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let thread = spawn(move || {
        waits.wait().unwrap();
        f()
    });
    drop(thread);
    gate.set();
}

fn destructors_of_results_may_panic() {
    // Nobody reads it: dropped by the virtual thread, or by whoever drops the handle later. It does
    // not come out of that drop, whose caller has not done it, nor out of one that unwinds.
    unread(|| Bomb);
    let thread = spawn(|| Bomb);
    while !thread.is_completed() {
        yield_now();
    }
    drop(thread);
    let thread = spawn(|| OnDrop(Some(|| panic::panic_any(Bomb))));
    while !thread.is_completed() {
        yield_now();
    }
    unwinding(move || drop(thread));
    // Its reader has it, and drops it.
    let joined = spawn(|| Bomb).join();
    assert!(panic::catch_unwind(AssertUnwindSafe(|| drop(joined))).is_err());
    assert_eq!(spawn(|| 1).join(), Ok(1));
}

fn destructors_of_captures_may_panic() {
    let bomb = Bomb;
    panic_of(spawn(move || drop(bomb)).join());
    let bomb = Bomb;
    let occupied = Occupied::default();
    let thread = spawn(move || drop(bomb));
    thread.cancel();
    assert_eq!(thread.join(), Err(ConcurrencyError::Cancelled));
    drop(occupied);
    assert_eq!(spawn(|| 1).join(), Ok(1));
}

fn destructors_of_payloads_may_panic() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic::panic_any(Bomb);
            }
        }
    }
    // The destructor of the result throws something whose destructor throws.
    unread(|| Throws);
    let (throws, occupied) = (Throws, Occupied::default());
    let thread = spawn(move || drop(throws));
    thread.cancel();
    drop(occupied);
    assert_eq!(thread.join(), Err(ConcurrencyError::Cancelled));
    // The payload of the closure's own panic: whoever has the error drops it.
    unread(|| panic::panic_any(Bomb));
    let panic = panic_of(spawn(|| panic::panic_any(Throws)).join());
    drop(panic.clone());
    drop(panic);
    drop(spawn(|| panic::panic_any(Bomb)).join());
    assert_eq!(spawn(|| 1).join(), Ok(1));
}

/// As std's join gives it, to be told apart by its type or thrown again.
fn the_payload_comes_with_the_join() {
    let payload = |panic: drift::Panic| panic.take_payload().unwrap();
    let panic = panic_of(spawn(|| panic::panic_any(7_u16)).join());
    assert!(panic.location.is_some());
    assert_eq!(*payload(panic.clone()).downcast::<u16>().unwrap(), 7);
    assert!(panic.take_payload().is_none(), "it is there once");
    let text = payload(panic_of(spawn(|| panic!("{} {PURPOSE}", 1)).join()));
    assert_eq!(*text.downcast::<String>().unwrap(), format!("1 {PURPOSE}"));
    let resumed = payload(panic_of(spawn(|| panic::resume_unwind(Box::new('x'))).join()));
    let again = panic::catch_unwind(AssertUnwindSafe(|| panic::resume_unwind(resumed)));
    assert!(again.unwrap_err().is::<char>());
    let failed = scope(|s| drop(s.spawn(|| panic::panic_any(9_u8)))).unwrap_err();
    let ConcurrencyError::Failed(Error::Panic(panic)) = failed.cause() else { panic!("{failed}") };
    assert_eq!(*payload(panic.clone()).downcast::<u8>().unwrap(), 9);
}

/// Closures that an executor never runs, whoever drops them.
fn destructors_of_what_a_shutdown_drops_may_panic() {
    let executor = Executor::new(policy().queue_limit(carriers() + 3)).unwrap();
    let occupied = Occupied::of(&executor, carriers());
    let bombs = || {
        let (one, other) = (Bomb, Bomb);
        move || drop((one, other))
    };
    let queued: Vec<_> = (0..3).map(|_| spawn_on(&executor, bombs()).unwrap()).collect();
    assert_eq!(spawn_on(&executor, bombs()).unwrap_err(), ConcurrencyError::Busy);
    executor.shutdown(Shutdown::Cancel, Instant::now()).unwrap();
    for thread in &queued {
        assert_eq!(thread.join(), Err(ConcurrencyError::Cancelled));
    }
    assert_eq!(spawn_on(&executor, bombs()).unwrap_err(), ConcurrencyError::Closed);
    drop(occupied);
    assert_eq!(spawn(|| 1).join(), Ok(1));
}

/// Members that were looked at and not selected are dropped with the group, as others are.
fn destructors_of_members_may_panic() {
    let mut group = FutureGroup::new();
    for _ in 0..3 {
        group.add(spawn_future(|| Bomb));
    }
    group.join_any().unwrap();
    drop(group);
    let mut group = FutureGroup::new();
    for _ in 0..2 {
        group.add(spawn_future(|| Bomb));
    }
    group.add(spawn_future(|| panic!("a member, {PURPOSE}")));
    group.add(spawn_future(|| Bomb));
    assert!(group.join_all().is_err_and(|error| error.to_string().contains("a member")));
    assert_eq!(spawn(|| 1).join(), Ok(1));
}

fn a_panic_in_a_lock_poisons_it() {
    let (mutex, lock) = (Arc::new(Mutex::new(1)), Arc::new(RwLock::new(1)));
    let (one, other) = (mutex.clone(), lock.clone());
    let panics = spawn(move || {
        let mut guard = one.lock().unwrap();
        let mut written = other.write().unwrap();
        sleep(Duration::from_millis(1)).unwrap();
        (*guard, *written) = (2, 2);
        panic!("{PURPOSE}");
    });
    panic_of(panics.join());
    assert!(mutex.is_poisoned() && lock.is_poisoned());
    let Err(LockError::Poisoned(poisoned)) = mutex.lock() else { panic!("it is poisoned") };
    assert_eq!(*poisoned.into_inner(), 2);
    assert!(matches!(mutex.try_lock(), Err(LockError::Poisoned(_))));
    assert!(matches!(lock.read(), Err(LockError::Poisoned(_))));
    mutex.clear_poison();
    lock.clear_poison();
    assert_eq!((*mutex.lock().unwrap(), *lock.read().unwrap()), (2, 2));
}

fn a_lock_taken_while_unwinding_is_not_poisoned() {
    let mutex = Arc::new(Mutex::new(0));
    let locks = mutex.clone();
    spawn(move || unwinding(|| *locks.lock().unwrap() += 1)).join().unwrap();
    assert_eq!(*mutex.lock().unwrap(), 1);
}

fn waits_while_unwinding_fail_and_disturb_nobody() {
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let others: Vec<_> = (0..8)
        .map(|_| {
            let is_over = is_over.clone();
            spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    assert!(!thread::panicking(), "another one unwinds");
                    let caught = panic::catch_unwind(|| panic!("{PURPOSE}"));
                    assert!(caught.is_err() && !thread::panicking());
                    yield_now();
                }
            })
        })
        .collect();
    for _ in 0..20 {
        spawn(|| unwinding(wait_for_everything)).join().unwrap();
    }
    over.store(true, Ordering::Relaxed);
    for other in others {
        other.join().unwrap();
    }
}

fn is_unwinding<G>(locked: Result<G, LockError<G>>) -> bool {
    matches!(locked, Err(LockError::Ended(error)) if error == UNWINDING)
}

fn wait_for_everything() {
    let short = Duration::from_millis(1);
    assert_eq!(sleep(short), Err(UNWINDING));
    assert_eq!(park(), Err(UNWINDING));
    yield_now();
    let mutex = Mutex::new(());
    let held = mutex.lock().unwrap();
    assert!(is_unwinding(mutex.lock()));
    assert!(is_unwinding(mutex.lock_timeout(short)));
    drop(held);
    drop(mutex.lock().unwrap());
    let (sender, receiver) = bounded(1);
    assert_eq!(receiver.recv(), Err(UNWINDING));
    sender.send(1).unwrap();
    assert_eq!(sender.send(2).unwrap_err().error, UNWINDING);
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(scope(|_| ()).unwrap_err().cause(), &UNWINDING);
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let thread = spawn(move || waits.wait());
    assert_eq!(thread.join(), Err(UNWINDING));
    assert_eq!(uncancellable(|| thread.join()), Err(UNWINDING));
    gate.set();
    assert!(thread::panicking());
}

fn run_while_unwinding_runs_there() {
    let (here, there) = spawn(|| {
        let here = drift::current().unwrap().id();
        let mut there = 0;
        unwinding(|| there = drift::run(|| drift::current().unwrap().id()));
        (here, there)
    })
    .join()
    .unwrap();
    assert_eq!(here, there);
}

fn groups_do_not_wait_while_unwinding() {
    spawn(|| {
        let mut group = FutureGroup::new();
        group.add(spawn_future(|| 1));
        unwinding(|| {
            assert_eq!(group.join_any(), Err(UNWINDING));
            assert_eq!(group.select(), Err(UNWINDING));
        });
        assert_eq!(group.join_any(), Ok(&1));
        unwinding(|| assert_eq!(group.join_any(), Ok(&1)));
    })
    .join()
    .unwrap();
}

fn what_has_ended_is_joined_while_unwinding() {
    spawn(|| {
        let (thread, future) = (spawn(|| 1), spawn_future(|| 2));
        let waits = spawn(park);
        while !(thread.is_completed() && future.is_completed()) {
            yield_now();
        }
        unwinding(|| {
            let negative = thread.join_timeout(Duration::from_millis(-1));
            assert!(matches!(negative, Err(ConcurrencyError::Failed(Error::InvalidDuration(_)))));
            assert_eq!(thread.join_timeout(Duration::from_secs(60)), Ok(1));
            assert_eq!(thread.join_timeout(Duration::ZERO), Err(ConcurrencyError::Closed));
            assert_eq!(future.join_timeout(Duration::from_secs(60)), Ok(2));
            assert_eq!(waits.join_timeout(Duration::from_secs(60)), Err(UNWINDING));
            assert_eq!(waits.join_timeout(Duration::ZERO), Err(ConcurrencyError::Timeout));
        });
        waits.thread().unpark();
        assert_eq!(waits.join(), Ok(Ok(())));
        scope(|s| {
            let child = s.spawn(|| 3);
            while !child.is_completed() {
                yield_now();
            }
            unwinding(|| assert_eq!(child.join_timeout(Duration::from_secs(60)), Ok(3)));
        })
        .unwrap();
    })
    .join()
    .unwrap();
}

fn a_panic_ends_its_uncancellable_stretch() {
    let (sender, receiver) = bounded::<()>(0);
    let thread = spawn(move || {
        let caught = panic::catch_unwind(|| uncancellable(|| panic!("{PURPOSE}")));
        assert!(caught.is_err());
        receiver.recv()
    });
    thread.cancel();
    let joined = thread.join();
    // Cancelled before it began, or while it waits.
    assert!(matches!(joined, Err(ConcurrencyError::Cancelled) | Ok(Err(_))), "{joined:?}");
    drop(sender);
}

fn callbacks_of_locks_may_panic() {
    let once = drift::sync::Once::new();
    assert!(panic::catch_unwind(|| once.call_once(|| panic!("{PURPOSE}"))).is_err());
    assert_eq!(once.call_once(|| ()), Err(Error::Poisoned.into()));
    once.call_once_force(|_| ()).unwrap();
    assert!(once.is_completed());

    let (mutex, changed) = (Mutex::new(0), drift::sync::Condvar::new());
    let waits = || changed.wait_while(mutex.lock().unwrap(), |_| panic!("{PURPOSE}")).map(drop);
    assert!(panic::catch_unwind(AssertUnwindSafe(waits)).is_err());
    assert!(mutex.is_poisoned());
    assert!(mutex.try_lock().or_else(LockError::into_inner).is_ok(), "given back");
}
