//! Virtual threads as a debugger or a simulator sees them: every one, and what it waits for.

use crate::prim::{AtomicU8, Ordering};
use crate::runtime::Runtime;
use crate::task::Handle;
use crate::task::header::Task;
use crate::task::state::Phase;
use crate::time::Instant;

/// What a virtual thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WaitsFor {
    /// An unpark, or something it registered.
    Unpark,
    /// A deadline, and nothing else.
    Time,
    /// The end of another virtual thread.
    Join,
    /// A place at an executor.
    Place,
    /// The readiness of a descriptor.
    Readiness,
    /// A mutex.
    Mutex,
    /// A read-write lock.
    RwLock,
    /// A condition variable.
    Condvar,
    /// Permits of a semaphore.
    Semaphore,
    /// The others at a barrier.
    Barrier,
    /// An event.
    Event,
    /// Another that initialises.
    Once,
    /// Room in a channel.
    Send,
    /// A value in a channel.
    Receive,
    /// One of several channels.
    Select,
}

impl WaitsFor {
    const ALL: [Self; 15] = [
        Self::Unpark,
        Self::Time,
        Self::Join,
        Self::Place,
        Self::Readiness,
        Self::Mutex,
        Self::RwLock,
        Self::Condvar,
        Self::Semaphore,
        Self::Barrier,
        Self::Event,
        Self::Once,
        Self::Send,
        Self::Receive,
        Self::Select,
    ];
}

const HAS_DEADLINE: u8 = 0x80;

/// The field of a record: written by the task itself, read by anybody. Relaxed: a picture.
#[derive(Debug)]
pub(crate) struct Reason(AtomicU8);

impl Reason {
    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(WaitsFor::Unpark as u8))
    }

    #[inline]
    pub(crate) fn set(&self, waits_for: WaitsFor, until: Instant) {
        let deadline = if until == Instant::FAR { 0 } else { HAS_DEADLINE };
        self.0.store(waits_for as u8 | deadline, Ordering::Relaxed);
    }

    fn get(&self) -> Standing {
        let word = self.0.load(Ordering::Relaxed);
        let on = WaitsFor::ALL[usize::from(word & !HAS_DEADLINE)];
        Standing::Waits { on, has_deadline: word & HAS_DEADLINE != 0 }
    }
}

/// Where a virtual thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Spawned, not submitted.
    New,
    /// It runs, or will when its turn comes.
    Active,
    /// It is parked.
    Waits {
        /// For this.
        on: WaitsFor,
        /// Or until a deadline.
        has_deadline: bool,
    },
    /// It has ended; somebody has its handle.
    Ended,
}

/// One virtual thread, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its handle.
    pub handle: Handle,
    /// Where it is.
    pub standing: Standing,
    /// Whether somebody asked it to end.
    pub is_cancelled: bool,
}

impl Task {
    fn view(&self, runtime: &'static Runtime) -> Option<View> {
        let (phase, generation) = self.state.phase_and_generation();
        let standing = match phase {
            Phase::Free => return None,
            Phase::New => Standing::New,
            Phase::Active => Standing::Active,
            Phase::Parked => self.reason.get(),
            Phase::Dropping | Phase::Completed => Standing::Ended,
        };
        let handle = runtime.tasks.handle(self.index, generation);
        Some(View { handle, standing, is_cancelled: self.is_cancelled() })
    }
}

impl Runtime {
    /// Every virtual thread there is, in the order of their records. Others go on meanwhile: each
    /// is seen at a moment of its own.
    pub fn virtual_threads(&'static self) -> impl Iterator<Item = View> {
        (0..self.tasks.used()).filter_map(move |index| self.tasks.record(index).view(self))
    }
}
