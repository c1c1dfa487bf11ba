//! A wake is never lost, and brings what was done before it.
//!
//! The kernel is a lock and a condition variable: like futex(2), it compares the word under its
//! lock before it sleeps. Work is a relaxed flag, so that only the word can order it; a lost
//! wake is a deadlock, which loom reports.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::{Bed, Parking};

struct World {
    word: Parking,
    kernel: Mutex<()>,
    bell: Condvar,
    work: [AtomicBool; 2],
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: Parking::new(),
            kernel: Mutex::new(()),
            bell: Condvar::new(),
            work: [AtomicBool::new(false), AtomicBool::new(false)],
        })
    }

    fn wake(&self, work: usize) {
        self.work[work].store(true, Ordering::Relaxed);
        if self.word.notify().is_some() {
            drop(self.kernel.lock().expect("no model panics with the lock"));
            self.bell.notify_all();
        }
    }

    fn sleep(&self, bed: Bed) {
        if self.word.fall_asleep(bed) {
            let mut kernel = self.kernel.lock().expect("no model panics with the lock");
            while self.word.is_asleep(bed) {
                kernel = self.bell.wait(kernel).expect("no model panics with the lock");
            }
            drop(kernel);
            self.word.wake_up();
        }
    }

    fn has_work(&self, work: usize) -> bool {
        self.work[work].load(Ordering::Relaxed)
    }
}

#[test]
fn a_wake_races_a_sleep_and_is_not_lost() {
    for bed in [Bed::Futex, Bed::Poller] {
        loom::model(move || {
            let world = World::new();
            let theirs = world.clone();
            let other = thread::spawn(move || theirs.wake(0));
            world.sleep(bed);
            assert!(world.has_work(0), "the sleep ended before the wake that ends it");
            other.join().expect("it does not panic");
        });
    }
}

#[test]
fn of_two_wakes_neither_is_lost() {
    // Three threads and a lock are minutes without a bound.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let world = World::new();
        let others: [_; 2] = core::array::from_fn(|work| {
            let other = world.clone();
            thread::spawn(move || other.wake(work))
        });
        // As a carrier does: look for work, and sleep when there is none.
        while !(world.has_work(0) && world.has_work(1)) {
            world.sleep(Bed::Futex);
        }
        for other in others {
            other.join().expect("it does not panic");
        }
    });
}
