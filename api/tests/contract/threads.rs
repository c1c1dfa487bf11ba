//! Virtual threads by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use drift::sync::{Event, Mutex, bounded};
use drift::{
    Builder, ConcurrencyError, Duration, Executor, ExecutorPolicy, Instant, VirtualThread,
};
use drift::{is_cancelled, park, scope, sleep, spawn, uncancellable, yield_now};
use drift_core::runtime::Runtime;

use crate::harness::Case;

pub const CASES: &[Case] = cases![
    spawns_spawn,
    os_threads_spawn,
    one_of_many_joiners_has_the_value,
    joining_oneself_is_closed,
    a_cancelled_joiner_leaves_the_result,
    names_are_kept,
    stacks_are_as_deep_as_asked,
    stretches_nest,
    a_mutex_is_handed_over_in_order,
    a_mutex_keeps_its_count,
    default_is_kept_by_run,
    thread_handles_outlive_what_they_name,
    wait_numbers_may_come_again,
];

fn spawns_spawn() {
    fn sum(from: u64, to: u64) -> u64 {
        if to - from == 1 {
            return from;
        }
        let middle = from.midpoint(to);
        let (left, right) = (spawn(move || sum(from, middle)), spawn(move || sum(middle, to)));
        left.join().unwrap() + right.join().unwrap()
    }
    assert_eq!(spawn(|| sum(0, 256)).join(), Ok(255 * 128));
}

