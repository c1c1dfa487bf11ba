//! No wake is lost between one pusher or two and a carrier that falls asleep.

use loom::sync::Arc;
use loom::thread;

use super::Idle;
use crate::prim::{AtomicBool, AtomicUsize, Ordering};

/// One executor with one carrier, as `Executor::notify` and `Carrier::sleep` treat it. The queue
/// is a count, kept as the injector keeps its length.
struct Model {
    idle: Idle,
    asleep: AtomicBool,
    queue: AtomicUsize,
    woken: AtomicBool,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(),
            asleep: AtomicBool::new(false),
            queue: AtomicUsize::new(0),
            woken: AtomicBool::new(false),
        })
    }

    fn take_sleeper(&self) -> bool {
        self.asleep.compare_exchange(true, false, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn push(&self) {
        self.queue.fetch_add(1, Ordering::SeqCst);
        while self.idle.begin_wake() {
            if self.take_sleeper() {
                self.woken.store(true, Ordering::SeqCst);
                return;
            }
            self.idle.undo_wake();
            if self.queue.load(Ordering::SeqCst) == 0 {
                return;
            }
        }
    }

    /// True if the carrier really sleeps.
    fn fall_asleep(&self, was_searching: bool) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.idle.fall_asleep(was_searching);
        if self.queue.load(Ordering::SeqCst) == 0 {
            return true;
        }
        self.wake_up();
        false
    }

    /// By itself; true if nobody woke it first.
    fn wake_up(&self) -> bool {
        self.idle.wake_up();
        let alone = self.take_sleeper();
        if !alone {
            self.idle.was_woken();
        }
        alone
    }
}

fn assert_not_stuck(model: &Model, slept: bool) {
    let stuck =
        slept && model.queue.load(Ordering::SeqCst) > 0 && !model.woken.load(Ordering::SeqCst);
    assert!(!stuck, "a task waits, and its only carrier sleeps for ever");
}

#[test]
fn a_push_wakes_a_carrier_that_falls_asleep() {
    loom::model(|| {
        let model = Model::new();
        let other = model.clone();
        let pusher = thread::spawn(move || other.push());
        let slept = model.fall_asleep(false);
        pusher.join().unwrap();
        assert_not_stuck(&model, slept);
    });
}

#[test]
fn of_two_pushers_one_wakes() {
    loom::model(|| {
        let model = Model::new();
        let (first, second) = (model.clone(), model.clone());
        let first = thread::spawn(move || first.push());
        let second = thread::spawn(move || second.push());
        let slept = model.fall_asleep(false);
        first.join().unwrap();
        second.join().unwrap();
        assert_not_stuck(&model, slept);
    });
}

#[test]
fn a_searcher_that_falls_asleep_is_not_relied_on() {
    loom::model(|| {
        let model = Model::new();
        assert!(model.idle.begin_search(1));
        let other = model.clone();
        let pusher = thread::spawn(move || other.push());
        let slept = model.fall_asleep(true);
        pusher.join().unwrap();
        assert_not_stuck(&model, slept);
    });
}

#[test]
fn a_claim_without_a_sleeper_is_given_back() {
    loom::model(|| {
        let model = Model::new();
        assert!(model.fall_asleep(false));
        let (first, second) = (model.clone(), model.clone());
        // The carrier wakes by itself, runs what is there and sleeps again, while two push.
        let first = thread::spawn(move || first.push());
        let second = thread::spawn(move || second.push());
        let slept = model.wake_up() && {
            model.queue.swap(0, Ordering::SeqCst);
            model.fall_asleep(false)
        };
        first.join().unwrap();
        second.join().unwrap();
        assert_not_stuck(&model, slept);
    });
}
