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
//! Invariant of `#![allow(unsafe_code)]`: a linked watch stays in place, and is touched under the
//! slot's lock.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::link::list::List;
use crate::platform::Interest;
use crate::prim::Ordering::Relaxed;
use crate::queues::watch::{InSlot, Watch};
use crate::state::Then;
use crate::task::header::{InQueue, Task};

/// Tasks that were claimed under a lock, to be scheduled after it.
pub(crate) type Claimed = List<InQueue, Task>;

type Watches = List<InSlot, Watch>;

/// Watches that are claimed under one hold of the slot's lock.
const AT_ONCE: u32 = 64;

/// In which list a watch is that is not due: what it wants, times [`AGES`], plus how long it waits.
type Place = usize;

const READ: Place = 0;
const WRITE: Place = AGES;
const BOTH: Place = 2 * AGES;
/// Fresh, asked, old.
const AGES: usize = 3;
const PLACES: usize = 3 * AGES;

/// The places of an age: a bit for each.
const FRESH: u16 = 1 << READ | 1 << WRITE | 1 << BOTH;
const ASKED: u16 = FRESH << 1;
const OLD: u16 = FRESH << 2;

/// The places of all ages from `first` on.
const fn ages(first: Place) -> u16 {
    ((1 << AGES) - 1) << first
}

/// See the module's head.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Waiting {
    /// Which of `lists` have some: mostly one or none, so that a step looks at no other.
    filled: u16,
    due: Watches,
    lists: [Watches; PLACES],
}

impl Waiting {
    /// What a slot of zeroes has.
    #[cfg(test)]
    pub(super) const NONE: Self =
        Self { filled: 0, due: List::new(), lists: [const { List::new() }; PLACES] };

    /// Links a watch, which is in no slot, for what it wants.
    pub(super) fn add(&mut self, watch: NonNull<Watch>) {
        let own = Watch::at(watch);
        own.linked.store(true, Relaxed);
        let place = match Interest(own.interest.load(Relaxed)) {
            Interest::READ => READ,
            Interest::WRITE => WRITE,
            _ => BOTH,
        };
        self.filled |= 1 << place;
        // SAFETY: it was in no slot.
        unsafe { self.lists[place].push_back(watch) };
    }

    /// Unlinks a watch; false if it was not linked.
    pub(super) fn remove(&mut self, watch: NonNull<Watch>) -> bool {
        let linked = &Watch::at(watch).linked;
        if !linked.load(Relaxed) {
            return false;
        }
        linked.store(false, Relaxed);
        if self.due.front() == Some(watch) {
            // SAFETY: linked, and the front of this list.
            unsafe { self.due.remove(watch) };
            return true;
        }
        for (place, list) in self.lists.iter_mut().enumerate() {
            if list.front() == Some(watch) {
                // SAFETY: linked, and the front of this list.
                unsafe { list.remove(watch) };
                self.filled &= !(u16::from(list.is_empty()) << place);
                return true;
            }
        }
        // SAFETY: linked in one of the lists, and no front.
        unsafe { List::unlink(watch) };
        true
    }

    /// Whether none waits for an event.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// What they want together.
    #[inline]
    pub(super) fn wanted(&self) -> Interest {
        let of = |first: Place, interest| match self.filled & ages(first) {
            0 => Interest::NONE,
            _ => interest,
        };
        of(READ, Interest::READ).union(of(WRITE, Interest::WRITE)).union(of(BOTH, Interest::BOTH))
    }

    /// A question asks for all of them.
    pub(super) fn ask(&mut self) {
        // The older ones first: their list is then free for the next.
        for age in [ASKED, FRESH] {
            for place in places(self.filled & age) {
                let (younger, older) = self.lists.split_at_mut(place + 1);
                older[0].append(&mut younger[place]);
            }
        }
        self.filled = self.filled & OLD | (self.filled & (ASKED | FRESH)) << 1;
    }

    /// Some directions are ready.
    #[inline]
    pub(super) fn event(&mut self, directions: Interest) {
        if self.filled != 0 {
            self.make_due(directions, OLD | ASKED | FRESH);
        }
    }

    /// Those that want any of `directions`, and have one of these ages.
    #[inline(never)]
    fn make_due(&mut self, directions: Interest, of_ages: u16) {
        let of = |first: Place, interest| match directions.intersects(interest) {
            true => ages(first),
            false => 0,
        };
        let wanted =
            of(READ, Interest::READ) | of(WRITE, Interest::WRITE) | of(BOTH, Interest::BOTH);
        let due = self.filled & wanted & of_ages;
        // The oldest first.
        for age in [OLD, ASKED, FRESH] {
            for place in places(due & age) {
                self.due.append(&mut self.lists[place]);
            }
        }
        self.filled &= !due;
    }

    /// The last question found a source that the platform did not know: earlier ones were about
    /// another, which is closed.
    #[inline]
    pub(super) fn new_source(&mut self) {
        if self.filled & OLD != 0 {
            self.make_due(Interest::BOTH, OLD);
        }
    }

    /// The source closes, or cannot be waited for.
    pub(super) fn end(&mut self) {
        self.event(Interest::BOTH);
    }

    /// Whether any are due.
    #[inline]
    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Claims the tasks of some that are due. True if there are more.
    pub(super) fn claim(&mut self, claimed: &mut Claimed) -> bool {
        for _ in 0..AT_ONCE {
            let Some(watch) = self.due.pop_front() else { return false };
            let own = Watch::at(watch);
            own.linked.store(false, Relaxed);
            if own.wake() == Then::Enqueue {
                // SAFETY: `wake` claimed the task, so it is in no queue.
                unsafe { claimed.push_back(Task::of_state(own.task()).into()) };
            }
        }
        !self.due.is_empty()
    }
}

/// The places that have a bit in `set`.
#[inline]
fn places(mut set: u16) -> impl Iterator<Item = Place> {
    core::iter::from_fn(move || {
        let place = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(place)
    })
}
