//! What virtual threads wait for on a board: a line, a queue of received bytes, a button.
//!
//! | what is asked of a line | means                                                              |
//! |-------------------------|--------------------------------------------------------------------|
//! | nothing                 | nobody asks                                                        |
//! | once, for directions    | one event, when one of these is ready or the source broke          |
//! | always                  | the runtime owns it: an event each time it is raised and ready     |
//!
//! A handler raises a source, which takes no lock; the CPU that polls looks at it. What is asked is
//! behind a lock, which is held over the whole look: a question that comes meanwhile is not taken
//! for the one that was answered.

use core::fmt;

use drift_core::platform::{Armed, Event, Events, Interest, Poll};
use drift_core::prim::{AtomicBool, Ordering};
use spin::Mutex;

/// One source: whoever drives it knows whether it is ready.
pub trait Source: Sync + fmt::Debug {
    /// What can be done without waiting just now: [`Interest::READ`], [`Interest::WRITE`];
    /// [`Interest::HANG_UP`] and [`Interest::ERROR`] if nothing more will come.
    fn ready(&self) -> Interest;
}

/// See the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Once(u64, Interest),
    Always(u64),
}

/// What ends a wait in either direction, asked for or not.
const BROKEN: Interest = Interest::HANG_UP.union(Interest::ERROR);

#[derive(Debug)]
struct Line {
    asked: Mutex<Asked>,
    is_known: AtomicBool,
    is_raised: AtomicBool,
}

/// As many as the board has.
#[derive(Debug)]
pub(crate) struct Sources<const COUNT: usize> {
    all: [&'static dyn Source; COUNT],
    lines: [Line; COUNT],
    /// One of them is raised.
    is_raised: AtomicBool,
}

impl<const COUNT: usize> Sources<COUNT> {
    pub(crate) const fn new(all: [&'static dyn Source; COUNT]) -> Self {
        let lines = [const {
            Line {
                asked: Mutex::new(Asked::Nothing),
                is_known: AtomicBool::new(false),
                is_raised: AtomicBool::new(false),
            }
        }; COUNT];
        Self { all, lines, is_raised: AtomicBool::new(false) }
    }

    /// The source may be ready. From any CPU, also in an interrupt handler.
    pub(crate) fn raise(&self, source: usize) {
        // Release: what the handler did before is seen by who finds it set.
        self.lines[source].is_raised.store(true, Ordering::Release);
        // SeqCst: before the look at who polls; see `Machine::raise`. A swap: of two handlers, who
        // finds the second finds the first.
        self.is_raised.swap(true, Ordering::SeqCst);
    }

    /// Whether there may be events.
    pub(crate) fn is_raised(&self) -> bool {
        // SeqCst: after the poller has said who it is; see `Machine::carrier_sleep`.
        self.is_raised.load(Ordering::SeqCst)
    }

    /// Asks for one event, if there is such a source.
    pub(crate) fn arm(&self, source: u32, token: u64, on: Interest) -> Option<Armed> {
        let is_known = self.ask(source, Asked::Once(token, on.directions()))?;
        Some(if is_known { Armed::Again } else { Armed::New })
    }

    /// Asks for all events, if there is such a source.
    pub(crate) fn register(&self, source: u32, token: u64) -> Option<()> {
        self.ask(source, Asked::Always(token)).map(drop)
    }

    /// Asks for none.
    pub(crate) fn deregister(&self, source: u32) {
        if let Some(line) = self.lines.get(source as usize) {
            *line.asked.lock() = Asked::Nothing;
        }
    }

    fn ask(&self, source: u32, what: Asked) -> Option<bool> {
        let line = self.lines.get(source as usize)?;
        *line.asked.lock() = what;
        let is_known = line.is_known.swap(true, Ordering::Relaxed);
        // What is ready already is an event at once.
        self.raise(source as usize);
        Some(is_known)
    }

    /// Gives the events of those that are ready.
    pub(crate) fn collect(&self, events: &mut Events) {
        if !self.is_raised.swap(false, Ordering::AcqRel) {
            return;
        }
        for (line, source) in self.lines.iter().zip(self.all) {
            if !events.is_full() {
                line.collect(source, events);
            } else if line.is_raised.load(Ordering::Relaxed) {
                // The next poll finds it.
                self.is_raised.store(true, Ordering::Release);
            }
        }
    }

    /// Answers each; how many have an answer, or none if one does not exist.
    pub(crate) fn poll(&self, polls: &mut [Poll]) -> Option<usize> {
        let mut answers = 0;
        for poll in polls {
            let ready = self.all.get(poll.source().0 as usize)?.ready();
            poll.answer(Interest(ready.0 & (poll.interest().0 | BROKEN.0)));
            answers += usize::from(poll.ready() != Interest::NONE);
        }
        Some(answers)
    }
}

impl Line {
    /// Gives its event, if it was raised, somebody asks, and it is ready for that.
    fn collect(&self, source: &dyn Source, events: &mut Events) {
        if !self.is_raised.swap(false, Ordering::Acquire) {
            return;
        }
        let mut asked = self.asked.lock();
        let (token, wanted) = match *asked {
            Asked::Nothing => return,
            Asked::Once(token, wanted) => (token, wanted),
            Asked::Always(token) => (token, Interest::BOTH),
        };
        let all = source.ready();
        let ready = match all.intersects(BROKEN) {
            true => all.union(all.directions()),
            false => Interest(all.0 & wanted.0),
        };
        if ready == Interest::NONE {
            return;
        }
        if let Asked::Once(..) = *asked {
            *asked = Asked::Nothing;
        }
        let event = Event { token, ready };
        assert!(events.push(event).is_ok(), "`Sources::collect` looked for room");
    }
}
