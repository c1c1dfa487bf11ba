//! Scopes.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift::sync::{Event, bounded};
use drift::{ConcurrencyError, Duration, Error, Executor, Instant, Scope, Shutdown};
use drift::{is_cancelled, park, scope, scope_timeout, sleep, spawn, uncancellable, yield_now};

use crate::harness::{Bomb, Case, Occupied, PURPOSE, Tally, carriers, policy};

pub const CASES: &[Case] = cases![
    children_borrow,
    os_threads_have_scopes,
    a_body_that_panics_ends_its_children_first,
    a_child_that_panics_cancels_its_siblings,
    all_errors_come_back_the_first_as_the_cause,
    a_cancelled_caller_cancels_the_children,
    scopes_nest,
    children_spawn_siblings,
    handles_may_be_forgotten,
    results_are_dropped_before_the_scope_ends,
    a_child_that_is_cancelled_is_no_failure,
    a_child_that_a_shutdown_keeps_from_running_is_a_failure,
    late_children_never_run,
    time_runs_out_at_the_end,
    time_runs_out_in_the_body,
    time_runs_out_while_the_carrier_is_busy,
    time_that_is_left_changes_nothing,
    many_children_end_in_time,
    many_failures_end_in_time,
    a_refused_child_fails_the_scope,
    captures_that_panic_fail_the_scope,
];

const LONG: Duration = Duration::from_secs(600);

