//! Locks, channels and `select!`: exclusion, no lost permit, nothing lost and nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use drift::sync::{
    Barrier, Condvar, Event, Mutex, ReentrantMutex, RwLock, RwLockWriteGuard, Semaphore, channel,
};
use drift::{ConcurrencyError, Duration, select, spawn, yield_now};

use crate::program::{Census, Scenario, os_thread};
use crate::scenarios;
use crate::waits::sleep_whole;

pub const ALL: &[Scenario] = scenarios![
    a_mutex_excludes,
    a_mutex_with_time_outs_loses_nothing,
    readers_share_and_writers_do_not,
    permits_are_not_lost,
    a_condition_is_waited_for,
    one_is_notified_while_a_crowd_is,
    a_barrier_lets_all_go,
    readers_read_again_and_writers_downgrade,
    an_owner_may_lock_again,
    channels_lose_nothing,
    a_rendezvous_meets,
    selects_lose_nothing,
    selects_are_fair,
    os_threads_share_locks,
];

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis)
}

/// Panics if two are inside.
#[derive(Default)]
struct Room(AtomicBool);

impl Room {
    fn visit(&self) {
        assert!(!self.0.swap(true, Ordering::SeqCst), "two are inside");
        yield_now();
        self.0.store(false, Ordering::SeqCst);
    }
}

pub fn all<T: Send + 'static>(bodies: impl IntoIterator<Item = drift::VirtualThread<T>>) -> Vec<T> {
    let all: Vec<_> = bodies.into_iter().collect();
    all.into_iter().map(|one| one.join().unwrap()).collect()
}

fn a_mutex_excludes() {
    let state = Arc::new((Mutex::new(0), Room::default()));
    all((0..4).map(|_| {
        let state = state.clone();
        spawn(move || {
            for _ in 0..3 {
                let mut count = state.0.lock().unwrap();
                state.1.visit();
                *count += 1;
            }
        })
    }));
    assert_eq!(*state.0.lock().unwrap(), 12);
}

fn a_mutex_with_time_outs_loses_nothing() {
    let state = Arc::new((Mutex::new(0), Room::default()));
    let held: u32 = all((0..4).map(|number| {
        let state = state.clone();
        spawn(move || {
            let mut held = 0;
            for round in 0..4 {
                if let Ok(mut count) = state.0.lock_timeout(ms((number + round) % 3)) {
                    state.1.visit();
                    *count += 1;
                    held += 1;
                    sleep_whole(1);
                }
            }
            held
        })
    }))
    .into_iter()
    .sum();
    assert_eq!(*state.0.lock().unwrap(), held);
}

fn readers_share_and_writers_do_not() {
    let state = Arc::new((RwLock::new(0), Room::default()));
    all((0..5).map(|number| {
        let state = state.clone();
        spawn(move || {
            for round in 0..3 {
                match number {
                    0 | 1 => {
                        let mut count = state.0.write().unwrap();
                        state.1.visit();
                        *count += 1;
                    }
                    2 => drop(state.0.read_timeout(ms(round))),
                    _ => {
                        let before = state.0.read().unwrap();
                        let seen = *before;
                        yield_now();
                        assert_eq!(*before, seen);
                    }
                }
            }
        })
    }));
    assert_eq!(*state.0.read().unwrap(), 6);
}

fn permits_are_not_lost() {
    let semaphore = Arc::new(Semaphore::new(2));
    let inside = Arc::new(AtomicU32::new(0));
    all((0..5).map(|number| {
        let (semaphore, inside) = (semaphore.clone(), inside.clone());
        spawn(move || {
            for round in 0..3 {
                let permits = match (number + round) % 3 {
                    0 => semaphore.acquire_timeout(ms(1)),
                    1 => semaphore.acquire_many(2),
                    _ => semaphore.acquire(),
                };
                let Ok(permits) = permits else { continue };
                let count = permits.count();
                assert!(inside.fetch_add(count, Ordering::SeqCst) + count <= 2);
                yield_now();
                inside.fetch_sub(count, Ordering::SeqCst);
            }
        })
    }));
    // One that is cancelled while it waits takes none along.
    let held = semaphore.acquire_many(2).unwrap();
    let waiter = spawn({
        let semaphore = semaphore.clone();
        move || drop(semaphore.acquire())
    });
    yield_now();
    waiter.cancel();
    drop(held);
    drop(waiter.join());
    assert_eq!(semaphore.available(), 2);
}

