//! What the poller promises: `io_arm`, and the `ready` of `carrier_sleep`.
//!
//! A world without a wire keeps these promises by having nothing to wait for.

use drift_core::platform::{Armed, Event, Interest, Platform, Source};
use drift_core::time::{Instant, MILLISECOND};

use super::{ME, Wire, World, give_time, sleep, sleep_whole};

/// Polls until something comes; a sleep may be cut short, but not for ever.
fn poll(on: &dyn Platform) -> Event {
    let events = sleep(on, ME, true, None);
    assert_eq!(events.len(), 1, "one thing was asked: {events:?}");
    events[0]
}

fn assert_no_event(on: &dyn Platform) {
    let events = sleep(on, ME, true, Some(Instant::ZERO));
    assert!(events.is_empty(), "{events:?}");
}

fn arm(on: &dyn Platform, wire: &dyn Wire, token: u64, interest: Interest) -> Armed {
    on.io_arm(wire.source(), token, interest).expect("a wire can be waited for")
}

/// A level: what was ready before it was asked for counts.
pub fn a_source_that_is_ready_gives_its_event_at_once(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    wire.send();
    for token in [0, 1, u64::MAX - 1] {
        arm(on, wire, token, Interest::READ);
        let event = poll(on);
        assert_eq!((event.token, event.ready), (token, Interest::READ));
    }
}

/// An event ends the sleep of the carrier that polls.
pub fn a_source_that_becomes_ready_ends_the_sleep(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    let send = || {
        give_time(on);
        wire.send();
    };
    for token in 1..=3 {
        arm(on, wire, token, Interest::READ);
        assert_no_event(on);
        world.beside(&send, &mut || {
            let event = poll(on);
            assert_eq!((event.token, event.ready), (token, Interest::READ));
        });
        wire.receive();
    }
}

/// One question, one answer, however long the source stays ready.
pub fn an_event_comes_once(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    arm(on, wire, 5, Interest::READ);
    wire.send();
    poll(on);
    assert_no_event(on);
    wire.send();
    assert_no_event(on);
    sleep_whole(on, ME, true, MILLISECOND);
}

/// The last question is the one that is answered; the first of all is `New`.
pub fn arming_again_replaces_token_and_directions(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    assert_eq!(arm(on, wire, 1, Interest::WRITE), Armed::New);
    assert_eq!(arm(on, wire, 2, Interest::READ), Armed::Again);
    assert_no_event(on);
    wire.send();
    let event = poll(on);
    assert_eq!((event.token, event.ready), (2, Interest::READ));
    assert_no_event(on);
    assert_eq!(arm(on, wire, 3, Interest::WRITE), Armed::Again);
    assert_eq!(poll(on).token, 3);
}

/// A direction that nobody asked for is not reported, one that is not ready is not either.
pub fn only_asked_directions_are_reported(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    arm(on, wire, 1, Interest::BOTH);
    assert_eq!(poll(on).ready, Interest::WRITE);
    wire.send();
    arm(on, wire, 2, Interest::BOTH);
    assert_eq!(poll(on).ready, Interest::BOTH);
    arm(on, wire, 3, Interest::WRITE);
    assert_eq!(poll(on).ready, Interest::WRITE);
}

/// A hang-up ends a wait for either direction, asked or not.
pub fn a_hang_up_is_both_directions(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    arm(on, wire, 1, Interest::NONE);
    assert_no_event(on);
    wire.hang_up();
    let both = Interest::BOTH.union(Interest::HANG_UP);
    assert_eq!(poll(on).ready, both);
    for interest in [Interest::READ, Interest::WRITE, Interest::NONE] {
        arm(on, wire, 2, interest);
        assert_eq!(poll(on).ready, both);
    }
}

/// A wake is not an event, and does not spend one that was asked for.
pub fn a_wake_ends_a_poll_without_an_event(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    arm(on, wire, 1, Interest::READ);
    on.carrier_wake(ME);
    assert!(sleep(on, ME, true, None).is_empty());
    let wake = || {
        give_time(on);
        on.carrier_wake(ME);
    };
    world.beside(&wake, &mut || assert!(sleep(on, ME, true, None).is_empty()));
    wire.send();
    assert_eq!(poll(on).token, 1);
}

/// An `until` that is over does not keep events back.
pub fn a_poll_that_is_over_still_brings_events(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    wire.send();
    for until in [Instant::ZERO, Instant(1), on.now()] {
        arm(on, wire, 1, Interest::READ);
        assert_eq!(sleep(on, ME, true, Some(until)).len(), 1);
    }
}

/// A number that names nothing is refused, and nothing comes of it.
pub fn a_source_that_does_not_exist_is_refused(world: &dyn World) {
    let on = world.platform();
    for source in [u32::MAX, i32::MAX as u32] {
        assert!(on.io_arm(Source(source), 1, Interest::READ).is_err());
    }
    assert_no_event(on);
}