fn children_borrow() {
    let (words, count) = (vec!["one".to_owned(), "three".to_owned()], AtomicUsize::new(0));
    let mut own = 0;
    let joined = scope(|s| {
        s.spawn(|| own += 1);
        let children: Vec<_> = words
            .iter()
            .map(|word| {
                s.spawn(|| {
                    sleep(Duration::from_millis(1)).unwrap();
                    count.fetch_add(word.len(), Ordering::Relaxed);
                    word.as_str()
                })
            })
            .collect();
        children.iter().map(|child| child.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(joined.unwrap(), ["one", "three"]);
    assert_eq!((own, count.into_inner()), (1, 8));
}

fn os_threads_have_scopes() {
    // This is one.
    assert!(drift::current().is_none());
    let ended = AtomicUsize::new(0);
    scope(|s| {
        for _ in 0..10 {
            s.spawn(|| {
                sleep(Duration::from_millis(1)).unwrap();
                ended.fetch_add(1, Ordering::Relaxed)
            });
        }
    })
    .unwrap();
    assert_eq!(ended.into_inner(), 10);
}

fn a_body_that_panics_ends_its_children_first() {
    let (began, ended) = (Event::new(), AtomicUsize::new(0));
    let body = || {
        scope(|s| {
            s.spawn(|| {
                began.set();
                assert_eq!(sleep(LONG), Err(ConcurrencyError::Cancelled));
                uncancellable(|| sleep(Duration::from_millis(5))).unwrap();
                ended.fetch_add(1, Ordering::Relaxed);
            });
            began.wait().unwrap();
            panic!("the body, {PURPOSE}");
        })
    };
    let thrown = panic::catch_unwind(AssertUnwindSafe(body)).unwrap_err();
    assert!(thrown.downcast::<String>().unwrap().starts_with("the body"));
    assert_eq!(ended.into_inner(), 1, "it has ended before the panic went on");
}

fn a_child_that_panics_cancels_its_siblings() {
    let cancelled = AtomicUsize::new(0);
    let (began, waits) = bounded(3);
    let failed = scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                began.send(()).unwrap();
                if sleep(LONG) == Err(ConcurrencyError::Cancelled) {
                    cancelled.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        s.spawn(|| {
            (0..3).for_each(|_| waits.recv().unwrap());
            panic!("a child, {PURPOSE}");
        });
    });
    let failed = failed.unwrap_err();
    assert_eq!(failed.errors().len(), 1);
    let ConcurrencyError::Failed(Error::Panic(panic)) = failed.cause() else { panic!("{failed}") };
    assert!(panic.message.starts_with("a child") && panic.location.is_some());
    assert_eq!(cancelled.into_inner(), 3);
}

fn all_errors_come_back_the_first_as_the_cause() {
    let (first, gate) = (Event::new(), Event::new());
    let failed = scope(|s| {
        let late = s.spawn_fallible(|| {
            // Tells, then fails by itself after it was cancelled.
            gate.set();
            let _ = sleep(LONG);
            Err::<(), _>("the second")
        });
        gate.wait().unwrap();
        s.spawn_fallible(|| {
            first.set();
            Err::<(), _>("the first")
        });
        first.wait().unwrap();
        while !late.is_completed() {
            yield_now();
        }
    });
    let failed = failed.unwrap_err();
    let told: Vec<_> = failed.errors().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["the first", "the second"]);
    assert_eq!(failed.cause().to_string(), "the first");
    assert!(std::error::Error::source(&failed).is_some());
}

fn a_cancelled_caller_cancels_the_children() {
    let (began, waits) = bounded(2);
    let caller = spawn(move || {
        let ended = AtomicUsize::new(0);
        let failed = scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    began.send(()).unwrap();
                    assert_eq!(park(), Err(ConcurrencyError::Cancelled));
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        (failed.map_err(|failed| failed.errors().to_vec()), ended.into_inner())
    });
    (0..2).for_each(|_| waits.recv().unwrap());
    caller.cancel();
    assert_eq!(caller.join(), Ok((Err(vec![ConcurrencyError::Cancelled]), 2)));
}

fn scopes_nest() {
    let began = Event::new();
    let failed = scope(|outer| {
        outer.spawn(|| {
            let inner = scope(|inner| {
                inner.spawn(|| {
                    began.set();
                    assert_eq!(sleep(LONG), Err(ConcurrencyError::Cancelled));
                });
            });
            assert_eq!(inner.unwrap_err().cause(), &ConcurrencyError::Cancelled);
        });
        began.wait().unwrap();
        outer.spawn_fallible(|| Err::<(), _>("outside"));
    });
    assert_eq!(failed.unwrap_err().errors().len(), 1);
    let deep = scope(|a| a.spawn(|| scope(|b| b.spawn(|| 5).join()).unwrap()).join());
    assert_eq!(deep.unwrap(), Ok(Ok(5)));
}

fn children_spawn_siblings() {
    fn grow<'scope>(s: &'scope Scope<'scope, '_>, count: &'scope AtomicUsize, levels: u32) {
        count.fetch_add(1, Ordering::Relaxed);
        if levels > 0 {
            for _ in 0..2 {
                s.spawn(move || {
                    yield_now();
                    grow(s, count, levels - 1);
                });
            }
        }
    }
    let count = AtomicUsize::new(0);
    scope(|s| grow(s, &count, 7)).unwrap();
    assert_eq!(count.into_inner(), 255, "the scope waits for those that came late");
}

fn handles_may_be_forgotten() {
    let (tally, count) = (Tally::default(), AtomicUsize::new(0));
    scope(|s| {
        for _ in 0..10 {
            std::mem::forget(s.spawn(|| {
                sleep(Duration::from_millis(1)).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }));
        }
        drop(s.spawn(|| tally.one()));
    })
    .unwrap();
    assert_eq!(count.into_inner(), 10);
    assert_eq!((tally.made(), tally.dropped()), (1, 1));
}

fn results_are_dropped_before_the_scope_ends() {
    struct Looks<'a>(&'a AtomicUsize);
    impl Drop for Looks<'_> {
        fn drop(&mut self) {
            let _ = uncancellable(|| sleep(Duration::from_millis(1)));
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = AtomicUsize::new(0);
    scope(|s| {
        for _ in 0..10 {
            drop(s.spawn(|| Looks(&count)));
            let captured = Looks(&count);
            let cancelled = s.spawn(move || {
                let _captured = captured;
            });
            cancelled.cancel();
        }
    })
    .unwrap();
    assert_eq!(count.into_inner(), 20);
}

