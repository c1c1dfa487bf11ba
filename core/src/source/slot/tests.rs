use core::ptr::NonNull;
use std::boxed::Box;
use std::vec::Vec;

use super::{Ask, Claimed, LEADS, Slot, SlotState, Watch};
use crate::platform::Interest;
use crate::queues::watch::Watches;
use crate::queues::watch::tests::store;
use crate::state::{Heeds, State, Then, Ticket};
use crate::task::header::Task;

fn parked() -> (NonNull<Task>, Ticket) {
    let task = NonNull::from(Box::leak(Box::new(Task::new(0))));
    // SAFETY: leaked, so alive for ever.
    let state: &State = unsafe { &task.as_ref().state };
    let generation = state.open();
    assert_eq!(state.submit(generation), Then::Enqueue);
    assert!(state.start());
    assert_eq!(state.commit_park(Heeds::Park), Then::Nothing);
    (task, state.own_ticket())
}

struct Fixture {
    slot: SlotState,
}

impl Fixture {
    fn new() -> Self {
        Self { slot: Slot::new().state.into_inner() }
    }

    fn watch(&mut self, interest: Interest) -> NonNull<Task> {
        Task::of_state(Watch::at(self.new_watch(interest)).task()).into()
    }

    fn new_watch(&mut self, interest: Interest) -> NonNull<Watch> {
        let (task, ticket) = parked();
        let watch = Watches::new().take(store(1), 3).expect("there is one");
        Watch::at(watch).set(task.cast(), ticket, interest, false);
        self.slot.add(watch);
        watch
    }

    fn claimed(&mut self) -> Vec<NonNull<Task>> {
        let mut claimed = Claimed::new();
        while self.slot.claim(&mut claimed) {}
        core::iter::from_fn(|| claimed.pop_front()).collect()
    }
}

#[test]
fn a_slot_of_zeroes_is_an_empty_one() {
    let zero = core::mem::MaybeUninit::<Slot>::zeroed();
    // SAFETY: this is what the test is about; `Option<NonNull>`, `bool` and integers may be zero.
    let slot = unsafe { zero.assume_init() };
    let mut state = slot.state.into_inner();
    assert!(state.waiting.is_empty());
    assert_eq!((state.generation, state.arming, state.again), (0, false, false));
    assert_eq!(state.ask(), Ask::Nothing);
}

#[test]
fn both_directions_and_several_waiters_are_asked_for_together() {
    let mut fixture = Fixture::new();
    fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::READ, 1));
    fixture.watch(Interest::WRITE);
    assert_eq!(fixture.slot.ask(), Ask::Nothing, "somebody asks already");
    let again = fixture.slot.armed(true);
    assert_eq!(again, Ask::Arm(Interest::BOTH, 2), "and asks once more");
    assert_eq!(fixture.slot.armed(false), Ask::Nothing);
    assert!(fixture.claimed().is_empty());
}

#[test]
fn an_event_wakes_who_wants_it_and_asks_for_the_rest() {
    let mut fixture = Fixture::new();
    let reader = fixture.watch(Interest::READ);
    let writer = fixture.watch(Interest::WRITE);
    let second = fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::BOTH, 1));
    assert_eq!(fixture.slot.armed(true), Ask::Nothing);
    assert!(fixture.slot.ready(1, Interest::READ));
    assert_eq!(fixture.slot.rest(), Ask::Arm(Interest::WRITE, 2));
    assert_eq!(fixture.claimed(), [reader, second]);
    assert_eq!(fixture.slot.armed(false), Ask::Nothing);
    assert!(fixture.slot.ready(2, Interest::BOTH));
    assert_eq!(fixture.slot.rest(), Ask::Nothing);
    assert_eq!(fixture.claimed(), [writer]);
}

#[test]
fn a_watch_that_an_event_has_unlinked_is_asked_for_anew() {
    let mut fixture = Fixture::new();
    let watch = fixture.new_watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::READ, 1));
    assert_eq!(fixture.slot.armed(true), Ask::Nothing);
    assert!(fixture.slot.ready(1, Interest::READ));
    assert_eq!(fixture.claimed().len(), 1);
    assert_eq!(fixture.slot.rest(), Ask::Nothing);
    fixture.slot.widen(watch, Interest::WRITE);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::WRITE, 2), "and not for what was ready");
    fixture.slot.widen(watch, Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Nothing, "somebody asks already");
    let again = fixture.slot.armed(false);
    assert_eq!(again, Ask::Arm(Interest::BOTH, 3), "a linked one wants both");
}

