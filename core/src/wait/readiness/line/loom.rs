//! Every interleaving of callers of one descriptor and of its events, by the code itself.
//!
//! The platform of these models cannot say what is left, so whoever ends a turn passes it on while
//! the word says ready. A caller that nobody wakes is found: its model cannot go on.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

use super::{Side, Turn};
use crate::platform::{Interest, Source};
use crate::source::slot::Slot;
use crate::sync::loom::{STAGE, beside, joined, model_of_three};
use crate::wait::bounds::Wait;

/// A descriptor, and how much there is to be read.
struct Wire {
    slot: Slot,
    there: AtomicU32,
}

impl Wire {
    /// Owned, and its callers know that nothing is there.
    fn new() -> Arc<Self> {
        let slot = Slot::new();
        slot.state.lock().take_over();
        Arc::new(Self { slot, there: AtomicU32::new(0) })
    }

    fn comes(&self, count: u32) {
        self.there.fetch_add(count, Ordering::AcqRel);
        self.slot.edge(self.slot.state.lock(), Interest::READ);
    }

    fn take(&self) -> bool {
        let less = |there: u32| there.checked_sub(1);
        self.there.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    /// Takes one, or gives up with `wait`: whether it did.
    fn call(&self, wait: &Wait) -> bool {
        let direction = Interest::READ;
        let side = Side { slot: &self.slot, source: Source(0), direction, platform: &STAGE };
        let mut turn: Option<Turn<'_>> = None;
        let mut seen = self.slot.read.look_behind_others();
        loop {
            if seen.is_ready() {
                if self.take() {
                    return true;
                }
                self.slot.read.clear(seen);
            }
            if side.wait(wait, &mut turn).is_err() {
                return false;
            }
            seen = self.slot.read.look();
        }
    }
}

#[test]
fn one_event_serves_as_many_as_it_brings() {
    model_of_three(|| {
        let wire = Wire::new();
        let call = |wire: &Wire| assert!(wire.call(&STAGE.forever()));
        let theirs = [beside(&wire, call), beside(&wire, call)];
        wire.comes(2);
        joined(theirs);
        assert_eq!(wire.there.load(Ordering::Acquire), 0);
    });
}

#[test]
fn an_event_that_comes_as_the_time_of_the_first_runs_out_is_the_next_ones() {
    model_of_three(|| {
        let wire = Wire::new();
        let brief = beside(&wire, |wire| wire.call(&STAGE.briefly()));
        let patient = beside(&wire, |wire| assert!(wire.call(&STAGE.forever())));
        wire.comes(1);
        if brief.join().unwrap() {
            wire.comes(1);
        }
        patient.join().unwrap();
        assert_eq!(wire.there.load(Ordering::Acquire), 0);
    });
}

#[test]
fn two_events_serve_two() {
    model_of_three(|| {
        let wire = Wire::new();
        let call = |wire: &Wire| assert!(wire.call(&STAGE.forever()));
        let theirs = [beside(&wire, call), beside(&wire, call)];
        wire.comes(1);
        wire.comes(1);
        joined(theirs);
    });
}
