//! Runs each program as `sim::NAME` over seeds, and as `host::NAME` some rounds.
//!
//! `DRIFT_SIM_SEED` runs one seed, `DRIFT_SIM_SEEDS` so many. A seed decides how many carriers
//! there are, whether virtual threads migrate, and what goes wrong.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use drift::{Executor, ExecutorPolicy};
use drift_sim::{Faults, Sim, seeds};
use libtest_mimic::{Arguments, Trial};

/// Seeds of each program if nothing else is said: what an unoptimised build does in a second.
const SEEDS: u64 = 300;

/// Rounds on the real platform, for each number of carriers.
const ROUNDS: usize = 5;

/// A program: its name, what runs, and what goes wrong with every fourth seed.
pub type Scenario = (&'static str, fn(), Faults);

/// Names become scenarios that must bear what no program need notice; or, in braces, other faults.
#[macro_export]
macro_rules! scenarios {
    (@) => { drift_sim::Faults::QUIET };
    (@ $faults:expr) => { $faults };
    ($($name:ident $({ $faults:expr })?),* $(,)?) => {
        &[$((stringify!($name), $name as fn(), $crate::scenarios!(@ $($faults)?))),*]
    };
}

/// A thread that runs no virtual threads, of the world that calls.
pub struct OsThread(Kind);

enum Kind {
    Real(std::thread::JoinHandle<()>),
    World(drift_sim::thread::JoinHandle<()>),
}

/// Starts one.
pub fn os_thread(body: impl FnOnce() + Send + 'static) -> OsThread {
    OsThread(match drift_sim::is_inside() {
        true => Kind::World(drift_sim::thread::spawn(body)),
        false => Kind::Real(std::thread::spawn(body)),
    })
}

impl OsThread {
    /// Waits for its end.
    pub fn join(self) {
        match self.0 {
            Kind::Real(thread) => thread.join().unwrap(),
            Kind::World(thread) => thread.join(),
        }
    }
}

/// Counts values that are alive, and how many there ever were.
#[derive(Default)]
pub struct Census {
    born: AtomicUsize,
    dead: AtomicUsize,
}

/// One of them.
pub struct Citizen(std::sync::Arc<Census>);

impl Census {
    pub fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::default()
    }

    pub fn citizen(self: &std::sync::Arc<Self>) -> Citizen {
        self.born.fetch_add(1, Ordering::SeqCst);
        Citizen(self.clone())
    }

    /// Every one that was born has died, once.
    pub fn check(&self) {
        let (born, dead) = (self.born.load(Ordering::SeqCst), self.dead.load(Ordering::SeqCst));
        assert_eq!(born, dead, "born and dropped");
    }

    /// Whether nobody is alive.
    pub fn is_empty(&self) -> bool {
        self.born.load(Ordering::SeqCst) == self.dead.load(Ordering::SeqCst)
    }
}

impl Drop for Citizen {
    fn drop(&mut self) {
        let dead = self.0.dead.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(dead <= self.0.born.load(Ordering::SeqCst), "dropped twice");
    }
}

fn world(seed: u64, faults: Faults) -> Sim {
    let faults = match seed % 4 {
        3 => faults,
        _ => Faults::NONE,
    };
    Sim::new(seed).carriers(1 + (seed / 4 % 4) as u32).migrating(seed / 16 % 2 == 0).faults(faults)
}

fn in_worlds(name: &str, run: fn(), faults: Faults) {
    let begun = Instant::now();
    let mut count = 0_u64;
    for seed in seeds(SEEDS) {
        count += 1;
        if let Err(failure) = world(seed, faults).try_run(run) {
            if std::env::var_os("DRIFT_SIM_SEED").is_some() {
                println!("{}", failure.log);
            }
            panic!("{failure}\n    cargo xtask sim --scenario {name} --seed {seed}");
        }
    }
    let speed = count as f64 / begun.elapsed().as_secs_f64();
    println!("sim::{name}: {count} seeds, {speed:.0} a second");
}

/// One at a time: the default executor is the process's.
fn on_the_host(run: fn()) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for carriers in [1, 2, 4] {
        let executor = Executor::new(ExecutorPolicy::new().min_threads(carriers)).unwrap();
        executor.default_set();
        for _ in 0..ROUNDS {
            drift::run(run);
        }
    }
}

pub fn main(groups: &[&[Scenario]]) -> ExitCode {
    let arguments = Arguments::from_args();
    let scenarios = groups.iter().flat_map(|group| group.iter().copied());
    let trials = scenarios.flat_map(|(name, run, faults)| {
        let sim = move || {
            in_worlds(name, run, faults);
            Ok(())
        };
        let host = move || {
            on_the_host(run);
            Ok(())
        };
        [Trial::test(format!("sim::{name}"), sim), Trial::test(format!("host::{name}"), host)]
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
