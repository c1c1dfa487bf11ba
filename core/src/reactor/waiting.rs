//! The watches of one slot, by what they wait for and by the question that asked for them.
//!
//! | step                      | fresh | asked   | old         | due                         |
//! |---------------------------|-------|---------|-------------|-----------------------------|
//! | `add`                     | + one |         |             |                             |
//! | `ask`: a new question     | empty | fresh   | + asked     |                             |
//! | `event` of some direction | without those that wait for it        | + those             |
//! | `new_source`              |       |         | empty       | + old: theirs is closed     |
//! | `end`: the source closes  | empty | empty   | empty       | + all                       |
//! | `claim`                   |       |         |             | some less, and their tasks  |
//! |                           |       |         |             | are claimed                 |
//! | `remove`                  | one less, wherever it is                                    |
//!
//! Every step moves whole lists, and `claim` a batch: no step takes longer because more wait. A
//! watch does not know its list. It need not, because the list's nodes are a circle: to take one
//! out matters to the list only if it is the front.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: watches are never unmapped, and linked ones are touched
//! under the slot's lock.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::link::list::List;
use crate::platform::Interest;
use crate::prim::Ordering::Relaxed;
use crate::reactor::slot::InSlot;
use crate::reactor::watch::Watch;
use crate::task::header::{InQueue, Task};
use crate::task::state::Then;

/// Tasks that were claimed under a lock, to be scheduled after it.
pub(crate) type Claimed = List<InQueue, Task>;

type Watches = List<InSlot, Watch>;

/// Watches that are claimed under one hold of the slot's lock.
const AT_ONCE: u32 = 64;

/// Watches by what they wait for.
#[derive(Debug)]
struct ByInterest {
    read: Watches,
    write: Watches,
    both: Watches,
}

/// See the module's head.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Waiting {
    /// In all lists together: a descriptor that the runtime owns mostly has none.
    linked: u32,
    due: Watches,
    fresh: ByInterest,
    asked: ByInterest,
    old: ByInterest,
}

impl ByInterest {
    #[cfg(test)]
    const NONE: Self = Self { read: List::new(), write: List::new(), both: List::new() };

    fn all(&mut self) -> [&mut Watches; 3] {
        [&mut self.read, &mut self.write, &mut self.both]
    }

    fn of(&mut self, interest: Interest) -> &mut Watches {
        match interest {
            Interest::READ => &mut self.read,
            Interest::WRITE => &mut self.write,
            _ => &mut self.both,
        }
    }

    fn wanted(&self) -> Interest {
        let of = |list: &Watches, interest| if list.is_empty() { Interest::NONE } else { interest };
        of(&self.read, Interest::READ)
            .union(of(&self.write, Interest::WRITE))
            .union(of(&self.both, Interest::BOTH))
    }

    fn append(&mut self, other: &mut Self) {
        for (own, theirs) in self.all().into_iter().zip(other.all()) {
            own.append(theirs);
        }
    }

    fn append_to(&mut self, list: &mut Watches, directions: Interest) {
        if directions.intersects(Interest::READ) {
            list.append(&mut self.read);
        }
        if directions.intersects(Interest::WRITE) {
            list.append(&mut self.write);
        }
        if directions.intersects(Interest::BOTH) {
            list.append(&mut self.both);
        }
    }
}

impl Waiting {
    /// What a slot of zeroes has.
    #[cfg(test)]
    pub(super) const NONE: Self = Self {
        fresh: ByInterest::NONE,
        asked: ByInterest::NONE,
        old: ByInterest::NONE,
        due: List::new(),
        linked: 0,
    };

    /// Links a watch, which is in no slot, for what it wants.
    pub(super) fn add(&mut self, watch: NonNull<Watch>) {
        let own = Watch::at(watch);
        own.linked.store(true, Relaxed);
        self.linked += 1;
        let list = self.fresh.of(Interest(own.interest.load(Relaxed)));
        // SAFETY: it was in no slot.
        unsafe { list.push_back(watch) };
    }

    /// Unlinks a watch, if an event has not done so.
    pub(super) fn remove(&mut self, watch: NonNull<Watch>) {
        let linked = &Watch::at(watch).linked;
        if !linked.load(Relaxed) {
            return;
        }
        linked.store(false, Relaxed);
        self.linked -= 1;
        let Self { fresh, asked, old, due, .. } = self;
        let [a, b, c] = fresh.all();
        let [d, e, f] = asked.all();
        let [g, h, i] = old.all();
        let lists = [a, b, c, d, e, f, g, h, i, due];
        let list = lists.into_iter().find(|list| list.front() == Some(watch));
        match list {
            // SAFETY: linked, and the front of this list.
            Some(list) => unsafe { list.remove(watch) },
            // SAFETY: linked in one of the lists, and no front.
            None => unsafe { List::unlink(watch) },
        }
    }

    /// Whether none waits for an event.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted() == Interest::NONE
    }

    /// What they want together.
    pub(super) fn wanted(&self) -> Interest {
        if self.linked == 0 {
            return Interest::NONE;
        }
        self.fresh.wanted().union(self.asked.wanted()).union(self.old.wanted())
    }

    /// A question asks for all of them.
    pub(super) fn ask(&mut self) {
        self.old.append(&mut self.asked);
        self.asked.append(&mut self.fresh);
    }

    /// Some directions are ready.
    #[inline]
    pub(super) fn event(&mut self, directions: Interest) {
        if self.linked > 0 {
            self.make_due(directions);
        }
    }

    #[inline(never)]
    fn make_due(&mut self, directions: Interest) {
        for watches in [&mut self.old, &mut self.asked, &mut self.fresh] {
            watches.append_to(&mut self.due, directions);
        }
    }

    /// The last question found a source that the platform did not know: earlier ones were about
    /// another, which is closed.
    pub(super) fn new_source(&mut self) {
        self.old.append_to(&mut self.due, Interest::BOTH);
    }

    /// The source closes, or cannot be waited for.
    pub(super) fn end(&mut self) {
        self.event(Interest::BOTH);
    }

    /// Whether any are due.
    #[inline]
    pub(super) fn has_due(&self) -> bool {
        self.linked > 0 && !self.due.is_empty()
    }

    /// Claims the tasks of some that are due. True if there are more.
    pub(super) fn claim(&mut self, claimed: &mut Claimed) -> bool {
        for _ in 0..AT_ONCE {
            let Some(watch) = self.due.pop_front() else { return false };
            let own = Watch::at(watch);
            own.linked.store(false, Relaxed);
            self.linked -= 1;
            // SAFETY: records are never unmapped; the ticket says whether it still waits.
            let task = unsafe { own.task().as_ref() };
            if task.state.wake(own.ticket()) == Then::Enqueue {
                // SAFETY: `wake` claimed the task, so it is in no queue.
                unsafe { claimed.push_back(own.task()) };
            }
        }
        !self.due.is_empty()
    }
}
