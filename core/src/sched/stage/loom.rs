//! A submit and a shutdown at once: the task is taken back, or found.

use loom::sync::Arc;
use loom::thread;

use super::Lives;
use crate::prim::{AtomicBool, AtomicU8, Ordering};
use crate::task::state::{Phase, State, Submitted, Unsubmitted};

/// As `ExecutorRef::submit_as` and `Executor::survey` treat them.
struct Model {
    life: Lives,
    state: State,
    generation: u32,
    /// The record's `executor` is written.
    written: AtomicBool,
    /// A carrier's `life`, and whether its thread came to be.
    carrier: AtomicU8,
}

impl Model {
    fn new() -> Arc<Self> {
        let state = State::free();
        let generation = state.open();
        Arc::new(Self {
            life: Lives::new(),
            state,
            generation,
            written: AtomicBool::new(false),
            carrier: AtomicU8::new(0),
        })
    }

    /// True if it is the executor's now.
    fn submit(&self) -> bool {
        while self.is_new() {
            if !self.life.is_open(1) {
                return false;
            }
            if self.state.submit(self.generation) == Submitted::Enqueue {
                return self.hand_over();
            }
        }
        true
    }

    fn is_new(&self) -> bool {
        loop {
            match self.state.phase(self.generation) {
                Some(Phase::New) => return true,
                Some(Phase::Active) if !self.written.load(Ordering::Acquire) => {
                    thread::yield_now();
                }
                _ => return false,
            }
        }
    }

    fn hand_over(&self) -> bool {
        if self.life.is_open(1) {
            self.written.store(true, Ordering::Release);
            return true;
        }
        assert_eq!(self.state.unsubmit(self.generation), Unsubmitted::New);
        false
    }

    /// True if there is a live task.
    fn close_and_look(&self) -> bool {
        self.life.close(1);
        loop {
            if self.state.submitted().is_none() {
                return false;
            }
            if self.written.load(Ordering::Acquire) {
                return true;
            }
            thread::yield_now();
        }
    }

    /// True if it starts.
    fn start(&self) -> bool {
        self.carrier.store(1, Ordering::SeqCst);
        if self.life.is_ending() {
            self.carrier.store(0, Ordering::SeqCst);
            return false;
        }
        self.carrier.store(2, Ordering::SeqCst);
        true
    }
}

#[test]
fn a_shutdown_finds_the_task_or_the_submit_is_taken_back() {
    loom::model(|| {
        let model = Model::new();
        let other = model.clone();
        let submitter = thread::spawn(move || other.submit());
        let found = model.close_and_look();
        let submitted = submitter.join().unwrap();
        assert_eq!(found, submitted);
        assert_eq!(model.state.phase(model.generation) == Some(Phase::New), !submitted);
    });
}

#[test]
fn of_two_submits_beside_a_close_none_is_told_of_a_task_that_is_taken_back() {
    loom::model(|| {
        let model = Model::new();
        let others = [(); 2].map(|()| {
            let other = model.clone();
            thread::spawn(move || other.submit())
        });
        assert!(model.life.close(1));
        let submitted = others.map(|other| other.join().unwrap()).contains(&true);
        assert_eq!(model.close_and_look(), submitted);
        assert_eq!(model.state.phase(model.generation) == Some(Phase::New), !submitted);
    });
}

#[test]
fn a_carrier_that_starts_is_seen_or_does_not() {
    loom::model(|| {
        let model = Model::new();
        assert!(model.life.close(1));
        let other = model.clone();
        let starter = thread::spawn(move || other.start());
        assert!(model.life.end(1));
        let seen = model.carrier.load(Ordering::SeqCst) != 0;
        let started = starter.join().unwrap();
        assert!(seen || !started, "a carrier runs that nobody waits for");
    });
}
