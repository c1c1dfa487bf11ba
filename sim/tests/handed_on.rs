//! Work behind work is found by a carrier that sleeps, because it is woken; not because somebody
//! looks around now and then. The difference is only in time, and a world's time is exact.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(missing_docs, unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use drift::sync::Mutex;
use drift::{Duration, sleep};
use drift_core::platform::StackClass;
use drift_core::task::{self, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;
use drift_sim::{Entry, Sim, What, seeds};

/// How often a carrier on the lookout looks around.
const TICK: u64 = 10 * MILLISECOND;

/// Of the second in the world that runs; worlds come one after the other.
static SUBMITTED: AtomicU64 = AtomicU64::new(0);
static STARTED: AtomicU64 = AtomicU64::new(0);

fn now() -> Instant {
    process::runtime().unwrap().platform().now()
}

unsafe fn nothing(_: *mut Payload) {}

unsafe fn computes(_: *mut Payload) {
    let (until, lock) = (now() + 3 * TICK / 2, Mutex::new(()));
    while now() < until {
        // Where it may be interrupted.
        drop(lock.lock());
    }
}

unsafe fn starts(_: *mut Payload) {
    STARTED.store(now().0, Ordering::Relaxed);
}

/// When the second of two was submitted, of which the first computes for longer than a tick; and
/// when it started.
fn submits_one_behind_one_that_computes() -> (u64, u64) {
    // Everybody sleeps, and nobody looks around any more.
    sleep(Duration::from_millis(200)).unwrap();
    let pusher = drift_sim::thread::spawn(|| {
        let runtime = process::runtime().unwrap();
        let executor = runtime.find_executor(runtime.preferred_executor()).unwrap();
        let both = [computes, starts].map(|run: unsafe fn(*mut Payload)| {
            let entry = task::Entry { run, discard: nothing, payload: [0; 7] };
            runtime.spawn(entry, StackClass::K64).unwrap()
        });
        SUBMITTED.store(now().0, Ordering::Relaxed);
        for one in both {
            executor.submit(one).unwrap();
        }
        for one in both {
            assert!(runtime.join(one, Instant::FAR));
        }
    });
    sleep(Duration::from_millis(30)).unwrap();
    pusher.join();
    (SUBMITTED.load(Ordering::Relaxed), STARTED.load(Ordering::Relaxed))
}

/// One is woken for the first, and one for the second: by whoever submits it, or by the first
/// one's carrier, which the submitter took for a searcher. Whom the scheduler lets wait after that
/// is another matter.
#[test]
fn the_last_searcher_wakes_somebody_for_the_rest() {
    let mut late = 0;
    for seed in seeds(100) {
        let run = Sim::new(seed).carriers(3).try_run(submits_one_behind_one_that_computes);
        let run = run.unwrap_or_else(|failure| panic!("{failure}"));
        let (submitted, started) = run.value;
        if started - submitted < TICK * 9 / 10 {
            continue;
        }
        late += 1;
        let soon = submitted..submitted + TICK * 9 / 10;
        let wakes =
            |entry: &&Entry| matches!(entry.what, What::Wakes(_)) && soon.contains(&entry.at);
        let wakes = run.log.entries().iter().filter(wakes).count();
        assert!(wakes >= 2, "{wakes} wakes for two; replay with DRIFT_SIM_SEED={seed}");
    }
    println!("{late} late");
}
