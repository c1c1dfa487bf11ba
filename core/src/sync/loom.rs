//! Every interleaving of OS threads that wait for each other, by the code itself.
//!
//! A wait that is brief ends as soon as the others let it: so it ends at any moment. A wait that
//! nobody ends is found too: its model cannot go on. Channels and selects are in `channel`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: loom checks who touches a cell.
#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::{Arc, Mutex as LoomMutex};
use loom::thread::{self, JoinHandle};

use crate::error::ConcurrencyError;
use crate::prim::{AtomicU32, Ordering};
use crate::sync::barrier::Barrier;
use crate::sync::condvar::Condvar;
use crate::sync::event::Event;
use crate::sync::mutex::Mutex;
use crate::sync::once::{Begun, Once};
use crate::sync::rwlock::RwLock;
use crate::sync::semaphore::Semaphore;
use crate::sync::stage::{NOBODY, Stage};

pub(crate) static STAGE: Stage = Stage { wait, wake, ..NOBODY };

loom::lazy_static! {
    static ref WAITING: (LoomMutex<()>, loom::sync::Condvar) = Default::default();
}

fn wait(word: &AtomicU32, value: u32) {
    let waiting = WAITING.0.lock().unwrap();
    // Acquire pairs with the release of who changed it; `wake` comes after that, with the lock.
    if word.load(Ordering::Acquire) == value {
        drop(WAITING.1.wait(waiting).unwrap());
    }
}

fn wake() {
    let _waiting = WAITING.0.lock().unwrap();
    WAITING.1.notify_all();
}

/// A model of three threads; with more preemptions than that it takes minutes.
pub(crate) fn model_of_three(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.map(|bound| bound.min(3));
    builder.check(model);
}

/// Runs `theirs` with another reference to `shared`.
pub(crate) fn beside<S: 'static, R: 'static>(
    shared: &Arc<S>,
    theirs: impl FnOnce(&S) -> R + 'static,
) -> JoinHandle<R> {
    let shared = shared.clone();
    thread::spawn(move || theirs(&shared))
}

/// What they came to.
pub(crate) fn joined<R, const N: usize>(threads: [JoinHandle<R>; N]) -> [R; N] {
    threads.map(|thread| thread.join().unwrap())
}

/// A primitive, and what it protects.
struct Guarded<L> {
    lock: L,
    value: UnsafeCell<u32>,
}

impl<L> Guarded<L> {
    fn new(lock: L) -> Arc<Self> {
        Arc::new(Self { lock, value: UnsafeCell::new(0) })
    }

    fn add(&self) {
        // SAFETY: loom fails if anybody else is there.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: loom fails if anybody writes.
        self.value.with(|value| unsafe { *value })
    }
}

#[test]
fn a_mutex_excludes_and_publishes() {
    loom::model(|| {
        let both = |both: &Guarded<Mutex>| {
            both.lock.lock(&STAGE.forever()).unwrap();
            both.add();
            assert!(both.lock.unlock());
        };
        let mutex = Guarded::new(Mutex::new());
        let theirs = beside(&mutex, both);
        both(&mutex);
        theirs.join().unwrap();
        assert_eq!(mutex.get(), 2);
        assert!(!mutex.lock.is_locked());
    });
}

#[test]
fn three_get_a_mutex_one_after_the_other() {
    model_of_three(|| {
        let each = |each: &Guarded<Mutex>| {
            each.lock.lock(&STAGE.forever()).unwrap();
            each.add();
            each.lock.unlock();
        };
        let mutex = Guarded::new(Mutex::new());
        let theirs = [beside(&mutex, each), beside(&mutex, each)];
        each(&mutex);
        joined(theirs);
        assert_eq!(mutex.get(), 3);
    });
}

#[test]
fn a_lock_that_comes_as_the_time_runs_out_is_not_lost() {
    loom::model(|| {
        let mutex = Arc::new(Mutex::new());
        assert!(mutex.try_lock());
        let theirs = beside(&mutex, |mutex| mutex.lock(&STAGE.briefly()).is_ok());
        mutex.unlock();
        assert_eq!(theirs.join().unwrap(), mutex.is_locked());
        mutex.unlock();
        assert!(mutex.try_lock());
    });
}

