//! As std's `Once`, `OnceLock` and `LazyLock`, whose makers may park.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::sync::{Event, LazyLock, Once, OnceLock};
use drift::{ConcurrencyError, Duration, Error, scope, sleep, spawn, yield_now};

use crate::everywhere;

/// A panic on purpose, which nobody is told of.
fn fails() -> ! {
    resume_unwind(Box::new("on purpose"))
}

fn breaks<T>(f: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

#[test]
fn once_tells_whether_it_was_tried() {
    everywhere(|| {
        let once = Once::new();
        breaks(|| once.call_once(|| fails()));
        assert!(!once.is_completed());
        let poisoned = Err(ConcurrencyError::Failed(Error::Poisoned));
        assert_eq!(once.call_once(|| ()), poisoned);
        assert_eq!(once.wait(), poisoned);
        breaks(|| {
            once.call_once_force(|state| {
                if state.is_poisoned() {
                    fails()
                }
            })
        });
        let mut told = None;
        once.call_once_force(|state| told = Some(state.is_poisoned())).unwrap();
        assert_eq!(told, Some(true));
        once.call_once_force(|_| unreachable!("it is done")).unwrap();
        assert!(once.is_completed());
        once.wait().unwrap();
        Once::new().call_once_force(|state| assert!(!state.is_poisoned())).unwrap();
    });
}

#[test]
fn once_is_waited_for_by_who_does_not_do_it() {
    everywhere(|| {
        let once = Arc::new(Once::new());
        let waiting: Vec<_> = (0..4)
            .map(|n| {
                let once = once.clone();
                spawn(move || if n % 2 == 0 { once.wait() } else { once.wait_force() })
            })
            .collect();
        yield_now();
        assert_eq!(once.wait_timeout(Duration::from_millis(2)), Err(ConcurrencyError::Timeout));
        once.call_once(|| sleep(Duration::from_millis(2)).unwrap()).unwrap();
        waiting.iter().for_each(|thread| assert_eq!(thread.join(), Ok(Ok(()))));
        // One that is patient waits beyond a failure.
        let once = Arc::new(Once::new());
        let patient = spawn({
            let once = once.clone();
            move || once.wait_force()
        });
        yield_now();
        breaks(|| once.call_once(|| fails()));
        assert!(!patient.is_completed());
        once.call_once_force(|_| ()).unwrap();
        assert_eq!(patient.join(), Ok(Ok(())));
    });
}

/// On one carrier: std's would keep it, and the one that makes the value could not go on.
#[test]
fn a_value_is_made_once_while_its_maker_parks() {
    everywhere(|| {
        let (lock, made) = (Arc::new(OnceLock::new()), Arc::new(AtomicU32::new(0)));
        let users: Vec<_> = (0..8)
            .map(|n| {
                let (lock, made) = (lock.clone(), made.clone());
                spawn(move || {
                    let value = lock.get_or_init(|| {
                        sleep(Duration::from_millis(2)).unwrap();
                        made.fetch_add(1, Ordering::Relaxed);
                        n
                    });
                    *value
                })
            })
            .collect();
        let values: Vec<_> = users.iter().map(|user| user.join().unwrap()).collect();
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(values.iter().all(|value| Some(value) == lock.get()), "{values:?}");
    });
}

#[test]
fn a_once_lock_has_what_std_has() {
    everywhere(|| {
        let mut lock = OnceLock::new();
        assert_eq!(lock.get(), None);
        assert_eq!(lock.get_mut(), None);
        assert_eq!(format!("{lock:?}"), "OnceLock(<uninit>)");
        assert_eq!(lock.set("one".to_owned()), Ok(()));
        assert_eq!(lock.set("two".to_owned()), Err("two".to_owned()));
        assert_eq!(lock.get_or_init(|| unreachable!("it is there")), "one");
        lock.get_mut().unwrap().push('!');
        assert_eq!(format!("{lock:?}"), "OnceLock(\"one!\")");
        assert_eq!(lock.clone(), lock);
        assert_ne!(lock, OnceLock::default());
        assert_eq!(lock, OnceLock::from("one!".to_owned()));
        assert_eq!(lock.wait().unwrap(), "one!");
        assert_eq!(lock.take().as_deref(), Some("one!"));
        assert_eq!(lock.take(), None);
        assert_eq!(lock.into_inner(), None);
    });
}

#[test]
fn what_could_not_be_made_is_made_by_the_next() {
    everywhere(|| {
        let lock = OnceLock::new();
        breaks(|| lock.get_or_init(|| fails()));
        assert_eq!(lock.get(), None);
        assert_eq!(lock.get_or_try_init(|| Err("no")), Err("no"));
        assert_eq!(lock.get_or_try_init(|| Ok::<_, ()>(7)), Ok(&7));
        // Those who wait for one that fails go on, one of them as the maker.
        let lock = Arc::new(OnceLock::new());
        let users: Vec<_> = (0..4)
            .map(|n| {
                let lock = lock.clone();
                spawn(move || {
                    let made = lock.get_or_try_init(|| {
                        sleep(Duration::from_millis(1)).unwrap();
                        if n % 2 == 0 { Err(n) } else { Ok(n) }
                    });
                    made.copied()
                })
            })
            .collect();
        let answers: Vec<_> = users.iter().map(|user| user.join().unwrap()).collect();
        let value = *lock.get().expect("two of them make one");
        assert!(value % 2 == 1);
        assert!(answers.iter().all(|made| *made == Ok(value) || made.is_err()), "{answers:?}");
    });
}

/// Cancelled or not, who needs the value has it; who only waits for it is cancelled.
#[test]
fn a_cancelled_user_still_has_the_value() {
    let (lock, go) = (Arc::new(OnceLock::new()), Arc::new(Event::new()));
    let (started, has_started) = drift::sync::bounded(2);
    let maker = spawn({
        let (lock, go, started) = (lock.clone(), go.clone(), started.clone());
        let make = move || {
            started.send(()).unwrap();
            go.wait().map(|()| 7).unwrap()
        };
        move || *lock.get_or_init(make)
    });
    has_started.recv().unwrap();
    let user = spawn({
        let (lock, started) = (lock.clone(), started.clone());
        move || {
            started.send(()).unwrap();
            *lock.get_or_init(|| 8)
        }
    });
    let waits = spawn({
        let lock = lock.clone();
        move || {
            started.send(()).unwrap();
            lock.wait().copied()
        }
    });
    (0..2).for_each(|_| has_started.recv().unwrap());
    sleep(Duration::from_millis(2)).unwrap();
    user.cancel();
    waits.cancel();
    assert_eq!(waits.join(), Ok(Err(ConcurrencyError::Cancelled)));
    assert!(!user.is_completed());
    go.set();
    let made = maker.join().unwrap();
    assert_eq!(user.join(), Ok(made));
}

#[test]
fn values_of_a_once_lock_are_dropped_once() {
    let counted = Arc::new(());
    let mut lock = OnceLock::from(counted.clone());
    drop(lock.clone());
    assert_eq!(Arc::strong_count(&counted), 2);
    drop(lock.take());
    assert_eq!(Arc::strong_count(&counted), 1);
    lock.set(counted.clone()).unwrap();
    drop(lock.set(counted.clone()).unwrap_err());
    drop(lock);
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn a_lazy_value_is_made_when_it_is_used() {
    static MADE: AtomicU32 = AtomicU32::new(0);
    static LAZY: LazyLock<Vec<u32>> = LazyLock::new(|| {
        MADE.fetch_add(1, Ordering::Relaxed);
        yield_now();
        sleep(Duration::from_millis(1)).unwrap();
        vec![1, 2, 3]
    });
    assert_eq!(format!("{LAZY:?}"), "LazyLock(<uninit>)");
    everywhere(|| {
        let ended = scope(|s| {
            let users: Vec<_> = (0..4).map(|_| s.spawn(|| LAZY.iter().sum::<u32>())).collect();
            users.iter().map(|user| user.join().unwrap()).sum::<u32>()
        });
        assert_eq!(ended, Ok(24));
    });
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert_eq!(format!("{LAZY:?}"), "LazyLock([1, 2, 3])");
    let borrowed = String::from("local");
    let local = LazyLock::new(|| borrowed.len());
    assert_eq!(*local, 5);
    assert_eq!(*LazyLock::<String>::default(), "");
}

#[test]
fn a_lazy_value_that_panicked_panics_for_all() {
    everywhere(|| {
        let lazy: LazyLock<u32> = LazyLock::new(|| fails());
        breaks(|| *lazy);
        let again = catch_unwind(AssertUnwindSafe(|| *lazy)).unwrap_err();
        assert!(again.downcast::<&str>().unwrap().contains("panicked before"));
        assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
    });
}

/// They are as sendable, and as safe to use beyond a panic, as std's.
#[test]
fn once_locks_have_the_traits_of_std() {
    fn has<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    has::<Once>();
    has::<OnceLock<String>>();
    has::<LazyLock<String>>();
}
