//! Waiting for the first of several channels.
//!
//! | step                                             | if somebody came meanwhile          |
//! |--------------------------------------------------|-------------------------------------|
//! | attempt each, in any order; done if one can      |                                     |
//! | link in each, in that order, unless one could be | its popper has claimed the sleeper  |
//! | done now                                         |                                     |
//! | sleep, unless one could                          | the sleep is over                   |
//! | end the sleeper's wait: nobody claims it any more| that arm is the answer              |
//! | unlink from each                                 |                                     |
//! | nobody came, and one could be done: once more    |                                     |
//!
//! Nothing is sent or received while the sleeper is linked but by whoever claims it: so exactly
//! one arm happens. One channel's lock is held at a time.
//!
//! Every order is as likely as any other, so every arm that can be done has the same chance: a
//! start drawn at random with a scan from there on would give an arm also the chances of the idle
//! arms before it. The same order decides where one channel is in several arms: its popper takes
//! the arm that was linked first. The order comes from one number of the carrier, or of the
//! platform for an OS thread: in a simulated world, from the seed.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: arms stay where they are while they are linked, which
//! is within one call. Meanwhile others write to them, so only `&` leads there: a `&mut` would say
//! that nobody else does.
#![allow(unsafe_code)]

use crate::error::ConcurrencyError;
use crate::queues::waiters::Sleeper;
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;

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
///
/// # Safety
/// `link` and `unlink` do what they say, and do not unwind: the sleeper, in the frame of `select`,
/// is linked after `Done`, not after `Ready`, and no more after `unlink`.
pub unsafe trait Arm {
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

/// An arm, and the number that the caller knows it by: a selection puts the arms in another order.
pub type Numbered<'a> = (u32, &'a mut dyn Arm);

/// Numbers for the order of one selection: the linear congruential generator of Knuth, The Art of
/// Computer Programming, volume 2, section 3.3.4, whose high bits are good.
#[derive(Debug)]
pub(super) struct Dice(pub u64);

impl Dice {
    /// For who waits by `wait`.
    fn new(wait: &Wait) -> Self {
        Self(u64::from(wait.random()))
    }

    /// Below `limit`, which is not 0, each as likely as the others.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(0x1405_7b7e_f767_814f);
        (((self.0 >> 32) * limit as u64) >> 32) as usize
    }
}

/// Does one that can be done, without waiting; of several any, each with the same chance. Which.
pub fn try_select(arms: &mut [Numbered<'_>], wait: &Wait) -> Option<u32> {
    attempt(arms, &mut Dice::new(wait))
}

/// Shuffles the arms as it goes (Fisher and Yates; Knuth, volume 2, section 3.4.2), and so leaves
/// them in any order if none can be done.
pub(super) fn attempt(arms: &mut [Numbered<'_>], dice: &mut Dice) -> Option<u32> {
    (0..arms.len()).find_map(|next| {
        arms.swap(next, next + dice.below(arms.len() - next));
        let (number, arm) = &mut arms[next];
        arm.attempt().then_some(*number)
    })
}

/// Does one, and waits until one can be done. Which: of several that can be done at once, any,
/// each with the same chance.
///
/// # Errors
/// `Cancelled` or `Timeout`, as `wait` has it; then none was done.
pub fn select(arms: &mut [Numbered<'_>], wait: &Wait) -> Result<u32, ConcurrencyError> {
    let mut dice = Dice::new(wait);
    loop {
        if let Some(done) = attempt(arms, &mut dice) {
            return Ok(done);
        }
        let sleeper = Sleeper::new(wait, true);
        let mut linked = 0;
        for (number, arm) in arms.iter() {
            // SAFETY: all of them, and the sleeper, stay until they are unlinked below.
            if unsafe { arm.link(&raw const sleeper, *number) } == Link::Ready {
                break;
            }
            linked += 1;
        }
        let sleeps = linked == arms.len();
        if sleeps {
            sleeper.sleep(wait, WaitsFor::Select);
        }
        let popped = sleeper.end();
        for (_, arm) in &arms[..linked] {
            // SAFETY: it was linked above.
            unsafe { arm.unlink() };
        }
        sleeper.forget();
        match popped {
            Some(done) => return Ok(done),
            None if sleeps => return Err(wait.why()),
            None => {}
        }
    }
}
