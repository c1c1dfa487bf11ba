use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use std::vec::Vec;

use super::{Side, Turn};
use crate::error::ConcurrencyError;
use crate::platform::{Interest, Source};
use crate::source::slot::Slot;
use crate::sync::stage::{NOBODY, Stage};

/// One on which an OS thread sleeps in short naps.
static NAPS: Stage = Stage {
    wait: |word, value| {
        while word.load(crate::prim::Ordering::Acquire) == value {
            thread::sleep(Duration::from_micros(100));
        }
    },
    ..NOBODY
};

/// An owned descriptor of which nothing is known.
struct Wire(Slot);

impl Wire {
    fn new() -> Arc<Self> {
        let slot = Slot::new();
        slot.state.lock().take_over();
        Arc::new(Self(slot))
    }

    fn side(&self) -> Side<'_> {
        Side { slot: &self.0, source: Source(0), direction: Interest::READ, platform: &NAPS }
    }

    fn wait<'a>(&'a self, turn: Option<Turn<'a>>) -> Result<Turn<'a>, ConcurrencyError> {
        let mut turn = turn;
        self.side().wait(&NAPS.forever(), &mut turn)?;
        Ok(turn.expect("a wait that went well gives a turn"))
    }

    fn in_line(&self) -> u32 {
        self.0.state.lock().read_line.length
    }

    /// Starts a caller that does `then` with its turn, and waits until it is in line.
    fn caller(
        self: &Arc<Self>,
        then: impl FnOnce(&Self, Result<Turn<'_>, ConcurrencyError>) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let (wire, before) = (self.clone(), self.in_line());
        let caller = thread::spawn(move || then(&wire, wire.wait(None)));
        while self.in_line() == before {
            thread::yield_now();
        }
        caller
    }
}

#[test]
fn an_event_wakes_the_first_in_line_and_an_end_wakes_all() {
    let wire = Wire::new();
    let woken = Arc::new(Mutex::new(Vec::new()));
    let callers: Vec<_> = (0..4)
        .map(|number| {
            let woken = woken.clone();
            wire.caller(move |wire, turn| {
                let turn = turn.unwrap();
                // It finds what it came for, and nothing is left.
                wire.0.read.clear(wire.0.read.look());
                drop(turn);
                woken.lock().unwrap().push(number);
            })
        })
        .collect();
    for count in 1..=2 {
        wire.0.edge(wire.0.state.lock(), Interest::READ);
        while woken.lock().unwrap().len() < count {
            thread::yield_now();
        }
        assert_eq!(wire.in_line(), 4 - count as u32);
    }
    wire.0.edge(wire.0.state.lock(), Interest::READ.union(Interest::READ_END));
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(woken.lock().unwrap()[..2], [0, 1]);
}

#[test]
fn a_turn_that_ends_passes_on_what_it_leaves() {
    let wire = Wire::new();
    let served = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let served = served.clone();
            wire.caller(move |_, turn| {
                drop(turn.unwrap());
                served.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    wire.0.edge(wire.0.state.lock(), Interest::READ);
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(served.load(Ordering::SeqCst), 3);
}

#[test]
fn one_that_found_nothing_keeps_its_place() {
    let wire = Wire::new();
    let (first, has_gone) = mpsc::channel();
    let second = first.clone();
    let one = wire.caller(move |wire, turn| {
        let turn = turn.unwrap();
        wire.0.read.clear(wire.0.read.look());
        let turn = wire.wait(Some(turn)).unwrap();
        first.send("first").unwrap();
        drop(turn);
    });
    let other = wire.caller(move |_, turn| {
        second.send("second").unwrap();
        drop(turn.unwrap());
    });
    wire.0.edge(wire.0.state.lock(), Interest::READ);
    while wire.0.state.lock().read_line.turns > 0 {
        thread::yield_now();
    }
    assert_eq!(wire.in_line(), 2);
    wire.0.edge(wire.0.state.lock(), Interest::READ);
    assert_eq!([(); 2].map(|()| has_gone.recv().unwrap()), ["first", "second"]);
    [one, other].into_iter().for_each(|caller| caller.join().unwrap());
}

#[test]
fn who_comes_when_others_are_in_line_is_behind_them() {
    let wire = Wire::new();
    let (goes, gone) = mpsc::channel::<()>();
    let one = wire.caller(move |_, turn| {
        gone.recv().unwrap();
        drop(turn.unwrap());
    });
    wire.0.edge(wire.0.state.lock(), Interest::READ);
    assert!(!wire.0.read.look_behind_others().is_ready(), "somebody has a turn");
    assert!(wire.0.read.look().is_ready());
    let mut turn = None;
    let is_behind = wire.side().wait(&NAPS.forever(), &mut turn).unwrap();
    assert!(is_behind, "others run first, and then it tries");
    drop(turn);
    goes.send(()).unwrap();
    one.join().unwrap();
    assert!(wire.0.read.look_behind_others().is_ready(), "nobody is there");
}

#[test]
fn a_descriptor_that_is_given_up_ends_all_waits_and_voids_turns() {
    let wire = Wire::new();
    let callers = [(); 2].map(|()| wire.caller(|_, turn| assert!(turn.is_err())));
    wire.0.read.ready(false);
    {
        let mut state = wire.0.state.lock();
        state.give_up();
        state.close();
    }
    wire.0.wake(Interest::BOTH, Interest::BOTH);
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    let again = wire.0.state.lock().take_over();
    let turn = wire.wait(None).unwrap();
    assert_eq!(turn.generation, again);
    wire.0.state.lock().give_up();
    wire.0.state.lock().take_over();
    drop(turn);
    assert_eq!(wire.0.state.lock().read_line.turns, 0);
    assert!(!wire.side().wait(&NAPS.briefly(), &mut None).unwrap());
}

#[test]
fn urgent_data_alone_makes_nothing_ready_and_a_short_call_does_not_clear() {
    let wire = Wire::new();
    wire.0.edge(wire.0.state.lock(), Interest::URGENT);
    let seen = wire.0.read.look();
    assert!(!seen.is_ready() && seen.has_doubts());
    wire.0.edge(wire.0.state.lock(), Interest::READ);
    let seen = wire.0.read.look();
    wire.0.read.clear_short(seen);
    assert!(wire.0.read.look().is_ready(), "the call may have ended before the urgent byte");
}
