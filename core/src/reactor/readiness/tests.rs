use super::Direction;

#[test]
fn a_registration_is_ready_and_a_try_that_finds_nothing_clears_it() {
    let read = Direction::new();
    assert!(!read.look().is_ready());
    read.register();
    let seen = read.look();
    assert!(seen.is_ready() && !seen.is_ended());
    read.clear(seen);
    assert!(!read.look().is_ready());
}

#[test]
fn an_event_since_the_look_is_not_cleared() {
    let read = Direction::new();
    read.register();
    let seen = read.look();
    read.ready(false);
    read.clear(seen);
    assert!(read.look().is_ready());
}

#[test]
fn an_end_stays_until_the_next_registration() {
    let read = Direction::new();
    read.ready(true);
    read.clear(read.look());
    assert!(read.look().is_ended() && !read.look().is_ready());
    read.register();
    assert!(!read.look().is_ended());
}
