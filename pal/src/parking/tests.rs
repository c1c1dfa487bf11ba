//! The rows of the table.

use super::{Bed, Parking};

#[test]
fn a_wake_that_came_first_is_kept_and_spent_once() {
    let word = Parking::new();
    assert_eq!(word.notify(), None);
    assert!(!word.fall_asleep(Bed::Futex));
    assert!(word.fall_asleep(Bed::Futex));
}

#[test]
fn many_wakes_are_one() {
    let word = Parking::new();
    assert_eq!(word.notify(), None);
    assert_eq!(word.notify(), None);
    assert!(!word.fall_asleep(Bed::Poller));
    assert!(word.fall_asleep(Bed::Poller));
}

#[test]
fn only_the_first_wake_of_a_sleeper_is_a_system_call() {
    for bed in [Bed::Futex, Bed::Poller] {
        let word = Parking::new();
        assert!(word.fall_asleep(bed));
        assert!(word.is_asleep(bed));
        assert_eq!(word.notify(), Some(bed));
        assert!(!word.is_asleep(bed));
        assert_eq!(word.notify(), None);
        word.wake_up();
        assert!(word.fall_asleep(bed), "the wakes ended the sleep they came in");
    }
}

#[test]
fn a_sleeper_that_wakes_by_itself_needs_no_wake() {
    let word = Parking::new();
    assert!(word.fall_asleep(Bed::Futex));
    word.wake_up();
    assert_eq!(word.notify(), None);
}