#[test]
fn a_lock_that_times_out_leaves_the_mutex_to_the_next() {
    model_of_three(|| {
        let mutex = Arc::new(Mutex::new());
        assert!(mutex.try_lock());
        let brief = beside(&mutex, |mutex| mutex.lock(&STAGE.briefly()).is_ok() && mutex.unlock());
        let patient = beside(&mutex, |mutex| {
            mutex.lock(&STAGE.forever()).unwrap();
            mutex.unlock()
        });
        mutex.unlock();
        brief.join().unwrap();
        assert!(patient.join().unwrap());
        assert!(mutex.try_lock());
    });
}

#[test]
fn a_writer_is_alone_and_readers_see_what_it_wrote() {
    model_of_three(|| {
        let lock = Guarded::new(RwLock::new());
        let reader = |lock: &Guarded<RwLock>| {
            lock.lock.read(&STAGE.forever()).unwrap();
            assert!(lock.get() <= 1);
            assert!(lock.lock.unlock_read());
        };
        let readers = [beside(&lock, reader), beside(&lock, reader)];
        lock.lock.write(&STAGE.forever()).unwrap();
        lock.add();
        assert!(lock.lock.unlock_write());
        joined(readers);
        assert!(lock.lock.try_write());
    });
}

#[test]
fn a_writer_that_turns_into_a_reader_lets_another_see() {
    loom::model(|| {
        let lock = Guarded::new(RwLock::new());
        assert!(lock.lock.try_write());
        let theirs = beside(&lock, |lock| {
            lock.lock.read(&STAGE.forever()).unwrap();
            assert_eq!(lock.get(), 1);
            assert!(lock.lock.unlock_read());
        });
        lock.add();
        assert!(lock.lock.downgrade());
        assert_eq!(lock.get(), 1);
        assert!(lock.lock.unlock_read());
        theirs.join().unwrap();
    });
}

#[test]
fn readers_behind_a_writer_that_gives_up_go_on() {
    model_of_three(|| {
        let lock = Arc::new(RwLock::new());
        assert!(lock.try_read());
        let writer = beside(&lock, |lock| lock.write(&STAGE.briefly()));
        let reader = beside(&lock, |lock| lock.read(&STAGE.forever()).unwrap());
        // Meanwhile the first share is held: the reader does not depend on it.
        assert_eq!(writer.join().unwrap(), Err(ConcurrencyError::Timeout));
        reader.join().unwrap();
        assert!(lock.unlock_read() && lock.unlock_read());
        assert!(!lock.unlock_read());
        assert!(lock.try_write());
    });
}

#[test]
fn a_reader_that_gives_up_before_a_writer_keeps_nothing() {
    model_of_three(|| {
        let lock = Arc::new(RwLock::new());
        assert!(lock.try_write());
        let reader =
            beside(&lock, |lock| lock.read(&STAGE.briefly()).is_ok() && lock.unlock_read());
        let writer = beside(&lock, |lock| {
            lock.write(&STAGE.forever()).unwrap();
            lock.unlock_write()
        });
        assert!(lock.unlock_write());
        reader.join().unwrap();
        assert!(writer.join().unwrap());
        assert!(lock.try_write());
    });
}

#[test]
fn small_requests_behind_a_large_one_that_gives_up_go_on() {
    model_of_three(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let large = beside(&semaphore, |semaphore| semaphore.acquire(2, &STAGE.briefly()));
        let small = beside(&semaphore, |semaphore| semaphore.acquire(1, &STAGE.forever()).unwrap());
        assert_eq!(large.join().unwrap(), Err(ConcurrencyError::Timeout));
        small.join().unwrap();
        assert_eq!(semaphore.permits(), 0);
    });
}

