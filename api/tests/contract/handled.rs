//! Scopes: whose failure it is when a child fails.

use drift::sync::Event;
use drift::{ConcurrencyError, Duration, Error, Executor, Instant, Shutdown};
use drift::{scope, scope_timeout, sleep, spawn, yield_now};

use crate::harness::{Bomb, Case, Occupied, PURPOSE, carriers, policy};

pub const CASES: &[Case] = cases![
    what_a_join_has_taken_is_no_failure,
    a_failure_waits_for_its_handle,
    a_failure_whose_handle_is_forgotten_is_told_at_the_end,
    what_a_timed_scope_has_joined_is_no_failure,
    a_child_that_never_ran_and_was_joined_is_no_failure,
    destructors_of_what_children_leave_fail_the_scope,
    captures_of_children_that_never_ran_have_a_stack,
];

const LONG: Duration = Duration::from_secs(600);

/// Whether the child has failed before the join comes, or after.
fn what_a_join_has_taken_is_no_failure() {
    let body = || {
        for fails_first in [false, true] {
            let gate = Event::new();
            let ended = scope(|s| {
                let sibling = s.spawn(|| gate.wait());
                let panics = s.spawn(|| panic!("a child, {PURPOSE}"));
                let errs = s.spawn_fallible(|| Err::<(), _>("an error"));
                while fails_first && !(panics.is_completed() && errs.is_completed()) {
                    yield_now();
                }
                let joined = panics.join();
                let Err(ConcurrencyError::Failed(Error::Panic(panic))) = joined else {
                    panic!("it panicked")
                };
                assert!(panic.message.starts_with("a child") && panic.location.is_some());
                assert!(panic.take_payload().unwrap().is::<String>());
                let failed = errs.join_timeout(LONG).unwrap_err();
                assert_eq!(failed.to_string(), "an error");
                assert_eq!(panics.join(), Err(ConcurrencyError::Closed));
                gate.set();
                sibling.join()
            });
            assert_eq!(ended.unwrap(), Ok(Ok(())), "nobody was cancelled");
        }
        // The inner scope's failure is its child's to handle.
        let outer = scope(|a| {
            let nested = a.spawn_fallible(|| scope(|b| drop(b.spawn(|| panic!("{PURPOSE}")))));
            nested.join().unwrap_err().to_string()
        });
        assert!(outer.unwrap().contains("a scope failed"));
    };
    body();
    spawn(body).join().unwrap();
}

fn a_failure_waits_for_its_handle() {
    let failed = scope(|s| {
        let sibling = s.spawn(|| sleep(LONG));
        let child = s.spawn(|| panic!("a child, {PURPOSE}"));
        while !child.is_completed() {
            yield_now();
        }
        // A join that does not get the result has not handled it.
        let waits = sibling.join_timeout(Duration::ZERO);
        assert_eq!(waits, Err(ConcurrencyError::Timeout), "nobody was cancelled");
        drop(child);
        let joined = sibling.join();
        let cancelled = ConcurrencyError::Cancelled;
        assert!([Ok(Err(cancelled.clone())), Err(cancelled)].contains(&joined), "{joined:?}");
    });
    assert!(matches!(
        failed.unwrap_err().errors(),
        [ConcurrencyError::Failed(Error::Panic(_)), ..]
    ));
}

fn a_failure_whose_handle_is_forgotten_is_told_at_the_end() {
    let failed = scope(|s| {
        std::mem::forget(s.spawn(|| panic!("a child, {PURPOSE}")));
        s.spawn(yield_now).join().unwrap();
    });
    assert_eq!(failed.unwrap_err().errors().len(), 1);
}

fn what_a_timed_scope_has_joined_is_no_failure() {
    let ended = scope_timeout(LONG, |s| s.spawn(|| panic!("{PURPOSE}")).join().is_err());
    assert!(ended.unwrap());
    let late = scope_timeout(Duration::from_millis(3), |s| {
        assert!(s.spawn(|| panic!("{PURPOSE}")).join().is_err());
        drop(s.spawn(|| sleep(LONG)));
    });
    assert_eq!(late.unwrap_err().errors(), [ConcurrencyError::Timeout]);
}

fn a_child_that_never_ran_and_was_joined_is_no_failure() {
    let executor = Executor::new(policy()).unwrap();
    let occupied = Occupied::of(&executor, carriers());
    let ended = scope(|s| {
        let child = s.spawn_on(&executor, || 1);
        executor.shutdown(Shutdown::Cancel, Instant::now()).unwrap();
        child.join()
    });
    assert_eq!(ended.unwrap(), Err(ConcurrencyError::Cancelled));
    drop(occupied);
    executor.shutdown(Shutdown::Drain, Instant::now() + LONG).unwrap();
}

fn destructors_of_what_children_leave_fail_the_scope() {
    let is_panic = |failed: Result<(), drift::ScopeError>| {
        let failed = failed.unwrap_err();
        let [ConcurrencyError::Failed(Error::Panic(panic))] = failed.errors() else {
            panic!("{failed:?}")
        };
        assert!(panic.message.contains("a bomb"), "{panic}");
    };
    // Dropped by the child, by who drops the handle, and by who cancels.
    is_panic(scope(|s| drop(s.spawn(|| Bomb))));
    is_panic(scope(|s| {
        let child = s.spawn(|| Bomb);
        while !child.is_completed() {
            yield_now();
        }
        drop(child);
    }));
    let (bomb, occupied) = (Bomb, Occupied::default());
    let mut occupied = Some(occupied);
    is_panic(scope(|s| {
        let child = s.spawn(move || drop(bomb));
        child.cancel();
        assert_eq!(child.join(), Err(ConcurrencyError::Cancelled));
        drop(occupied.take());
    }));
    // What is taken is its taker's.
    let taken = scope(|s| s.spawn(|| Bomb).join().unwrap());
    std::mem::forget(taken.unwrap());
}

/// A list whose destructor goes as deep as it is long.
struct Nested(Option<Box<Nested>>);

impl Drop for Nested {
    fn drop(&mut self) {
        std::hint::black_box(&self.0);
    }
}

fn captures_of_children_that_never_ran_have_a_stack() {
    let body = || {
        let list = (0..1000).fold(Nested(None), |inner, _| Nested(Some(Box::new(inner))));
        let executor = Executor::new(policy()).unwrap();
        let occupied = Occupied::of(&executor, carriers());
        let late = scope_timeout(Duration::from_millis(3), |s| {
            let never = s.spawn_on(&executor, move || drop(list));
            assert_eq!(never.join(), Err(ConcurrencyError::Cancelled));
        });
        assert_eq!(late.unwrap_err().errors(), [ConcurrencyError::Timeout]);
        drop(occupied);
        executor.shutdown(Shutdown::Drain, Instant::now() + LONG).unwrap();
    };
    spawn(body).join().unwrap();
}
