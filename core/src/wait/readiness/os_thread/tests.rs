use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::vec::Vec;

use super::{Side, Turn};
use crate::error::ConcurrencyError;
use crate::platform::{Interest, Poll, Source};
use crate::prim::{AtomicU32, Ordering};
use crate::source::slot::{Crew, Slot};
use crate::sync::stage::{NOBODY, Stage};

/// How much there is to be read of each source.
static THERE: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];

fn there(source: Source) -> &'static AtomicU32 {
    &THERE[source.0 as usize]
}

/// One on which OS threads sleep in short naps.
static NAPS: Stage = Stage {
    wait: |word, value| {
        nap(word, value, &[]);
    },
    beside: nap,
    ..NOBODY
};

fn nap(word: &AtomicU32, value: u32, sources: &[Poll]) -> bool {
    while word.load(Ordering::Acquire) == value {
        if sources.iter().any(|poll| there(poll.source()).load(Ordering::Acquire) > 0) {
            return true;
        }
        thread::sleep(Duration::from_micros(100));
    }
    false
}

/// An owned descriptor of which nothing is known, of a number that no other test has.
struct Wire {
    slot: Slot,
    source: Source,
}

impl Wire {
    fn new(number: u32) -> Arc<Self> {
        let slot = Slot::new();
        slot.state.lock().take_over();
        Arc::new(Self { slot, source: Source(number) })
    }

    fn comes(&self) {
        there(self.source).fetch_add(1, Ordering::AcqRel);
    }

    fn take(&self) -> bool {
        let less = |there: u32| there.checked_sub(1);
        there(self.source).fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    fn wait<'a>(&'a self, mut turn: Option<Turn<'a>>) -> Result<Turn<'a>, ConcurrencyError> {
        let (slot, source, direction) = (&self.slot, self.source, Interest::READ);
        let side = Side { slot, platform: &NAPS, source, direction };
        side.wait_itself(&NAPS.forever(), &mut turn)?;
        Ok(turn.expect("a wait that went well gives a turn"))
    }

    /// How many lead and follow.
    fn crew(&self) -> usize {
        let mut state = self.slot.state.lock();
        let Crew { followers, has_leader } = state.crew(Interest::READ);
        followers.count() + usize::from(*has_leader)
    }

    /// Starts a thread that does `then` with its turn, and waits until it leads or follows.
    fn caller(
        self: &Arc<Self>,
        then: impl FnOnce(&Self, Result<Turn<'_>, ConcurrencyError>) + Send + 'static,
    ) -> JoinHandle<()> {
        let (wire, before) = (self.clone(), self.crew());
        let caller = thread::spawn(move || then(&wire, wire.wait(None)));
        while self.crew() == before {
            thread::yield_now();
        }
        caller
    }
}

#[test]
fn what_comes_goes_to_the_first_and_then_to_the_next() {
    let wire = Wire::new(0);
    let served = Arc::new(Mutex::new(Vec::new()));
    let callers: Vec<_> = (0..4)
        .map(|number| {
            let served = served.clone();
            wire.caller(move |wire, turn| {
                let turn = turn.unwrap();
                assert!(wire.take(), "the level said that there is something");
                served.lock().unwrap().push(number);
                drop(turn);
            })
        })
        .collect();
    wire.comes();
    while wire.crew() == 4 {
        thread::yield_now();
    }
    assert_eq!(*served.lock().unwrap(), [0]);
    (0..3).for_each(|_| wire.comes());
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(*served.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(wire.crew(), 0);
    assert!(wire.slot.read.look_behind_others().is_ready(), "nobody is there");
}

#[test]
fn one_that_found_nothing_leads_on() {
    let wire = Wire::new(1);
    let (first, has_gone) = mpsc::channel();
    let second = first.clone();
    let one = wire.caller(move |wire, turn| {
        let turn = turn.unwrap();
        // Somebody else is quicker.
        assert!(wire.take());
        wire.slot.read.clear(wire.slot.read.look());
        let turn = wire.wait(Some(turn)).unwrap();
        assert!(wire.take());
        first.send("first").unwrap();
        drop(turn);
    });
    let other = wire.caller(move |wire, turn| {
        assert!(wire.take());
        second.send("second").unwrap();
        drop(turn.unwrap());
    });
    (0..3).for_each(|_| wire.comes());
    assert_eq!([(); 2].map(|()| has_gone.recv().unwrap()), ["first", "second"]);
    [one, other].into_iter().for_each(|caller| caller.join().unwrap());
}

#[test]
fn the_next_leads_if_a_try_unwinds() {
    let wire = Wire::new(2);
    let unwinds = wire.caller(|_, turn| {
        let _turn = turn.unwrap();
        std::panic::resume_unwind(std::boxed::Box::new(()));
    });
    let next = wire.caller(|wire, turn| assert!(turn.is_ok() && wire.take()));
    wire.comes();
    assert!(unwinds.join().is_err());
    next.join().unwrap();
    assert_eq!(wire.crew(), 0);
}

#[test]
fn a_descriptor_that_is_given_up_ends_all_waits_and_voids_the_turn() {
    let wire = Wire::new(3);
    let callers = [(); 3].map(|()| wire.caller(|_, turn| assert!(turn.is_err())));
    {
        let mut state = wire.slot.state.lock();
        state.give_up();
        state.close();
    }
    wire.slot.wake_threads();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(wire.wait(None).err(), Some(ConcurrencyError::Closed));
    wire.slot.state.lock().take_over();
    wire.comes();
    let turn = wire.wait(None).unwrap();
    wire.slot.state.lock().take_over();
    let present = wire.wait(None).unwrap();
    drop(turn);
    assert_eq!(wire.crew(), 1, "a void turn ends nobody's");
    drop(present);
    assert_eq!(wire.crew(), 0);
}

/// When the owner repeats a registration, the leader retries; when the owner replaces it, leader
/// and followers start their waits again. A thread may see one more wake before any byte arrives;
/// it then waits again.
#[test]
fn threads_that_are_woken_for_nothing_wait_on() {
    fn takes<'a>(wire: &'a Wire, mut turn: Turn<'a>) {
        while !wire.take() {
            turn = wire.wait(Some(turn)).unwrap();
        }
    }
    let wire = Wire::new(4);
    let (tells, told) = mpsc::channel();
    let leader = wire.caller(move |wire, turn| {
        tells.send(()).unwrap();
        takes(wire, wire.wait(Some(turn.unwrap())).unwrap());
    });
    let follower = wire.caller(|wire, turn| takes(wire, turn.unwrap()));
    wire.slot.wake_threads();
    told.recv().unwrap();
    wire.slot.state.lock().take_over();
    wire.slot.wake_threads();
    (0..2).for_each(|_| wire.comes());
    [leader, follower].into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(wire.crew(), 0);
}
