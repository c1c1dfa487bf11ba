//! `cargo xtask nightly`: the long forms of the tests, each with the figures of its claim.
//!
//! One program after the other, so that each has the whole machine. A million parked virtual
//! threads need about 7 GiB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::step::{Steps, command};
use crate::{archive, coverage, fuzz, miri, models, mutants, sim, soak, test};

#[derive(clap::Args)]
pub struct NightlyArguments {
    /// Runs the parts with this in their name.
    #[arg(long)]
    only: Option<String>,
    /// Runs of each program of the suite.
    #[arg(long, default_value_t = 500)]
    runs: u32,
    /// Seeds of each simulated scenario.
    #[arg(long, default_value_t = 1_000_000)]
    seeds: u64,
    /// Minutes of everything at once.
    #[arg(long, default_value_t = 60)]
    soak: u64,
    /// Minutes of random programs on the machine.
    #[arg(long, default_value_t = 60)]
    random: u64,
    /// Minutes of fuzzing, of each surface.
    #[arg(long, default_value_t = 20)]
    fuzz: u64,
    /// Preemptions in one execution of a model.
    #[arg(long, default_value_t = 4)]
    preemptions: u32,
}

/// A program of `ffi/tests` and what it is run with.
struct Long {
    program: &'static str,
    case: &'static str,
    /// With which it must end.
    code: i32,
    times: u32,
    /// Longest time of one run.
    seconds: u64,
}

impl Long {
    const fn stress(case: &'static str, seconds: u64) -> Self {
        Self { program: "stress", case, code: 0, times: 1, seconds }
    }

    const fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    const fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    fn name(&self) -> String {
        format!("{}: {}", self.program, self.case)
    }
}

const LONG: [Long; 11] = [
    Long::stress("hand_over 10000000 1", 1_800),
    Long::stress("hand_over 10000000 2", 1_800),
    Long::stress("hand_over 10000000 4", 1_800),
    Long::stress("unpark_storm 4 1000000", 1_800),
    Long::stress("join_tree 20 1", 600),
    Long::stress("join_tree 20 2", 600),
    Long::stress("parked 1000000 2", 600),
    Long::stress("cancel_storm 200000 4", 600).times(10),
    Long::stress("timers 100000 5000 2", 600),
    Long::stress("exit_busy 7 200 2", 10).code(7).times(1_000),
    // At most 100 thousandths of a percent of one CPU.
    Long { program: "idle", case: "idle 10000 30000 100", code: 0, times: 1, seconds: 120 },
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
    for long in LONG.iter().filter(|long| wanted(&long.name())) {
        repeat(steps, long, &compile(long.program)?)?;
    }
    if wanted("suite") {
        suite(steps, arguments.runs)?;
    }
    if wanted("sim") {
        // A million of both would take the rest of the night.
        sim::seeds(steps, arguments.seeds, arguments.seeds / 5)?;
    }
    if wanted("random") {
        sim::random(steps, 10 * arguments.seeds)?;
        sim::random_on_the_machine(steps, arguments.random)?;
    }
    if wanted("soak") {
        soak::minutes(steps, arguments.soak)?;
    }
    if wanted("fuzz") {
        fuzz::all(steps, 60 * arguments.fuzz)?;
    }
    if wanted("models") {
        models::all(steps)?;
    }
    if wanted("miri") {
        miri::nightly(steps)?;
    }
    if wanted("coverage") {
        coverage::all(steps)?;
    }
    if wanted("mutants") {
        mutants::all(steps)?;
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
    cc.arg(format!("ffi/tests/{program}.c")).arg(archive::library());
    cc.arg("-pthread").arg("-o").arg(&output);
    ensure!(cc.status().context("cc")?.success(), "{cc:?}");
    Ok(output)
}

fn repeat(steps: &mut Steps, long: &Long, program: &Path) -> Result<()> {
    let again = format!("{} {}", program.display(), long.case);
    steps.check(&long.name(), &again, |steps| {
        for run in 1..=long.times {
            let mut command = command(program, &[]);
            let mut child = command.args(long.case.split(' ')).stdin(Stdio::null()).spawn()?;
            let begun = Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                if begun.elapsed() > Duration::from_secs(long.seconds) {
                    child.kill()?;
                    child.wait()?;
                    bail!("run {run} hangs: killed after {} s", long.seconds);
                }
                thread::sleep(Duration::from_millis(1));
            };
            ensure!(status.code() == Some(long.code), "run {run}: {status}, not {}", long.code);
            steps.count(1, 0);
        }
        println!("{} runs, each with exit code {}", long.times, long.code);
        Ok(())
    })
}
