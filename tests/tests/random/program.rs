//! What a random program is: for each actor the calls that it makes, one after the other.
//!
//! | actor  | is                                                                             |
//! |--------|--------------------------------------------------------------------------------|
//! | thread | an OS thread; runs from the start                                              |
//! | body   | what virtual threads of a slot do; one for each `Spawn` of that slot           |
//! | drop   | what the callback's `drop` does, of virtual threads of that slot               |
//!
//! Handles are named by slot: what the last `Spawn` of that slot has answered when the call is
//! made. Of bodies, only those of higher slots are spawned and joined without a time: so there is
//! an end to the spawning, and no circle of joins.

use std::fmt;

/// What a call is given as the handle of a virtual thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The present one of a slot; 0 if there was none yet.
    Slot(u8),
    /// The one before, of the same slot.
    Old(u8),
    /// The caller's own.
    Own,
    /// 0.
    Zero,
    /// One of the values of `garbage`.
    Garbage(u8),
}

/// What a call is given as an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exec {
    /// 0.
    Default,
    /// One of the program's.
    Number(u8),
    /// One of the values of `garbage`.
    Garbage(u8),
}

/// What a call is given as a time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// 0.
    Zero,
    /// Below 0.
    Negative,
    /// A duration.
    In(u32),
    /// A point in time, after the start of the program.
    At(u32),
}

/// What a call is given as a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fd {
    /// One of the program's event descriptors.
    Number(u8),
    /// A number that no descriptor has.
    Garbage(u8),
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the functions of the ABI by these names say what they are")]
pub enum Op {
    Spawn(u8),
    Submit(Exec, Name),
    Park,
    ParkUntil(When),
    Unpark(Name),
    Timer(When, Name),
    Io(Fd, bool, Name, When),
    Write(u8),
    Close(u8),
    Join(Name),
    JoinTimeout(Name, i16),
    IsCompleted(Name),
    Cancel(Name),
    Drop(Name),
    Current,
    Yield,
    Now,
    DefaultGet,
    DefaultSet(Exec),
    Create(u8),
    Shutdown(u8, bool, u16),
}

impl Op {
    /// Whether it may wait for somebody else.
    pub fn blocks(self) -> bool {
        use Op::{Join, JoinTimeout, Park, ParkUntil, Shutdown, Submit};
        matches!(self, Submit(..) | Park | ParkUntil(_) | Join(_) | JoinTimeout(..) | Shutdown(..))
    }
}

/// An executor of the program: the arguments of `drift_exec_create`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub min: i64,
    pub max: i64,
    pub limit: i64,
    pub timeout: i64,
    pub saturation: i64,
}

/// What virtual threads of a slot do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    pub ops: Vec<Op>,
    pub drop: Vec<Op>,
}

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Carriers of the default executor, where the platform lets us choose.
    pub carriers: u32,
    pub execs: Vec<Policy>,
    pub fds: u8,
    pub threads: Vec<Vec<Op>>,
    pub bodies: Vec<Body>,
}

impl Program {
    /// The lists of calls.
    pub fn lists(&mut self) -> impl Iterator<Item = &mut Vec<Op>> {
        let bodies = self.bodies.iter_mut().flat_map(|body| [&mut body.ops, &mut body.drop]);
        self.threads.iter_mut().chain(bodies)
    }

    /// How many calls there are.
    pub fn size(&self) -> usize {
        let mut copy = self.clone();
        copy.lists().map(|ops| ops.len()).sum()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} carriers, {} descriptors", self.carriers, self.fds)?;
        for (number, exec) in self.execs.iter().enumerate() {
            writeln!(f, "  executor {number}: {exec:?}")?;
        }
        for (number, ops) in self.threads.iter().enumerate() {
            writeln!(f, "  thread {number}: {ops:?}")?;
        }
        for (slot, body) in self.bodies.iter().enumerate() {
            if !body.ops.is_empty() {
                writeln!(f, "  body {slot}: {:?}", body.ops)?;
            }
            if !body.drop.is_empty() {
                writeln!(f, "  drop {slot}: {:?}", body.drop)?;
            }
        }
        Ok(())
    }
}
