//! A runtime on a platform with faults, which every thread of the test finds.

use std::ops::Range;
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::time::Duration;
use std::{env, process, thread};

use drift::{Executor, ExecutorPolicy, Instant, Shutdown, spawn};
use drift_core::runtime::Runtime;
use drift_pal::{Host, process as pal_process};
use drift_sim::{Fault, Faults, Faulty};

pub use crate::program::os_thread;
use crate::refusal::{assert_refused, is_refusal};

/// Longer than any program here takes, on a busy machine: then it hangs.
const PATIENCE: Duration = Duration::from_secs(100);

/// The runtime that calls from outside mean.
static RUNTIME: Mutex<Option<&Runtime>> = Mutex::new(None);

/// One at a time: there is one `RUNTIME`.
static ALONE: Mutex<()> = Mutex::new(());

/// So many seeds, if `DRIFT_MACHINE_SEEDS` says nothing else; or the one of `DRIFT_SIM_SEED`. Fewer
/// than in worlds, for every runtime keeps three descriptors, and time is not simulated.
pub fn seeds(count: u64) -> Range<u64> {
    let one = |text: String| text.parse().expect("DRIFT_SIM_SEED is a number");
    let many = |text: String| text.parse().expect("DRIFT_MACHINE_SEEDS is a number");
    match env::var("DRIFT_SIM_SEED").map(one) {
        Ok(seed) => seed..seed + 1,
        Err(_) => 0..env::var("DRIFT_MACHINE_SEEDS").map_or(count, many),
    }
}

pub struct Machine;

impl Machine {
    /// Runs `program` on a thread, in a new runtime; how often each fault has happened.
    pub fn run(
        name: &str,
        seed: u64,
        faults: Faults,
        program: impl FnOnce() + Send + 'static,
    ) -> [u64; Fault::ALL.len()] {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let platform = Faulty::new(Host::new().unwrap(), seed, faults);
        let birth = 32 + (seed % 32) as u8;
        let runtime = loop {
            // SAFETY: the platform is this runtime's own.
            #[allow(unsafe_code)]
            match unsafe { Runtime::new(platform, birth) } {
                Ok(runtime) => break runtime,
                Err(refusal) => assert_refused(&refusal),
            }
        };
        enter(runtime);
        let (done, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            program();
            done.send(()).unwrap();
        });
        if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs with seed {seed}, {faults:?}; it waits for:");
            for view in runtime.virtual_threads() {
                eprintln!("  {view:?}");
            }
            // Its threads cannot be ended in any other way.
            process::abort();
        }
        if thread.join().is_err() {
            panic!("{name} failed with seed {seed}, {faults:?}");
        }
        Fault::ALL.map(|fault| platform.struck(fault))
    }
}

/// From now on the runtime of all threads that are no carriers.
fn enter(runtime: &'static Runtime) {
    static FIND: Once = Once::new();
    *RUNTIME.lock().unwrap() = Some(runtime);
    FIND.call_once(|| pal_process::set_worlds(|| *RUNTIME.lock().unwrap()));
}

/// Runs `body` on a virtual thread of an executor of this policy, as soon as one is to be had.
pub fn on(policy: ExecutorPolicy, body: fn()) {
    let executor = Executor::new(policy).unwrap();
    executor.default_set();
    while let Err(error) = spawn(body).join() {
        assert!(is_refusal(&error), "{error:?}");
    }
    // It has no deadline: the clock may jump.
    let far = Instant::now() + drift::Duration::from_millis(i64::MAX / 1_000_000);
    executor.shutdown(Shutdown::Cancel, far).unwrap();
}
