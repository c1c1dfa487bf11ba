//! Park, unpark, sleep: each cause ends one wait, and nothing left over ends the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use drift::sync::{Event, channel};
use drift::{ConcurrencyError, Duration, Instant, Thread};
use drift::{current, park, park_until, sleep, sleep_until, spawn, yield_now};

use crate::program::{Scenario, os_thread};
use crate::scenarios;

pub const ALL: &[Scenario] = scenarios![
    turns_are_handed_over,
    a_permit_waits_for_its_park,
    one_wake_of_many_ends_a_park,
    sleeps_are_never_early,
    deadlines_fire_in_order,
    a_sleep_after_any_wait_is_whole,
    os_threads_unpark,
    a_busy_one_does_not_stop_the_deadlines_of_others,
    a_cancel_ends_any_wait,
    a_park_without_a_deadline_has_a_cause,
];

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis)
}

/// Sleeps, and checks that it was whole.
pub fn sleep_whole(millis: i64) {
    let begun = Instant::now();
    sleep(ms(millis)).unwrap();
    let slept = begun.elapsed().as_millis() as i64;
    assert!(slept >= millis, "slept {slept} ms of {millis}");
}

/// Two hand a turn to each other, by parks whose only cause is the other's unpark.
fn turns_are_handed_over() {
    const TURNS: u32 = 10;
    let turn = Arc::new(AtomicU32::new(0));
    let (to_second, first_of) = channel::bounded::<Thread>(1);
    let first = current().unwrap();
    let second = spawn({
        let turn = turn.clone();
        move || {
            let first = first_of.recv().unwrap();
            for round in 0..TURNS {
                while turn.load(Ordering::SeqCst) != 2 * round + 1 {
                    park().unwrap();
                }
                turn.store(2 * round + 2, Ordering::SeqCst);
                first.unpark();
            }
        }
    });
    to_second.send(first).unwrap();
    for round in 0..TURNS {
        turn.store(2 * round + 1, Ordering::SeqCst);
        second.thread().unpark();
        while turn.load(Ordering::SeqCst) != 2 * round + 2 {
            park().unwrap();
        }
    }
    second.join().unwrap();
}

/// An unpark that comes first ends the next park, one of them, and no sleep.
fn a_permit_waits_for_its_park() {
    let parks = Arc::new(AtomicU32::new(0));
    let seen = parks.clone();
    let go = Arc::new(Event::new());
    let gone = go.clone();
    let other = spawn(move || {
        gone.wait().unwrap();
        sleep_whole(3);
        park().unwrap();
        seen.store(1, Ordering::SeqCst);
        let over = Instant::now() + ms(5);
        // No cause but the deadline, or the one permit again if both unparks were two.
        park_until(over).unwrap_or_default();
        sleep_whole(2);
    });
    other.thread().unpark();
    other.thread().unpark();
    go.set();
    other.join().unwrap();
    assert_eq!(parks.load(Ordering::SeqCst), 1);
}

/// A deadline, two unparks and a yield race for one park; all of them together end at most as many
/// waits as there were causes, and what comes next is whole.
fn one_wake_of_many_ends_a_park() {
    let rounds = 4;
    let done = Arc::new(AtomicBool::new(false));
    let waiter = spawn({
        let done = done.clone();
        move || {
            for round in 0..rounds {
                let _ = park_until(Instant::now() + ms(1 + round % 3));
                sleep_whole(2);
            }
            done.store(true, Ordering::SeqCst);
        }
    });
    let wakers: Vec<_> = (0..2)
        .map(|number| {
            let (thread, done) = (waiter.thread().clone(), done.clone());
            spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    thread.unpark();
                    sleep(ms(1 + number)).unwrap();
                }
            })
        })
        .collect();
    waiter.join().unwrap();
    for waker in wakers {
        waker.join().unwrap();
    }
}

fn sleeps_are_never_early() {
    let sleepers: Vec<_> = (0..12)
        .map(|number| {
            spawn(move || {
                for round in 1..4 {
                    sleep_whole(number * round % 7 + 1);
                    let until = Instant::now() + ms(number % 3);
                    let _ = sleep_until(until);
                    assert!(Instant::now() >= until);
                }
            })
        })
        .collect();
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
}

