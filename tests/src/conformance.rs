//! What any `Platform` must keep: one function for each promise, each to be run on a new world.
//!
//! Host, simulator and images run all of them through `for_each_promise`, so that a promise is
//! written once and nobody skips it. A promise that is broken panics, or never returns: no
//! function here bounds a time from above, because a busy machine may be as late as it likes.
//!
//! # Safety
//!
//! Stacks and tables are written and read through the addresses that the platform gave, within
//! the sizes that it promised.
#![allow(unsafe_code)]

mod io;

pub use io::*;

use core::ptr;

use drift_core::platform::{CarrierId, Events, Platform, Source, Stack, StackClass};
use drift_core::prim::{AtomicU32, AtomicUsize, Ordering};
use drift_core::time::{Instant, MILLISECOND};

/// The platform under test, and what the suite cannot do by itself.
pub trait World {
    /// The platform; nothing else uses it.
    fn platform(&self) -> &'static dyn Platform;

    /// Runs `other` on another thread or CPU while `this` runs here; returns after both.
    fn beside(&self, other: &(dyn Fn() + Sync), this: &mut dyn FnMut());

    /// A source that the suite can make ready, where the platform has any.
    fn wire(&self) -> Option<&dyn Wire> {
        None
    }
}

/// Two ends of something like a socket. At first nothing can be read and some can be written.
pub trait Wire: Sync {
    /// The end that is waited for.
    fn source(&self) -> Source;

    /// Makes it readable, from the other end.
    fn send(&self);

    /// Takes everything that was sent.
    fn receive(&self);

    /// Closes the other end.
    fn hang_up(&self);
}

/// Hands the names of all promises to a macro, which makes a test of each:
/// `for_each_promise!(tests)` becomes `tests! { first second ... }`.
#[macro_export]
macro_rules! for_each_promise {
    ($tests:ident) => {
        $tests! {
            the_clock_never_goes_back
            entropy_differs
            a_sleep_is_never_early
            a_sleep_that_is_over_returns
            a_wake_that_came_first_ends_the_next_sleep
            wakes_that_came_first_end_one_sleep
            a_wake_ends_a_sleep_without_end
            a_wake_is_for_one_carrier
            turns_are_handed_back_and_forth
            a_carrier_that_never_ran_is_gone
            a_thread_wait_returns_when_the_word_differs
            a_thread_wait_ends_at_its_instant
            a_thread_wake_ends_every_wait
            a_thread_wake_uses_the_address_only_as_a_name
            thread_words_belong_to_the_thread
            a_table_is_zero_and_nobody_elses
            a_stack_can_be_used_from_end_to_end
            stacks_do_not_overlap
            tops_are_coloured
            as_many_stacks_are_out_as_were_reserved
            a_source_that_is_ready_gives_its_event_at_once
            a_source_that_becomes_ready_ends_the_sleep
            an_event_comes_once
            arming_again_replaces_token_and_directions
            only_asked_directions_are_reported
            a_hang_up_is_both_directions
            a_wake_ends_a_poll_without_an_event
            a_poll_that_is_over_still_brings_events
            a_source_that_does_not_exist_is_refused
            a_registered_source_tells_every_edge
            a_registered_source_tells_its_end
            a_source_that_was_deregistered_is_quiet
            a_registration_replaces_a_question
            a_level_is_what_is_so_now
            levels_are_asked_for_together
            a_thread_poll_does_not_wait_for_what_is_so
            a_source_that_becomes_ready_ends_a_thread_poll
            a_thread_wake_ends_every_thread_poll
        }
    };
}

