//! `select!`.

use std::sync::atomic::{AtomicU64, Ordering};

use drift::sync::{SendError, bounded, select, unbounded};
use drift::{ConcurrencyError, Duration, Instant};
use drift::{scope, spawn, yield_now};

use crate::harness::{Case, Tally};

pub const CASES: &[Case] = cases![
    what_is_ready_is_done,
    default_is_for_nothing_else,
    time_ends_it_and_not_early,
    closed_arms_answer_closed,
    bodies_may_leave,
    the_last_comma_may_be_left_out,
    a_receiver_may_be_named_twice,
    it_does_not_meet_itself,
    values_that_are_not_sent_are_dropped_once,
    ready_arms_have_the_same_chance,
    arms_that_are_woken_have_the_same_chance,
    selects_meet_selects,
    many_selects_lose_nothing,
    cancelled_selects_lose_nothing,
];

fn what_is_ready_is_done() {
    let (sender, receiver) = bounded(1);
    let (_never, nothing) = bounded::<u32>(1);
    let sent = select! {
        recv(nothing) -> _value => false,
        send(sender, 5) -> done => done.is_ok(),
    };
    assert_eq!(sent, Ok(true));
    let got = select! {
        send(sender, 6) -> _done => 0,
        recv(nothing) -> _value => 1,
        recv(receiver) -> value => value.unwrap(),
    };
    assert_eq!(got, Ok(5));
    // One that comes later.
    let waits = spawn(move || {
        select! {
            recv(nothing) -> _value => 0,
            recv(receiver) -> value => value.unwrap(),
        }
    });
    yield_now();
    sender.send(7).unwrap();
    assert_eq!(waits.join(), Ok(Ok(7)));
}

fn default_is_for_nothing_else() {
    let (sender, receiver) = bounded(1);
    let look = || {
        select! {
            recv(receiver) -> value => value.unwrap(),
            default => 0,
        }
    };
    assert_eq!(look(), Ok(0));
    sender.send(1).unwrap();
    assert_eq!(look(), Ok(1));
}

fn time_ends_it_and_not_early() {
    let check = || {
        let (_sender, receiver) = bounded::<u32>(0);
        let time = Duration::from_millis(3);
        let began = Instant::now();
        let late = select! {
            recv(receiver) -> _value => false,
            after(time) => true,
        };
        assert_eq!(late, Ok(true));
        let late = select! {
            recv(receiver) -> _value => false,
            until(began + Duration::from_millis(6)) => true,
        };
        assert_eq!(late, Ok(true));
        assert!(began.elapsed() >= std::time::Duration::from_millis(6));
        let past = select! {
            recv(receiver) -> _value => false,
            until(began) => true,
        };
        assert_eq!(past, Ok(true));
    };
    check();
    spawn(check).join().unwrap();
}

fn closed_arms_answer_closed() {
    let (sender, receiver) = bounded::<u32>(1);
    let (_open, other) = bounded::<u32>(1);
    receiver.close();
    let received = select! {
        recv(other) -> value => value,
        recv(receiver) -> value => value,
    };
    assert_eq!(received, Ok(Err(ConcurrencyError::Closed)));
    let sent = select! {
        recv(other) -> _value => unreachable!("nobody sends there"),
        send(sender, 5) -> done => done,
    };
    assert_eq!(sent, Ok(Err(SendError { value: 5, error: ConcurrencyError::Closed })));
}

fn bodies_may_leave() {
    fn collect() -> Result<Vec<u32>, ConcurrencyError> {
        let (sender, receiver) = unbounded();
        (0..10).for_each(|n| sender.send(n).unwrap());
        sender.close();
        let mut odd = Vec::new();
        loop {
            select! {
                recv(receiver) -> value => match value {
                    Ok(n) if n % 2 == 0 => continue,
                    Ok(n) => odd.push(n),
                    Err(_) => break,
                },
                after(Duration::from_secs(600)) => return Err(ConcurrencyError::Timeout),
            }?;
        }
        let closed: Result<u32, _> = select! {
            recv(receiver) -> value => value?,
        };
        closed.map(|_| odd)
    }
    fn first() -> Option<u32> {
        let (sender, receiver) = unbounded();
        sender.send(1).unwrap();
        let _: Result<(), _> = select! {
            recv(receiver) -> value => return value.ok(),
        };
        None
    }
    assert_eq!(collect(), Err(ConcurrencyError::Closed), "by the `?` in the last body");
    assert_eq!(first(), Some(1));
}

