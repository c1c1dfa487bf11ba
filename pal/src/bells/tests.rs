//! Places and bells, one after another.

extern crate std;

use core::ptr;
use std::boxed::Box;
use std::vec::Vec;

use drift_core::prim::AtomicU32;

use super::{Bells, NEAR};

fn bells() -> Box<Bells> {
    Box::new(Bells::new())
}

fn rung(bells: &Bells, word: *const AtomicU32) -> Vec<u32> {
    let rung = std::cell::RefCell::new(Vec::new());
    bells.ring(word, |bell| rung.borrow_mut().push(bell));
    rung.into_inner()
}

#[test]
fn a_ring_reaches_all_who_sleep_beside_that_word_and_nobody_else() {
    let (bells, words) = (bells(), [const { AtomicU32::new(0) }; 2]);
    assert!(rung(&bells, &words[0]).is_empty());
    let one = bells.sit_down(&words[0], || Some(5)).unwrap();
    let other = bells.sit_down(&words[0], || Some(6)).unwrap();
    let third = bells.sit_down(&words[1], || Some(7)).unwrap();
    assert_eq!(rung(&bells, &words[0]), [5, 6]);
    assert_eq!(rung(&bells, &words[1]), [7]);
    bells.leave(one);
    assert_eq!(rung(&bells, &words[0]), [6]);
    bells.leave(other);
    bells.leave(third);
    assert!(rung(&bells, &words[0]).is_empty());
}

#[test]
fn bells_are_used_again() {
    let (bells, word) = (bells(), AtomicU32::new(0));
    for _ in 0..10_000 {
        let seat = bells.sit_down(&word, || Some(1)).unwrap();
        let second = bells.sit_down(&word, || Some(2)).unwrap();
        assert!(seat.bell != second.bell);
        bells.leave(seat);
        bells.leave(second);
    }
    let seats: Vec<_> = (3..5).map(|new| bells.sit_down(&word, || Some(new)).unwrap()).collect();
    assert!(seats.iter().all(|seat| seat.bell <= 2), "{seats:?}");
}

#[test]
fn without_a_place_or_a_bell_there_is_no_seat_and_nothing_is_lost() {
    let (bells, word) = (bells(), AtomicU32::new(0));
    for _ in 0..10_000 {
        assert!(bells.sit_down(&word, || None).is_none());
    }
    let all: Vec<_> =
        (0..NEAR as u32).map(|i| bells.sit_down(&word, || Some(i)).unwrap()).collect();
    assert!(bells.sit_down(&word, || unreachable!("no place, so no bell")).is_none());
    assert!(bells.sit_down(ptr::dangling(), || Some(99)).is_some_and(|seat| seat.bell == 99));
    assert_eq!(rung(&bells, &word).len(), NEAR);
    all.into_iter().for_each(|seat| bells.leave(seat));
    assert!(rung(&bells, &word).is_empty());
}
