//! Channels.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use drift::sync::{Receiver, Sender, bounded, unbounded};
use drift::{ConcurrencyError, Duration, Error};
use drift::{scope, spawn, uncancellable, yield_now};

use crate::harness::{Bomb, Case, OnDrop, PURPOSE, Tally};

pub const CASES: &[Case] = cases![
    each_value_comes_once,
    order_is_kept_for_each_sender,
    os_threads_and_virtual_ones_share,
    a_send_meets_a_receive,
    a_full_channel_holds_senders_back,
    senders_that_wait_hand_over_whatever_the_limit,
    either_end_closes,
    the_last_of_an_end_closes,
    values_are_dropped_once_when_receivers_vanish,
    refused_values_come_back,
    values_may_use_their_channel_when_dropped,
    values_may_panic_when_dropped,
    values_may_all_panic_when_dropped,
    cancelled_receivers_lose_nothing,
    cancelled_senders_lose_nothing,
    negative_times_are_refused,
];

const VALUES: u64 = 100_000;

/// 4 to 4.
fn exchange(sender: Sender<u64>, receiver: Receiver<u64>, values: u64) {
    let (sum, count) = (AtomicU64::new(0), AtomicU64::new(0));
    scope(|s| {
        for part in 0..4 {
            let sender = sender.clone();
            s.spawn(move || {
                for n in (part..values).step_by(4) {
                    sender.send(n).unwrap();
                }
            });
        }
        drop(sender);
        for _ in 0..4 {
            let (receiver, sum, count) = (receiver.clone(), &sum, &count);
            s.spawn(move || {
                for n in receiver {
                    sum.fetch_add(n, Ordering::Relaxed);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    })
    .unwrap();
    assert_eq!((count.into_inner(), sum.into_inner()), (values, values * (values - 1) / 2));
}

fn each_value_comes_once() {
    for limit in [0, 1, 16] {
        let (sender, receiver) = bounded(limit);
        exchange(sender, receiver, VALUES);
    }
    let (sender, receiver) = unbounded();
    exchange(sender, receiver, VALUES);
}

fn order_is_kept_for_each_sender() {
    let (sender, receiver) = bounded(8);
    scope(|s| {
        for part in 0..4u32 {
            let sender = sender.clone();
            s.spawn(move || (0..1000u32).for_each(|n| sender.send((part, n)).unwrap()));
        }
        drop(sender);
        let mut next = [0; 4];
        for (part, n) in receiver.iter() {
            assert_eq!(n, next[part as usize]);
            next[part as usize] += 1;
        }
        assert_eq!(next, [1000; 4]);
    })
    .unwrap();
}

fn os_threads_and_virtual_ones_share() {
    let (sender, receiver) = bounded(4);
    let seen: Vec<u64> = thread::scope(|os| {
        for part in 0..2 {
            let (ours, theirs) = (sender.clone(), sender.clone());
            os.spawn(move || (0..500).for_each(|n| ours.send(part * 500 + n).unwrap()));
            let part = part + 2;
            drop(spawn(move || (0..500).for_each(|n| theirs.send(part * 500 + n).unwrap())));
        }
        drop(sender);
        let ours = os.spawn(|| receiver.iter().collect::<Vec<_>>());
        let theirs = receiver.clone();
        let mut seen = spawn(move || theirs.iter().collect::<Vec<_>>()).join().unwrap();
        seen.extend(ours.join().unwrap());
        seen
    });
    assert_eq!(seen.len(), 2000);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>().len(), 2000);
}

fn a_send_meets_a_receive() {
    let (sender, receiver) = bounded(0);
    assert_eq!(sender.try_send(1).unwrap_err().error, ConcurrencyError::Busy);
    assert_eq!(receiver.try_recv(), Err(ConcurrencyError::Busy));
    let received = Arc::new(AtomicUsize::new(0));
    let counts = received.clone();
    let other = spawn(move || {
        for _ in 0..100 {
            counts.fetch_add(1, Ordering::SeqCst);
            receiver.recv().unwrap();
        }
    });
    for n in 1..=100 {
        sender.send(n).unwrap();
        assert!(received.load(Ordering::SeqCst) >= n, "a send ended before its receive began");
    }
    other.join().unwrap();
}

fn a_full_channel_holds_senders_back() {
    let (sender, receiver) = bounded(3);
    let sent = Arc::new(AtomicUsize::new(0));
    let counts = sent.clone();
    let other = spawn(move || {
        for n in 0..100usize {
            sender.send(n).unwrap();
            counts.store(n + 1, Ordering::SeqCst);
        }
    });
    for n in 0..100 {
        yield_now();
        assert!(sent.load(Ordering::SeqCst) <= n + 3, "more than it holds");
        assert!(receiver.len() <= 3);
        assert_eq!(receiver.recv(), Ok(n));
    }
    other.join().unwrap();
    let (sender, _receiver) = bounded(2);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    let full = sender.send_timeout(3, Duration::from_millis(1)).unwrap_err();
    assert_eq!((full.value, full.error), (3, ConcurrencyError::Timeout));
    assert_eq!(sender.send_timeout(3, Duration::ZERO).unwrap_err().value, 3);
}

fn either_end_closes() {
    for from_sender in [true, false] {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        if from_sender {
            sender.close()
        } else {
            receiver.close()
        }
        assert!(sender.is_closed() && receiver.is_closed());
        let refused = sender.send(2).unwrap_err();
        assert_eq!((refused.value, refused.error), (2, ConcurrencyError::Closed));
        assert_eq!(sender.try_send(2).unwrap_err().error, ConcurrencyError::Closed);
        assert_eq!(receiver.recv(), Ok(1), "what was sent before");
        assert_eq!(receiver.recv(), Err(ConcurrencyError::Closed));
        assert_eq!(receiver.try_recv(), Err(ConcurrencyError::Closed));
        receiver.close();
        sender.close();
    }
}

fn the_last_of_an_end_closes() {
    let (sender, receiver) = unbounded::<u32>();
    let other = sender.clone();
    drop(sender);
    assert!(!receiver.is_closed());
    let waits = spawn(move || receiver.recv());
    drop(other);
    assert_eq!(waits.join(), Ok(Err(ConcurrencyError::Closed)));

    let (sender, receiver) = bounded(0);
    let other = receiver.clone();
    drop(receiver);
    assert!(!sender.is_closed());
    let waits = spawn(move || sender.send(1).map_err(|refused| refused.error));
    drop(other);
    assert_eq!(waits.join(), Ok(Err(ConcurrencyError::Closed)));
}

fn values_are_dropped_once_when_receivers_vanish() {
    for limit in [0, 3, usize::MAX] {
        let tally = Tally::default();
        let (sender, receiver) = bounded(limit);
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let (sender, tally) = (sender.clone(), tally.clone());
                spawn(move || {
                    for _ in 0..100 {
                        if let Err(refused) = sender.send(tally.one()) {
                            assert_eq!(refused.error, ConcurrencyError::Closed);
                            return;
                        }
                    }
                })
            })
            .collect();
        for _ in 0..10 {
            drop(receiver.recv().unwrap());
        }
        drop(receiver);
        for sender in senders {
            sender.join().unwrap();
        }
        // Nobody can receive any more: nothing waits for the senders to go.
        tally.settle();
        drop(sender);
    }
}

fn refused_values_come_back() {
    let tally = Tally::default();
    let (sender, receiver) = bounded(1);
    drop(receiver);
    let refused = sender.send(tally.one()).unwrap_err();
    assert_eq!(tally.dropped(), 0);
    drop(refused);
    assert_eq!(tally.dropped(), 1);
}

/// What it does when it is dropped.
type Acts = OnDrop<Box<dyn FnOnce() + Send>>;

fn values_may_use_their_channel_when_dropped() {
    for limit in [2, usize::MAX] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = bounded::<Acts>(limit);
        for _ in 0..2 {
            let (own, counts) = (sender.clone(), dropped.clone());
            let acts: Box<dyn FnOnce() + Send> = Box::new(move || {
                let nothing: Acts = OnDrop(Some(Box::new(|| ())));
                drop(own.try_send(nothing));
                own.close();
                assert!(own.is_closed());
                let _ = own.len();
                drop(own.clone());
                counts.fetch_add(1, Ordering::Relaxed);
            });
            sender.send(OnDrop(Some(acts))).unwrap();
        }
        drop(sender);
        drop(receiver);
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    }
}

