//! What happened in a run: every call with its answer, and what became of each virtual thread.
//!
//! One lock gives everything its place in one order. A call has two places, before it is made and
//! after it has answered: what was over before another began came before it; the rest may have been
//! either way.

use std::sync::{Mutex, MutexGuard};

use drift_pal::process;

use crate::program::{Op, Program};

/// A place in the order, and the nanoseconds of the clock there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub place: u64,
    pub time: u64,
}

/// Who makes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An OS thread of the program.
    Thread(usize),
    /// A virtual thread, by its number in the order of spawns.
    Virtual(usize),
    /// The drop of its callback.
    Drop(usize),
    /// Who ends what the program leaves behind.
    Keeper,
}

/// What a handle named when the call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The virtual thread of that number.
    Virtual(usize),
    /// 0, or nothing.
    Zero,
    /// What never was a handle.
    Garbage,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub actor: Actor,
    pub op: Op,
    pub target: Target,
    /// The milliseconds that it was given, if it takes a time.
    pub ms: i64,
    pub begin: Stamp,
    pub end: Option<(Stamp, i64)>,
}

/// What became of a callback.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub slot: u8,
    pub handle: i64,
    pub called: Option<u64>,
    pub returned: bool,
    pub drops: Option<u64>,
    pub dropped: Option<u64>,
}

/// Everything.
#[derive(Debug)]
pub struct Record {
    places: u64,
    pub calls: Vec<Call>,
    pub lives: Vec<Life>,
    /// The virtual threads that were spawned for each slot, in that order.
    pub slots: Vec<Vec<usize>>,
    pub execs: Vec<i64>,
    pub fds: Vec<i64>,
    /// Actors that are not at their end.
    pub busy: Vec<Actor>,
    pub violations: Vec<String>,
}

/// What all actors of a run share.
#[derive(Debug)]
pub struct Shared {
    pub program: Program,
    /// `drift_time_now_ms` at the start.
    pub start_ms: i64,
    record: Mutex<Record>,
}

/// The clock of the runtime, in nanoseconds.
pub fn now() -> u64 {
    process::runtime().map_or(0, |runtime| runtime.platform().now().0)
}

impl Record {
    /// The next place. The clock was read before, for what begins, or is after all that ended.
    pub fn stamp(&mut self, time: u64) -> Stamp {
        self.places += 1;
        Stamp { place: self.places, time }
    }

    /// Of all virtual threads; 0 of those that were refused, or are spawned right now.
    pub fn handles(&self) -> Vec<i64> {
        self.lives.iter().map(|life| life.handle).collect()
    }

    /// The handle in a slot, `back` spawns before the present one.
    pub fn in_slot(&self, slot: u8, back: usize) -> Option<usize> {
        self.slots[usize::from(slot)].iter().rev().nth(back).copied()
    }

    /// The call that an actor is in.
    pub fn pending(&self, actor: Actor) -> Option<&Call> {
        self.calls.iter().rev().find(|call| call.actor == actor && call.end.is_none())
    }
}

impl Shared {
    pub fn new(program: Program, start_ms: i64, execs: Vec<i64>, fds: Vec<i64>) -> Self {
        let record = Record {
            places: 0,
            calls: Vec::new(),
            lives: Vec::new(),
            slots: vec![Vec::new(); program.bodies.len()],
            execs,
            fds,
            busy: (0..program.threads.len()).map(Actor::Thread).collect(),
            violations: Vec::new(),
        };
        Self { program, start_ms, record: Mutex::new(record) }
    }

    /// Not held across a call of the runtime.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with the record")
    }

    pub fn begin(&self, actor: Actor, op: Op, target: Target, ms: i64) -> usize {
        let time = now();
        let mut record = self.record();
        let begin = record.stamp(time);
        record.calls.push(Call { actor, op, target, ms, begin, end: None });
        record.calls.len() - 1
    }

    pub fn end(&self, call: usize, answer: i64) {
        let time = now();
        let mut record = self.record();
        let end = record.stamp(time);
        record.calls[call].end = Some((end, answer));
    }

    pub fn violation(&self, text: String) {
        self.record().violations.push(text);
    }

    pub fn is_over(&self, actor: Actor) {
        self.record().busy.retain(|busy| *busy != actor);
    }
}