/// Runs every promise on a world of its own; `name` is told which is next.
pub fn run<W: World>(mut world: impl FnMut() -> W, mut name: impl FnMut(&'static str)) {
    macro_rules! all {
        ($($promise:ident)*) => {
            $(
                name(stringify!($promise));
                $promise(&world());
            )*
        };
    }
    for_each_promise!(all);
}

const ME: CarrierId = CarrierId(0);
const OTHER: CarrierId = CarrierId(1);

/// Sleeps as `id`, in the poller or not, and returns what came.
fn sleep(on: &dyn Platform, id: CarrierId, polls: bool, until: Option<Instant>) -> Events {
    let mut events = Events::new();
    on.carrier_sleep(id, until, polls.then_some(&mut events));
    events
}

/// Sleeps for `span`, which must pass, because nothing else ends the sleep.
fn sleep_whole(on: &dyn Platform, id: CarrierId, polls: bool, span: u64) {
    let until = on.now() + span;
    let events = sleep(on, id, polls, Some(until));
    let end = on.now();
    assert!(end >= until, "{} of {span} ns early, polls: {polls}", until.0 - end.0);
    assert!(events.is_empty());
}

/// Lets the other thread get to where it waits. No test needs it: it makes the order likely in
/// which a promise is the hardest to keep.
fn give_time(on: &dyn Platform) {
    let until = on.now() + 2 * MILLISECOND;
    let word = AtomicU32::new(0);
    while on.now() < until {
        on.thread_wait(&word, 0, Some(until));
    }
}

/// `now` never goes back.
pub fn the_clock_never_goes_back(world: &dyn World) {
    let mut last = world.platform().now();
    for _ in 0..10_000 {
        let now = world.platform().now();
        assert!(now >= last);
        last = now;
    }
}

/// Two words of `entropy` are not one.
pub fn entropy_differs(world: &dyn World) {
    assert_ne!(world.platform().entropy(), world.platform().entropy());
}

/// `carrier_sleep` lasts until its instant.
pub fn a_sleep_is_never_early(world: &dyn World) {
    for polls in [false, true] {
        for span in [0, 1, 999, 100_001, MILLISECOND - 1, MILLISECOND, 3_333_333] {
            sleep_whole(world.platform(), ME, polls, span);
        }
    }
}

/// `carrier_sleep` until an instant that is over returns.
pub fn a_sleep_that_is_over_returns(world: &dyn World) {
    let on = world.platform();
    for polls in [false, true] {
        for until in [Instant::ZERO, Instant(1), on.now()] {
            sleep(on, ME, polls, Some(until));
        }
    }
}

/// A wake before the sleep is kept.
pub fn a_wake_that_came_first_ends_the_next_sleep(world: &dyn World) {
    for polls in [false, true, true, false] {
        world.platform().carrier_wake(ME);
        sleep(world.platform(), ME, polls, None);
    }
}

/// Several are one: the sleep after the next has its whole length.
pub fn wakes_that_came_first_end_one_sleep(world: &dyn World) {
    let on = world.platform();
    for polls in [false, true] {
        for _ in 0..3 {
            on.carrier_wake(ME);
        }
        sleep(on, ME, polls, None);
        sleep_whole(on, ME, !polls, 2 * MILLISECOND);
        sleep_whole(on, ME, polls, 2 * MILLISECOND);
    }
}

/// A wake ends a sleep that nothing else ends.
pub fn a_wake_ends_a_sleep_without_end(world: &dyn World) {
    let on = world.platform();
    let wake = || {
        give_time(on);
        on.carrier_wake(ME);
    };
    for polls in [false, true] {
        for until in [None, Some(Instant::FAR), Some(Instant(u64::MAX - 1))] {
            world.beside(&wake, &mut || drop(sleep(on, ME, polls, until)));
            sleep_whole(on, ME, polls, MILLISECOND);
        }
    }
}

/// A wake of another carrier ends no sleep of this one.
pub fn a_wake_is_for_one_carrier(world: &dyn World) {
    let on = world.platform();
    for polls in [false, true] {
        let wake = || {
            for _ in 0..4 {
                give_time(on);
                on.carrier_wake(OTHER);
            }
        };
        world.beside(&wake, &mut || sleep_whole(on, ME, polls, 8 * MILLISECOND));
        sleep(on, OTHER, polls, None);
    }
}

/// Two carriers that wake each other never lose a turn, whatever the moment.
pub fn turns_are_handed_back_and_forth(world: &dyn World) {
    const TURNS: usize = 1_000;
    let on = world.platform();
    for polls in [false, true] {
        let turn = AtomicUsize::new(0);
        let play = |me: CarrierId, polls: bool, first: usize, other: CarrierId| {
            for mine in (first..2 * TURNS).step_by(2) {
                while turn.load(Ordering::Acquire) != mine {
                    sleep(on, me, polls, None);
                }
                turn.store(mine + 1, Ordering::Release);
                on.carrier_wake(other);
            }
        };
        world.beside(&|| play(OTHER, false, 1, ME), &mut || play(ME, polls, 0, OTHER));
        assert_eq!(turn.load(Ordering::Acquire), 2 * TURNS);
    }
}

/// Nothing is left of a carrier that never ran.
pub fn a_carrier_that_never_ran_is_gone(world: &dyn World) {
    for id in [ME, OTHER, ME] {
        // SAFETY: no thread was started for it.
        #[allow(unsafe_code)]
        let is_gone = unsafe { world.platform().carrier_is_gone(id) };
        assert!(is_gone);
    }
}

/// `thread_wait` does not wait for a word that has another value already.
pub fn a_thread_wait_returns_when_the_word_differs(world: &dyn World) {
    let word = AtomicU32::new(1);
    world.platform().thread_wait(&word, 0, None);
    world.platform().thread_wait(&word, 2, Some(Instant::FAR));
}

/// `thread_wait` ends at its instant, also at one that is over.
pub fn a_thread_wait_ends_at_its_instant(world: &dyn World) {
    let on = world.platform();
    let word = AtomicU32::new(0);
    on.thread_wait(&word, 0, Some(Instant::ZERO));
    let until = on.now() + 2 * MILLISECOND;
    while on.now() < until {
        on.thread_wait(&word, 0, Some(until));
    }
}

/// `thread_wake` ends a wait that nothing else ends.
pub fn a_thread_wake_ends_every_wait(world: &dyn World) {
    let on = world.platform();
    let word = AtomicU32::new(0);
    let wait = || {
        while word.load(Ordering::Acquire) == 0 {
            on.thread_wait(&word, 0, None);
        }
    };
    let wake = || {
        give_time(on);
        word.store(1, Ordering::Release);
        on.thread_wake(&word);
    };
    world.beside(&wake, &mut || wait());
    word.store(0, Ordering::Relaxed);
    world.beside(&wait, &mut || wake());
}

/// `thread_wake` does not read its word, which may be gone.
pub fn a_thread_wake_uses_the_address_only_as_a_name(world: &dyn World) {
    let gone = {
        let word = AtomicU32::new(0);
        ptr::from_ref(&word)
    };
    world.platform().thread_wake(gone);
    world.platform().thread_wake(ptr::without_provenance(0x1000));
}

/// `thread_words` are the calling thread's own, or none.
pub fn thread_words_belong_to_the_thread(world: &dyn World) {
    let on = world.platform();
    let mine = on.thread_words();
    let theirs = AtomicUsize::new(0);
    let ask = || theirs.store(on.thread_words().errno.addr(), Ordering::Release);
    world.beside(&ask, &mut || ());
    assert_eq!(mine.errno, on.thread_words().errno);
    assert_eq!(mine.unwind, on.thread_words().unwind);
    assert!(mine.errno.is_null() || mine.errno.addr() != theirs.load(Ordering::Acquire));
}

/// A table is zero from end to end, page-aligned, and no other table.
pub fn a_table_is_zero_and_nobody_elses(world: &dyn World) {
    const BYTES: usize = 100_000;
    let tables = [(); 3].map(|()| world.platform().table(BYTES).expect("a small table"));
    for (name, table) in (1..).zip(tables) {
        assert_eq!(table.addr().get() % 4096, 0);
        for at in [0, BYTES / 2, BYTES - 1] {
            let byte = table.as_ptr().wrapping_add(at);
            // SAFETY: within the table.
            assert_eq!(unsafe { byte.read() }, 0);
            // SAFETY: within the table, and any bits are a `u8`.
            unsafe { byte.write(name) };
        }
    }
    for (name, table) in (1..).zip(tables) {
        let last = table.as_ptr().wrapping_add(BYTES - 1);
        // SAFETY: within the table.
        assert_eq!(unsafe { last.read() }, name, "tables overlap");
    }
}

/// Reserves and takes a stack.
fn take(on: &dyn Platform, class: StackClass) -> Stack {
    on.stack_reserve(class).expect("address space for a few stacks");
    on.stack_alloc(class).expect("it was reserved")
}

/// Writes, as the deepest and the first frame of a thread on `stack` would.
fn write_both_ends(stack: &Stack, word: usize) {
    for address in [stack.limit, stack.top - size_of::<usize>()] {
        let place = ptr::with_exposed_provenance_mut::<usize>(address);
        // SAFETY: within a stack that is out to the caller, and aligned.
        unsafe { place.write(word) };
    }
}

fn check_both_ends(stack: &Stack, word: usize) {
    for address in [stack.limit, stack.top - size_of::<usize>()] {
        let place = ptr::with_exposed_provenance::<usize>(address);
        // SAFETY: within a stack that is out to the caller, and aligned.
        assert_eq!(unsafe { place.read() }, word, "stacks overlap at {address:#x}");
    }
}

/// The usable bytes are as many as the class says; the top is aligned as calls want it.
pub fn a_stack_can_be_used_from_end_to_end(world: &dyn World) {
    for class in StackClass::ALL {
        let stack = take(world.platform(), class);
        assert_eq!(stack.class, class);
        assert_eq!(stack.top % 16, 0);
        assert!(stack.top - stack.limit >= class.bytes());
        write_both_ends(&stack, 7);
        check_both_ends(&stack, 7);
        // SAFETY: taken above; nothing runs on it.
        unsafe { world.platform().stack_free(stack) };
    }
}

/// Stacks that are out are apart, also after some were given back.
pub fn stacks_do_not_overlap(world: &dyn World) {
    let on = world.platform();
    for class in StackClass::ALL {
        let mut out = [(); 12].map(|()| take(on, class));
        for round in 0..3 {
            for (index, stack) in out.iter_mut().enumerate().skip(round).step_by(2) {
                write_both_ends(stack, index);
                let again = on.stack_alloc(class);
                assert!(again.is_err(), "more are out than were reserved");
                let id = stack.id;
                let free = Stack { limit: stack.limit, top: stack.top, id, class };
                // SAFETY: `stack` is out, and is replaced before anybody uses it again.
                unsafe { on.stack_free(free) };
                *stack = on.stack_alloc(class).expect("one has come back");
            }
            for (index, stack) in out.iter().enumerate() {
                write_both_ends(stack, index);
            }
            for (index, stack) in out.iter().enumerate() {
                check_both_ends(stack, index);
            }
        }
    }
}

/// Not all tops lie at the same place of their page: they share no cache set.
pub fn tops_are_coloured(world: &dyn World) {
    let tops = [(); 8].map(|()| take(world.platform(), StackClass::K64).top % 4096);
    assert!(tops.iter().any(|top| *top != tops[0]), "{tops:?}");
}

/// What was reserved can be out, again and again.
pub fn as_many_stacks_are_out_as_were_reserved(world: &dyn World) {
    const COUNT: usize = 20;
    let on = world.platform();
    for _ in 0..COUNT {
        on.stack_reserve(StackClass::K64).expect("address space for a few stacks");
    }
    for _ in 0..3 {
        let out = [(); COUNT].map(|()| on.stack_alloc(StackClass::K64).expect("reserved"));
        for stack in out {
            // SAFETY: taken above; nothing runs on it.
            unsafe { on.stack_free(stack) };
        }
    }
}
