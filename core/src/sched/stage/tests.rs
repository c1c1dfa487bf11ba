use super::{LAST, Lives, Stage, word};
use crate::prim::AtomicU64;

fn ended() -> Lives {
    let life = Lives::new();
    assert!(life.close(1) && life.end(1) && life.claim(1));
    life.free(1);
    life
}

#[test]
fn a_life_goes_one_way() {
    let life = Lives::new();
    assert!(life.is_open(1) && !life.is_ending());
    assert!(!life.end(1), "it is open");
    assert!(life.close(1) && !life.close(1));
    assert_eq!(life.closed(), Some(1));
    assert!(!life.is_open(1) && !life.is_ending());
    assert!(life.end(1) && !life.end(1));
    assert_eq!(life.closed(), None);
    assert!(life.is_ending());
    assert!(life.is_left(1) && life.claim(1) && !life.claim(1), "one looks for the carriers");
    assert!(life.is_left(1));
    life.leave(1);
    assert!(life.is_left(1) && life.claim(1), "one may look again");
    life.free(1);
    assert!(!life.is_left(1));
    assert!(life.is(1, Stage::Free));
}

#[test]
fn a_place_is_given_out_once() {
    let life = ended();
    assert_eq!(life.take(|| false), None, "somebody is left");
    assert_eq!(life.take(|| true), Some(2));
    assert_eq!(life.take(|| true), None);
    assert!(!life.is_open(2), "it is not made yet");
    life.open(2);
    assert!(life.is_open(2));
}

#[test]
fn a_handle_of_an_earlier_life_changes_nothing() {
    let life = ended();
    assert_eq!(life.take(|| true), Some(2));
    life.open(2);
    assert!(!life.is_open(1));
    assert!(!life.close(1) && !life.end(1) && !life.claim(1));
    assert!(life.is_open(2));
}

#[test]
fn a_place_whose_numbers_are_used_up_is_not_given_out_again() {
    let worn = Lives(AtomicU64::new(word(LAST, Stage::Free)));
    assert_eq!(worn.take(|| true), None);
    assert!(worn.is(LAST, Stage::Free));
}