fn a_condition_is_waited_for() {
    let state = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let waiters: Vec<_> = (1..4)
        .map(|wanted| {
            let state = state.clone();
            spawn(move || {
                let count = state.0.lock().unwrap();
                let count = state.1.wait_while(count, |count| *count < wanted).unwrap();
                assert!(*count >= wanted);
            })
        })
        .collect();
    let timed = spawn({
        let state = state.clone();
        move || {
            let mut count = state.0.lock().unwrap();
            while *count < 3 {
                count = state.1.wait_timeout(count, ms(2)).unwrap().0;
            }
        }
    });
    for _ in 0..3 {
        *state.0.lock().unwrap() += 1;
        state.1.notify_all();
        yield_now();
    }
    all(waiters);
    timed.join().unwrap();
}

/// More than are woken under one hold of the lock.
const CROWD: usize = 18;

/// What `one_is_notified_while_a_crowd_is` waits for.
#[derive(Default)]
struct Notified {
    crowd: bool,
    one: bool,
    one_waits: bool,
}

/// One who comes while all others are woken is none of them: a notification of one is for that one.
fn one_is_notified_while_a_crowd_is() {
    let state = Arc::new((Mutex::new(Notified::default()), Condvar::new()));
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let state = state.clone();
            spawn(move || {
                let now = state.0.lock().unwrap();
                drop(state.1.wait_while(now, |now| !now.crowd).unwrap());
            })
        })
        .collect();
    let late = spawn({
        let state = state.clone();
        move || {
            while !state.0.lock().unwrap().crowd {
                yield_now();
            }
            let mut now = state.0.lock().unwrap();
            now.one_waits = true;
            drop(state.1.wait_while(now, |now| !now.one).unwrap());
        }
    });
    let notifier = spawn({
        let state = state.clone();
        move || {
            while !state.0.lock().unwrap().one_waits {
                yield_now();
            }
            state.0.lock().unwrap().one = true;
            state.1.notify_one();
        }
    });
    state.0.lock().unwrap().crowd = true;
    state.1.notify_all();
    all(crowd);
    all([late, notifier]);
}

fn a_barrier_lets_all_go() {
    let barrier = Arc::new(Barrier::new(3));
    let arrived = Arc::new(AtomicU32::new(0));
    let leaders = all((0..3).map(|_| {
        let (barrier, arrived) = (barrier.clone(), arrived.clone());
        spawn(move || {
            let mut led = 0;
            for round in 1..4 {
                arrived.fetch_add(1, Ordering::SeqCst);
                led += u32::from(barrier.wait().unwrap().is_leader());
                assert!(arrived.load(Ordering::SeqCst) >= 3 * round);
            }
            led
        })
    }));
    assert_eq!(leaders.into_iter().sum::<u32>(), 3);
}

/// A reader that reads again does not wait behind a writer that waits for it; and no other writer
/// comes between the write and the read of one that downgrades.
fn readers_read_again_and_writers_downgrade() {
    let lock = Arc::new(RwLock::new(0));
    let readers = (0..2).map(|_| {
        let lock = lock.clone();
        spawn(move || {
            for _ in 0..3 {
                let outer = lock.read().unwrap();
                yield_now();
                let inner = lock.read_recursive().unwrap();
                assert_eq!(*outer, *inner);
            }
        })
    });
    let writers = (1..3).map(|number| {
        let lock = lock.clone();
        spawn(move || {
            for _ in 0..3 {
                let mut writer = lock.write().unwrap();
                *writer = number;
                let reader = RwLockWriteGuard::downgrade(writer);
                yield_now();
                assert_eq!(*reader, number);
            }
        })
    });
    all(readers.chain(writers));
    assert!(lock.try_write().is_ok());
}

fn an_owner_may_lock_again() {
    let state = Arc::new((ReentrantMutex::new(()), Room::default()));
    all((0..3).map(|_| {
        let state = state.clone();
        spawn(move || {
            let _outer = state.0.lock().unwrap();
            let inner = state.0.lock().unwrap();
            state.1.visit();
            drop(inner);
            state.1.visit();
        })
    }));
}

