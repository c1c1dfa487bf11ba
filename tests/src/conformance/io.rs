//! What the poller promises: `io_arm`, and the `ready` of `carrier_sleep`.
//!
//! A world without a wire keeps these promises by having nothing to wait for.

use drift_core::platform::{Armed, Event, Interest, Platform, Poll, Source};
use drift_core::prim::{AtomicU32, Ordering};
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

fn register(on: &dyn Platform, wire: &dyn Wire, token: u64) {
    on.io_register(wire.source(), token).expect("a wire can be owned");
}

/// Asks about one.
fn ask(on: &dyn Platform, wire: &dyn Wire, what: Interest) -> Interest {
    let mut polls = [Poll::new(wire.source(), what)];
    let answers = on.io_poll(&mut polls).expect("a wire is there");
    assert_eq!(answers, usize::from(polls[0].ready() != Interest::NONE));
    polls[0].ready()
}

fn level(on: &dyn Platform, wire: &dyn Wire) -> Interest {
    ask(on, wire, Interest::BOTH)
}

/// What is so at the registration is told at once, and afterwards each time that data comes.
pub fn a_registered_source_tells_every_edge(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    register(on, wire, 9);
    assert_eq!((poll(on).token, level(on, wire)), (9, Interest::WRITE));
    for _ in 0..3 {
        assert_no_event(on);
        wire.send();
        let event = poll(on);
        assert!(event.token == 9 && event.ready.intersects(Interest::READ), "{event:?}");
    }
    wire.receive();
    assert_no_event(on);
}

/// The other end's hang-up ends both directions, and is told as an end.
pub fn a_registered_source_tells_its_end(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    register(on, wire, 1);
    poll(on);
    wire.hang_up();
    let event = poll(on);
    assert!(event.ready.intersects(Interest::READ), "{event:?}");
    assert!(event.ready.intersects(Interest::HANG_UP.union(Interest::READ_END)), "{event:?}");
    assert!(level(on, wire).intersects(Interest::HANG_UP.union(Interest::READ)));
}

/// Nothing is told of a source after its registration has ended; and it can be registered anew.
pub fn a_source_that_was_deregistered_is_quiet(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    on.io_deregister(wire.source());
    register(on, wire, 1);
    poll(on);
    on.io_deregister(wire.source());
    wire.send();
    assert_no_event(on);
    register(on, wire, 2);
    assert_eq!(poll(on).token, 2);
}

/// A registration takes the place of a question, and its token with it.
pub fn a_registration_replaces_a_question(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    arm(on, wire, 1, Interest::READ);
    register(on, wire, 2);
    assert_eq!(poll(on).token, 2);
    wire.send();
    assert_eq!(poll(on).token, 2);
}

/// `io_poll` tells what is so now, and of what was asked only.
pub fn a_level_is_what_is_so_now(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    let asked = |what| ask(on, wire, what);
    assert_eq!((asked(Interest::READ), asked(Interest::WRITE)), (Interest::NONE, Interest::WRITE));
    wire.send();
    assert_eq!((asked(Interest::READ), asked(Interest::BOTH)), (Interest::READ, Interest::BOTH));
    wire.receive();
    assert_eq!((asked(Interest::READ), asked(Interest::NONE)), (Interest::NONE, Interest::NONE));
}

/// Any number of questions is one call; each has its own answer, and one that names nothing makes
/// all of them void.
pub fn levels_are_asked_for_together(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    assert_eq!(on.io_poll(&mut []), Ok(0));
    wire.send();
    let asked = [Interest::READ, Interest::NONE, Interest::WRITE, Interest::BOTH];
    let mut polls: [Poll; 300] = core::array::from_fn(|i| Poll::new(wire.source(), asked[i % 4]));
    assert_eq!(on.io_poll(&mut polls), Ok(300 / 4 * 3));
    assert!(polls.iter().all(|poll| poll.ready() == poll.interest()));
    wire.receive();
    assert_eq!(on.io_poll(&mut polls), Ok(300 / 4 * 2));
    let left = |poll: &Poll| Interest(poll.interest().0 & Interest::WRITE.0);
    assert!(polls.iter().all(|poll| poll.ready() == left(poll)));
    for nothing in [i32::MAX as u32, u32::MAX] {
        polls[150] = Poll::new(Source(nothing), Interest::READ);
        assert!(on.io_poll(&mut polls).is_err());
    }
}

/// Waits for so many times `what` of the wire, and a word; whether it was the wire.
fn wait_beside(on: &dyn Platform, word: &AtomicU32, wire: &dyn Wire, what: &[Interest]) -> bool {
    let mut sources = [Poll::new(wire.source(), Interest::NONE); 40];
    for (source, what) in sources.iter_mut().zip(what) {
        *source = Poll::new(wire.source(), *what);
    }
    while word.load(Ordering::Acquire) == 0 {
        if on.thread_poll(word, 0, None, &sources[..what.len()]) {
            return true;
        }
    }
    false
}

/// `thread_poll` sees a level; a word that differs or an instant that is over ends it at once.
pub fn a_thread_poll_does_not_wait_for_what_is_so(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    let word = AtomicU32::new(0);
    for _ in 0..3 {
        assert!(wait_beside(on, &word, wire, &[Interest::WRITE]));
    }
    let quiet = [Poll::new(wire.source(), Interest::READ)];
    on.thread_poll(&AtomicU32::new(1), 0, None, &quiet);
    for until in [Instant::ZERO, on.now()] {
        assert!(!on.thread_poll(&word, 0, Some(until), &quiet));
    }
    let until = on.now() + 2 * MILLISECOND;
    while on.now() < until {
        assert!(!on.thread_poll(&word, 0, Some(until), &quiet));
    }
    assert_no_event(on);
}

/// A source that becomes ready ends `thread_poll`, with nobody in the poller; each of any number.
pub fn a_source_that_becomes_ready_ends_a_thread_poll(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    let word = AtomicU32::new(0);
    let send = || {
        give_time(on);
        wire.send();
    };
    for count in [1, 2, 15, 16, 17, 40] {
        let mut what = [Interest::NONE; 40];
        what[count - 1] = Interest::READ;
        world.beside(&send, &mut || assert!(wait_beside(on, &word, wire, &what[..count])));
        wire.receive();
    }
    world.beside(
        &|| {
            give_time(on);
            wire.hang_up();
        },
        &mut || assert!(wait_beside(on, &word, wire, &[Interest::READ])),
    );
}

/// `thread_wake` ends a `thread_poll` that nothing else ends.
pub fn a_thread_wake_ends_every_thread_poll(world: &dyn World) {
    let (on, Some(wire)) = (world.platform(), world.wire()) else { return };
    let word = AtomicU32::new(0);
    for count in [1, 40] {
        let what = [Interest::READ; 40];
        let wait = || assert!(!wait_beside(on, &word, wire, &what[..count]));
        let wake = || {
            give_time(on);
            word.store(1, Ordering::Release);
            on.thread_wake(&word);
        };
        world.beside(&wake, &mut || wait());
        word.store(0, Ordering::Relaxed);
        world.beside(&wait, &mut || wake());
        word.store(0, Ordering::Relaxed);
    }
}
