//! `cargo xtask nightly`: the long forms of the tests, each with the figures of its claim.
//!
//! Every program runs on all of the machine, one after the other; a figure that a shorter machine
//! cannot hold (memory, address space) fails and says so.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::step::{Steps, command};
use crate::test;

#[derive(clap::Args)]
pub struct NightlyArguments {
    /// Runs the parts with this in their name.
    #[arg(long)]
    only: Option<String>,
    /// Runs of each program of the suite.
    #[arg(long, default_value_t = 500)]
    runs: u32,
    /// Preemptions in one execution of a model.
    #[arg(long, default_value_t = 4)]
    preemptions: u32,
}

/// Program of `ffi/tests`, arguments, exit code, how often, seconds at most for each.
const LONG: [(&str, &str, i32, u32, u32); 11] = [
    ("stress", "hand_over 10000000 1", 0, 1, 1_800),
    ("stress", "hand_over 10000000 2", 0, 1, 1_800),
    ("stress", "hand_over 10000000 4", 0, 1, 1_800),
    ("stress", "unpark_storm 4 1000000", 0, 1, 1_800),
    ("stress", "join_tree 20 1", 0, 1, 600),
    ("stress", "join_tree 20 2", 0, 1, 600),
    ("stress", "parked 1000000 2", 0, 1, 600),
    ("stress", "cancel_storm 200000 4", 0, 10, 600),
    ("stress", "timers 100000 5000 2", 0, 1, 600),
    ("stress", "exit_busy 7 200 2", 7, 1_000, 30),
    // At most 100 thousandths of a percent of one CPU.
    ("idle", "idle 10000 30000 100", 0, 1, 120),
];

/// Runs the parts; the first failure ends it.
///
/// # Errors
/// The first step that fails.
pub fn run(arguments: &NightlyArguments) -> Result<()> {
    let mut steps = Steps::default();
    let result = parts(&mut steps, arguments);
    steps.close(result)
}

fn parts(steps: &mut Steps, arguments: &NightlyArguments) -> Result<()> {
    let wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| name.contains(only));
    test::archive(steps)?;
    for (program, case, code, times, limit) in LONG {
        let name = format!("{program} {case}");
        if wanted(&name) {
            let program = compile(program)?;
            repeat(steps, &name, &program, case, code, times, limit)?;
        }
    }
    if wanted("suite") {
        suite(steps, arguments.runs)?;
    }
    if wanted("loom") {
        test::loom(steps, &arguments.preemptions.to_string())?;
    }
    Ok(())
}

/// With every CPU busy with something else.
fn suite(steps: &mut Steps, runs: u32) -> Result<()> {
    let runs = runs.to_string();
    let settings = [("DRIFT_SUITE_RUNS", &*runs), ("DRIFT_SUITE_BUSY", "1")];
    test::suite(steps, &settings)?;
    steps.count(1, 0);
    Ok(())
}

fn compile(program: &str) -> Result<PathBuf> {
    let folder = crate::target().join("nightly");
    fs::create_dir_all(&folder)?;
    let output = folder.join(program);
    let mut cc = command("cc", &["-std=c11", "-O2", "-g", "-I", "ffi/include"]);
    cc.arg(format!("ffi/tests/{program}.c")).arg(crate::target().join("release/libdrift_rt.a"));
    cc.arg("-pthread").arg("-o").arg(&output);
    ensure!(cc.status().context("cc")?.success(), "{cc:?}");
    Ok(output)
}

fn repeat(
    steps: &mut Steps,
    name: &str,
    program: &std::path::Path,
    case: &str,
    code: i32,
    times: u32,
    limit: u32,
) -> Result<()> {
    let script = format!(
        "run=0; while [ $run -lt {times} ]; do run=$((run + 1)); code=0; \
         timeout {limit} '{}' {case} || code=$?; \
         if [ $code -ne {code} ]; then echo \"run $run: exit code $code\"; exit 1; fi; \
         done; echo \"$run runs, each with exit code {code}\"",
        program.display()
    );
    steps.run(name, &mut command("sh", &["-c", &script]))?;
    steps.count(1, 0);
    Ok(())
}
