use super::word::WAIT;
use super::{Cancelled, Heeds, Hold, LAST_GENERATION, Phase, Standing, State, Then, Unsubmitted};
use crate::prim::Ordering;

fn new() -> (State, u32) {
    let state = State::free();
    let generation = state.open();
    (state, generation)
}

fn running() -> (State, u32) {
    let (state, generation) = new();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    (state, generation)
}

fn parked(heeds: Heeds) -> (State, u32) {
    let (state, generation) = running();
    assert_eq!(state.commit_park(heeds), Then::Nothing);
    (state, generation)
}

#[test]
fn a_submit_enqueues_once() {
    let (state, generation) = new();
    assert_eq!(state.phase(generation), Some(Phase::New));
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert_eq!(state.submit(generation), Then::Nothing);
    assert_eq!(state.phase(generation), Some(Phase::Active));
}

#[test]
fn a_permit_ends_one_park() {
    let (state, generation) = running();
    assert_eq!(state.unpark(generation), Then::Nothing);
    assert_eq!(state.unpark(generation), Then::Nothing);
    assert!(state.end_wait(Heeds::Park));
    assert!(!state.end_wait(Heeds::Park), "two unparks are one permit");
}

#[test]
fn an_unpark_claims_a_parked_task_once() {
    let (state, generation) = parked(Heeds::Park);
    assert_eq!(state.unpark(generation), Then::Enqueue);
    assert_eq!(state.unpark(generation), Then::Nothing);
    assert!(state.end_wait(Heeds::Park), "the second unpark is kept for the next park");
}

#[test]
fn a_permit_outlasts_a_wait_that_does_not_heed_it() {
    let (state, generation) = parked(Heeds::Inside);
    let ticket = state.ticket(generation).expect("alive");
    assert_eq!(state.unpark(generation), Then::Nothing);
    assert_eq!(state.wake_inside(ticket), Then::Enqueue);
    assert!(state.end_wait(Heeds::Park));
}

#[test]
fn a_registration_outlasts_a_wait_inside() {
    let (state, generation) = parked(Heeds::Inside);
    let ticket = state.ticket(generation).expect("alive");
    assert_eq!(state.wake(ticket), Then::Nothing, "it does not end the join");
    assert_eq!(state.wake_inside(ticket), Then::Enqueue);
    assert!(!state.is_over(ticket), "the user's wait is the same");
    assert!(state.end_wait(Heeds::Park), "and the registration is kept for it");
    assert!(state.is_over(ticket));
}

#[test]
fn a_late_cause_inside_is_forgotten() {
    let (state, generation) = parked(Heeds::Inside);
    let ticket = state.ticket(generation).expect("alive");
    assert_eq!(state.wake_inside(ticket), Then::Enqueue);
    assert_eq!(state.wake_inside(ticket), Then::Nothing);
    state.end_inside();
    assert_eq!(state.commit_park(Heeds::Inside), Then::Nothing, "the next join is whole");
}

#[test]
fn an_old_ticket_claims_nothing() {
    let (state, generation) = parked(Heeds::Park);
    let old = state.ticket(generation).expect("alive");
    assert_eq!(state.unpark(generation), Then::Enqueue);
    assert!(state.is_over(old));
    assert_eq!(state.wake(old), Then::Nothing);
    assert!(!state.end_wait(Heeds::Park), "the next wait is whole");
    assert_eq!(state.commit_park(Heeds::Park), Then::Nothing);
    assert_eq!(state.wake(old), Then::Nothing);
    assert_eq!(state.wake(state.ticket(generation).expect("alive")), Then::Enqueue);
}

#[test]
fn a_wake_before_the_park_ends_it_and_is_used_up() {
    let (state, generation) = running();
    assert_eq!(state.wake(state.ticket(generation).expect("alive")), Then::Nothing);
    assert_eq!(state.commit_park(Heeds::Park), Then::Enqueue);
    assert_eq!(state.commit_park(Heeds::Park), Then::Nothing);
}

#[test]
fn a_task_cancelled_before_it_starts_never_starts() {
    for submitted in [false, true] {
        let (state, generation) = new();
        if submitted {
            assert_eq!(state.submit(generation), Then::Enqueue);
        }
        assert_eq!(state.cancel(generation), Cancelled::Discard);
        assert_eq!(state.cancel(generation), Cancelled::Recorded);
        assert!(!state.is_completed(generation), "the entry is not dropped yet");
        assert_eq!(state.submit(generation), Then::Nothing);
        assert!(!submitted || !state.start());
        assert!(!state.complete());
        assert!(state.is_completed(generation));
        assert_eq!(state.cancel(generation), Cancelled::Gone);
    }
}

#[test]
fn a_cancel_wakes_a_park_and_ends_every_later_one() {
    let (state, generation) = parked(Heeds::Park);
    assert_eq!(state.cancel(generation), Cancelled::Enqueue);
    assert!(state.is_cancelled());
    for _ in 0..3 {
        assert!(state.end_wait(Heeds::Park));
    }
    assert_eq!(state.commit_park(Heeds::Inside), Then::Nothing, "a join is not cut short");
}