fn the_last_comma_may_be_left_out() {
    let (sender, receiver) = bounded(1);
    assert_eq!(select! { send(sender, 1) -> done => done.is_ok() }, Ok(true));
    assert_eq!(select! { recv(receiver) -> value => value }, Ok(Ok(1)));
}

fn a_receiver_may_be_named_twice() {
    let (sender, receiver) = bounded(0);
    let other = receiver.clone();
    let thread = spawn(move || {
        let mut sum = 0;
        for _ in 0..100 {
            sum += select! {
                recv(other) -> value => value.unwrap(),
                recv(other) -> value => value.unwrap(),
                recv(receiver) -> value => value.unwrap(),
            }
            .unwrap();
        }
        sum
    });
    (0..100).for_each(|n| sender.send(n).unwrap());
    assert_eq!(thread.join(), Ok(4950));
}

fn it_does_not_meet_itself() {
    let (sender, receiver) = bounded(0);
    let met = select! {
        send(sender, 1) -> _done => "sent",
        recv(receiver) -> _value => "received",
        after(Duration::from_millis(2)) => "nobody",
    };
    assert_eq!(met, Ok("nobody"));
}

fn values_that_are_not_sent_are_dropped_once() {
    let tally = Tally::default();
    let (full, _receiver) = bounded(0);
    let (sender, receiver) = bounded(1);
    sender.send(()).unwrap();
    select! {
        send(full, tally.one()) -> _done => unreachable!("nobody receives"),
        recv(receiver) -> value => value.unwrap(),
    }
    .unwrap();
    select! {
        send(full, tally.one()) -> _done => unreachable!("nobody receives"),
        default => (),
    }
    .unwrap();
    assert_eq!((tally.made(), tally.dropped()), (2, 2));
}

/// Whether all shares of `rounds` are as even as those of a fair choice, which is outside these
/// bounds less than once in 10^10 times.
fn assert_even(rounds: usize, shares: &[usize]) {
    let fair = rounds / shares.len();
    let bounds = fair - 7 * fair.isqrt()..fair + 7 * fair.isqrt();
    assert!(shares.iter().all(|share| bounds.contains(share)), "{shares:?} of {rounds}");
}

