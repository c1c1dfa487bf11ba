//! A wait ends, and its number is of those at which the task looks, beside one who registers.

use loom::sync::Arc;
use loom::thread;

use super::Outsiders;
use crate::prim::{AtomicBool, Ordering};
use crate::state::{Heeds, State, Then};

#[test]
fn nobody_uses_an_old_ticket_when_the_task_goes_on() {
    loom::model(|| {
        let state = State::free();
        let generation = state.open();
        assert_eq!(state.submit(generation), Then::Enqueue);
        assert!(state.start());
        state.skip_to_the_last_of_a_round();
        let old = state.own_ticket();
        let shared = Arc::new((state, Outsiders::new(), AtomicBool::new(false)));
        let other = shared.clone();
        let registers = thread::spawn(move || {
            let (state, outsiders, has_gone_on) = &*other;
            let outsider = outsiders.enter();
            let ticket = outsider.ticket(state, generation).unwrap();
            let uses_old = ticket == old;
            assert!(!(uses_old && has_gone_on.load(Ordering::Relaxed)));
        });
        let (state, outsiders, has_gone_on) = &*shared;
        assert_eq!(state.unpark(generation), Then::Nothing);
        assert!(state.end_wait(Heeds::Park));
        assert!(state.own_ticket().begins_a_round());
        while !outsiders.are_gone() {
            thread::yield_now();
        }
        has_gone_on.store(true, Ordering::Relaxed);
        registers.join().unwrap();
    });
}
