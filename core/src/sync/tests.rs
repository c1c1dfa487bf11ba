//! The primitives between OS threads, and their tables row by row.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: what is linked here stays in its test's frame.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use std::rc::Rc;
use std::sync::{Condvar as StdCondvar, Mutex as StdMutex, PoisonError};
use std::thread;
use std::vec::Vec;

use super::channel::{Buffer, Channel, Receive, Send};
use super::select::{Arm, Dice, Numbered, attempt, select, try_select};
use super::stage::{Bounded, NOBODY, Stage, Unbounded};
use super::{barrier::Barrier, condvar::Condvar, event::Event, mutex::Mutex, once::Begun};
use super::{once::Once, reentrant::ReentrantMutex, rwlock::RwLock, semaphore::Semaphore};
use crate::error::ConcurrencyError;
use crate::prim::{AtomicU32, Ordering};
use crate::wait::bounds::Wait;

static STAGE: Stage = Stage { wait, wake, ..NOBODY };
static WAITING: (StdMutex<()>, StdCondvar) = (StdMutex::new(()), StdCondvar::new());

fn wait(word: &AtomicU32, value: u32) {
    let waiting = WAITING.0.lock().unwrap_or_else(PoisonError::into_inner);
    // Acquire pairs with the release of who changed it; `wake` comes after that, with the lock.
    if word.load(Ordering::Acquire) == value {
        drop(WAITING.1.wait(waiting));
    }
}

fn wake() {
    let _waiting = WAITING.0.lock();
    WAITING.1.notify_all();
}

/// Until `is_so`.
fn spin(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

/// More than one batch of waiters.
const CROWD: usize = 40;

#[test]
fn a_mutex_excludes_many_threads() {
    let mutex = Mutex::new();
    let inside = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    mutex.lock(&STAGE.forever()).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    inside.fetch_sub(1, Ordering::Relaxed);
                    assert!(mutex.unlock());
                }
            });
        }
    });
    assert!(!mutex.is_locked());
}

