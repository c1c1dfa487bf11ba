//! Runs each program as `sim::NAME` over seeds, and as `host::NAME` some rounds.
//!
//! `DRIFT_SIM_SEED` runs one seed, `DRIFT_SIM_SEEDS` so many. A seed decides how many carriers
//! there are, whether virtual threads migrate, and what goes wrong.

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use drift::{Executor, ExecutorPolicy};
use drift_sim::{Faults, Sim, seeds};
use libtest_mimic::{Arguments, Trial};

use crate::program::Scenario;

/// Seeds of each program if nothing else is said: what an unoptimised build does in a second.
const SEEDS: u64 = 300;

/// Rounds on the real platform, for each number of carriers.
const ROUNDS: usize = 5;

fn world(seed: u64, faults: Faults) -> Sim {
    let faults = match seed % 4 {
        3 => faults,
        _ => Faults::NONE,
    };
    Sim::new(seed)
        .carriers(1 + (seed / 4 % 4) as u32)
        .migrating((seed / 16).is_multiple_of(2))
        .faults(faults)
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
