//! What a virtual thread waits for, as others see it.

use crate::prim::{AtomicU8, Ordering};
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

    /// For what, and whether until a deadline.
    pub(crate) fn get(&self) -> (WaitsFor, bool) {
        let word = self.0.load(Ordering::Relaxed);
        (WaitsFor::ALL[usize::from(word & !HAS_DEADLINE)], word & HAS_DEADLINE != 0)
    }
}
