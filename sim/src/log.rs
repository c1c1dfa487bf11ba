//! What happened, in order: the same seed gives the same log, byte for byte.
//!
//! Entries are numbers, so that a million runs can keep theirs; text is made only when somebody
//! looks. Nothing of the machine is in it: no addresses, no real time.

use std::fmt;

use crate::faults::Fault;

/// A thread of the world: a carrier, or one that plays an OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever set the world up.
    Nobody,
    /// The carrier of that number.
    Carrier(u16),
    /// The thread of that number, in the order of their starts.
    Thread(u32),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => write!(f, "world"),
            Self::Carrier(id) => write!(f, "carrier {id}"),
            Self::Thread(number) => write!(f, "thread {number}"),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It goes on from where it was.
    GoesOn,
    /// It was interrupted inside a protocol, not between turns.
    Interrupted,
    /// A carrier starts, by its number.
    Starts(u16),
    /// It is over.
    Ends,
    /// It sleeps until then, in nanoseconds, or until woken.
    Sleeps(Option<u64>),
    /// It wakes this carrier.
    Wakes(u16),
    /// It waits as an OS thread does, on a word.
    Blocks(Option<u64>),
    /// It wakes so many of those.
    Unblocks(u32),
    /// Everybody slept, and the clock went on to the next deadline.
    TimePasses,
    /// Something was refused or disturbed.
    Fault(Fault),
    /// What the program under test said of itself: [`note`](crate::note()).
    Note(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |f: &mut fmt::Formatter<'_>, until: &Option<u64>| match until {
            Some(until) => write!(f, " until {}", Time(*until)),
            None => Ok(()),
        };
        match self {
            Self::GoesOn => write!(f, "goes on"),
            Self::Interrupted => write!(f, "is interrupted"),
            Self::Starts(id) => write!(f, "starts carrier {id}"),
            Self::Ends => write!(f, "ends"),
            Self::Sleeps(when) => write!(f, "sleeps").and_then(|()| until(f, when)),
            Self::Wakes(id) => write!(f, "wakes carrier {id}"),
            Self::Blocks(when) => write!(f, "blocks").and_then(|()| until(f, when)),
            Self::Unblocks(threads) => write!(f, "unblocks {threads}"),
            Self::TimePasses => write!(f, "time passes"),
            Self::Fault(fault) => write!(f, "fault: {fault:?}"),
            Self::Note(text) => write!(f, "note: {text}"),
        }
    }
}

/// Nanoseconds of virtual time, as milliseconds.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} ms", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds of virtual time since the start.
    pub at: u64,
    /// Who did it, or had it done to it.
    pub who: Who,
    /// What it was.
    pub what: What,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, who, what } = self;
        write!(f, "{:>16}  {who}: {what}", Time(*at).to_string())
    }
}

/// Everything that happened in a run. Its text has a line for each entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log(Vec<Entry>);

impl Log {
    pub(crate) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// The entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}
