//! A submit and a shutdown at once: the task is taken back, or found, and the executor ends.

use loom::sync::Arc;
use loom::thread;

use super::{Lives, Stage};
use crate::prim::{AtomicBool, AtomicU8, Ordering};
use crate::state::{Cancelled, Hold, Phase, State, Then, Unsubmitted};

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
            if self.state.submit(self.generation) == Then::Enqueue {
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
        if self.state.unsubmit(self.generation) == Unsubmitted::Cancelled {
            assert!(!self.state.release(Hold::Engagement, self.generation), "it is held");
        }
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

    /// As `Executor::survey` and `Executor::end`. True if the executor ends.
    fn survey(&self) -> bool {
        loop {
            if !self.life.is(1, Stage::Closed) {
                return false;
            }
            match self.state.submitted() {
                Some(_) if self.written.load(Ordering::Acquire) => return false,
                Some(standing) if standing.engaged => thread::yield_now(),
                _ => return self.life.end(1),
            }
        }
    }

    /// As `Runtime::discard`. What it tells, a carrier looks at.
    fn cancel(&self) {
        assert_eq!(self.state.cancel(self.generation), Cancelled::Discard);
        let _ = self.state.complete();
        let written = self.written.load(Ordering::Acquire);
        assert!(!self.state.release(Hold::Pin, self.generation), "it is held");
        if written {
            self.survey();
        }
    }

    /// As `Carrier::run_task` and `Carrier::idle_turn`. One that is not cancelled by now stays in
    /// its queue until it is.
    fn let_go_when_cancelled(&self) {
        while self.state.will_start() {
            thread::yield_now();
        }
        assert!(!self.state.release(Hold::Engagement, self.generation), "it is held");
        self.survey();
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

#[test]
fn an_executor_that_is_closed_with_no_time_to_wait_ends() {
    loom::model(|| {
        let model = Model::new();
        let (submits, cancels) = (model.clone(), model.clone());
        let submitter = thread::spawn(move || {
            let is_mine = submits.state.submit(submits.generation) == Then::Enqueue;
            if is_mine && submits.hand_over() {
                submits.let_go_when_cancelled();
            }
        });
        let canceller = thread::spawn(move || cancels.cancel());
        assert!(model.life.close(1));
        model.survey();
        submitter.join().unwrap();
        canceller.join().unwrap();
        assert!(model.life.is_ending(), "nobody looks any more");
    });
}

#[test]
fn a_late_look_finds_nobody_of_the_next_life() {
    loom::model(|| {
        let model = Model::new();
        assert!(model.life.close(1));
        let other = model.clone();
        let looks = thread::spawn(move || {
            let found = other.state.submitted().is_some() && other.written.load(Ordering::Acquire);
            found && other.life.is(1, Stage::Closed)
        });
        assert!(model.life.end(1) && model.life.claim(1));
        model.life.free(1);
        assert_eq!(model.life.take(|| true), Some(2));
        model.life.open(2);
        assert_eq!(model.state.submit(model.generation), Then::Enqueue);
        model.written.store(true, Ordering::Release);
        assert!(!looks.join().unwrap(), "it belongs to the next executor");
    });
}
