//! The real platform with faults, twice: one that disturbs, and one that refuses as well.
//!
//! | runtime     | who is in it                           | faults                            |
//! |-------------|----------------------------------------|-----------------------------------|
//! | `disturbed` | everybody else                         | those that no program need notice |
//! | `refusing`  | its carriers, and threads started here | refusals, and a clock that jumps  |
//!
//! Nobody wakes late in the first on purpose: there, who is late has missed a deadline.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread;

use drift_core::runtime::Runtime;
use drift_pal::{Host, process};
use drift_sim::{Fault, Faults, Faulty};

use crate::mixed;
use crate::program::{self, OsThread};
use crate::refusal::assert_refused;

const DISTURBING: Faults = Faults { late_wake: 0, ..Faults::QUIET };

/// A runtime with its platform.
pub struct Machine {
    pub runtime: &'static Runtime,
    platform: &'static Faulty,
}

static MACHINES: OnceLock<[Machine; 2]> = OnceLock::new();

thread_local! {
    /// Whether this thread, which is no carrier, is in the one that refuses.
    static REFUSES: Cell<bool> = const { Cell::new(false) };
}

/// Both; from the first call on, every thread is in one of them.
pub fn machines() -> &'static [Machine; 2] {
    MACHINES.get_or_init(|| {
        process::set_worlds(find);
        [Machine::new(0, DISTURBING), Machine::new(1, mixed::FAULTS)]
    })
}

fn find() -> Option<&'static Runtime> {
    let [disturbed, refusing] = MACHINES.get()?;
    let refuses = REFUSES.get() || refusing.runtime.is_here();
    Some(if refuses { refusing.runtime } else { disturbed.runtime })
}

impl Machine {
    fn new(number: u8, faults: Faults) -> Self {
        let platform = Faulty::new(Host::new().unwrap(), number.into(), faults);
        let runtime = loop {
            // SAFETY: the platform is this machine's own.
            #[allow(unsafe_code)]
            match unsafe { Runtime::new(platform, 32 + number) } {
                Ok(runtime) => break runtime,
                Err(refusal) => assert_refused(&refusal),
            }
        };
        Self { runtime, platform }
    }

    /// Each kind of fault, and how often it has happened.
    pub fn struck(&self) -> [(Fault, u64); Fault::ALL.len()] {
        Fault::ALL.map(|fault| (fault, self.platform.struck(fault)))
    }
}

/// A thread of the runtime that refuses.
pub fn os_thread(body: impl FnOnce() + Send + 'static) -> OsThread {
    program::os_thread(|| refusing(body))
}

/// The same, for who looks now and then whether it is over.
pub fn thread(body: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(|| refusing(body))
}

fn refusing(body: impl FnOnce()) {
    REFUSES.set(true);
    body();
}
