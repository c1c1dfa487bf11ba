//! `cargo xtask sim`: programs in simulated worlds, over many seeds.

use std::process::Command;

use anyhow::Result;

use crate::step::{Steps, cargo};

const SCENARIOS: &[&str] = &["-p", "drift-tests", "--test", "scenarios"];
const RANDOM: &[&str] = &["-p", "drift-tests", "--test", "random"];

#[derive(clap::Args)]
pub struct SimArguments {
    /// Seeds of each scenario, and of each test of the simulator over seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// Runs this seed only, and prints what happened if it fails.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs those with this in their name.
    #[arg(long)]
    scenario: Option<String>,
}

/// Runs the scenarios and the simulator's own tests; what fails says how to replay it.
///
/// # Errors
/// When one fails.
pub fn run(arguments: &SimArguments) -> Result<()> {
    let mut steps = Steps::default();
    let SimArguments { seeds, seed, scenario } = arguments;
    let name = scenario.as_deref().unwrap_or_default();
    let result = play(&mut steps, [*seeds, *seeds], *seed, name);
    steps.close(result)
}

/// The same as a part of something larger: `of_scenarios`, and `of_itself` for each test of the
/// simulator.
///
/// # Errors
/// When one fails.
pub fn seeds(steps: &mut Steps, of_scenarios: u64, of_itself: u64) -> Result<()> {
    play(steps, [of_scenarios, of_itself], None, "")
}

fn play(steps: &mut Steps, seeds: [u64; 2], seed: Option<u64>, name: &str) -> Result<()> {
    let mut scenarios = worlds(SCENARIOS, seeds[0]);
    let mut simulator = worlds(&["-p", "drift-sim", "--tests"], seeds[1]);
    for command in [&mut scenarios, &mut simulator] {
        command.envs(seed.map(|seed| ("DRIFT_SIM_SEED", seed.to_string())));
    }
    steps.run("sim", scenarios.arg(format!("sim::{name}")))?;
    steps.run("simulator over seeds", simulator.arg(name))
}

/// As many random programs, each in a world of its own.
///
/// # Errors
/// When one gets an answer that the reference cannot give.
pub fn random(steps: &mut Steps, programs: u64) -> Result<()> {
    let mut command = worlds(RANDOM, programs);
    steps.run("random programs", command.args(["in_every_world", "--nocapture"]))
}

/// Random programs on the real platform, several at a time.
///
/// # Errors
/// As [`random`].
pub fn random_on_the_machine(steps: &mut Steps, minutes: u64) -> Result<()> {
    let mut command = worlds(RANDOM, 0);
    command.env("DRIFT_RANDOM_SECONDS", (minutes * 60).to_string());
    let command = command.args(["on_the_machine", "--nocapture"]);
    steps.run("random programs on the machine", command)
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
fn worlds(tests: &[&str], seeds: u64) -> Command {
    let mut command = cargo(&["test", "--release"]);
    command.args(tests).args(["--features", "points", "--config", "profile.release.lto=\"off\""]);
    command.arg("--target-dir").arg(crate::target().join("sim"));
    command.env("DRIFT_SIM_SEEDS", seeds.to_string()).arg("--");
    command
}
