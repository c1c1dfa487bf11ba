//! No wake is lost between one pusher or two and a carrier that falls asleep.

use loom::sync::Arc;
use loom::thread;

use super::Idle;
use crate::prim::{AtomicBool, AtomicUsize, Ordering};

/// One executor with one carrier, as `Executor::notify`, `Executor::wake_home` and
/// `Carrier::sleep` treat it. Queue and inbox are counts, kept as the injector keeps its length.
struct Model {
    idle: Idle,
    asleep: AtomicBool,
    queue: AtomicUsize,
    inbox: AtomicUsize,
    woken: AtomicBool,
    /// The carrier's own note that it is counted as searching.
    searches: AtomicBool,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(),
            asleep: AtomicBool::new(false),
            queue: AtomicUsize::new(0),
            inbox: AtomicUsize::new(0),
            woken: AtomicBool::new(false),
            searches: AtomicBool::new(false),
        })
    }

    fn take_sleeper(&self) -> bool {
        self.asleep.compare_exchange(true, false, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn push(&self) {
        self.queue.fetch_add(1, Ordering::SeqCst);
        self.notify();
    }

    fn notify(&self) {
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

    fn push_home(&self) {
        self.inbox.fetch_add(1, Ordering::SeqCst);
        if !self.asleep.load(Ordering::SeqCst) {
            return;
        }
        self.idle.begin_wake_of_one();
        if self.take_sleeper() {
            self.woken.store(true, Ordering::SeqCst);
            return;
        }
        self.idle.undo_wake();
        if self.queue.load(Ordering::SeqCst) > 0 {
            self.notify();
        }
    }

    /// True if the carrier really sleeps.
    fn fall_asleep(&self, was_searching: bool) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.searches.store(false, Ordering::Relaxed);
        self.idle.fall_asleep(was_searching);
        let sees_work = self.queue.load(Ordering::SeqCst) > 0;
        if !sees_work && self.inbox.load(Ordering::SeqCst) == 0 {
            return true;
        }
        if self.wake_up() && sees_work {
            self.idle.search_on();
            self.searches.store(true, Ordering::Relaxed);
        }
        false
    }

    /// By itself; true if nobody woke it first.
    fn wake_up(&self) -> bool {
        self.idle.wake_up();
        let alone = self.take_sleeper();
        if !alone {
            self.idle.was_woken();
            self.searches.store(true, Ordering::Relaxed);
        }
        alone
    }
}

fn assert_not_stuck(model: &Model, slept: bool) {
    let waiting = model.queue.load(Ordering::SeqCst) + model.inbox.load(Ordering::SeqCst);
    let stuck = slept && waiting > 0 && !model.woken.load(Ordering::SeqCst);
    assert!(!stuck, "a task waits, and its only carrier sleeps for ever");
}

/// When all is over and the carrier has come round, it is counted as what it is, and nobody else.
fn assert_counted(model: &Model, slept: bool) {
    if slept {
        model.wake_up();
    }
    if model.searches.load(Ordering::Relaxed) {
        assert!(model.idle.stop_searching(), "the carrier is the only searcher");
    }
    assert_eq!(model.idle.0.load(Ordering::SeqCst), 0);
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

#[test]
fn a_push_to_an_inbox_wakes_its_carrier() {
    loom::model(|| {
        let model = Model::new();
        let other = model.clone();
        let pusher = thread::spawn(move || other.push_home());
        let slept = model.fall_asleep(false);
        pusher.join().unwrap();
        assert_not_stuck(&model, slept);
        assert_counted(&model, slept);
    });
}

#[test]
fn pushes_to_inbox_and_queue_are_both_served() {
    loom::model(|| {
        let model = Model::new();
        let (home, any) = (model.clone(), model.clone());
        let home = thread::spawn(move || home.push_home());
        let any = thread::spawn(move || any.push());
        let slept = model.fall_asleep(false);
        home.join().unwrap();
        any.join().unwrap();
        assert_not_stuck(&model, slept);
        assert_counted(&model, slept);
    });
}

#[test]
fn a_wake_of_one_that_comes_late_is_given_back() {
    loom::model(|| {
        let model = Model::new();
        assert!(model.fall_asleep(false));
        let (first, second) = (model.clone(), model.clone());
        let first = thread::spawn(move || first.push_home());
        let second = thread::spawn(move || second.push());
        // The carrier wakes by itself, runs what is there and sleeps again, while two push.
        let slept = model.wake_up() && {
            model.queue.swap(0, Ordering::SeqCst);
            model.inbox.swap(0, Ordering::SeqCst);
            model.fall_asleep(false)
        };
        first.join().unwrap();
        second.join().unwrap();
        assert_not_stuck(&model, slept);
        assert_counted(&model, slept);
    });
}
