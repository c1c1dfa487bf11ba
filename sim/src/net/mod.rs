//! Pipes and sockets of a world, in memory: `TcpListener` and `TcpStream` in place of those of
//! `drift::net`, which are the machine's and have no part in a world.
//!
//! Under them, what can be waited for in a world: sources, and how their states become events.
//!
//! As epoll(7) has it. A source has a level (what is so now) and tells edges (what became so).
//!
//! | asked for by   | gets an event                                              | then       |
//! |----------------|------------------------------------------------------------|------------|
//! | `arm`          | when it is ready for what was asked, at once if it is      | disarmed   |
//! | `register`     | one at once if it is ready, and one for each edge          | stays      |

mod bytes;
mod connection;
mod listener;
mod pipe;
mod stream;

pub use listener::{TcpIncoming, TcpListener};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use stream::TcpStream;

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use drift_core::MAX_SOURCES;
use drift_core::error::ConcurrencyError;
use drift_core::platform::{Armed, EVENTS, Event, Events, Interest, Source};
use drift_core::runtime::Runtime;
use drift_core::sched::budget;
use drift_core::time::Instant;
use drift_core::wait::Wait;
use drift_core::wait::readiness::{Place, Poll};

use crate::faults::Fault;
use crate::net::listener::Ports;
use crate::world::{World, current};

/// The lowest number that a source gets: half of those that there are, where a process that opens
/// the lowest that is free never comes. So a descriptor of the machine is none of the world's.
const FIRST: usize = MAX_SOURCES / 2;

/// What ends waits whatever was asked for.
const BROKEN: Interest = Interest::ERROR.union(Interest::HANG_UP);

#[derive(Clone, Copy, Debug)]
struct State {
    level: Interest,
    asked: Asked,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Nobody ever did.
    Never,
    /// Armed, and the event was given.
    Spent,
    Once(u64, Interest),
    Edges(u64),
}

/// The sources of a world, and the events that nobody has taken.
#[derive(Debug, Default)]
pub(crate) struct Net {
    /// By how far their numbers are from the first.
    sources: Vec<Option<State>>,
    events: VecDeque<(Source, Event)>,
    ports: Ports,
}

/// Its place; none for the number of a descriptor of the machine.
fn index(source: Source) -> Option<usize> {
    (source.0 as usize).checked_sub(FIRST)
}

/// Never waits: the thread that has the lock is not interrupted.
fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.try_lock().expect("one thread at a time, and calm")
}

/// Waits for one end, as poll(2) of one descriptor.
fn wait(source: Source, interest: Interest, until: Instant) -> io::Result<()> {
    if std::thread::panicking() && Runtime::here().is_some() {
        // As the machine's sockets.
        return Err(io::Error::other("a virtual thread that unwinds may not wait"));
    }
    let runtime = current().and_then(|world| world.runtime.get()).expect("in the end's world");
    let mut one = [Poll::new(source, interest)];
    let wait = Wait::new(runtime).until(until);
    let waited = runtime.poll_many(&mut one, &mut [Place::default()], &wait);
    waited.map(drop).map_err(|error| match error {
        ConcurrencyError::Timeout => io::ErrorKind::TimedOut.into(),
        error => io::Error::other(format!("{error:?}")),
    })
}

/// The answer of a call that does not wait. It is paid for, so that a loop of such calls does not
/// keep its carrier.
fn would_block() -> io::Error {
    budget::spend(budget::SYSTEM_CALL, || !std::thread::panicking());
    io::ErrorKind::WouldBlock.into()
}

/// How much of `length` a call moves at most: all of it, unless it is ended early.
fn moved_at_most(world: &World, length: usize) -> usize {
    match length > 1 && world.strikes(Fault::ShortCall) {
        true => 1 + world.faults.borrow_mut().amount(length as u64 - 1) as usize,
        false => length,
    }
}

/// The span, in nanoseconds; the longest there is, if that is more.
fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// When so many nanoseconds from now are over.
fn after(nanoseconds: u64) -> Instant {
    let world = current().expect("a socket belongs to a world");
    Instant(world.now.get()) + nanoseconds
}