#[test]
fn permits_that_come_as_the_time_runs_out_are_not_lost() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let theirs = beside(&semaphore, |semaphore| semaphore.acquire(2, &STAGE.briefly()).is_ok());
        semaphore.release(1);
        semaphore.release(1);
        let got = if theirs.join().unwrap() { 2 } else { 0 };
        assert_eq!(semaphore.permits() + got, 2);
    });
}

#[test]
fn one_release_serves_several_in_order() {
    model_of_three(|| {
        let semaphore = Guarded::new(Semaphore::new(0));
        let each = |semaphore: &Guarded<Semaphore>| {
            semaphore.lock.acquire(1, &STAGE.forever()).unwrap();
            semaphore.get()
        };
        let theirs = [beside(&semaphore, each), beside(&semaphore, each)];
        semaphore.add();
        semaphore.lock.release(2);
        assert_eq!(joined(theirs), [1, 1]);
        assert_eq!(semaphore.lock.permits(), 0);
    });
}

/// A mutex, its condition variable, and what they are about.
struct Gate {
    mutex: Mutex,
    changed: Condvar,
    is_open: UnsafeCell<bool>,
}

impl Gate {
    fn new() -> Arc<Self> {
        let is_open = UnsafeCell::new(false);
        Arc::new(Self { mutex: Mutex::new(), changed: Condvar::new(), is_open })
    }

    fn lock(&self) {
        self.mutex.lock(&STAGE.forever()).unwrap();
    }
}

fn pass(gate: &Gate) {
    gate.lock();
    // SAFETY: the mutex is ours; loom fails if not.
    while !gate.is_open.with(|is_open| unsafe { *is_open }) {
        gate.changed.wait(&gate.mutex, &STAGE.forever()).unwrap();
    }
    assert!(gate.mutex.unlock());
}

#[test]
fn a_notification_after_the_unlock_of_a_wait_is_not_missed() {
    loom::model(|| {
        let gate = Gate::new();
        let theirs = beside(&gate, pass);
        gate.lock();
        // SAFETY: the mutex is ours; loom fails if not.
        gate.is_open.with_mut(|is_open| unsafe { *is_open = true });
        gate.mutex.unlock();
        gate.changed.notify_one();
        theirs.join().unwrap();
    });
}

#[test]
fn all_who_wait_are_notified() {
    model_of_three(|| {
        let gate = Gate::new();
        let theirs = [beside(&gate, pass), beside(&gate, pass)];
        gate.lock();
        // SAFETY: the mutex is ours; loom fails if not.
        gate.is_open.with_mut(|is_open| unsafe { *is_open = true });
        gate.changed.notify_all();
        gate.mutex.unlock();
        joined(theirs);
    });
}

#[test]
fn a_notification_as_the_time_runs_out_is_not_lost() {
    model_of_three(|| {
        let gate = Gate::new();
        let brief = |gate: &Gate| {
            gate.lock();
            let notified = gate.changed.wait(&gate.mutex, &STAGE.briefly()).is_ok();
            assert!(gate.mutex.unlock(), "it has the mutex in any case");
            usize::from(notified)
        };
        let theirs = [beside(&gate, brief), beside(&gate, brief)];
        let notified = usize::from(gate.changed.notify_one());
        let woken: usize = joined(theirs).iter().sum();
        assert_eq!(woken, notified, "as many go on as were notified");
    });
}

#[test]
fn a_meeting_has_one_leader_and_all_the_others() {
    model_of_three(|| {
        let barrier = Arc::new(Barrier::new(2));
        let twice = |barrier: &Barrier| {
            [(); 2].map(|()| barrier.wait(&STAGE.briefly())).into_iter().flatten().collect()
        };
        let theirs = [beside(&barrier, twice), beside(&barrier, twice)];
        let mut met: std::vec::Vec<bool> = twice(&barrier);
        joined(theirs).into_iter().for_each(|theirs| met.extend(theirs));
        let leaders = met.iter().filter(|leads| **leads).count();
        assert_eq!(met.len(), 2 * leaders, "of two, one leads");
    });
}