#[test]
fn a_mutex_that_nobody_has_is_not_unlocked() {
    let mutex = Mutex::default();
    assert!(!mutex.unlock());
    assert!(mutex.try_lock());
    assert!(!mutex.try_lock());
    assert_eq!(mutex.lock(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert!(mutex.unlock());
    assert!(!mutex.unlock());
}

#[test]
fn readers_share_and_the_first_who_waits_is_not_overtaken() {
    let lock = RwLock::default();
    assert!(lock.try_read() && lock.try_read() && !lock.try_write());
    thread::scope(|scope| {
        let writer = scope.spawn(|| lock.write(&STAGE.forever()));
        // Once the writer waits, nobody reads any more.
        spin(|| !lock.try_read() || !lock.unlock_read());
        assert_eq!(lock.read(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
        assert!(lock.unlock_read() && lock.unlock_read() && !lock.unlock_read());
        assert_eq!(writer.join().unwrap(), Ok(()));
    });
    assert!(!lock.try_read() && !lock.try_write());
    assert!(lock.unlock_write() && !lock.unlock_write());
}

#[test]
fn a_reader_shares_again_where_a_writer_waits() {
    let lock = RwLock::new();
    assert!(lock.try_read() && lock.is_locked() && !lock.is_written());
    thread::scope(|scope| {
        let writer = scope.spawn(|| lock.write(&STAGE.forever()));
        // Once it waits, a stranger does not overtake it, and who reads already does.
        while lock.try_read() {
            assert!(lock.unlock_read());
        }
        assert!(lock.try_read_again());
        assert_eq!(lock.read_again(&STAGE.briefly()), Ok(()));
        (0..3).for_each(|_| assert!(lock.unlock_read()));
        writer.join().unwrap().unwrap();
    });
    assert!(lock.is_locked() && lock.is_written() && !lock.try_read_again());
    assert_eq!(lock.read_again(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
}

#[test]
fn a_writer_turns_into_a_reader_and_lets_readers_in() {
    let lock = RwLock::new();
    assert!(!lock.downgrade() && lock.try_write());
    thread::scope(|scope| {
        let readers: Vec<_> =
            (0..CROWD).map(|_| scope.spawn(|| lock.read(&STAGE.forever()))).collect();
        assert!(lock.downgrade());
        readers.into_iter().for_each(|reader| reader.join().unwrap().unwrap());
    });
    assert!(!lock.is_written() && !lock.try_write());
    (0..=CROWD).for_each(|_| assert!(lock.unlock_read()));
    assert!(!lock.is_locked());
}

#[test]
fn a_crowd_of_readers_goes_on_with_one_unlock() {
    let lock = RwLock::new();
    assert!(lock.try_write());
    thread::scope(|scope| {
        let readers: Vec<_> =
            (0..CROWD).map(|_| scope.spawn(|| lock.read(&STAGE.forever()))).collect();
        lock.unlock_write();
        readers.into_iter().for_each(|reader| reader.join().unwrap().unwrap());
    });
    (0..CROWD).for_each(|_| assert!(lock.unlock_read()));
    assert!(lock.try_write());
}

#[test]
fn permits_stop_at_their_maximum() {
    let semaphore = Semaphore::new(u32::MAX);
    assert_eq!(semaphore.permits(), Semaphore::MAX_PERMITS);
    semaphore.release(u32::MAX);
    assert_eq!(semaphore.permits(), Semaphore::MAX_PERMITS);
    assert_eq!(semaphore.acquire(u32::MAX, &STAGE.briefly()), Ok(()));
    assert!(!semaphore.try_acquire(1) && semaphore.try_acquire(0));
    assert_eq!(semaphore.acquire(u32::MAX, &STAGE.briefly()), Err(ConcurrencyError::Timeout));
}

#[test]
fn one_release_serves_a_crowd() {
    let semaphore = Semaphore::new(0);
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..CROWD).map(|_| scope.spawn(|| semaphore.acquire(1, &STAGE.forever()))).collect();
        semaphore.release(CROWD as u32);
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap().unwrap());
    });
    assert_eq!(semaphore.permits(), 0);
}

#[test]
fn any_number_of_permits_can_be_waited_for() {
    for wanted in [1, i32::MAX as u32 - 1, i32::MAX as u32, 1 << 31, Semaphore::MAX_PERMITS] {
        let semaphore = Semaphore::new(0);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| semaphore.acquire(wanted, &STAGE.forever()));
            // Once it waits, nobody overtakes it.
            spin(|| !semaphore.try_acquire(0));
            semaphore.release(wanted);
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
    }
}

#[test]
fn a_crowd_is_notified_at_once_or_one_by_one() {
    let (mutex, condvar) = (Mutex::new(), Condvar::default());
    assert!(!condvar.notify_one());
    assert_eq!(condvar.notify_all(), 0);
    for all in [true, false] {
        let waiting = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..CROWD {
                scope.spawn(|| {
                    mutex.lock(&STAGE.forever()).unwrap();
                    waiting.fetch_add(1, Ordering::Relaxed);
                    condvar.wait(&mutex, &STAGE.forever()).unwrap();
                    assert!(mutex.unlock());
                });
            }
            spin(|| waiting.load(Ordering::Relaxed) as usize == CROWD);
            mutex.lock(&STAGE.forever()).unwrap();
            // All have unlocked it in their waits.
            match all {
                true => assert_eq!(condvar.notify_all(), CROWD),
                false => (0..CROWD).for_each(|_| assert!(condvar.notify_one())),
            }
            assert!(!condvar.notify_one());
            mutex.unlock();
        });
    }
}

#[test]
fn a_barrier_holds_a_crowd_twice() {
    let barrier = Barrier::new(CROWD as u32);
    for _ in 0..2 {
        thread::scope(|scope| {
            let met: Vec<_> =
                (0..CROWD).map(|_| scope.spawn(|| barrier.wait(&STAGE.forever()))).collect();
            let leaders = met.into_iter().map(|met| met.join().unwrap().unwrap());
            assert_eq!(leaders.filter(|leads| *leads).count(), 1);
        });
    }
    assert_eq!(barrier.wait(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert_eq!(Barrier::new(0).wait(&STAGE.briefly()), Ok(true));
    assert_eq!(Barrier::new(1).wait(&STAGE.briefly()), Ok(true));
}

#[test]
fn an_event_stays_until_it_is_reset() {
    let event = Event::default();
    assert_eq!(event.wait(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
    event.set();
    event.set();
    assert!(event.is_set());
    assert_eq!(event.wait(&STAGE.briefly()), Ok(()));
    event.reset();
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..CROWD).map(|_| scope.spawn(|| event.wait(&STAGE.forever()))).collect();
        event.set();
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap().unwrap());
    });
}

