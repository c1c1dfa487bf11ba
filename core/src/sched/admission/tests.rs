use super::{Left, MOST_UNDER_WAY, ONE, Places, Reserved, UNDER_WAY};
use crate::prim::Ordering;

#[test]
fn busy_is_not_said_for_a_place_of_one_under_way() {
    let places = Places::new(2);
    assert_eq!(places.reserve(), Reserved::Held);
    assert_eq!(places.reserve(), Reserved::Held);
    assert_eq!(places.reserve(), Reserved::Unsettled, "two may come back");
    places.settle();
    assert_eq!(places.reserve(), Reserved::Unsettled, "one may");
    places.settle();
    assert_eq!(places.reserve(), Reserved::Full);
    assert_eq!(places.leave(), Left::Done);
    assert_eq!(places.reserve(), Reserved::Held);
}

#[test]
fn one_that_left_its_place_is_still_under_way() {
    let places = Places::new(1);
    assert_eq!(places.reserve(), Reserved::Held);
    assert_eq!(places.leave(), Left::Done);
    assert_eq!(places.reserve(), Reserved::Held);
    assert_eq!(places.reserve(), Reserved::Unsettled, "two under way, with one place");
    places.settle();
    assert_eq!(places.reserve(), Reserved::Unsettled);
    places.settle();
    assert_eq!(places.reserve(), Reserved::Full);
}

#[test]
fn over_the_limit_nothing_that_comes_back_helps() {
    let places = Places::new(1);
    assert_eq!(places.reserve(), Reserved::Held);
    places.resume();
    assert_eq!(places.reserve(), Reserved::Full);
}

#[test]
fn as_many_are_under_way_as_there_is_room_for() {
    let places = Places::new(u32::MAX);
    places.word.store(MOST_UNDER_WAY * (ONE + UNDER_WAY), Ordering::Relaxed);
    assert_eq!(places.reserve(), Reserved::Unsettled, "nothing runs over into `waiting`");
    places.settle();
    assert_eq!(places.reserve(), Reserved::Held);
}
