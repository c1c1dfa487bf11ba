//! `cargo xtask soak`: everything at once on the real platform, for minutes or hours.

use anyhow::Result;

use crate::step::{Steps, cargo};

#[derive(clap::Args)]
pub struct SoakArguments {
    /// How long.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

/// Soaks.
///
/// # Errors
/// When anything grows, gets stuck, is late or wrong.
pub fn run(arguments: &SoakArguments) -> Result<()> {
    let mut steps = Steps::default();
    let result = minutes(&mut steps, arguments.minutes);
    steps.close(result)
}

/// The same as a part of something larger.
///
/// # Errors
/// As `run`.
pub fn minutes(steps: &mut Steps, minutes: u64) -> Result<()> {
    let mut command = cargo(&["test", "--release", "-p", "drift-tests", "--test", "soak"]);
    command.args(["--config", "profile.release.lto=\"off\"", "--target-dir"]);
    command.arg(crate::target().join("soak"));
    command.env("DRIFT_SOAK_SECONDS", (minutes * 60).to_string());
    steps.run("soak", &mut command)
}
