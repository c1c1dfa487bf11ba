//! A join and an end, with the list of joiners behind a lock as the wait queue has it.

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::state::{Hold, State, Then, Ticket};

struct Model {
    child: State,
    generation: u32,
    joiners: Mutex<std::vec::Vec<(Arc<State>, Ticket)>>,
    result: AtomicU32,
}

fn running() -> (State, u32) {
    let state = State::free();
    let generation = state.open();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    (state, generation)
}

impl Model {
    fn new() -> Arc<Self> {
        let (child, generation) = running();
        let joiners = Mutex::new(std::vec::Vec::new());
        Arc::new(Self { child, generation, joiners, result: AtomicU32::new(0) })
    }

    /// The carrier of the child: how many joiners it enqueued, and whether it frees the record.
    fn end(&self) -> (usize, bool) {
        self.result.store(7, Ordering::Relaxed);
        let mut enqueued = 0;
        if self.child.complete() {
            for (joiner, ticket) in self.joiners.lock().unwrap().drain(..) {
                enqueued += usize::from(joiner.wake_inside(ticket) == Then::Enqueue);
            }
        }
        (enqueued, self.child.release(Hold::Engagement, self.generation))
    }

    /// The joiner up to its park: true if it waits.
    fn begin_join(&self, joiner: &Arc<State>) -> bool {
        let mut joiners = self.joiners.lock().unwrap();
        let waits = self.child.expect_joiner(self.generation);
        if waits {
            joiners.push((joiner.clone(), joiner.own_ticket()));
        }
        waits
    }
}

#[test]
fn a_join_is_resumed_once_or_sees_the_end() {
    loom::model(|| {
        let model = Model::new();
        let other = model.clone();
        let carrier = thread::spawn(move || other.end());
        let joiner = Arc::new(running().0);
        let waits = model.begin_join(&joiner);
        let ours = match waits {
            true => joiner.commit_park(crate::state::Heeds::Inside),
            false => Then::Nothing,
        };
        let (theirs, _) = carrier.join().unwrap();
        let resumed = usize::from(ours == Then::Enqueue) + theirs;
        assert_eq!(resumed, usize::from(waits));
        assert_eq!(model.result.load(Ordering::Relaxed), 7);
    });
}

#[test]
fn a_join_that_sees_the_end_sees_its_writes_and_frees_once() {
    loom::model(|| {
        let model = Model::new();
        let other = model.clone();
        let carrier = thread::spawn(move || other.end());
        let sees = model.child.is_completed(model.generation);
        if sees {
            assert_eq!(model.result.load(Ordering::Relaxed), 7);
        }
        let ours = sees && model.child.release(Hold::Handle, model.generation);
        let (_, theirs) = carrier.join().unwrap();
        let late = !sees && model.child.release(Hold::Handle, model.generation);
        assert_eq!([ours, theirs, late].iter().filter(|last| **last).count(), 1);
    });
}
