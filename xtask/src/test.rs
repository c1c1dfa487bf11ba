//! `cargo xtask test`: everything that a user's machine can run in minutes.

use std::process::Command;

use anyhow::Result;

use crate::step::{Steps, cargo};
use crate::{archive, symbols};

/// Every member but the one that links the archive, and a step of its own: `drift-ffi` is tested
/// from C.
const CRATES: [&str; 3] = ["--workspace", "--exclude", "drift-tests"];
/// The tools, a workspace of their own.
pub const TOOLS: [&str; 2] = ["--manifest-path", "xtask/Cargo.toml"];
/// The examples in Rust, another.
pub const EXAMPLES: [&str; 2] = ["--manifest-path", "examples/rust/Cargo.toml"];
/// Preemptions in one execution of a model. Bugs that need more are rare; the long forms use more.
const PREEMPTIONS: &str = "3";

/// A command of cargo on the tools, in the folder where `cargo xtask` built them.
pub fn tools(what: &str) -> Command {
    let mut tools = cargo(&[what]);
    tools.args(TOOLS).arg("--target-dir").arg(crate::root().join("target/xtask"));
    tools
}

/// Runs all layers, cheapest first; see `docs/testing.md`.
///
/// # Errors
/// The first step that fails.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    let result = layers(&mut steps);
    steps.close(result)
}

/// The same, as a part of something larger.
///
/// # Errors
/// The first step that fails.
pub fn layers(steps: &mut Steps) -> Result<()> {
    archive(steps)?;
    steps.run("unit", cargo(&["test"]).args(CRATES))?;
    steps.run("tools", &mut tools("test"))?;
    c(steps)?;
    loom(steps, PREEMPTIONS)?;
    steps.check("symbols", "cargo xtask symbols", |_| symbols::check())
}

/// What everything over the C ABI links.
///
/// # Errors
/// When it does not build.
pub fn archive(steps: &mut Steps) -> Result<()> {
    steps.run("archive", &mut archive::build())
}

/// The C programs; the conformance of platforms ran with `drift-pal`.
///
/// # Errors
/// When one fails.
pub fn c(steps: &mut Steps) -> Result<()> {
    steps.run("c", &mut abi(&["test", "-p", "drift-tests"]))
}

/// The programs of the suite, repeated as `settings` says.
///
/// # Errors
/// When one fails more often than it may.
pub fn suite(steps: &mut Steps, settings: &[(&str, &str)]) -> Result<()> {
    let mut command = abi(&["test", "-p", "drift-tests", "--test", "abi"]);
    steps.run("suite", command.envs(settings.iter().copied()))
}

fn abi(arguments: &[&str]) -> Command {
    let mut command = cargo(arguments);
    if crate::target_is_elsewhere().is_some() {
        command.env("DRIFT_RT_LIB", archive::library());
    }
    command
}

/// The models, with at most so many preemptions in one execution.
///
/// # Errors
/// When one fails.
pub fn loom(steps: &mut Steps, preemptions: &str) -> Result<()> {
    let mut command = cargo(&["test", "--release", "-p", "drift-core", "-p", "drift-pal", "--lib"]);
    // Models are run, not linked into anything: what is built sooner is done sooner.
    command.args(["--config", "profile.release.lto=\"off\"", "--target-dir"]);
    command.arg(crate::target().join("loom")).args(["--", "loom"]);
    command.env("RUSTFLAGS", "--cfg loom").env("LOOM_MAX_PREEMPTIONS", preemptions);
    steps.run("loom", &mut command)
}
