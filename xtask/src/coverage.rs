//! `cargo xtask coverage`: which lines of `core` and `pal` no test reaches, and why not.
//!
//! | layer    | what runs, instrumented                                                        |
//! |----------|--------------------------------------------------------------------------------|
//! | rust     | the unit tests of every crate, the Rust suites, executors, simulated worlds     |
//! | c        | C programs over an instrumented archive, and C++ ones with g++; in the same run |
//! | points   | simulated worlds again, whose carriers are interrupted inside the protocols too |
//!
//! Counters are mapped into their files (`%c`), so a process that dies by a signal, leaves with
//! `_exit` or is killed is counted as well, and a fork's child.
//!
//! Every line that is left must be explained in `docs/coverage.md`. Doctests, models and what is
//! not compiled for this machine are not seen.

mod lines;
mod list;
mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::step::{Steps, cargo, command, exists};
use lines::{Lines, Source};
use list::List;
use tools::Tools;

#[derive(clap::Args)]
pub struct CoverageArguments {
    /// Seeds of each simulated scenario.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// Looks at what the last run has left, and runs nothing.
    #[arg(long)]
    report: bool,
}

/// What is measured, and the least that must be reached of it, in percent.
const ROOMS: [(&str, Option<f64>); 3] =
    [("core/src/", Some(95.0)), ("pal/src/sys/linux/", Some(95.0)), ("pal/src/", None)];

/// Seeds of each simulated scenario; ten times as many with interruptions.
const SEEDS: u64 = 300;

/// What runs in worlds.
const WORLDS: [&str; 10] = [
    "worlds",
    "faults",
    "pipes",
    "records",
    "closing",
    "handed_on",
    "lines",
    "places",
    "scenarios",
    "random",
];

/// Counters that are mapped need to be found there; and they are atomic, because some counts are
/// differences of others: one that is lost would make a line that never ran look as if it had.
const FLAGS: &str = "-C instrument-coverage -C llvm-args=-runtime-counter-relocation \
                     -C llvm-args=-instrprof-atomic-counter-update-all";

/// What links the archive, and the shared library. Without optimisation over all crates, tables
/// that nobody reads ask for an unwinder.
const NO_UNWINDER: &str = "-Wl,--defsym=rust_eh_personality=0";

/// What links the archive: the runtime of the profiles is in it, but no symbol asks for it.
const LINK: &str = "-Wl,-u,__llvm_profile_runtime";

/// A program with functions of the C library's names, to see that nobody calls them; but the
/// runtime of the profiles does.
const SKIPPED: &str = "cross::shadow::shadow";

/// Somewhat optimised: the same lines, in less time.
const PROFILE: [&str; 4] =
    ["--config", "profile.dev.opt-level=1", "--config", "profile.dev.debug=\"line-tables-only\""];

/// Measures, and compares with the list.
///
/// # Errors
/// When a test fails, or a line is neither reached nor explained.
pub fn run(arguments: &CoverageArguments) -> Result<()> {
    let tools = Tools::find()?;
    let place = Place::new()?;
    if arguments.report {
        return report(&place, &tools);
    }
    let mut steps = Steps::default();
    let result = measure(&mut steps, &place, &tools, arguments.seeds);
    steps.close(result)
}

/// The same as a part of something larger.
///
/// # Errors
/// As [`run`].
pub fn all(steps: &mut Steps) -> Result<()> {
    measure(steps, &Place::new()?, &Tools::find()?, SEEDS)
}

fn measure(steps: &mut Steps, place: &Place, tools: &Tools, seeds: u64) -> Result<()> {
    place.run(steps, seeds)?;
    steps.check("report", "cargo xtask coverage --report", |_| report(place, tools))
}

/// Where everything of this lies: a target folder of its own.
struct Place {
    target: PathBuf,
    machine: String,
}

impl Place {
    fn new() -> Result<Self> {
        let output = command("rustc", &["-vV"]).output().context("rustc")?;
        let said = String::from_utf8(output.stdout)?;
        let machine = said.lines().find_map(|line| line.strip_prefix("host: "));
        let machine = machine.context("rustc does not say its host")?.to_owned();
        Ok(Self { target: crate::target().join("coverage"), machine })
    }

    fn profiles(&self) -> PathBuf {
        self.target.join("profiles")
    }

    fn archive(&self) -> PathBuf {
        self.target.join(&self.machine).join("archive/libdrift_rt.a")
    }

