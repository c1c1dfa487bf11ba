//! `cargo xtask fuzz`: inputs that grow towards what no input has reached yet.
//!
//! Three surfaces, each against what it should do: `fuzz/fuzz_targets`. It needs a nightly compiler
//! and `cargo-fuzz`. What it has learnt lies in `target/fuzz/corpus`; the next run goes on there.

use std::fs;

use anyhow::{Result, ensure};

use crate::step::{Steps, command};

/// A workspace of its own.
pub const WORKSPACE: [&str; 2] = ["--manifest-path", "fuzz/Cargo.toml"];

const TARGETS: [&str; 3] = ["handle", "policy", "wheel"];

/// Longest time of one input, in seconds; they take a millisecond.
const PATIENCE: u32 = 20;

#[derive(clap::Args)]
pub struct FuzzArguments {
    /// How long each surface is fuzzed.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// This one only.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    target: Option<String>,
    /// Runs this input only, and prints what happened if it fails.
    #[arg(long, requires = "target")]
    input: Option<String>,
}

/// Fuzzes.
///
/// # Errors
/// When an input fails; it names the file and how to run it again.
pub fn run(arguments: &FuzzArguments) -> Result<()> {
    let mut steps = Steps::default();
    let wanted = |target: &&str| arguments.target.as_deref().is_none_or(|only| only == *target);
    let result = TARGETS.into_iter().filter(wanted).try_for_each(|target| match &arguments.input {
        Some(input) => fuzz(&mut steps, target, &[input], &[]),
        None => seconds(&mut steps, target, arguments.seconds),
    });
    steps.close(result)
}

/// Every surface, as a part of something larger.
///
/// # Errors
/// When an input fails.
pub fn all(steps: &mut Steps, each: u64) -> Result<()> {
    TARGETS.into_iter().try_for_each(|target| seconds(steps, target, each))
}

fn seconds(steps: &mut Steps, target: &str, seconds: u64) -> Result<()> {
    let corpus = crate::target().join("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let before = fs::read_dir(&corpus)?.count();
    let time = format!("-max_total_time={seconds}");
    let folder = corpus.display().to_string();
    fuzz(steps, target, &[&folder], &[&time, "-print_final_stats=1", "-verbosity=0"])?;
    let after = fs::read_dir(&corpus)?.count();
    ensure!(after > 0, "no input of {target} was kept: nothing is instrumented");
    println!("{target}: {before} inputs before, {after} now");
    Ok(())
}

/// One run of cargo-fuzz on a folder or a file.
fn fuzz(steps: &mut Steps, target: &str, inputs: &[&str], options: &[&str]) -> Result<()> {
    let mut fuzz = command("cargo", &["+nightly", "fuzz", "run", target]);
    fuzz.args(inputs).arg("--target-dir").arg(crate::target().join("fuzz"));
    fuzz.args(["--", &format!("-timeout={PATIENCE}")]).args(options);
    // The carriers of a world that is over never end, and each would keep a fake stack.
    fuzz.env("ASAN_OPTIONS", "detect_stack_use_after_return=0");
    steps.run(&format!("fuzz {target}"), &mut fuzz)?;
    steps.count(1, 0);
    Ok(())
}