/// Many senders and receivers, some with time-outs; one end closes.
fn channels_lose_nothing() {
    for capacity in [1, 3] {
        let census = Census::new();
        let (to, from) = channel::bounded(capacity);
        let senders: Vec<_> = (0..3)
            .map(|number| {
                let (to, census) = (to.clone(), census.clone());
                spawn(move || {
                    for round in 0..5_i64 {
                        let mut value = census.citizen();
                        // A send that timed out gives its value back, to be dropped or sent again.
                        while let Err(refused) = to.send_timeout(value, ms(1)) {
                            if (number + round) % 2 == 0 {
                                break;
                            }
                            value = refused.value;
                        }
                    }
                })
            })
            .collect();
        drop(to);
        let receivers: Vec<_> = (0..2)
            .map(|_| {
                let from = from.clone();
                spawn(move || {
                    let mut got = 0;
                    loop {
                        match from.recv_timeout(ms(1)) {
                            Ok(_) => got += 1,
                            Err(ConcurrencyError::Timeout) => {}
                            Err(_) => return got,
                        }
                    }
                })
            })
            .collect();
        all(senders);
        drop(from);
        let got: u32 = all(receivers).into_iter().sum();
        assert!(got > 0);
        census.check();
    }
}

fn a_rendezvous_meets() {
    let (to, from) = channel::bounded::<u32>(0);
    let sender = spawn(move || {
        for value in 0..6 {
            to.send(value).unwrap();
        }
    });
    let got: Vec<u32> = from.iter().collect();
    assert_eq!(got, [0, 1, 2, 3, 4, 5]);
    sender.join().unwrap();
}

fn selects_lose_nothing() {
    let (to_one, one) = channel::bounded::<u32>(1);
    let (to_other, other) = channel::unbounded::<u32>();
    let senders = [
        spawn(move || (0..5).for_each(|value| to_one.send(value).unwrap())),
        spawn(move || {
            for value in 5..10 {
                to_other.send(value).unwrap();
                yield_now();
            }
        }),
    ];
    let receivers = (0..2).map(|_| {
        let (one, other) = (one.clone(), other.clone());
        spawn(move || {
            let mut sum = 0;
            let (mut first, mut second) = (true, true);
            while first || second {
                // A closed channel is always ready.
                yield_now();
                let _ = select! {
                    recv(one) -> value => match value {
                        Ok(value) => sum += value,
                        Err(_) => first = false,
                    },
                    recv(other) -> value => match value {
                        Ok(value) => sum += value,
                        Err(_) => second = false,
                    },
                    after(ms(1)) => {}
                };
            }
            sum
        })
    });
    let receivers: Vec<_> = receivers.collect();
    all(senders);
    assert_eq!(all(receivers).into_iter().sum::<u32>(), 45);
}

/// Whether ready or woken, an arm has a chance whatever stands before it: each of the two gets a
/// fifth of the rounds at least, which a fair choice misses less than once in 10^11 times.
fn selects_are_fair() {
    const ROUNDS: usize = 128;
    let (_never, idle) = channel::unbounded::<()>();
    let ends = [channel::unbounded::<()>(), channel::unbounded::<()>()];
    let (to_both, both) = channel::bounded::<()>(0);
    for (to, _) in &ends {
        (0..ROUNDS).for_each(|_| to.send(()).unwrap());
    }
    let mut ready = [0; 2];
    for _ in 0..ROUNDS {
        ready[select! {
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(ends[0].1) -> _n => 0,
            recv(ends[1].1) -> _n => 1,
        }
        .unwrap()] += 1;
    }
    let waits = spawn(move || {
        let mut woken = [0; 2];
        for _ in 0..ROUNDS {
            woken[select! {
                recv(both) -> _n => 0,
                recv(both) -> _n => 1,
            }
            .unwrap()] += 1;
        }
        woken
    });
    for _ in 0..ROUNDS {
        sleep_whole(1);
        to_both.send(()).unwrap();
    }
    let woken = waits.join().unwrap();
    for shares in [ready, woken] {
        assert!(shares.iter().all(|share| *share > ROUNDS / 5), "{shares:?}");
    }
}

fn os_threads_share_locks() {
    let state = Arc::new((Mutex::new(0), Event::new()));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let state = state.clone();
            os_thread(move || {
                for _ in 0..3 {
                    *state.0.lock().unwrap() += 1;
                }
                if *state.0.lock().unwrap() == 9 {
                    state.1.set();
                }
            })
        })
        .collect();
    let one = spawn({
        let state = state.clone();
        move || {
            for _ in 0..3 {
                *state.0.lock().unwrap() += 1;
                yield_now();
            }
            if *state.0.lock().unwrap() == 9 {
                state.1.set();
            }
        }
    });
    state.1.wait().unwrap();
    one.join().unwrap();
    sleep_whole(1);
    for thread in threads {
        thread.join();
    }
}