fn ready_arms_have_the_same_chance() {
    const ROUNDS: usize = 2000;
    let (_never, idle) = unbounded::<()>();
    let ends = [(); 4].map(|()| unbounded());
    let fill = |count| {
        for (to, from) in &ends {
            while from.try_recv().is_ok() {}
            (0..count).for_each(|_| to.send(()).unwrap());
        }
    };
    let [one, other, third, fourth] = ends.each_ref().map(|(_, from)| from);
    fill(ROUNDS);
    let mut shares = [0; 2];
    for _ in 0..ROUNDS {
        shares[select! {
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(one) -> _n => 0,
            recv(other) -> _n => 1,
        }
        .unwrap()] += 1;
    }
    assert_even(ROUNDS, &shares);
    // Apart, and with a `default`.
    fill(ROUNDS);
    let mut shares = [0; 3];
    for _ in 0..ROUNDS {
        shares[select! {
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(one) -> _n => 0,
            recv(other) -> _n => 1,
            default => unreachable!("three have values"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(third) -> _n => 2,
        }
        .unwrap()] += 1;
    }
    assert_even(ROUNDS, &shares);
    // Those that can be done because the channel is closed.
    fourth.close();
    let mut shares = [0; 2];
    for _ in 0..ROUNDS {
        shares[select! {
            recv(idle) -> _n => unreachable!("nobody sends"),
            recv(fourth) -> _n => 0,
            recv(fourth) -> _n => 1,
        }
        .unwrap()] += 1;
    }
    fill(0);
    assert_even(ROUNDS, &shares);
}

fn arms_that_are_woken_have_the_same_chance() {
    const ROUNDS: usize = 256;
    let ((to, from), (_never, idle)) = (bounded(0), bounded::<()>(0));
    let receives = spawn(move || {
        let mut shares = [0; 2];
        for _ in 0..ROUNDS {
            shares[select! {
                recv(from) -> _n => 0,
                recv(idle) -> _n => unreachable!("nobody sends"),
                recv(from) -> _n => 1,
            }
            .unwrap()] += 1;
        }
        shares
    });
    for _ in 0..ROUNDS {
        // Mostly it waits by then; if not, the value is found instead.
        drift::sleep(Duration::from_millis(1)).unwrap();
        to.send(()).unwrap();
    }
    assert_even(ROUNDS, &receives.join().unwrap());
    let ((to, from), (other, _full)) = (bounded(0), bounded::<usize>(0));
    let sends = spawn(move || {
        for _ in 0..ROUNDS {
            select! {
                send(to, 0) -> sent => sent.unwrap(),
                send(other, 0) -> _sent => unreachable!("nobody receives"),
                send(to, 1) -> sent => sent.unwrap(),
            }
            .unwrap();
        }
    });
    let mut shares = [0; 2];
    for _ in 0..ROUNDS {
        drift::sleep(Duration::from_millis(1)).unwrap();
        shares[from.recv().unwrap()] += 1;
    }
    sends.join().unwrap();
    assert_even(ROUNDS, &shares);
}

fn selects_meet_selects() {
    let ((to_a, from_a), (to_b, from_b)) = (bounded(0), bounded(0));
    let (one, other) = (AtomicU64::new(0), AtomicU64::new(0));
    scope(|s| {
        // Each sends to one and receives from the other, whatever comes first.
        s.spawn(|| {
            for n in 0..2000 {
                select! {
                    send(to_a, n) -> done => done.unwrap(),
                    recv(from_b) -> value => {
                        one.fetch_add(value.unwrap(), Ordering::Relaxed);
                    },
                }
                .unwrap();
            }
        });
        s.spawn(|| {
            for _ in 0..2000 {
                select! {
                    send(to_b, 1) -> done => done.unwrap(),
                    recv(from_a) -> _value => {
                        other.fetch_add(1, Ordering::Relaxed);
                    },
                }
                .unwrap();
            }
        });
    })
    .unwrap();
    assert_eq!(one.into_inner() + other.into_inner(), 2000, "each meeting is one value");
}

fn many_selects_lose_nothing() {
    const EACH: u64 = 2000;
    for limit in [0, 2] {
        let channels: Vec<_> = (0..3).map(|_| bounded::<u64>(limit)).collect();
        let sum = AtomicU64::new(0);
        scope(|s| {
            for part in 0..4 {
                let senders: Vec<_> = channels.iter().map(|ends| ends.0.clone()).collect();
                s.spawn(move || {
                    for n in 0..EACH {
                        let value = part * EACH + n;
                        select! {
                            send(senders[0], value) -> done => done.unwrap(),
                            send(senders[1], value) -> done => done.unwrap(),
                            send(senders[2], value) -> done => done.unwrap(),
                        }
                        .unwrap();
                    }
                });
            }
            for _ in 0..4 {
                let receivers: Vec<_> = channels.iter().map(|ends| ends.1.clone()).collect();
                let sum = &sum;
                s.spawn(move || {
                    for _ in 0..EACH {
                        let value = select! {
                            recv(receivers[0]) -> value => value,
                            recv(receivers[1]) -> value => value,
                            recv(receivers[2]) -> value => value,
                        };
                        sum.fetch_add(value.unwrap().unwrap(), Ordering::Relaxed);
                    }
                });
            }
        })
        .unwrap();
        let all = 4 * EACH;
        assert_eq!(sum.into_inner(), all * (all - 1) / 2);
        assert!(channels.iter().all(|ends| ends.1.is_empty()));
    }
}

fn cancelled_selects_lose_nothing() {
    let tally = Tally::default();
    let ((sender, receiver), (_never, nothing)) = (bounded(0), bounded::<u32>(0));
    let mut threads = Vec::new();
    for _ in 0..50 {
        let (receiver, nothing) = (receiver.clone(), nothing.clone());
        threads.push(spawn(move || {
            let mut count = 0;
            loop {
                let received = select! {
                    recv(nothing) -> _value => break,
                    recv(receiver) -> value => value.is_ok(),
                };
                match received {
                    Ok(true) => count += 1,
                    Ok(false) | Err(_) => break,
                }
            }
            count
        }));
    }
    drop(receiver);
    let mut sent = 0;
    for (n, thread) in threads.iter().enumerate() {
        for _ in 0..n % 4 {
            sent += usize::from(sender.send(tally.one()).is_ok());
        }
        thread.cancel();
    }
    drop(sender);
    let received: usize = threads.iter().map(|thread| thread.join().unwrap_or(0)).sum();
    assert_eq!(received, sent);
    tally.settle();
}
