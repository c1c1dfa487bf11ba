//! What virtual threads wait for on a board: a line, a queue of received bytes, a button.
//!
//! | a source's word | means                                                                 |
//! |-----------------|-----------------------------------------------------------------------|
//! | `asked`         | directions that the runtime wants one event for; 0 after it was given |
//! | `raised`        | a handler has said that the source may be ready                       |

use core::fmt;
use drift_core::prim::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use drift_core::platform::{Armed, Event, Events, Interest, Poll};

/// One source: whoever drives it knows whether it is ready.
pub trait Source: Sync + fmt::Debug {
    /// What can be done without waiting just now: [`Interest::READ`], [`Interest::WRITE`].
    fn ready(&self) -> Interest;
}

#[derive(Debug)]
struct Line {
    token: AtomicU64,
    asked: AtomicU32,
    is_known: AtomicBool,
    raised: AtomicBool,
}

/// As many as the board has.
#[derive(Debug)]
pub(crate) struct Sources<const COUNT: usize> {
    all: [&'static dyn Source; COUNT],
    lines: [Line; COUNT],
    /// One of them is raised.
    raised: AtomicBool,
}

impl<const COUNT: usize> Sources<COUNT> {
    pub(crate) const fn new(all: [&'static dyn Source; COUNT]) -> Self {
        let lines = [const {
            Line {
                token: AtomicU64::new(0),
                asked: AtomicU32::new(0),
                is_known: AtomicBool::new(false),
                raised: AtomicBool::new(false),
            }
        }; COUNT];
        Self { all, lines, raised: AtomicBool::new(false) }
    }

    /// The source may be ready. From an interrupt handler.
    pub(crate) fn raise(&self, source: usize) {
        // Both Release: what the handler did before is seen by who finds them set.
        self.lines[source].raised.store(true, Ordering::Release);
        self.raised.store(true, Ordering::Release);
    }

    /// Whether there may be events.
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Asks for one event; none if there is no such source.
    pub(crate) fn arm(&self, source: u32, token: u64, on: Interest) -> Option<Armed> {
        let line = self.lines.get(source as usize)?;
        line.token.store(token, Ordering::Relaxed);
        // Release publishes the token; pairs with the acquire in `collect`.
        line.asked.store(on.0, Ordering::Release);
        let is_known = line.is_known.swap(true, Ordering::Relaxed);
        // One that is ready already gives its event at once.
        self.raise(source as usize);
        Some(if is_known { Armed::Again } else { Armed::New })
    }

    /// Gives the events of those that are ready.
    pub(crate) fn collect(&self, events: &mut Events) {
        if !self.raised.swap(false, Ordering::AcqRel) {
            return;
        }
        for (line, source) in self.lines.iter().zip(self.all) {
            if !line.raised.swap(false, Ordering::AcqRel) {
                continue;
            }
            let asked = Interest(line.asked.load(Ordering::Acquire));
            let ready = source.ready();
            if !asked.intersects(ready) {
                continue;
            }
            line.asked.store(0, Ordering::Relaxed);
            let event = Event { token: line.token.load(Ordering::Relaxed), ready };
            if events.push(event).is_err() {
                // The next poll finds it.
                line.asked.store(asked.0, Ordering::Relaxed);
                line.raised.store(true, Ordering::Relaxed);
                self.raised.store(true, Ordering::Release);
                return;
            }
        }
    }

    /// Answers each; how many are ready, or none if one does not exist.
    pub(crate) fn poll(&self, polls: &mut [Poll]) -> Option<usize> {
        let mut ready = 0;
        for poll in polls {
            let found = self.all.get(poll.source().0 as usize)?.ready();
            let answer = Interest(found.0 & poll.interest().0);
            poll.answer(answer);
            ready += usize::from(answer != Interest::NONE);
        }
        Some(ready)
    }
}
