//! Waiting for the first of several channels.
//!
//! | step                                             | if somebody came meanwhile          |
//! |--------------------------------------------------|-------------------------------------|
//! | attempt each, beginning anywhere; done if one can|                                     |
//! | link in each, unless one could be done now       | its popper has claimed the sleeper  |
//! | sleep, unless one could                          | the sleep is over                   |
//! | end the sleeper's wait: nobody claims it any more| that arm is the answer              |
//! | unlink from each                                 |                                     |
//! | nobody came, and one could be done: once more    |                                     |
//!
//! Nothing is sent or received while the sleeper is linked but by whoever claims it: so exactly
//! one arm happens. One channel's lock is held at a time.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: arms stay where they are while they are linked, which
//! is within one call. Meanwhile others write to them, so only `&` leads there: a `&mut` would say
//! that nobody else does.
#![allow(unsafe_code)]

use crate::error::ConcurrencyError;
use crate::sync::wait_queue::{Sleeper, Wait};
use crate::task::WaitsFor;

/// The answer of [`Arm::link`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Linked.
    Done,
    /// Not linked: an attempt might do it.
    Ready,
}

/// One of the things that a select waits for.
pub trait Arm {
    /// Does it, if it need not wait. Called while it is not linked.
    fn attempt(&mut self) -> bool;

    /// Links a waiter of `sleeper`, with that tag.
    ///
    /// # Safety
    /// It is not linked; the arm and the sleeper stay where they are until `unlink`, and there is
    /// no `&mut` to the arm.
    unsafe fn link(&self, sleeper: *const Sleeper, tag: u32) -> Link;

    /// Unlinks it, if nobody has popped it.
    ///
    /// # Safety
    /// It was linked.
    unsafe fn unlink(&self);
}

/// Does the first that can be done, without waiting. Which.
pub fn try_select(arms: &mut [&mut dyn Arm], first: usize) -> Option<usize> {
    let count = arms.len();
    (0..count).map(|step| (first % count + step) % count).find(|index| arms[*index].attempt())
}

/// Does one, and waits until one can be done. Which: of several that can be done at once, any.
///
/// # Errors
/// `Cancelled` or `Timeout`, as `wait` has it; then none was done.
pub fn select(arms: &mut [&mut dyn Arm], wait: &Wait) -> Result<usize, ConcurrencyError> {
    loop {
        if let Some(done) = try_select(arms, wait.random() as usize) {
            return Ok(done);
        }
        let sleeper = Sleeper::new(wait, true);
        let mut linked = 0;
        for (tag, arm) in arms.iter().enumerate() {
            // SAFETY: all of them, and the sleeper, stay until they are unlinked below.
            if unsafe { arm.link(&raw const sleeper, tag as u32) } == Link::Ready {
                break;
            }
            linked += 1;
        }
        let sleeps = linked == arms.len();
        if sleeps {
            sleeper.sleep(wait, WaitsFor::Select);
        }
        let popped = sleeper.end();
        for arm in &arms[..linked] {
            // SAFETY: it was linked above.
            unsafe { arm.unlink() };
        }
        sleeper.forget();
        match popped {
            Some(done) => return Ok(done as usize),
            None if sleeps => return Err(wait.why()),
            None => {}
        }
    }
}