#[test]
fn once_is_done_once_and_a_failure_is_seen() {
    let once = Once::default();
    assert_eq!(once.begin(false, &STAGE.briefly()), Ok(Begun::Run));
    assert_eq!(once.begin(false, &STAGE.briefly()), Err(ConcurrencyError::Timeout));
    once.finish(false);
    assert!(!once.is_done());
    assert_eq!(once.begin(false, &STAGE.briefly()), Ok(Begun::Poisoned));
    assert_eq!(once.wait(false, &STAGE.briefly()), Ok(false));
    assert_eq!(once.wait(true, &STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert_eq!(once.begin(true, &STAGE.briefly()), Ok(Begun::RunAgain));
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..CROWD).map(|_| scope.spawn(|| once.begin(false, &STAGE.forever()))).collect();
        let others = [false, true].map(|again| {
            let once = &once;
            scope.spawn(move || once.wait(again, &STAGE.forever()))
        });
        once.finish(true);
        others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), Ok(true)));
        waiting.into_iter().for_each(|begun| assert_eq!(begun.join().unwrap(), Ok(Begun::Done)));
    });
    assert!(once.is_done());
}

#[test]
fn an_owner_locks_again_and_nobody_else_does() {
    let lock = ReentrantMutex::default();
    assert!(lock.try_lock(1));
    assert_eq!(lock.lock(1, &STAGE.briefly()), Ok(()));
    assert_eq!((lock.depth(1), lock.depth(2)), (2, 0));
    assert!(!lock.try_lock(2) && !lock.unlock(2));
    assert!(lock.unlock(1));
    assert_eq!(lock.lock(2, &STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert!(lock.unlock(1) && !lock.unlock(1));
    assert!(lock.try_lock(2));
}

fn bounded(limit: usize) -> Channel<Bounded<usize>> {
    Channel::new(Bounded::new(limit))
}

#[test]
fn a_full_channel_refuses_and_an_empty_one_has_nothing() {
    let channel = bounded(1);
    assert_eq!(channel.try_receive(), Err(ConcurrencyError::Busy));
    assert_eq!(channel.receive(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert_eq!(channel.try_send(1), Ok(()));
    assert_eq!(channel.try_send(2), Err((2, ConcurrencyError::Busy)));
    assert_eq!(channel.send(2, &STAGE.briefly()), Err((2, ConcurrencyError::Timeout)));
    assert_eq!(channel.len(), 1);
    assert!(channel.close() && channel.is_closed() && !channel.close());
    assert_eq!(channel.try_send(3), Err((3, ConcurrencyError::Closed)));
    assert_eq!(channel.send(3, &STAGE.briefly()), Err((3, ConcurrencyError::Closed)));
    assert_eq!(channel.receive(&STAGE.briefly()), Ok(1));
    assert_eq!(channel.receive(&STAGE.briefly()), Err(ConcurrencyError::Closed));
    assert_eq!(channel.try_receive(), Err(ConcurrencyError::Closed));
}

/// A buffer that says of itself that it may be sent, whatever its items are.
struct Meeting<T>(PhantomData<fn() -> T>);

impl<T> Buffer for Meeting<T> {
    type Item = T;
    type Room = ();

    fn push(&mut self, item: T, _: &mut Option<()>) -> Result<(), T> {
        Err(item)
    }

    fn pop(&mut self) -> Option<(T, Option<()>)> {
        None
    }

    fn more() {}

    fn is_full(&self) -> bool {
        true
    }

    fn len(&self) -> usize {
        0
    }
}

static_assertions::assert_impl_all!(Channel<Meeting<u32>>: core::marker::Send, Sync);
static_assertions::assert_not_impl_any!(Channel<Meeting<Rc<u32>>>: core::marker::Send, Sync);
static_assertions::assert_not_impl_any!(Receive<'_, Meeting<u32>>: core::marker::Send, Sync);
static_assertions::assert_impl_all!(Wait: core::marker::Send, Sync);

#[test]
fn every_value_of_many_senders_arrives_once() {
    for limit in [0, 1, 8] {
        let channel = bounded(limit);
        let mut received = thread::scope(|scope| {
            let send = |from: usize| {
                let channel = &channel;
                move || {
                    (from..from + 50).for_each(|value| {
                        channel.send(value, &STAGE.forever()).unwrap();
                    });
                }
            };
            let senders = [0, 50, 100].map(|from| scope.spawn(send(from)));
            let receive = || {
                std::iter::from_fn(|| channel.receive(&STAGE.forever()).ok()).collect::<Vec<_>>()
            };
            let receivers = [(); 2].map(|()| scope.spawn(receive));
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            channel.close();
            receivers.map(|receiver| receiver.join().unwrap()).concat()
        });
        received.sort_unstable();
        assert_eq!(received, (0..150).collect::<Vec<_>>());
    }
}

#[test]
fn a_close_ends_a_crowd_of_receives_and_of_sends() {
    let (empty, full) = (bounded(0), bounded(0));
    thread::scope(|scope| {
        let receivers: Vec<_> =
            (0..CROWD).map(|_| scope.spawn(|| empty.receive(&STAGE.forever()))).collect();
        let full = &full;
        let senders: Vec<_> = (0..CROWD)
            .map(|value| scope.spawn(move || full.send(value, &STAGE.forever())))
            .collect();
        empty.close();
        full.close();
        for (value, (receiver, sender)) in receivers.into_iter().zip(senders).enumerate() {
            assert_eq!(receiver.join().unwrap(), Err(ConcurrencyError::Closed));
            assert_eq!(sender.join().unwrap(), Err((value, ConcurrencyError::Closed)));
        }
    });
}

#[test]
fn a_channel_without_a_limit_takes_all() {
    let channel = Channel::new(Unbounded::new());
    (0..100).for_each(|value| channel.send(value, &STAGE.briefly()).unwrap());
    (0..100).for_each(|value| assert_eq!(channel.try_receive(), Ok(value)));
    assert!(channel.is_empty());
}

/// How often each of `arms` was done in `rounds` selections, by the numbers of `wait`.
fn shares<const N: usize>(rounds: usize, ready: [bool; N]) -> [usize; N] {
    let channels = ready.map(|_| bounded(1));
    let mut shares = [0; N];
    for round in 0..rounds {
        let is_ready = channels.iter().zip(ready).filter(|(_, is_ready)| *is_ready);
        is_ready.for_each(|(channel, _)| _ = channel.try_send(7));
        let mut dice = Dice(round as u64);
        let mut arms = channels.each_ref().map(Receive::new);
        let mut number = 0;
        let mut numbered = arms.each_mut().map(|arm| {
            number += 1;
            (number - 1, arm as &mut dyn Arm)
        });
        let done = attempt(&mut numbered, &mut dice).expect("one is ready");
        shares[done as usize] += 1;
    }
    shares
}

#[test]
fn every_arm_that_can_be_done_has_the_same_chance() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 12_000 };
    let cases: [[bool; 6]; 5] = [
        [true; 6],
        [false, false, false, false, true, true],
        [true, false, false, false, false, true],
        [true, true, false, true, false, false],
        [false, true, false, true, true, true],
    ];
    for ready in cases {
        let shares = shares(ROUNDS, ready);
        let fair = ROUNDS / ready.iter().filter(|is_ready| **is_ready).count();
        for (share, is_ready) in shares.iter().zip(ready) {
            let slack = if cfg!(miri) { ROUNDS } else { fair / 10 };
            let fair = fair.saturating_sub(slack)..fair + slack;
            let bounds = if is_ready { fair } else { 0..1 };
            assert!(bounds.contains(share), "{ready:?}: {shares:?}");
        }
    }
}

#[test]
fn a_selection_among_nothing_ends_at_once() {
    assert_eq!(try_select(&mut [], &STAGE.briefly()), None);
}

#[test]
fn a_select_without_an_outcome_gives_the_value_back() {
    let channel = bounded(0);
    let (mut send, mut receive) = (Send::new(&channel, 7), Receive::new(&channel));
    let arms: &mut [Numbered<'_>] = &mut [(0, &mut send), (1, &mut receive)];
    assert_eq!(select(arms, &STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert_eq!(select(&mut [], &STAGE.briefly()), Err(ConcurrencyError::Timeout));
    assert_eq!(send.finish(), Err((7, ConcurrencyError::Closed)));
    assert_eq!(receive.finish(), Err(ConcurrencyError::Closed));
    assert_eq!(channel.try_receive(), Err(ConcurrencyError::Busy), "nobody is linked any more");
}

#[test]
fn selects_on_both_ends_of_two_channels_exchange_every_value() {
    let channels = [bounded(0), bounded(0)];
    let exchange = |own: usize| {
        let (mut sent, mut received) = (0, 0);
        while sent + received < 200 {
            let mut send = Send::new(&channels[own], own);
            let mut receive = Receive::new(&channels[1 - own]);
            match select(&mut [(0, &mut send), (1, &mut receive)], &STAGE.forever()) {
                Ok(0) => sent += 1,
                _ => received += usize::from(receive.finish() == Ok(1 - own)),
            }
        }
        (sent, received)
    };
    let [first, second] = thread::scope(|scope| {
        let exchange = &exchange;
        [0, 1].map(|own| scope.spawn(move || exchange(own))).map(|thread| thread.join().unwrap())
    });
    assert_eq!((first.0, first.1), (second.1, second.0));
}

#[test]
fn a_channel_shows_that_it_is_one() {
    assert_eq!(std::format!("{:?}", Channel::new(Bounded::<u8>::new(1))), "Channel");
}