fn a_child_that_is_cancelled_is_no_failure() {
    let ended = scope(|s| {
        let child = s.spawn_fallible(|| sleep(LONG));
        yield_now();
        child.cancel();
        child.join()
    });
    assert_eq!(ended.unwrap(), Err(ConcurrencyError::Cancelled));
    // But a child that passes on the `Cancelled` of another was not cancelled itself.
    let ended = scope(|s| {
        s.spawn_fallible(|| Err::<(), _>(ConcurrencyError::Cancelled));
    });
    assert_eq!(ended.unwrap_err().cause(), &ConcurrencyError::Cancelled);
}

fn a_child_that_a_shutdown_keeps_from_running_is_a_failure() {
    /// Runs `f` with an executor whose carriers are occupied, and with what shuts it down.
    fn with_executor<T>(f: impl FnOnce(&Executor, &dyn Fn()) -> T) -> T {
        let executor = Executor::new(policy()).unwrap();
        let occupied = Occupied::of(&executor, carriers());
        let shut = || {
            executor.shutdown(Shutdown::Cancel, Instant::now()).unwrap();
        };
        let ended = f(&executor, &shut);
        drop(occupied);
        executor.shutdown(Shutdown::Drain, Instant::now() + LONG).unwrap();
        ended
    }
    let body = || {
        let ran = AtomicUsize::new(0);
        let run = || ran.fetch_add(1, Ordering::Relaxed);
        let failed = with_executor(|executor, shut| {
            scope(|s| {
                let child = s.spawn_on(executor, run);
                drop(s.spawn_on(executor, run));
                shut();
                assert_eq!(child.join(), Err(ConcurrencyError::Cancelled));
            })
        });
        assert_eq!(failed.unwrap_err().errors(), [ConcurrencyError::Cancelled]);
        let siblings_too = with_executor(|executor, shut| {
            scope(|s| {
                s.spawn(|| while park().is_ok() {});
                drop(s.spawn_on(executor, run));
                shut();
            })
        });
        assert_eq!(siblings_too.unwrap_err().errors(), [ConcurrencyError::Cancelled]);
        let asked = with_executor(|executor, shut| {
            scope(|s| {
                let child = s.spawn_on(executor, run);
                child.cancel();
                shut();
            })
        });
        asked.unwrap();
        let all_asked = with_executor(|executor, shut| {
            scope(|s| {
                drop(s.spawn_on(executor, run));
                s.cancel();
                shut();
            })
        });
        all_asked.unwrap();
        assert_eq!(ran.into_inner(), 0);
    };
    body();
    spawn(body).join().unwrap();
}

fn late_children_never_run() {
    for _ in 0..50 {
        let ran = AtomicUsize::new(0);
        scope(|s| {
            s.cancel();
            let late: Vec<_> =
                (0..8).map(|_| s.spawn(|| ran.fetch_add(1, Ordering::Relaxed))).collect();
            for child in late {
                assert_eq!(child.join(), Err(ConcurrencyError::Cancelled));
            }
        })
        .unwrap();
        assert_eq!(ran.into_inner(), 0);
    }
}

fn time_runs_out_at_the_end() {
    let began = Instant::now();
    let failed = scope_timeout(Duration::from_millis(3), |s| {
        for _ in 0..3 {
            s.spawn(|| assert_eq!(sleep(LONG), Err(ConcurrencyError::Cancelled)));
        }
    });
    assert_eq!(failed.unwrap_err().errors(), [ConcurrencyError::Timeout]);
    assert!(began.elapsed() >= std::time::Duration::from_millis(3));
    let zero = scope_timeout(Duration::ZERO, |_| panic!("it is not run"));
    assert_eq!(zero.unwrap_err().cause(), &ConcurrencyError::Timeout);
    let negative = scope_timeout(Duration::from_millis(-1), |_| panic!("it is not run"));
    assert!(matches!(negative.unwrap_err().cause(), ConcurrencyError::Failed(_)));
}