impl Net {
    /// A new source, by the lowest number that is free, as open(2).
    pub(crate) fn open(&mut self, level: Interest) -> Source {
        let free = self.sources.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.sources.push(None);
            self.sources.len() - 1
        });
        self.sources[index] = Some(State { level, asked: Asked::Never });
        Source((FIRST + index) as u32)
    }

    /// Its number is free; what it had to tell is gone.
    pub(crate) fn close(&mut self, source: Source) {
        let index = index(source).expect("an open source has a place");
        self.sources[index] = None;
        self.events.retain(|(of, _)| *of != source);
    }

    /// How many are open.
    pub(crate) fn open_count(&self) -> usize {
        self.sources.iter().flatten().count()
    }

    /// It is `level` now, and `edges` of that are news.
    pub(crate) fn set(&mut self, source: Source, level: Interest, edges: Interest) {
        let Some(state) = self.state(source) else { return };
        state.level = level;
        match state.asked {
            Asked::Once(..) => self.tell_level(source),
            Asked::Edges(token) if edges != Interest::NONE => self.tell(source, token, level),
            _ => {}
        }
    }

    /// As `Platform::io_arm`; none for a source that is not open.
    pub(crate) fn arm(&mut self, source: Source, token: u64, on: Interest) -> Option<Armed> {
        let state = self.state(source)?;
        let armed = match state.asked {
            Asked::Never => Armed::New,
            _ => Armed::Again,
        };
        state.asked = Asked::Once(token, on);
        self.forget_events(source);
        self.tell_level(source);
        Some(armed)
    }

    /// As `Platform::io_register`; none for a source that is not open.
    pub(crate) fn register(&mut self, source: Source, token: u64) -> Option<()> {
        let state = self.state(source)?;
        state.asked = Asked::Edges(token);
        let level = state.level;
        self.forget_events(source);
        if level != Interest::NONE {
            self.tell(source, token, level);
        }
        Some(())
    }

    /// As `Platform::io_deregister`.
    pub(crate) fn deregister(&mut self, source: Source) {
        if let Some(state) = self.state(source) {
            state.asked = Asked::Never;
            self.forget_events(source);
        }
    }

    /// As `Platform::io_poll` of one; none for a source that is not open.
    pub(crate) fn level(&self, source: Source, on: Interest) -> Option<Interest> {
        let state = self.sources.get(index(source)?)?.as_ref()?;
        Some(Interest(state.level.0 & on.union(BROKEN).0))
    }

    /// Whether one of them is ready, or is none.
    pub(crate) fn is_any_ready(&self, polls: &[Poll]) -> bool {
        let level = |poll: &Poll| self.level(poll.source(), poll.interest());
        polls.iter().any(|poll| level(poll) != Some(Interest::NONE))
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn take_events(&mut self, into: &mut Events) {
        let count = self.events.len().min(EVENTS);
        for (_, event) in self.events.drain(..count) {
            into.push(event).expect("it came in empty, and no more were taken");
        }
    }

    fn state(&mut self, source: Source) -> Option<&mut State> {
        self.sources.get_mut(index(source)?)?.as_mut()
    }

    fn tell_level(&mut self, source: Source) {
        let Some(state) = self.state(source) else { return };
        let Asked::Once(token, on) = state.asked else { return };
        let ready = Interest(state.level.0 & on.union(BROKEN).0);
        if ready != Interest::NONE {
            state.asked = Asked::Spent;
            self.tell(source, token, ready);
        }
    }

    /// An event; one that nobody has taken tells both.
    fn tell(&mut self, source: Source, token: u64, level: Interest) {
        let ready = match level.intersects(BROKEN) {
            true => Interest::BOTH.union(Interest::HANG_UP),
            false => Interest(level.0 & Interest::BOTH.union(Interest::READ_END).0),
        };
        let event = Event { token, ready };
        match self.events.iter_mut().find(|(of, _)| *of == source) {
            Some((_, waiting)) => *waiting = event,
            None => self.events.push_back((source, event)),
        }
    }

    fn forget_events(&mut self, source: Source) {
        self.events.retain(|(of, _)| *of != source);
    }
}