fn values_may_panic_when_dropped() {
    let tally = Tally::default();
    let (sender, receiver) = unbounded();
    for _ in 0..3 {
        sender.send((tally.one(), None)).unwrap();
    }
    sender.send((tally.one(), Some(Bomb))).unwrap();
    for _ in 0..100 {
        sender.send((tally.one(), None)).unwrap();
    }
    let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receiver)));
    assert!(thrown.is_err());
    assert_eq!(sender.send((tally.one(), None)).unwrap_err().error, ConcurrencyError::Closed);
    drop(sender);
    tally.settle();
}

/// Whatever unwinds: two that went on at once would abort the process.
struct AlwaysPanics<'a>(&'a AtomicUsize);

impl Drop for AlwaysPanics<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("one of many, {PURPOSE}");
    }
}

fn values_may_all_panic_when_dropped() {
    for limit in [2, 70, usize::MAX] {
        let dropped = AtomicUsize::new(0);
        let (sender, receiver) = bounded(limit);
        (0..70.min(limit)).for_each(|_| drop(sender.send(AlwaysPanics(&dropped))));
        let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(receiver)));
        assert!(thrown.is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 70.min(limit));
    }
}

fn cancelled_receivers_lose_nothing() {
    let (sender, receiver) = bounded(2);
    let count = Arc::new(AtomicUsize::new(0));
    let sends = spawn(move || (0..2000).for_each(|n| sender.send(n).unwrap()));
    let mut threads = Vec::new();
    for _ in 0..50 {
        let (receiver, count) = (receiver.clone(), count.clone());
        let thread = spawn(move || {
            while receiver.recv().is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        yield_now();
        thread.cancel();
        threads.push(thread);
    }
    for thread in &threads {
        let _ = thread.join();
    }
    let rest = receiver.iter().count();
    sends.join().unwrap();
    assert_eq!(count.load(Ordering::Relaxed) + rest, 2000);
}

fn cancelled_senders_lose_nothing() {
    let tally = Tally::default();
    let (sender, receiver) = bounded(0);
    let sent = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..50)
        .map(|_| {
            let (sender, tally, sent) = (sender.clone(), tally.clone(), sent.clone());
            spawn(move || {
                while sender.send(tally.one()).is_ok() {
                    sent.fetch_add(1, Ordering::Relaxed);
                    if sent.load(Ordering::Relaxed) > 10_000 {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(sender);
    let mut received = 0;
    for (n, thread) in threads.iter().enumerate() {
        if n % 2 == 0 && receiver.recv().is_ok() {
            received += 1;
        }
        thread.cancel();
    }
    received += receiver.iter().count();
    for thread in &threads {
        let _ = uncancellable(|| thread.join());
    }
    assert_eq!(received, sent.load(Ordering::Relaxed));
    tally.settle();
}

fn negative_times_are_refused() {
    let negative = Duration::from_millis(-1);
    let invalid: ConcurrencyError = Error::InvalidDuration(negative).into();
    let (sender, receiver) = bounded(2);
    assert_eq!(sender.send_timeout(1, negative).unwrap_err().error, invalid);
    sender.send(1).unwrap();
    assert_eq!(
        receiver.recv_timeout(negative),
        Err(invalid.clone()),
        "whether one is there or not"
    );
    let free = drift::sync::Mutex::new(());
    assert!(matches!(
        free.lock_timeout(negative),
        Err(drift::sync::LockError::Ended(error)) if error == invalid
    ));
    let free = drift::sync::Semaphore::new(1);
    assert_eq!(free.acquire_timeout(negative).unwrap_err(), invalid);
    let set = drift::sync::Event::new();
    set.set();
    assert_eq!(set.wait_timeout(negative), Err(invalid.clone()));
    let alone = drift::sync::Barrier::new(1);
    assert_eq!(alone.wait_timeout(negative), Err(invalid));
}

fn senders_that_wait_hand_over_whatever_the_limit() {
    for limit in [1, 31, 32, 33, 34, 40, 63, 64, 65, 96, 100, 1_000] {
        let (to, from) = bounded(limit);
        let total = 3 * limit + 100;
        let sender = spawn(move || (0..total).for_each(|value| to.send(value).unwrap()));
        while from.len() < limit {
            yield_now();
        }
        let received: Vec<_> = std::iter::from_fn(|| from.recv().ok()).collect();
        assert_eq!(received, (0..total).collect::<Vec<_>>(), "limit {limit}");
        sender.join().unwrap();
    }
}
