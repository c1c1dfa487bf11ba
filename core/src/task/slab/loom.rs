//! A stale handle against the reuse of its record: the generation is in the word that decides.

use loom::sync::Arc;
use loom::thread;

use crate::state::{Cancelled, Heeds, Hold, State, Then};

/// A record whose first life is about to end.
fn ending() -> (Arc<State>, u32) {
    let state = State::free();
    let generation = state.open();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    assert!(!state.release(Hold::Handle, generation));
    (Arc::new(state), generation)
}

/// The end of one life and the begin of the next, up to running.
fn reuse(state: &State, old: u32) -> u32 {
    let _ = state.complete();
    assert!(state.release(Hold::Engagement, old));
    assert!(state.close());
    let generation = state.open();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    generation
}

#[test]
fn a_stale_unpark_never_reaches_the_next_life() {
    loom::model(|| {
        let (state, old) = ending();
        let other = state.clone();
        let stale = thread::spawn(move || other.unpark(old));
        reuse(&state, old);
        assert_eq!(stale.join().unwrap(), Then::Nothing);
        assert!(!state.end_wait(Heeds::Park), "a permit came from the life before");
    });
}

#[test]
fn a_stale_wake_never_reaches_the_next_life() {
    loom::model(|| {
        let (state, old) = ending();
        let ticket = state.own_ticket();
        let other = state.clone();
        let stale = thread::spawn(move || other.wake(ticket));
        reuse(&state, old);
        assert_eq!(stale.join().unwrap(), Then::Nothing);
        assert!(!state.end_wait(Heeds::Park));
    });
}

#[test]
fn a_stale_cancel_and_drop_never_reach_the_next_life() {
    loom::model(|| {
        let (state, old) = ending();
        let other = state.clone();
        let stale = thread::spawn(move || {
            let cancelled = other.cancel(old);
            (cancelled, other.release(Hold::Handle, old))
        });
        let generation = reuse(&state, old);
        let (cancelled, freed) = stale.join().unwrap();
        assert_ne!(cancelled, Cancelled::Discard);
        assert!(!freed);
        assert!(!state.is_cancelled() && !state.is_completed(generation));
    });
}