#[test]
fn two_meetings_of_two_take_place() {
    loom::model(|| {
        let barrier = Guarded::new(Barrier::new(2));
        let both = |barrier: &Guarded<Barrier>| {
            let first = barrier.lock.wait(&STAGE.forever()).unwrap();
            if first {
                barrier.add();
            }
            barrier.lock.wait(&STAGE.forever()).unwrap();
            assert_eq!(barrier.get(), 1);
        };
        let theirs = beside(&barrier, both);
        both(&barrier);
        theirs.join().unwrap();
    });
}

#[test]
fn an_event_wakes_all_and_publishes() {
    model_of_three(|| {
        let event = Guarded::new(Event::new());
        let waits = |event: &Guarded<Event>| {
            event.lock.wait(&STAGE.forever()).unwrap();
            event.get()
        };
        let theirs = [beside(&event, waits), beside(&event, waits)];
        event.add();
        event.lock.set();
        assert_eq!(joined(theirs), [1, 1]);
    });
}

#[test]
fn an_event_that_is_reset_at_once_has_still_happened() {
    loom::model(|| {
        let event = Guarded::new(Event::new());
        let theirs = beside(&event, |event| {
            let happened = event.lock.wait(&STAGE.briefly()).is_ok();
            assert!(!happened || event.get() == 1, "it was set");
        });
        event.add();
        event.lock.set();
        event.lock.reset();
        theirs.join().unwrap();
        assert_eq!(event.lock.wait(&STAGE.briefly()), Err(ConcurrencyError::Timeout));
    });
}

#[test]
fn once_is_done_by_one_and_seen_by_the_other() {
    loom::model(|| {
        let once = Guarded::new(Once::new());
        let both = |once: &Guarded<Once>| {
            if once.lock.is_done() {
                return assert_eq!(once.get(), 1, "published without a lock");
            }
            let begun = once.lock.begin(false, &STAGE.forever()).unwrap();
            if begun == Begun::Run {
                once.add();
                once.lock.finish(true);
            }
            assert_eq!(once.get(), 1);
            assert!(once.lock.is_done());
        };
        let theirs = beside(&once, both);
        both(&once);
        theirs.join().unwrap();
    });
}

#[test]
fn once_that_failed_is_poisoned_or_begun_again() {
    model_of_three(|| {
        let once = Guarded::new(Once::new());
        let again = |once: &Guarded<Once>| {
            let begun = once.lock.begin(true, &STAGE.forever()).unwrap();
            if matches!(begun, Begun::Run | Begun::RunAgain) {
                once.add();
                once.lock.finish(true);
            }
            assert_eq!(once.get(), 1);
        };
        assert_eq!(once.lock.begin(false, &STAGE.forever()), Ok(Begun::Run));
        let theirs = [beside(&once, again), beside(&once, again)];
        once.lock.finish(false);
        let begun = once.lock.begin(false, &STAGE.forever());
        assert!(matches!(begun, Ok(Begun::Poisoned | Begun::Done)));
        joined(theirs);
    });
}

#[test]
fn who_waits_for_once_sees_what_was_done() {
    loom::model(|| {
        let once = Guarded::new(Once::new());
        let theirs = beside(&once, |once| {
            assert_eq!(once.lock.wait(false, &STAGE.forever()), Ok(true));
            assert_eq!(once.get(), 1);
        });
        assert_eq!(once.lock.begin(false, &STAGE.forever()), Ok(Begun::Run));
        once.add();
        once.lock.finish(true);
        theirs.join().unwrap();
    });
}

#[test]
fn a_wait_for_once_times_out_only_while_it_runs() {
    loom::model(|| {
        let once = Arc::new(Once::new());
        assert_eq!(once.begin(false, &STAGE.forever()), Ok(Begun::Run));
        let theirs = beside(&once, |once| {
            let before = once.is_done();
            let begun = once.begin(false, &STAGE.briefly());
            assert!(begun == Ok(Begun::Done) || begun.is_err() && !before);
        });
        once.finish(true);
        theirs.join().unwrap();
    });
}
