//! What is done once: by one, seen by all, and tried again if it failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::sync::{Once, OnceLock};
use drift::{ConcurrencyError, spawn, yield_now};

use crate::locks::all;
use crate::program::Scenario;
use crate::scenarios;
use crate::waits::sleep_whole;

pub const ALL: &[Scenario] =
    scenarios![once_is_once, a_value_is_made_once, a_value_that_needs_another_wakes_its_own];

fn once_is_once() {
    let state = Arc::new((Once::new(), AtomicU32::new(0)));
    all((0..4).map(|_| {
        let state = state.clone();
        spawn(move || {
            let run = || {
                yield_now();
                state.1.fetch_add(1, Ordering::SeqCst);
            };
            state.0.call_once(run).unwrap();
            assert_eq!(state.1.load(Ordering::SeqCst), 1);
        })
    }));
}

/// Its makers park, and may fail; those who only wait are cancelled or have it.
fn a_value_is_made_once() {
    let (lock, made) = (Arc::new(OnceLock::new()), Arc::new(AtomicU32::new(0)));
    let makers = (0..4).map(|number| {
        let (lock, made) = (lock.clone(), made.clone());
        spawn(move || {
            let value = lock.get_or_try_init(|| {
                yield_now();
                sleep_whole(1);
                made.fetch_add(u32::from(number > 1), Ordering::Relaxed);
                if number > 1 { Ok(number) } else { Err(()) }
            });
            value.copied()
        })
    });
    let makers: Vec<_> = makers.collect();
    let waits = spawn({
        let lock = lock.clone();
        move || lock.wait().copied()
    });
    let cancelled = spawn({
        let lock = lock.clone();
        move || lock.wait().copied()
    });
    yield_now();
    cancelled.cancel();
    let values = all(makers);
    let value = *lock.get().expect("two of the makers make one");
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert!(values.iter().all(|own| own.is_err() || *own == Ok(value)), "{values:?}");
    assert_eq!(waits.join(), Ok(Ok(value)));
    match cancelled.join() {
        Ok(Ok(own)) => assert_eq!(own, value),
        other => assert!(matches!(
            other,
            Ok(Err(ConcurrencyError::Cancelled)) | Err(ConcurrencyError::Cancelled)
        )),
    }
}

/// Each of two values is tried twice in vain, and the first is made of the second. Some wait for
/// the one and some for the other, through all tries: nobody is left behind, nobody gets the
/// other's.
fn a_value_that_needs_another_wakes_its_own() {
    #[derive(Default)]
    struct Both {
        values: [OnceLock<u32>; 2],
        tries: [AtomicU32; 2],
    }

    impl Both {
        /// Makes one of them, unless this is one of the first two tries.
        fn make(&self, which: usize) -> Result<u32, ()> {
            let make = || {
                let needs = if which == 0 { Some(self.make(1)?) } else { None };
                yield_now();
                match self.tries[which].fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Err(()),
                    _ => Ok(needs.unwrap_or(0) + 1),
                }
            };
            self.values[which].get_or_try_init(make).copied()
        }
    }

    let both = Arc::new(Both::default());
    let waiters = (0..6).map(|number| {
        let both = both.clone();
        spawn(move || both.values[number % 2].wait().copied().unwrap())
    });
    let makers = (0..4).map(|number| {
        let both = both.clone();
        spawn(move || {
            let which = number % 2;
            loop {
                if let Ok(value) = both.make(which) {
                    return value;
                }
            }
        })
    });
    let values = all(waiters.chain(makers));
    assert_eq!(values, [2, 1, 2, 1, 2, 1, 2, 1, 2, 1]);
    assert_eq!(both.tries.each_ref().map(|tries| tries.load(Ordering::Relaxed)), [3, 3]);
}