fn time_runs_out_in_the_body() {
    let body = || {
        let mut joined = Ok(Ok(()));
        let failed = scope_timeout(Duration::from_millis(3), |s| {
            joined = s.spawn(|| sleep(LONG)).join();
            assert!(!is_cancelled(), "the body goes on");
        });
        // On a busy machine the time may be over before the child begins.
        let cancelled = ConcurrencyError::Cancelled;
        assert!([Ok(Err(cancelled.clone())), Err(cancelled)].contains(&joined), "{joined:?}");
        assert_eq!(failed.unwrap_err().errors(), [ConcurrencyError::Timeout]);
    };
    body();
    spawn(body).join().unwrap();
}

fn time_runs_out_while_the_carrier_is_busy() {
    /// Lets nobody else run here; since it begins within the scope, it ends after the scope's time.
    fn burn() {
        let began = Instant::now();
        while began.elapsed() <= SHORT.try_into().unwrap() {}
    }
    const SHORT: Duration = Duration::from_millis(3);
    let body = || {
        let late = [ConcurrencyError::Timeout];
        let alone = scope_timeout(SHORT, |_| burn());
        assert_eq!(alone.unwrap_err().errors(), late);
        let child_in_time = scope_timeout(SHORT, |s| {
            let _ = s.spawn(|| ()).join();
            burn();
        });
        assert_eq!(child_in_time.unwrap_err().errors(), late);
        let child_is_late = scope_timeout(SHORT, |s| drop(s.spawn(burn)));
        assert_eq!(child_is_late.unwrap_err().errors(), late);
        let ran = AtomicUsize::new(0);
        let child_comes_late = scope_timeout(SHORT, |s| {
            burn();
            s.spawn(|| ran.fetch_add(1, Ordering::Relaxed)).join()
        });
        assert_eq!(child_comes_late.unwrap_err().errors(), late);
        assert_eq!(ran.into_inner(), 0);
    };
    body();
    spawn(body).join().unwrap();
}

fn time_that_is_left_changes_nothing() {
    for _ in 0..100 {
        let sum = scope_timeout(LONG, |s| {
            let children: Vec<_> = (0..4).map(|n| s.spawn(move || n)).collect();
            children.iter().map(|child| child.join().unwrap()).sum::<i32>()
        });
        assert_eq!(sum.unwrap(), 6);
    }
}

/// A scope that is quadratic in its children would take minutes.
fn many_children_end_in_time() {
    let count = AtomicUsize::new(0);
    scope(|s| {
        let gate = Arc::new(Event::new());
        for _ in 0..20_000 {
            let (gate, count) = (gate.clone(), &count);
            s.spawn(move || {
                gate.wait().unwrap();
                count.fetch_add(1, Ordering::Relaxed)
            });
        }
        gate.set();
    })
    .unwrap();
    assert_eq!(count.into_inner(), 20_000);
}

fn many_failures_end_in_time() {
    let failed = scope(|s| {
        for _ in 0..20_000 {
            s.spawn_fallible(|| {
                let _ = park();
                Err::<(), _>("each of them")
            });
        }
        // Those that have not begun never will.
        yield_now();
        s.cancel();
    });
    if let Err(failed) = failed {
        assert!(failed.errors().len() <= 20_000);
    }
}

fn a_refused_child_fails_the_scope() {
    let limit = carriers();
    let executor = Executor::new(policy().queue_limit(limit)).unwrap();
    let occupied = Occupied::of(&executor, limit);
    let refusal = ConcurrencyError::from(Error::ExecSubmitFailed(1));
    let failed = scope(|s| drop(s.spawn_on(&executor, || 1)));
    assert_eq!(failed.unwrap_err().errors(), std::slice::from_ref(&refusal));
    let handled = scope(|s| s.spawn_on(&executor, || 1).join());
    assert_eq!(handled.unwrap(), Err(refusal));
    drop(occupied);
}

fn captures_that_panic_fail_the_scope() {
    let bomb = Bomb;
    let failed = scope(|s| {
        s.spawn(move || drop(bomb));
    });
    assert!(matches!(failed.unwrap_err().cause(), ConcurrencyError::Failed(Error::Panic(_))));
}
