//! Every interleaving of two or three threads on one word.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::{Cancelled, Heeds, Hold, State, Then, Unsubmitted};

fn running() -> (Arc<State>, u32) {
    let state = State::free();
    let generation = state.open();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    (Arc::new(state), generation)
}

fn enqueues(thens: &[Then]) -> usize {
    thens.iter().filter(|then| **then == Then::Enqueue).count()
}

#[test]
fn unpark_races_park_commit() {
    loom::model(|| {
        let (state, generation) = running();
        let other = state.clone();
        let theirs = thread::spawn(move || other.unpark(generation));
        let ours = state.commit_park(Heeds::Park);
        let theirs = theirs.join().unwrap();
        // Exactly one side owns the wake-up: never both, never neither.
        assert_eq!(enqueues(&[ours, theirs]), 1);
    });
}

#[test]
fn of_two_wakes_and_a_commit_one_enqueues() {
    loom::model(|| {
        let (state, generation) = running();
        let ticket = state.own_ticket();
        let (timer, user) = (state.clone(), state.clone());
        let timer = thread::spawn(move || timer.wake(ticket));
        let user = thread::spawn(move || user.unpark(generation));
        let ours = state.commit_park(Heeds::Park);
        let (timer, user) = (timer.join().unwrap(), user.join().unwrap());
        assert_eq!(enqueues(&[ours, timer, user]), 1);
    });
}

#[test]
fn a_late_registration_leaves_nothing_for_the_next_wait() {
    loom::model(|| {
        let (state, _) = running();
        let ticket = state.own_ticket();
        let (timer, event) = (state.clone(), state.clone());
        let timer = thread::spawn(move || timer.wake(ticket));
        let event = thread::spawn(move || event.wake(ticket));
        let ours = state.commit_park(Heeds::Park);
        let (timer, event) = (timer.join().unwrap(), event.join().unwrap());
        assert_eq!(enqueues(&[ours, timer, event]), 1);
        assert!(!state.end_wait(Heeds::Park), "one of two wakes leaked");
    });
}

#[test]
fn cancel_races_start() {
    loom::model(|| {
        let state = State::free();
        let generation = state.open();
        assert_eq!(state.submit(generation), Then::Enqueue);
        let state = Arc::new(state);
        let other = state.clone();
        let cancelled = thread::spawn(move || other.cancel(generation));
        let started = state.start();
        let discards = cancelled.join().unwrap() == Cancelled::Discard;
        assert!(started != discards, "it runs, or it is dropped: not both, not neither");
    });
}

#[test]
fn cancel_races_submit() {
    loom::model(|| {
        let state = State::free();
        let generation = state.open();
        let state = Arc::new(state);
        let other = state.clone();
        let submitted = thread::spawn(move || other.submit(generation));
        assert_eq!(state.cancel(generation), Cancelled::Discard);
        if submitted.join().unwrap() == Then::Enqueue {
            assert!(!state.start());
        }
    });
}

#[test]
fn a_cancel_is_never_lost_on_a_park() {
    loom::model(|| {
        let (state, generation) = running();
        let other = state.clone();
        let theirs = thread::spawn(move || other.cancel(generation));
        let ours = state.commit_park(Heeds::Park);
        let claimed = theirs.join().unwrap() == Cancelled::Enqueue;
        assert!(claimed != (ours == Then::Enqueue));
    });
}

#[test]
fn one_release_is_the_last() {
    loom::model(|| {
        let (state, generation) = running();
        let other = state.clone();
        let carrier = thread::spawn(move || {
            let _ = other.complete();
            other.release(Hold::Engagement, generation)
        });
        let ours = state.release(Hold::Handle, generation);
        assert!(ours != carrier.join().unwrap());
    });
}

/// As `Runtime::abandon` and `take_back` use it.
#[test]
fn an_abandon_beside_a_submit_that_is_taken_back_drops_the_entry_once() {
    loom::model(|| {
        let state = Arc::new(State::free());
        let generation = state.open();
        let other = state.clone();
        let submitter = thread::spawn(move || {
            other.submit(generation) == Then::Enqueue
                && other.unsubmit(generation) == Unsubmitted::Discard
        });
        let ours = state.abandon(generation) == Cancelled::Discard;
        if !ours {
            assert!(!state.release(Hold::Handle, generation));
        }
        assert!(ours != submitter.join().unwrap());
    });
}

#[test]
fn a_joiner_is_told_or_sees_the_end() {
    loom::model(|| {
        let (state, generation) = running();
        let result = Arc::new(AtomicU32::new(0));
        let (other, written) = (state.clone(), result.clone());
        let carrier = thread::spawn(move || {
            written.store(7, Ordering::Relaxed);
            other.complete()
        });
        let waits = state.expect_joiner(generation);
        if !waits {
            assert_eq!(result.load(Ordering::Relaxed), 7, "the end publishes the writes");
        }
        assert_eq!(carrier.join().unwrap(), waits, "who waits is woken, and nobody else");
    });
}

#[test]
fn every_unpark_publishes_even_behind_a_permit() {
    loom::model(|| {
        let (state, generation) = running();
        let _ = state.unpark(generation);
        let data = Arc::new(AtomicU32::new(0));
        let (other, written) = (state.clone(), data.clone());
        let unparker = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            let _ = other.unpark(generation);
        });
        assert!(state.end_wait(Heeds::Park));
        let seen = data.load(Ordering::Relaxed) == 1;
        unparker.join().unwrap();
        assert!(seen || state.end_wait(Heeds::Park), "the park saw the unpark, or the next will");
    });
}

/// The pattern of timers and watches: the registrar marks itself, then looks at the wait; whoever
/// ends the wait does so, then looks for the mark.
#[test]
fn a_registration_is_seen_or_sees_the_end_of_its_wait() {
    loom::model(|| {
        let (state, _) = running();
        let ticket = state.own_ticket();
        let mark = Arc::new(crate::prim::AtomicU32::new(0));
        let (other, marked) = (state.clone(), mark.clone());
        let registrar = thread::spawn(move || {
            marked.store(1, Ordering::SeqCst);
            other.is_over(ticket)
        });
        let _ = state.complete();
        let seen = mark.load(Ordering::SeqCst) == 1;
        assert!(registrar.join().unwrap() || seen, "the registration would be left behind");
    });
}
