//! Many readers or one writer, in the order in which they came.
//!
//! | event       | readers, writer, waiters | becomes                                           |
//! |-------------|--------------------------|---------------------------------------------------|
//! | read        | no writer, nobody waits  | readers + 1                                       |
//! | write       | nobody, nobody waits     | writer                                            |
//! | read again  | no writer                | readers + 1, whoever waits: the caller may be one |
//! |             |                          | of the readers that a writer waits for            |
//! | either      | else                     | linked; nobody overtakes it                       |
//! | downgrade   | writer                   | one reader; then as at an unlock                  |
//! | unlock      | any                      | one less; then as many of the first who wait as   |
//! |             |                          | may have it together                              |
//! | gives up    | linked                   | the same: readers may have waited behind a writer |

use core::ptr;

use crate::error::ConcurrencyError;
use crate::prim::{SpinLock, const_unless_loom};
use crate::queues::waiters::{Popped, Waiters};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::Queue;
use crate::wait::wake;

const READ: u32 = 0;
const WRITE: u32 = 1;

/// A lock without data, to be shared or not.
#[derive(Debug)]
pub struct RwLock(SpinLock<State>);

#[derive(Debug)]
struct State {
    readers: u32,
    writer: bool,
    waiters: Waiters,
}

impl State {
    fn is_open(&self, how: u32) -> bool {
        !self.writer && (how == READ || self.readers == 0)
    }

    fn take(&mut self, how: u32) {
        match how {
            READ => self.readers = self.readers.checked_add(1).expect("fewer than 2^32 readers"),
            _ => self.writer = true,
        }
    }

    /// Takes it if it may be had at once; `overtakes` those that wait.
    fn enter(&mut self, how: u32, overtakes: bool) -> bool {
        let open = self.is_open(how) && (overtakes || self.waiters.is_empty());
        if open {
            self.take(how);
        }
        open
    }

    /// Hands it to the first who waits, if it may be had.
    fn hand_over(&mut self) -> Option<Popped> {
        let Self { readers, writer, waiters } = self;
        let popped = waiters.pop_if(|how| !*writer && (how == READ || *readers == 0))?;
        self.take(popped.tag);
        Some(popped)
    }
}

impl RwLock {
    const_unless_loom! {
        /// Free.
        pub fn new() -> Self {
            Self(SpinLock::new(State { readers: 0, writer: false, waiters: Waiters::new() }))
        }
    }

    /// Shares it if there is no writer and nobody waits.
    pub fn try_read(&self) -> bool {
        self.0.lock().enter(READ, false)
    }

    /// Shares it if there is no writer, also where writers wait.
    pub fn try_read_again(&self) -> bool {
        self.0.lock().enter(READ, true)
    }

    /// Takes it if nobody has it.
    pub fn try_write(&self) -> bool {
        self.0.lock().enter(WRITE, false)
    }

    /// Waits for a share.
    ///
    /// # Errors
    /// `Cancelled` or `Timeout`, as `wait` has it; only if it had to wait.
    pub fn read(&self, wait: &Wait) -> Result<(), ConcurrencyError> {
        self.wait(READ, false, wait)
    }

    /// Waits for a share, and not for writers that only wait: for who may have one already.
    ///
    /// # Errors
    /// As for `read`.
    pub fn read_again(&self, wait: &Wait) -> Result<(), ConcurrencyError> {
        self.wait(READ, true, wait)
    }

    /// Waits for the whole.
    ///
    /// # Errors
    /// As for `read`.
    pub fn write(&self, wait: &Wait) -> Result<(), ConcurrencyError> {
        self.wait(WRITE, false, wait)
    }

    /// Gives one share back; false if there is none.
    pub fn unlock_read(&self) -> bool {
        let mut state = self.0.lock();
        let was_read = state.readers > 0;
        state.readers -= u32::from(was_read);
        wake::wake_each(&self.0, state, State::hand_over);
        was_read
    }

    /// Gives the whole back; false if nobody has it.
    pub fn unlock_write(&self) -> bool {
        let mut state = self.0.lock();
        let was_written = core::mem::replace(&mut state.writer, false);
        wake::wake_each(&self.0, state, State::hand_over);
        was_written
    }

    /// Turns the whole into one share; false if nobody has the whole.
    pub fn downgrade(&self) -> bool {
        let mut state = self.0.lock();
        let was_written = core::mem::replace(&mut state.writer, false);
        state.readers += u32::from(was_written);
        wake::wake_each(&self.0, state, State::hand_over);
        was_written
    }

    /// Whether anybody has any of it.
    pub fn is_locked(&self) -> bool {
        let state = self.0.lock();
        state.writer || state.readers > 0
    }

    /// Whether somebody has the whole.
    pub fn is_written(&self) -> bool {
        self.0.lock().writer
    }

    fn wait(&self, how: u32, overtakes: bool, wait: &Wait) -> Result<(), ConcurrencyError> {
        let queue = Queue::new(WaitsFor::RwLock, &self.0, |state| &mut state.waiters);
        let waits = |state: &mut State| (!state.enter(how, overtakes)).then_some(how);
        let waited = queue.wait_and(wait, ptr::null_mut(), waits, || {}, |_, _| {});
        if waited.is_err() {
            wake::wake_each(&self.0, self.0.lock(), State::hand_over);
        }
        waited.map(|_| ())
    }
}
