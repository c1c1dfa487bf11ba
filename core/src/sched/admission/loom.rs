//! Every interleaving of entering, leaving and waiting, with a lock as the queue has one.

use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{Left, Places, Reserved, WAITING};
use crate::prim::{AtomicBool, Ordering, fence};
use crate::sched::stage::Lives;
use crate::state::{Cancelled, State, Then};

/// As `Admission`, with a list of numbers for the wait queue.
struct Model {
    places: Places,
    queue: Mutex<std::vec::Vec<u32>>,
}

impl Model {
    fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self { places: Places::new(limit), queue: Mutex::new(std::vec::Vec::new()) })
    }

    /// True if admitted at once.
    fn enter(&self, who: u32) -> bool {
        let held = reserve(&self.places)
            || loop {
                let mut queue = self.queue.lock().unwrap();
                match self.places.reserve_or_wait() {
                    Reserved::Held => break true,
                    Reserved::Full => {
                        queue.push(who);
                        break false;
                    }
                    Reserved::Unsettled => {
                        drop(queue);
                        thread::yield_now();
                    }
                }
            };
        if held {
            self.places.settle();
        }
        held
    }

    /// Who was admitted instead.
    fn leave(&self) -> Option<u32> {
        if self.places.leave() == Left::Done {
            return None;
        }
        let mut queue = self.queue.lock().unwrap();
        self.places.hand_over().then(|| queue.remove(0))
    }
}

#[test]
fn of_two_that_enter_one_waits() {
    loom::model(|| {
        let model = Model::new(1);
        let other = model.clone();
        let theirs = thread::spawn(move || other.enter(0));
        let ours = model.enter(1);
        assert!(ours != theirs.join().unwrap(), "one place, one admitted");
        assert_eq!(model.queue.lock().unwrap().len(), 1);
    });
}

#[test]
fn of_two_that_reserve_one_is_told_busy() {
    loom::model(|| {
        let model = Model::new(1);
        let other = model.clone();
        let admitted = |places: &Places| {
            let reserved = reserve(places);
            if reserved {
                places.settle();
            }
            reserved
        };
        let theirs = thread::spawn(move || admitted(&other.places));
        let ours = admitted(&model.places);
        assert!(ours != theirs.join().unwrap(), "one place, one admitted");
    });
}

/// As `Admission::reserve`.
fn reserve(places: &Places) -> bool {
    loop {
        match places.reserve() {
            Reserved::Held => return true,
            Reserved::Full => return false,
            Reserved::Unsettled => thread::yield_now(),
        }
    }
}

/// A task's words in `ExecutorRef::submit_as` and `Runtime::discard`, step by step.
struct Submit {
    places: Places,
    state: State,
    generation: u32,
    counted: AtomicBool,
    /// That the task's executor is written down.
    has_executor: AtomicBool,
}

impl Submit {
    fn submit(&self) {
        if !reserve(&self.places) {
            return;
        }
        if self.state.submit(self.generation) == Then::Enqueue {
            self.counted.store(true, Ordering::Release);
            self.has_executor.store(true, Ordering::Release);
            fence(Ordering::SeqCst);
            if !self.state.will_start() {
                self.uncount();
            }
        } else {
            assert_eq!(self.places.leave(), Left::Done);
        }
        self.places.settle();
    }

    fn cancel(&self) {
        assert_eq!(self.state.cancel(self.generation), Cancelled::Discard);
        fence(Ordering::SeqCst);
        if self.has_executor.load(Ordering::Acquire) {
            self.uncount();
        }
    }

    fn uncount(&self) {
        if self.counted.swap(false, Ordering::AcqRel) {
            assert_eq!(self.places.leave(), Left::Done);
        }
    }
}