    /// The list of what was built and run.
    fn objects(&self) -> PathBuf {
        self.target.join("objects.txt")
    }

    /// With the target named, nothing that runs while it is built is instrumented.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo(arguments);
        cargo.args(["--target", &self.machine, "--target-dir"]).arg(&self.target);
        cargo
            .env("RUSTFLAGS", FLAGS)
            .env("LLVM_PROFILE_FILE", self.profiles().join("%m%c.profraw"));
        cargo
    }

    fn run(&self, steps: &mut Steps, seeds: u64) -> Result<()> {
        if self.profiles().exists() {
            fs::remove_dir_all(self.profiles())?;
        }
        fs::create_dir_all(self.profiles())?;
        let mut archive = self.cargo(&["rustc", "--profile", "archive", "-p", "drift-ffi"]);
        archive.args(["--config", "profile.archive.lto=\"off\""]);
        steps.run("archive", archive.args(["--", "-C", &format!("link-arg={NO_UNWINDER}")]))?;
        let rust = ["test", "--workspace", "--exclude", "drift-ffi", "--tests"];
        let mut points = vec!["test", "-p", "drift-sim", "-p", "drift-tests", "--features"];
        points.push("drift-sim/points");
        points.extend(WORLDS.iter().flat_map(|test| ["--test", *test]));
        let mut objects = BTreeSet::new();
        // Races are between two interruptions: without any there are none to look for.
        let layers = [("rust", &rust[..], seeds), ("points", &points, 10 * seeds)];
        for (name, arguments, seeds) in layers {
            let tests = |more: &[&str]| {
                let mut cargo = self.cargo(arguments);
                cargo.args(PROFILE).args(more).env("DRIFT_CC", format!("gcc {LINK} {NO_UNWINDER}"));
                if exists("g++") {
                    cargo.env("DRIFT_CXX", format!("g++ {LINK} {NO_UNWINDER}"));
                }
                cargo.env("DRIFT_RT_LIB", self.archive()).env("DRIFT_TEST_SECS", "180");
                cargo.env("DRIFT_SIM_SEEDS", seeds.to_string());
                cargo
            };
            objects.extend(tools::executables(&mut tests(&["--no-run", "--message-format=json"]))?);
            // A test that fails ends it, but not before the rest has run.
            steps.run(name, &mut tests(&["--no-fail-fast", "--", "--skip", SKIPPED]))?;
        }
        objects.extend(self.programs()?);
        let objects: Vec<_> = objects.iter().map(|path| path.display().to_string()).collect();
        Ok(fs::write(self.objects(), objects.join("\n"))?)
    }

    /// The C programs, where their test has left them.
    fn programs(&self) -> Result<Vec<PathBuf>> {
        let folder = self.target.join(&self.machine).join("tmp/abi");
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut programs = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none() {
                programs.push(path);
            }
        }
        ensure!(!programs.is_empty(), "no C program in {}", folder.display());
        Ok(programs)
    }
}

/// Percentages, and every line that is not reached.
fn report(place: &Place, tools: &Tools) -> Result<()> {
    let objects = fs::read_to_string(place.objects()).context("nothing was run yet")?;
    let profile = place.target.join("all.profdata");
    tools.merge(&place.profiles(), &profile)?;
    let rooms: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut lines = Lines::default();
    for object in objects.lines() {
        lines.add(&tools.export(Path::new(object), &profile, &rooms)?, &crate::root(), &rooms);
    }
    let list = List::read()?;
    let mut sources = Vec::new();
    for (name, counts) in lines.files() {
        sources.push(Source::read(name, counts)?);
    }
    println!("{:>7} {:>7} {:>8}  file", "lines", "missed", "reached");
    for source in &sources {
        println!("{}", source.row());
    }
    println!();
    let mut poor = Vec::new();
    for (room, least) in ROOMS {
        let all: Vec<_> = sources.iter().filter(|source| source.name.starts_with(room)).collect();
        let (total, missed) = all.iter().fold((0, 0), |(total, missed), source| {
            (total + source.total, missed + source.missed.len())
        });
        ensure!(total > 0, "no line of {room} was seen");
        let reached = lines::percent(total, missed);
        println!("{total:7} {missed:7} {reached:7.2}%  {room}");
        if least.is_some_and(|least| reached < least) {
            poor.push(room);
        }
    }
    let complaints = list.compare(&sources);
    println!("\n{complaints}");
    if !poor.is_empty() {
        bail!("too little is reached of {}", poor.join(", "));
    }
    complaints.end()
}
