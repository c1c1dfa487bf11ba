//! `cargo xtask sim`: programs in simulated worlds, over many seeds.

use std::process::Command;

use anyhow::Result;

use crate::step::{Steps, cargo};

#[derive(clap::Args)]
pub struct SimArguments {
    /// Seeds of each scenario.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Runs this seed only, and prints what happened if it fails.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the scenarios with this in their name.
    #[arg(long)]
    scenario: Option<String>,
}

/// Runs the scenarios; the first that fails says how to replay it.
///
/// # Errors
/// When one fails.
pub fn run(arguments: &SimArguments) -> Result<()> {
    let mut steps = Steps::default();
    let mut command = scenarios(arguments.seeds);
    if let Some(seed) = arguments.seed {
        command.env("DRIFT_SIM_SEED", seed.to_string());
    }
    if let Some(scenario) = &arguments.scenario {
        command.arg(format!("sim::{scenario}"));
    } else {
        command.arg("sim::");
    }
    let result = steps.run("sim", &mut command);
    steps.close(result)
}

/// The same as a part of something larger.
///
/// # Errors
/// When one fails.
pub fn seeds(steps: &mut Steps, seeds: u64) -> Result<()> {
    steps.run("sim", scenarios(seeds).arg("sim::"))
}

/// What the simulator promises of itself, with preemption points; without, it ran with the rest.
///
/// # Errors
/// When it does not keep it.
pub fn itself(steps: &mut Steps) -> Result<()> {
    let mut command = cargo(&["test", "-p", "drift-sim", "--features", "points", "--target-dir"]);
    steps.run("simulator", command.arg(crate::target().join("sim")))
}

/// Optimised, with preemption points, in a folder of their own: no other build has these.
fn scenarios(seeds: u64) -> Command {
    let mut command = cargo(&["test", "--release", "-p", "drift-tests", "--test", "scenarios"]);
    command.args(["--features", "points", "--config", "profile.release.lto=\"off\""]);
    command.arg("--target-dir").arg(crate::target().join("sim"));
    command.env("DRIFT_SIM_SEEDS", seeds.to_string()).arg("--");
    command
}