#[test]
fn a_place_of_a_cancelled_one_makes_nobody_busy() {
    loom::model(|| {
        let state = State::free();
        let generation = state.open();
        let [counted, has_executor] = [false, false].map(AtomicBool::new);
        let places = Places::new(1);
        let model = Arc::new(Submit { places, state, generation, counted, has_executor });
        let other = model.clone();
        let submits = thread::spawn(move || other.submit());
        model.cancel();
        assert!(reserve(&model.places), "nobody has the place");
        model.places.settle();
        submits.join().unwrap();
    });
}

#[test]
fn a_place_that_is_left_goes_to_who_waits() {
    loom::model(|| {
        let model = Model::new(1);
        assert!(model.enter(0));
        let other = model.clone();
        let admitted = thread::spawn(move || other.enter(1));
        let handed = model.leave();
        let admitted = admitted.join().unwrap();
        assert!(admitted != (handed == Some(1)), "admitted once, and not forgotten");
    });
}

#[test]
fn a_waiter_that_gives_up_loses_no_place() {
    loom::model(|| {
        let model = Model::new(1);
        assert!(model.enter(0));
        assert!(!model.enter(1));
        let other = model.clone();
        let gives_up = thread::spawn(move || {
            let mut queue = other.queue.lock().unwrap();
            let linked = queue.iter().position(|who| *who == 1);
            if let Some(position) = linked {
                queue.remove(position);
                other.places.give_up();
            }
            linked.is_none()
        });
        let handed = model.leave();
        let has_place = gives_up.join().unwrap();
        assert_eq!(handed.is_some(), has_place);
        assert!(has_place || model.enter(2), "the place is free again");
    });
}

#[test]
fn woken_tasks_may_exceed_the_limit_and_then_nobody_enters() {
    loom::model(|| {
        let model = Model::new(1);
        assert!(model.enter(0));
        let other = model.clone();
        let resumed = thread::spawn(move || other.places.resume());
        let first = model.leave();
        resumed.join().unwrap();
        assert_eq!(first, None);
        assert!(!reserve(&model.places), "the woken one has the place");
    });
}

/// As `Admission::close`.
fn close(model: &Model, lives: &Lives) {
    loop {
        let popped = {
            let mut queue = model.queue.lock().unwrap();
            if lives.generation() != 1 || !model.places.push_through() {
                return;
            }
            queue.remove(0)
        };
        assert_eq!(popped, 1, "one of the next life is pushed through its limit");
        assert_eq!(model.places.leave(), Left::Done);
    }
}

#[test]
fn a_late_close_lets_nobody_of_the_next_life_through() {
    loom::model(|| {
        let (model, lives) = (Model::new(1), Arc::new(Lives::new()));
        // One waits, and was not yet told of the end.
        model.places.word.store(WAITING, Ordering::Relaxed);
        model.queue.lock().unwrap().push(1);
        assert!(lives.close(1) && lives.end(1) && lives.claim(1));
        lives.free(1);
        let closers = [(); 2].map(|()| {
            let (model, lives) = (model.clone(), lives.clone());
            thread::spawn(move || close(&model, &lives))
        });
        if lives.take(|| model.places.is_empty()).is_some() {
            lives.open(2);
            assert!(model.enter(2), "nobody of the life before has a place");
            assert!(!model.enter(3), "the only place is taken");
        }
        closers.into_iter().for_each(|closer| closer.join().unwrap());
    });
}

#[test]
fn the_next_life_begins_when_nobody_is_left() {
    loom::model(|| {
        let (model, lives) = (Model::new(1), Arc::new(Lives::new()));
        let (other, ends) = (model.clone(), lives.clone());
        let leaves_late = thread::spawn(move || {
            assert!(other.enter(0));
            assert!(ends.close(1) && ends.end(1) && ends.claim(1));
            ends.free(1);
            assert_eq!(other.places.leave(), Left::Done);
        });
        let is_empty = || model.places.is_empty();
        if lives.take(is_empty).or_else(|| lives.take(is_empty)).is_some() {
            lives.open(2);
            assert!(model.enter(2), "the only place is free");
        }
        leaves_late.join().unwrap();
    });
}