#[test]
fn an_event_of_the_past_wakes_nobody() {
    let mut fixture = Fixture::new();
    fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::READ, 1));
    assert_eq!(fixture.slot.armed(true), Ask::Nothing);
    assert!(!fixture.slot.ready(7, Interest::BOTH));
    assert!(fixture.claimed().is_empty());
}

#[test]
fn who_waits_for_a_closed_descriptor_is_woken_when_its_number_is_new() {
    let mut fixture = Fixture::new();
    let orphan = fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::READ, 1));
    assert_eq!(fixture.slot.armed(true), Ask::Nothing);
    fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::READ, 2));
    assert_eq!(fixture.slot.armed(true), Ask::Nothing);
    assert_eq!(fixture.claimed(), [orphan]);
}

#[test]
fn a_refusal_wakes_all() {
    let mut fixture = Fixture::new();
    let first = fixture.watch(Interest::READ);
    let second = fixture.watch(Interest::WRITE);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::BOTH, 1));
    fixture.slot.refused();
    assert_eq!(fixture.claimed(), [first, second]);
    fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::READ, 2), "the slot goes on");
}

#[test]
fn an_owned_descriptor_is_looked_at_and_never_armed() {
    let mut fixture = Fixture::new();
    let before = fixture.watch(Interest::READ);
    let generation = fixture.slot.take_over();
    assert_eq!(fixture.claimed(), [before], "it waited for a descriptor of the past");
    assert_eq!(fixture.slot.ask(), Ask::Nothing);
    let reader = fixture.watch(Interest::READ);
    assert_eq!(fixture.slot.ask(), Ask::Look(Interest::READ));
    assert!(fixture.slot.ready(generation, Interest::WRITE));
    assert_eq!(fixture.slot.rest(), Ask::Nothing);
    assert!(fixture.slot.ready(generation, Interest::READ));
    assert_eq!(fixture.claimed(), [reader]);
    fixture.slot.give_up();
    assert!(!fixture.slot.ready(generation, Interest::READ));
}

#[test]
fn a_close_is_counted_and_claims_all() {
    let mut fixture = Fixture::new();
    let reader = fixture.watch(Interest::READ);
    let closes = fixture.slot.closes();
    fixture.slot.close();
    assert_eq!(fixture.claimed(), [reader]);
    assert_ne!(fixture.slot.closes(), closes);
}

#[test]
fn a_watch_that_is_not_linked_is_not_removed() {
    let mut fixture = Fixture::new();
    let watch = fixture.new_watch(Interest::READ);
    assert!(fixture.slot.remove(watch));
    assert!(!fixture.slot.remove(watch));
    assert!(fixture.slot.waiting.is_empty());
}

/// However many wait, a hold of the lock claims 64 at most, and the others can leave meanwhile.
#[test]
fn many_are_claimed_in_batches() {
    let mut fixture = Fixture::new();
    let watches: Vec<_> = (0..200).map(|_| fixture.new_watch(Interest::READ)).collect();
    let other = fixture.watch(Interest::WRITE);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::BOTH, 1));
    assert!(fixture.slot.ready(1, Interest::READ));
    let mut claimed = Claimed::new();
    assert!(fixture.slot.claim(&mut claimed), "there are more");
    assert_eq!(claimed.count(), 64);
    assert_eq!(fixture.slot.armed(false), Ask::Nothing, "a question may be answered in between");
    for watch in &watches[100..] {
        fixture.slot.remove(*watch);
    }
    assert_eq!(fixture.claimed().len(), 36);
    assert_eq!(fixture.slot.ask(), Ask::Arm(Interest::WRITE, 2));
    assert!(fixture.slot.ready(2, Interest::WRITE));
    assert_eq!(fixture.claimed(), [other]);
}

/// A watch is taken out of whichever list it is in, first or not.
#[test]
fn watches_leave_from_every_list() {
    for place in 0..3 {
        let mut fixture = Fixture::new();
        let mut watches = Vec::new();
        // Old, asked and fresh ones.
        for _ in 0..3 {
            watches.extend((0..3).map(|_| fixture.new_watch(Interest::BOTH)));
            let _ = fixture.slot.ask();
            let _ = fixture.slot.armed(false);
        }
        for row in watches.chunks(3) {
            assert!(fixture.slot.remove(row[place]));
            assert!(!fixture.slot.remove(row[place]));
        }
        fixture.slot.close();
        assert_eq!(fixture.claimed().len(), 6);
    }
}

#[test]
fn no_generation_is_that_of_a_leader() {
    let mut fixture = Fixture::new();
    fixture.slot.generation = LEADS - 2;
    let generations = [(); 3].map(|()| fixture.slot.take_over());
    assert_eq!(generations, [LEADS - 1, 1, 2]);
}
