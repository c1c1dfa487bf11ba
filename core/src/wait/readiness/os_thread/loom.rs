//! Every interleaving of OS threads that wait in one direction, and of one in line, by the code
//! itself.
//!
//! What comes is a level, which nobody tells of. A thread that waits for ever although there is
//! something is found: its model cannot go on.

use loom::sync::atomic::AtomicU32 as Level;
use loom::sync::{Arc, Condvar, Mutex};

use super::Side;
use crate::error::ConcurrencyError;
use crate::platform::{Interest, Poll, Source};
use crate::prim::{AtomicU32, Ordering};
use crate::source::slot::Slot;
use crate::sync::loom::{beside, joined, model_of_three};
use crate::sync::stage::{NOBODY, Stage};
use crate::wait::bounds::Wait;

static STAGE: Stage = Stage { wait, wake, beside: wait_beside, ..NOBODY };

loom::lazy_static! {
    static ref WAITING: (Mutex<()>, Condvar) = Default::default();
    static ref THERE: Level = Level::new(0);
}

fn wait(word: &AtomicU32, value: u32) {
    let waiting = WAITING.0.lock().unwrap();
    // Acquire pairs with the release of who changed it; `wake` comes after that, with the lock.
    if word.load(Ordering::Acquire) == value {
        drop(WAITING.1.wait(waiting).unwrap());
    }
}

fn wait_beside(word: &AtomicU32, value: u32, _: &[Poll]) -> bool {
    let is_ready = || THERE.load(Ordering::Acquire) > 0;
    let waiting = WAITING.0.lock().unwrap();
    // Acquire, both: as in `wait`.
    if !is_ready() && word.load(Ordering::Acquire) == value {
        drop(WAITING.1.wait(waiting).unwrap());
    }
    is_ready()
}

fn wake() {
    let _waiting = WAITING.0.lock().unwrap();
    WAITING.1.notify_all();
}

fn comes(count: u32) {
    THERE.fetch_add(count, Ordering::AcqRel);
    wake();
}

fn take() -> bool {
    let less = |there: u32| there.checked_sub(1);
    THERE.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
}

/// Owned, and its callers know that nothing is there.
fn owned() -> Arc<Slot> {
    let slot = Slot::new();
    slot.state.lock().take_over();
    Arc::new(slot)
}

/// Takes one, or ends with `wait`.
fn call(slot: &Slot, wait: &Wait) -> Result<(), ConcurrencyError> {
    let side = Side { slot, platform: &STAGE, source: Source(0), direction: Interest::READ };
    let mut turn = None;
    let mut seen = slot.read.look_behind_others();
    loop {
        if seen.is_ready() {
            if take() {
                return Ok(());
            }
            slot.read.clear(seen);
        }
        side.wait_itself(wait, &mut turn)?;
        seen = slot.read.look();
    }
}

#[test]
fn each_gets_what_comes_at_once() {
    model_of_three(|| {
        let slot = owned();
        let theirs = [(); 2].map(|()| beside(&slot, |slot| call(slot, &STAGE.forever())));
        comes(2);
        assert_eq!(joined(theirs), [Ok(()); 2]);
    });
}

#[test]
fn what_comes_as_the_time_of_the_first_runs_out_is_the_next_ones() {
    model_of_three(|| {
        let slot = owned();
        let brief = beside(&slot, |slot| call(slot, &STAGE.briefly()).is_ok());
        let patient = beside(&slot, |slot| call(slot, &STAGE.forever()));
        comes(1);
        if brief.join().unwrap() {
            comes(1);
        }
        assert_eq!(patient.join().unwrap(), Ok(()));
        assert!(!take());
    });
}

#[test]
fn a_close_ends_the_waits_of_who_leads_and_who_follows() {
    model_of_three(|| {
        let slot = owned();
        let theirs = [(); 2].map(|()| beside(&slot, |slot| call(slot, &STAGE.forever())));
        {
            let mut state = slot.state.lock();
            state.give_up();
            state.close();
        }
        slot.wake_threads();
        assert_eq!(joined(theirs), [Err(ConcurrencyError::Closed); 2]);
    });
}

/// The one in line is told by an event, the other sees the level.
#[test]
fn one_in_line_and_one_that_leads_get_what_comes() {
    model_of_three(|| {
        let slot = owned();
        let leads = beside(&slot, |slot| call(slot, &STAGE.forever()));
        let in_line = beside(&slot, |slot| {
            let side =
                Side { slot, platform: &STAGE, source: Source(0), direction: Interest::READ };
            let mut turn = None;
            loop {
                side.wait(&STAGE.forever(), &mut turn).unwrap();
                let seen = slot.read.look();
                if seen.is_ready() {
                    if take() {
                        return;
                    }
                    slot.read.clear(seen);
                }
            }
        });
        comes(2);
        slot.edge(slot.state.lock(), Interest::READ);
        assert_eq!(leads.join().unwrap(), Ok(()));
        in_line.join().unwrap();
    });
}
