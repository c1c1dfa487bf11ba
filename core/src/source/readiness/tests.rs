use super::{Direction, ShortCount};

#[test]
fn a_registration_is_ready_and_a_call_that_finds_nothing_clears_it() {
    let read = Direction::new();
    assert!(!read.look().is_ready());
    read.register(ShortCount::Exhausts);
    let seen = read.look();
    assert!(seen.is_ready() && !seen.has_doubts());
    read.clear(seen);
    assert!(!read.look().is_ready());
}

#[test]
fn an_event_since_the_look_is_not_cleared() {
    let read = Direction::new();
    read.register(ShortCount::Exhausts);
    let seen = read.look();
    read.ready(false);
    read.clear(seen);
    assert!(read.look().is_ready());
    let seen = read.look();
    read.doubt();
    read.clear_short(seen);
    assert!(read.look().is_ready(), "urgent data came since");
}

#[test]
fn a_short_count_clears_until_there_are_doubts() {
    let read = Direction::new();
    read.register(ShortCount::Exhausts);
    read.clear_short(read.look());
    assert!(!read.look().is_ready());
    read.doubt();
    assert!(!read.look().is_ready(), "doubts are no data");
    read.ready(false);
    read.clear_short(read.look());
    assert!(read.look().is_ready(), "the call may have been ended early");
    read.clear(read.look());
    assert!(!read.look().is_ready(), "it found nothing");
    read.ready(false);
    read.clear_short(read.look());
    assert!(read.look().is_ready(), "doubts stay");
}

#[test]
fn doubts_stay_until_the_next_registration() {
    let read = Direction::new();
    read.ready(true);
    read.clear(read.look());
    assert!(read.look().has_doubts() && !read.look().is_ready());
    read.register(ShortCount::Exhausts);
    assert!(!read.look().has_doubts());
    read.register(ShortCount::Nothing);
    assert!(read.look().has_doubts() && read.look().is_ready());
}
