//! What the machine refuses or disturbs ends as a stated error or a retry, in simulated worlds.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: what is spawned here has nothing in its payload.
#![allow(missing_docs, unsafe_code)]

use drift_core::platform::StackClass;
use drift_core::runtime::Runtime;
use drift_core::task::{Entry, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;
use drift_sim::{Faults, Sim, seeds, thread};

fn runtime() -> &'static Runtime {
    process::runtime().unwrap()
}

unsafe fn parks(_: *mut Payload) {
    runtime().park(Instant::FAR);
}

unsafe fn nothing(_: *mut Payload) {}

/// Registered by an OS thread, for one that no executor has yet. One of the two defaults has a
/// carrier, since the program runs there.
#[test]
fn a_deadline_is_served_although_a_carrier_is_refused() {
    let faults = Faults { thread_start: 500_000, ..Faults::NONE };
    for seed in seeds(200) {
        Sim::new(seed).carriers(1).faults(faults).run(|| {
            let entry = Entry { run: parks, discard: nothing, payload: Payload::EMPTY };
            // SAFETY: nothing is in its payload.
            let one = unsafe { runtime().spawn(entry, StackClass::K64) }.unwrap();
            let registers = thread::spawn(move || {
                let deadline = runtime().platform().now() + 5 * MILLISECOND;
                runtime().unpark_at(one, deadline);
                // SAFETY: it keeps nothing across its wait.
                unsafe { runtime().default_executor().submit(one) }.unwrap();
                deadline
            });
            assert!(runtime().join(one, Instant::FAR));
            assert!(runtime().platform().now() >= registers.join());
        });
    }
}
