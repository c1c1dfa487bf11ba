//! As std's `Mutex`, `RwLock`, `Condvar`, `Barrier` and `ReentrantLock`.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::sync::{
    Barrier, BarrierWaitResult, Condvar, Event, LockError, LockResult, Mutex, Once, ReentrantMutex,
    RwLock, RwLockWriteGuard, Semaphore,
};
use drift::{ConcurrencyError, Duration, Instant, scope, sleep, spawn, yield_now};

use crate::everywhere;

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis)
}

/// A poisoned one.
fn poison<L: Send + Sync + 'static>(lock: L, hold: fn(&L)) -> L {
    let lock = Arc::new(lock);
    let holder = lock.clone();
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hold(&holder))).unwrap_err());
    drop(holder);
    Arc::into_inner(lock).unwrap()
}

#[test]
fn what_is_inside_tells_poison() {
    everywhere(|| {
        let mut good = Mutex::new(1);
        *good.get_mut().unwrap() += 1;
        assert_eq!(good.into_inner().unwrap(), 2);
        let mut bad = poison(Mutex::new(1), |lock| {
            let _guard = lock.lock().unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        match bad.get_mut() {
            Err(LockError::Poisoned(poisoned)) => *poisoned.into_inner() = 5,
            other => panic!("{other:?}"),
        }
        assert!(bad.is_poisoned());
        match bad.into_inner() {
            Err(LockError::Poisoned(poisoned)) => assert_eq!(poisoned.into_inner(), 5),
            other => panic!("{other:?}"),
        }
        let mut bad = poison(RwLock::new(1), |lock| {
            let _guard = lock.write().unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(matches!(bad.get_mut(), Err(LockError::Poisoned(_))));
        bad.clear_poison();
        *bad.get_mut().unwrap() = 2;
        assert_eq!(bad.into_inner().unwrap(), 2);
    });
}

#[test]
fn locks_tell_whether_somebody_has_them() {
    everywhere(|| {
        let mutex = Mutex::new(());
        let guard = mutex.lock().unwrap();
        assert!(mutex.is_locked());
        drop(guard);
        assert!(!mutex.is_locked());
        let lock = RwLock::new(());
        let reader = lock.read().unwrap();
        assert!(lock.is_locked() && !lock.is_locked_exclusive());
        drop(reader);
        let writer = lock.write().unwrap();
        assert!(lock.is_locked() && lock.is_locked_exclusive());
        drop(writer);
        assert!(!lock.is_locked());
        let again = ReentrantMutex::new(Cell::new(0));
        let outer = again.lock().unwrap();
        let inner = again.lock().unwrap();
        drop(outer);
        assert!(again.is_locked());
        drop(inner);
        assert!(!again.is_locked());
    });
}

/// A writer waits for a reader that reads once more: by `read` each would wait for the other.
#[test]
fn a_reader_may_read_again_beside_a_writer_that_waits() {
    everywhere(|| {
        let lock = RwLock::new(1);
        let ended = scope(|s| {
            let outer = lock.read().unwrap();
            let writer = s.spawn(|| *lock.write().unwrap() += 1);
            // Once the writer waits, a stranger does not get past it.
            while lock.try_read().is_ok() {
                yield_now();
            }
            let late = lock.read_timeout(ms(2)).map(drop).unwrap_err();
            assert_eq!(ConcurrencyError::from(late), ConcurrencyError::Timeout);
            let inner = lock.read_recursive().unwrap();
            let tried = lock.try_read_recursive().unwrap();
            let timed = lock.read_recursive_timeout(ms(1000)).unwrap();
            assert_eq!([*outer, *inner, *tried, *timed], [1; 4]);
            drop((outer, inner, tried, timed));
            writer.join().unwrap();
        });
        ended.unwrap();
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

/// Between the write and the read of one that downgrades nobody else writes.
#[test]
fn a_writer_turns_into_a_reader() {
    everywhere(|| {
        let lock = RwLock::new(0);
        let readers = AtomicU32::new(0);
        let ended = scope(|s| {
            for n in 1..=4 {
                let (lock, readers) = (&lock, &readers);
                s.spawn(move || {
                    for _ in 0..50 {
                        let mut guard = lock.write().unwrap();
                        *guard = n;
                        let guard = RwLockWriteGuard::downgrade(guard);
                        yield_now();
                        assert_eq!(*guard, n);
                        readers.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        ended.unwrap();
        assert_eq!(readers.into_inner(), 200);
        // Readers that wait go on at once, beside it.
        let guard = lock.write().unwrap();
        let ended = scope(|s| {
            let reader = s.spawn(|| *lock.read().unwrap());
            yield_now();
            let guard = RwLockWriteGuard::downgrade(guard);
            assert_eq!(reader.join().unwrap(), *guard);
            assert!(lock.try_write().is_err() && lock.try_read().is_ok());
        });
        ended.unwrap();
        assert!(lock.try_write().is_ok() && !lock.is_poisoned());
    });
}

#[test]
fn conditions_are_waited_for_with_a_time() {
    everywhere(|| {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let before = Instant::now();
        let guard = pair.0.lock().unwrap();
        let (guard, ended) = pair.1.wait_timeout_while(guard, ms(5), |n| *n == 0).unwrap();
        assert!(ended.timed_out() && *guard == 0);
        assert!(before.elapsed() >= std::time::Duration::from_millis(5));
        // What holds already is not waited for, also without time.
        let (guard, ended) = pair.1.wait_timeout_while(guard, ms(0), |n| *n != 0).unwrap();
        assert!(!ended.timed_out());
        let (guard, ended) = pair.1.wait_timeout_while(guard, ms(0), |n| *n == 0).unwrap();
        assert!(ended.timed_out());
        drop(guard);
        let other = pair.clone();
        let counts = spawn(move || {
            for _ in 0..5 {
                *other.0.lock().unwrap() += 1;
                other.1.notify_one();
                sleep(ms(1)).unwrap();
            }
        });
        let guard = pair.0.lock().unwrap();
        let (guard, ended) = pair.1.wait_timeout_while(guard, ms(60_000), |n| *n < 5).unwrap();
        assert!(!ended.timed_out() && *guard == 5);
        let (guard, ended) = pair.1.wait_timeout(guard, ms(1)).unwrap();
        assert!(ended.timed_out());
        drop(guard);
        counts.join().unwrap();
        // The condition is looked at a last time when the time is over.
        let guard = pair.0.lock().unwrap();
        let mut looks = 0;
        let condition = |_: &mut i32| {
            looks += 1;
            looks < 2
        };
        let (_guard, ended) = pair.1.wait_timeout_while(guard, ms(2), condition).unwrap();
        assert!(!ended.timed_out() && looks == 2);
    });
}

#[test]
fn a_poisoned_wait_has_the_guard_and_how_it_ended() {
    everywhere(|| {
        let bad = poison(Mutex::new(7), |lock| {
            let _guard = lock.lock().unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        let never = Condvar::new();
        let guard = bad.lock().or_else(LockError::into_inner).unwrap();
        let LockResult::Err(LockError::Poisoned(told)) = never.wait_timeout(guard, ms(1)) else {
            panic!("it is poisoned");
        };
        let (guard, ended) = told.into_inner();
        assert!(*guard == 7 && ended.timed_out());
        let LockResult::Err(LockError::Poisoned(told)) =
            never.wait_timeout_while(guard, ms(1), |_| true)
        else {
            panic!("it is poisoned");
        };
        assert_eq!(*told.into_inner().0, 7);
    });
}

#[test]
fn notifications_tell_whom_they_woke() {
    everywhere(|| {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        assert!(!pair.1.notify_one());
        assert_eq!(pair.1.notify_all(), 0);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let pair = pair.clone();
                spawn(move || {
                    let mut guard = pair.0.lock().unwrap();
                    *guard += 1;
                    drop(pair.1.wait(guard).unwrap());
                })
            })
            .collect();
        while *pair.0.lock().unwrap() < 3 {
            yield_now();
        }
        // Who counted has given the lock back, and so waits.
        assert!(pair.1.notify_one());
        assert_eq!(pair.1.notify_all(), 2);
        assert_eq!(pair.1.notify_all(), 0);
        waiting.iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_meeting_of_a_usize_has_a_leader() {
    everywhere(|| {
        const PARTIES: usize = 4;
        let barrier = Arc::new(Barrier::new(PARTIES));
        let meet = |barrier: &Barrier| -> BarrierWaitResult { barrier.wait().unwrap() };
        let others: Vec<_> = (1..PARTIES)
            .map(|_| {
                let barrier = barrier.clone();
                spawn(move || (0..20).filter(|_| meet(&barrier).is_leader()).count())
            })
            .collect();
        let own = (0..20).filter(|_| meet(&barrier).is_leader()).count();
        let all = own + others.iter().map(|other| other.join().unwrap()).sum::<usize>();
        assert_eq!(all, 20, "one leader of each meeting");
        let endless = Barrier::new(usize::MAX);
        assert_eq!(endless.wait_timeout(ms(1)), Err(ConcurrencyError::Timeout));
        assert!(Barrier::new(0).wait().unwrap().is_leader());
    });
}

#[test]
fn permits_beyond_the_most_are_not_added() {
    everywhere(|| {
        let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
        semaphore.release(1);
        assert_eq!(semaphore.available(), Semaphore::MAX_PERMITS);
        let all = semaphore.acquire_many(u32::MAX).unwrap();
        assert_eq!(semaphore.available(), 0);
        drop(all);
        assert_eq!(semaphore.available(), Semaphore::MAX_PERMITS);
    });
}

#[test]
fn what_is_shown_is_the_data_and_no_inside() {
    everywhere(|| {
        let mutex = Mutex::new("data");
        assert_eq!(format!("{mutex:?}"), "Mutex { data: \"data\", poisoned: false, .. }");
        let guard = mutex.lock().unwrap();
        assert_eq!(format!("{mutex:?}"), "Mutex { data: <locked>, poisoned: false, .. }");
        assert_eq!((format!("{guard:?}"), format!("{guard}")), ("\"data\"".into(), "data".into()));
        let lock = RwLock::new(7);
        let reader = lock.read().unwrap();
        assert_eq!(format!("{lock:?} {reader}"), "RwLock { data: 7, poisoned: false, .. } 7");
        drop(reader);
        let writer = lock.write().unwrap();
        assert_eq!(format!("{lock:?}"), "RwLock { data: <locked>, poisoned: false, .. }");
        assert_eq!(format!("{writer:?} {writer}"), "7 7");
        let again = ReentrantMutex::from(7);
        let held = again.lock().unwrap();
        assert_eq!(format!("{again:?} {held}"), "ReentrantMutex { data: 7, .. } 7");
        let event = Event::new();
        let semaphore = Semaphore::new(3);
        let permits = semaphore.acquire_many(2).unwrap();
        let shown = [
            format!("{:?}", Condvar::new()),
            format!("{:?}", Barrier::new(2)),
            format!("{:?}", Once::new()),
            format!("{event:?}"),
            format!("{semaphore:?}"),
            format!("{permits:?}"),
        ];
        assert_eq!(
            shown,
            [
                "Condvar { .. }",
                "Barrier { .. }",
                "Once { .. }",
                "Event { is_set: false, .. }",
                "Semaphore { available: 1, .. }",
                "Permits { count: 2, .. }",
            ]
        );
    });
}