#[test]
fn the_last_of_handle_engagement_and_pin_frees_the_record() {
    let (state, generation) = running();
    assert!(!state.complete());
    assert!(!state.release(Hold::Engagement, generation));
    assert!(state.release(Hold::Handle, generation));
    assert!(!state.release(Hold::Handle, generation), "there is one last");

    let (state, generation) = new();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert_eq!(state.cancel(generation), Cancelled::Discard);
    assert!(!state.complete());
    assert!(!state.release(Hold::Handle, generation));
    assert!(!state.release(Hold::Pin, generation));
    assert!(state.release(Hold::Engagement, generation), "the queue lets go at last");
}

#[test]
fn an_abandoned_new_task_is_dropped_and_any_other_runs_on() {
    let (state, generation) = new();
    assert_eq!(state.abandon(generation), Cancelled::Discard);
    assert!(!state.complete());
    assert!(state.release(Hold::Pin, generation));

    let (state, generation) = running();
    assert_eq!(state.abandon(generation), Cancelled::Recorded);
    assert!(!state.release(Hold::Handle, generation));
    assert!(!state.is_completed(generation));
}

#[test]
fn a_stale_handle_is_answered_in_the_next_life() {
    let (state, old) = running();
    let ticket = state.ticket(old).expect("alive");
    assert!(!state.complete());
    assert!(!state.release(Hold::Handle, old));
    assert!(state.release(Hold::Engagement, old));
    assert!(state.close());
    let generation = state.open();
    assert_ne!(generation, old);
    assert!(state.is_completed(old));
    assert_eq!(state.submit(old), Then::Nothing);
    assert_eq!(state.cancel(old), Cancelled::Gone);
    assert_eq!(state.abandon(old), Cancelled::Gone);
    assert_eq!(state.unpark(old), Then::Nothing);
    assert_eq!(state.wake(ticket), Then::Nothing);
    assert!(!state.release(Hold::Handle, old));
    assert!(!state.expect_joiner(old));
    assert_eq!(state.phase(generation), Some(Phase::New), "the new life is untouched");
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    assert!(!state.end_wait(Heeds::Park));
}

#[test]
fn a_worn_out_record_is_retired() {
    let state = State(crate::prim::AtomicU64::new(u64::from(LAST_GENERATION - 1) << 33));
    assert!(!state.close());
}

#[test]
fn waits_wrap_around_without_touching_the_generation() {
    let (state, generation) = running();
    // The last wait that there is.
    state.0.fetch_or(WAIT, Ordering::Relaxed);
    let last = state.own_ticket();
    for _ in 0..3 {
        assert_eq!(state.unpark(generation), Then::Nothing);
        assert!(state.end_wait(Heeds::Park));
        assert_ne!(state.own_ticket(), last);
    }
    assert_eq!(state.generation(), generation);
}

fn submitted() -> (State, u32) {
    let (state, generation) = new();
    assert_eq!(state.submitted(), None);
    assert_eq!(state.submit(generation), Then::Enqueue);
    let standing = Standing { generation, engaged: true, ended: false };
    assert_eq!(state.submitted(), Some(standing));
    (state, generation)
}

#[test]
fn a_submit_that_is_taken_back_never_was() {
    let (state, generation) = submitted();
    assert_eq!(state.unpark(generation), Then::Nothing);
    assert_eq!(state.unsubmit(generation), Unsubmitted::New);
    assert_eq!((state.phase(generation), state.submitted()), (Some(Phase::New), None));
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start() && state.end_wait(Heeds::Park), "the unpark is still there");
}

#[test]
fn a_handle_that_was_dropped_meanwhile_leaves_the_entry_to_the_submitter() {
    let (state, generation) = submitted();
    assert_eq!(state.abandon(generation), Cancelled::Recorded);
    assert!(!state.release(Hold::Handle, generation));
    assert_eq!(state.unsubmit(generation), Unsubmitted::Discard);
    assert!(!state.complete());
    assert!(state.release(Hold::Pin, generation), "nobody else has the record");
}

#[test]
fn a_cancel_that_came_meanwhile_owns_the_task() {
    let (state, generation) = submitted();
    assert_eq!(state.cancel(generation), Cancelled::Discard);
    assert_eq!(state.unsubmit(generation), Unsubmitted::Cancelled);
    assert!(!state.release(Hold::Engagement, generation));
    let dropping = Standing { generation, engaged: false, ended: false };
    assert_eq!(state.submitted(), Some(dropping), "an executor still answers for it");
    assert!(!state.complete());
    assert_eq!(state.submitted(), None);
}

#[test]
fn what_comes_after_the_end_does_nothing() {
    let (state, generation) = running();
    let ticket = state.ticket(generation).expect("alive");
    assert!(!state.complete());
    assert_eq!(state.wake(ticket), Then::Nothing);
    assert_eq!(state.unpark(generation), Then::Nothing);
}

#[test]
fn a_ticket_of_an_earlier_wait_wakes_nobody_inside() {
    let (state, generation) = parked(Heeds::Park);
    let ticket = state.ticket(generation).expect("alive");
    assert_eq!(state.unpark(generation), Then::Enqueue);
    assert_eq!(state.wake_inside(ticket), Then::Nothing);
    assert_eq!(state.commit_park(Heeds::Inside), Then::Nothing, "the next wait is whole");
}