/// Deadlines that are further apart than a sleep may be late in a world without faults end in
/// order; with one carrier and none busy. Elsewhere the order is not promised, the ends are.
fn deadlines_fire_in_order() {
    let (to, from) = channel::unbounded();
    for number in [3, 1, 2, 5, 4] {
        let to = to.clone();
        let _ = spawn(move || {
            sleep_whole(number * 20);
            to.send(number).unwrap();
        });
    }
    drop(to);
    let mut order: Vec<i64> = from.iter().collect();
    order.sort_unstable();
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

/// After each kind of wait, ended by each of its causes, a sleep has its full length.
fn a_sleep_after_any_wait_is_whole() {
    // Timed receive, in time and not.
    let (to, from) = channel::bounded::<u8>(1);
    let sender = spawn(move || {
        sleep_whole(2);
        to.send(1).unwrap();
        sleep_whole(6);
    });
    let _ = from.recv_timeout(ms(2));
    sleep_whole(3);
    let _ = from.recv_timeout(ms(2));
    sleep_whole(3);
    sender.join().unwrap();
    // Timed join, in time and not.
    let quick = spawn(|| sleep_whole(1));
    let _ = quick.join_timeout(ms(2));
    sleep_whole(3);
    let _ = quick.join();
    let slow = spawn(|| sleep_whole(9));
    match slow.join_timeout(ms(1)) {
        // Both may be late.
        Ok(()) => {}
        Err(error) => {
            assert_eq!(error, ConcurrencyError::Timeout);
            sleep_whole(3);
            slow.join().unwrap();
        }
    }
    // An event with a deadline, set about when that comes.
    let event = Arc::new(Event::new());
    let setter = spawn({
        let event = event.clone();
        move || {
            sleep_whole(2);
            event.set();
        }
    });
    let _ = event.wait_timeout(ms(2));
    sleep_whole(3);
    setter.join().unwrap();
    // A park with a deadline, unparked about when that comes.
    let own = current().unwrap();
    let waker = spawn(move || {
        sleep_whole(2);
        own.unpark();
    });
    let _ = park_until(Instant::now() + ms(2));
    sleep_whole(3);
    waker.join().unwrap();
    sleep_whole(3);
}

fn os_threads_unpark() {
    const WAKES: u32 = 8;
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    let parker = spawn(move || {
        while seen.load(Ordering::SeqCst) < 2 * WAKES {
            park().unwrap();
        }
    });
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (count, thread) = (count.clone(), parker.thread().clone());
            os_thread(move || {
                for _ in 0..WAKES {
                    count.fetch_add(1, Ordering::SeqCst);
                    thread.unpark();
                }
            })
        })
        .collect();
    parker.join().unwrap();
    // Only now, for a join of an OS thread keeps the carrier.
    for thread in threads {
        thread.join();
    }
}

/// One that yields for long is overtaken by deadlines and by others.
fn a_busy_one_does_not_stop_the_deadlines_of_others() {
    let stop = Arc::new(AtomicBool::new(false));
    let busy = spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(Ordering::SeqCst) {
                // A look at the clock is what a simulated computation takes.
                let _ = Instant::now();
                yield_now();
            }
        }
    });
    let naps = Arc::new(AtomicU64::new(0));
    let sleepers: Vec<_> = (0..3)
        .map(|_| {
            let naps = naps.clone();
            spawn(move || {
                for _ in 0..3 {
                    sleep_whole(1);
                    naps.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    busy.join().unwrap();
    assert_eq!(naps.load(Ordering::SeqCst), 9);
}

/// Cancelled while parked, asleep, in a join, or in a receive; at any moment of it.
fn a_cancel_ends_any_wait() {
    let (_to, from) = channel::bounded::<u8>(1);
    let never = Arc::new(spawn(|| sleep(ms(3_600_000))));
    let joined = never.clone();
    let waits = [
        spawn(|| while park().is_ok() {}),
        spawn(|| assert_eq!(sleep(ms(3_600_000)), Err(ConcurrencyError::Cancelled))),
        spawn(move || assert_eq!(from.recv(), Err(ConcurrencyError::Cancelled))),
        spawn(move || drop(joined.join())),
    ];
    yield_now();
    for wait in &waits {
        wait.cancel();
    }
    for wait in waits {
        // Cancelled before it began, or it ended by itself.
        assert!(matches!(wait.join(), Ok(()) | Err(ConcurrencyError::Cancelled)));
    }
    never.cancel();
    sleep_whole(2);
}

/// A deadline of a park that an unpark has ended does not end a later one that has none.
fn a_park_without_a_deadline_has_a_cause() {
    for _ in 0..3 {
        let (to_other, go) = channel::bounded::<()>(1);
        let (told, to_waiter) = channel::bounded::<()>(1);
        let may_return = Arc::new(AtomicBool::new(false));
        let may = may_return.clone();
        let waiter = spawn(move || {
            let deadline = Instant::now() + ms(4);
            park_until(deadline).unwrap_or_default();
            let was_unparked = Instant::now() < deadline;
            to_waiter.recv().unwrap();
            if !was_unparked {
                // The unpark may have come too late: then its permit is used up here.
                park_until(Instant::now()).unwrap_or_default();
            }
            to_other.send(()).unwrap();
            park().unwrap();
            assert!(may.load(Ordering::SeqCst), "a park ended without a cause");
        });
        sleep_whole(1);
        waiter.thread().unpark();
        told.send(()).unwrap();
        go.recv().unwrap();
        sleep_whole(8);
        may_return.store(true, Ordering::SeqCst);
        waiter.thread().unpark();
        waiter.join().unwrap();
    }
}