fn os_threads_spawn() {
    let sum: u64 = thread::scope(|s| {
        let threads: Vec<_> = (0..4u64)
            .map(|n| {
                s.spawn(move || {
                    let children: Vec<_> = (0..100).map(|m| spawn(move || n * 100 + m)).collect();
                    children.iter().map(|child| child.join().unwrap()).sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(sum, 399 * 200);
}

fn one_of_many_joiners_has_the_value() {
    for _ in 0..20 {
        let gate = Arc::new(Event::new());
        let waits = gate.clone();
        let thread = Arc::new(spawn(move || waits.wait().map(|()| 7).unwrap()));
        let mut joined = Vec::new();
        thread::scope(|s| {
            let os: Vec<_> = (0..2).map(|_| s.spawn(|| thread.join())).collect();
            let virtuals: Vec<_> = (0..4)
                .map(|_| {
                    let thread = thread.clone();
                    spawn(move || thread.join())
                })
                .collect();
            gate.set();
            joined.extend(os.into_iter().map(|joiner| joiner.join().unwrap()));
            joined.extend(virtuals.iter().map(|joiner| joiner.join().unwrap()));
        });
        let values = joined.iter().filter(|joined| **joined == Ok(7)).count();
        let closed = joined.iter().filter(|joined| **joined == Err(ConcurrencyError::Closed));
        assert_eq!((values, closed.count()), (1, 5), "{joined:?}");
    }
}

fn joining_oneself_is_closed() {
    type Own = VirtualThread<Result<(), ConcurrencyError>>;
    let (sender, receiver) = bounded::<Arc<Own>>(1);
    let thread = Arc::new(spawn(move || {
        let own = receiver.recv()?;
        assert_eq!(own.join_timeout(Duration::from_secs(60)), Err(ConcurrencyError::Closed));
        assert_eq!(own.join_timeout(Duration::ZERO), Err(ConcurrencyError::Timeout));
        own.join()?
    }));
    sender.send(thread.clone()).unwrap();
    assert_eq!(thread.join(), Ok(Err(ConcurrencyError::Closed)));
}

fn a_cancelled_joiner_leaves_the_result() {
    let gate = Arc::new(Event::new());
    let waits = gate.clone();
    let thread = Arc::new(spawn(move || waits.wait().map(|()| 7)));
    let (joined, began) = (thread.clone(), Arc::new(Event::new()));
    let tells = began.clone();
    let joiner = spawn(move || {
        tells.set();
        joined.join()
    });
    began.wait().unwrap();
    joiner.cancel();
    assert_eq!(joiner.join(), Ok(Err(ConcurrencyError::Cancelled)));
    gate.set();
    assert_eq!(thread.join(), Ok(Ok(7)));
}

fn names_are_kept() {
    let named = Builder::new().name("of mine").spawn(|| {
        sleep(Duration::from_millis(1)).unwrap();
        drift::current().unwrap().name().map(str::to_owned)
    });
    assert_eq!(named.thread().name(), Some("of mine"));
    assert_eq!(named.join(), Ok(Some("of mine".to_owned())));
    assert_eq!(spawn(|| drift::current().unwrap().name().is_none()).join(), Ok(true));
    assert_eq!(drift::run(|| drift::current().unwrap().name().map(str::len)), Some(4));
}

fn stacks_are_as_deep_as_asked() {
    fn descend(levels: u32) -> u32 {
        let frame = std::hint::black_box([levels; 256]);
        if levels == 0 { 0 } else { descend(levels - 1) + frame[255] / levels }
    }
    // A kilobyte and more for each level.
    let deep = Builder::new().stack_size(8 << 20).spawn(|| descend(3000));
    assert_eq!(deep.join(), Ok(3000));
    let too_deep = Builder::new().stack_size((8 << 20) + 1).spawn(|| ());
    assert!(matches!(too_deep.join(), Err(ConcurrencyError::Failed(_))));
}

fn stretches_nest() {
    let (asked, ask) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let (tells, waits) = (ask.clone(), asked.clone());
    let thread = spawn(move || {
        uncancellable(|| {
            tells.set();
            waits.wait().unwrap();
            uncancellable(|| sleep(Duration::from_millis(1)).unwrap());
            assert!(is_cancelled());
            sleep(Duration::from_millis(1)).unwrap();
            // A child is not its parent.
            spawn(|| sleep(Duration::from_millis(1))).join().unwrap().unwrap();
            scope(|s| {
                s.spawn(|| sleep(Duration::from_millis(1)).unwrap());
            })
            .unwrap();
        });
        sleep(Duration::from_millis(1))
    });
    ask.wait().unwrap();
    thread.cancel();
    asked.set();
    assert_eq!(thread.join(), Ok(Err(ConcurrencyError::Cancelled)));
}

/// On one carrier in any case: then the order in which they come is known.
fn a_mutex_is_handed_over_in_order() {
    let one = Executor::new(ExecutorPolicy::new()).unwrap();
    let order = drift::spawn_on(&one, move || {
        let (mutex, mut order) = (Mutex::new(Vec::new()), Vec::new());
        scope(|s| {
            let held = mutex.lock().unwrap();
            for n in 0..10 {
                let mutex = &mutex;
                s.spawn_on(&one, move || mutex.lock().unwrap().push(n));
                yield_now();
            }
            drop(held);
            assert!(mutex.try_lock().is_err(), "it is the first waiter's already");
            order = mutex.lock().unwrap().clone();
        })
        .unwrap();
        order
    });
    assert_eq!(order.unwrap().join(), Ok((0..10).collect()));
}

fn a_mutex_keeps_its_count() {
    let count = Mutex::new(0u64);
    thread::scope(|os| {
        os.spawn(|| (0..500).for_each(|_| *count.lock().unwrap() += 1));
        scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for n in 0..500 {
                        let mut held = count.lock().unwrap();
                        let before = *held;
                        if n % 50 == 0 {
                            yield_now();
                        }
                        *held = before + 1;
                    }
                });
            }
        })
        .unwrap();
    });
    assert_eq!(*count.lock().unwrap(), 4500);
}

fn default_is_kept_by_run() {
    let borrowed = String::from("borrowed");
    assert_eq!(drift::run(|| drift::run(|| borrowed.len())), 8);
    assert_eq!(spawn(|| drift::run(|| 1)).join(), Ok(1));
}

fn thread_handles_outlive_what_they_name() {
    let count = Arc::new(AtomicUsize::new(0));
    let counts = count.clone();
    let thread = spawn(move || counts.fetch_add(1, Ordering::Relaxed));
    let name = thread.thread().clone();
    thread.join().unwrap();
    drop(thread);
    for _ in 0..100 {
        name.unpark();
        let other = spawn(|| {
            let began = drift::Instant::now();
            drift::park_until(began + Duration::from_millis(1)).unwrap();
            began.elapsed() >= std::time::Duration::from_millis(1)
        });
        name.unpark();
        assert_eq!(other.join(), Ok(true), "a stale name unparked another");
        assert_ne!(other.thread().id(), name.id());
    }
}

/// The runtime numbers the waits of a virtual thread, and after 2^19 of them starts at 0 again. The
/// virtual thread then still parks, sleeps and ends as before.
fn wait_numbers_may_come_again() {
    let waits = || {
        let runtime = Runtime::here().unwrap();
        let this = runtime.current().unwrap();
        for _ in 0..(1 << 19) + 100 {
            // It need not wait.
            runtime.unpark(this);
            park().unwrap();
        }
        let (begins, span) = (Instant::now(), Duration::from_millis(2));
        sleep(span).unwrap();
        assert!(Instant::now() >= begins + span, "an earlier wait's number has ended this one");
    };
    spawn(waits).join().unwrap();
}
