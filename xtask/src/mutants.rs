//! `cargo xtask mutants`: puts bugs in, one at a time; some layer of tests must find each.
//!
//! The list is `tests/mutants.toml`. Everything happens in a copy of the workspace, in the folder
//! that cargo builds in; the workspace itself is not touched.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use serde::Deserialize;

use crate::models;
use crate::step::{Steps, cargo, command};

#[derive(clap::Args)]
pub struct MutantsArguments {
    /// Puts in the mutants with this in their name.
    #[arg(long)]
    only: Option<String>,
    /// Asks this layer only; what it does not find is then no error.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(LAYERS.map(|l| l.name)))]
    layer: Option<String>,
    /// Seeds of each simulated scenario before another layer is asked.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
}

const SEEDS: u64 = 3_000;

#[derive(Deserialize)]
struct List {
    mutant: Vec<Mutant>,
}

#[derive(Deserialize)]
struct Mutant {
    name: String,
    defect: Option<u32>,
    /// The layer that found it before, which is asked first: else by the order of [`LAYERS`].
    layer: Option<String>,
    /// The same mistake in a model, for what only makes the code late: the lookout finds what
    /// was not told, and no run of a program ends otherwise.
    mistake: Option<Mistake>,
    edit: Vec<Edit>,
}

#[derive(Deserialize)]
struct Mistake {
    model: String,
    number: u32,
}

#[derive(Deserialize)]
struct Edit {
    file: PathBuf,
    find: String,
    replace: String,
}

/// A layer of tests, as it is run on a mutant.
struct Layer {
    name: &'static str,
    command: fn(&Path, u64) -> Command,
    /// Whether a hundredth of its seeds finds most of what it finds.
    is_quick: bool,
}

impl Layer {
    const fn new(name: &'static str, command: fn(&Path, u64) -> Command) -> Self {
        Self { name, command, is_quick: false }
    }

    const fn quick(self) -> Self {
        Self { is_quick: true, ..self }
    }
}

/// Cheapest first; the first that fails has found the mutant. Before them all, those that are quick
/// try a hundredth of their seeds.
const LAYERS: [Layer; 7] = [
    Layer::new("simulator", simulator).quick(),
    Layer::new("random", random),
    Layer::new("unit", unit),
    Layer::new("records", records).quick(),
    Layer::new("loom", loom),
    Layer::new("C", c),
    Layer::new("symbols", symbols),
];

/// Longest time of a layer, the build included, in seconds, unless it takes long without a mutant.
/// What takes longer hangs, which is found as well.
const LONGEST: u64 = 240;

/// How many times as long as without a mutant a layer may take.
const TIMES_LONGER: u64 = 3;

/// Quick to build, and again after a small edit: what a mutant does to speed is not asked.
const QUICK: [&str; 8] = [
    "--config",
    "profile.release.lto=\"off\"",
    "--config",
    "profile.release.codegen-units=16",
    "--config",
    "profile.release.debug=false",
    "--config",
    "profile.release.incremental=true",
];

fn simulator(copy: &Path, seeds: u64) -> Command {
    worlds(copy, &["-p", "drift-tests", "--test", "scenarios"], "sim::", seeds)
}

/// Programs are small, and the same in each mutant: more of them.
fn random(copy: &Path, seeds: u64) -> Command {
    worlds(copy, &["-p", "drift-tests", "--test", "random"], "in_every_world", 20 * seeds)
}

fn worlds(copy: &Path, tests: &[&str], cases: &str, seeds: u64) -> Command {
    let mut command = cargo(&["test", "--release"]);
    command.args(tests).args(QUICK).args(["--features", "points"]);
    command.arg("--target-dir").arg(copy.join("sim"));
    command.args(["--", cases]).env("DRIFT_SIM_SEEDS", seeds.to_string());
    command
}

fn unit(copy: &Path, _: u64) -> Command {
    let mut command = cargo(&["test", "-p", "drift-core", "-p", "drift-pal", "--lib", "--tests"]);
    command.arg("--target-dir").arg(copy.join("debug-target"));
    command
}

/// The simulator's own tests, most of which are about the core. Small worlds, and rare races: more
/// of them.
fn records(copy: &Path, seeds: u64) -> Command {
    worlds(copy, &["-p", "drift-sim", "--tests"], "", 4 * seeds)
}

fn loom(copy: &Path, _: u64) -> Command {
    let mut command = cargo(&["test", "--release", "-p", "drift-core", "-p", "drift-pal", "--lib"]);
    command.args(QUICK).arg("--target-dir").arg(copy.join("loom"));
    command.args(["--", "loom"]).env("RUSTFLAGS", "--cfg loom").env("LOOM_MAX_PREEMPTIONS", "3");
    command
}

/// The archive, then every program on it.
fn c(copy: &Path, _: u64) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(
        "cargo build -q --profile archive -p drift-ffi --target-dir \"$0\" \
         && DRIFT_RT_LIB=\"$0/archive/libdrift_rt.a\" \
         cargo test -p drift-tests --test abi --target-dir \"$1\"",
    );
    shell.arg(copy.join("archive-target")).arg(copy.join("debug-target"));
    shell
}

fn symbols(copy: &Path, _: u64) -> Command {
    let mut command = cargo(&["xtask", "symbols"]);
    command.env("CARGO_TARGET_DIR", copy.join("archive-target"));
    command
}

/// What a layer said.
enum Verdict {
    Passed,
    /// With the fewest seeds that a scenario needed, if the layer has seeds.
    Found(Option<u64>),
    Hangs,
    /// By a signal, and so without a word of its own.
    Dies(String),
    /// It does not build: no mutant at all.
    Broken(String),
}

/// How a mutant ended.
struct Ending {
    layer: Option<&'static str>,
    how: String,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(layer) => write!(f, "{layer}: {}", self.how),
            None if self.how.is_empty() => write!(f, "NOT FOUND"),
            None => f.write_str(&self.how),
        }
    }
}

/// Puts in every mutant, and prints who found it.
///
/// # Errors
/// When one is found by nobody, or cannot be put in.
pub fn run(arguments: &MutantsArguments) -> Result<()> {
    let mut steps = Steps::default();
    let result = steps.check("mutants", "cargo xtask mutants", |steps| put_in(steps, arguments));
    steps.close(result)
}

/// The same as a part of something larger.
///
/// # Errors
/// As [`run`].
pub fn all(steps: &mut Steps) -> Result<()> {
    let arguments = MutantsArguments { only: None, layer: None, seeds: SEEDS };
    steps.check("mutants", "cargo xtask mutants", |steps| put_in(steps, &arguments))
}

fn put_in(steps: &mut Steps, arguments: &MutantsArguments) -> Result<()> {
    let list = list()?;
    let copy = crate::target().join("mutants");
    let tree = copy.join("tree");
    copy_of_the_workspace(&tree)?;
    for mutant in &list.mutant {
        edited(mutant, &tree).with_context(|| format!("mutant `{}`", mutant.name))?;
    }
    // A layer that fails by itself would find everything.
    let mut longest = BTreeMap::new();
    for layer in wanted(arguments) {
        let begun = Instant::now();
        let mut command = (layer.command)(&copy, arguments.seeds);
        let verdict = judge(command.current_dir(&tree), 10 * LONGEST)?;
        ensure!(matches!(verdict, Verdict::Passed), "layer `{}` fails without any", layer.name);
        let seconds = begun.elapsed().as_secs();
        println!("{seconds:4} s  no mutant: {}", layer.name);
        longest.insert(layer.name, LONGEST.max(TIMES_LONGER * seconds));
    }
    let trial = Trial { tree: &tree, copy: &copy, arguments, longest };
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["defect", "mutant", "found by"]);
    let mut missed = Vec::new();
    let only = arguments.only.as_deref();
    for mutant in list.mutant.iter().filter(|mutant| only.is_none_or(|o| mutant.name.contains(o))) {
        let begun = Instant::now();
        let ending =
            try_out(mutant, &trial).with_context(|| format!("mutant `{}`", mutant.name))?;
        println!("{:4.0} s  {}: {ending}", begun.elapsed().as_secs_f64(), mutant.name);
        let number = mutant.defect.map_or_else(|| "own".to_owned(), |defect| defect.to_string());
        table.add_row([number, mutant.name.clone(), ending.to_string()]);
        let is_asked = arguments.layer.is_none() || !ending.how.is_empty();
        let is_missed = ending.layer.is_none() && is_asked;
        steps.count(u64::from(ending.layer.is_some()), u64::from(is_missed));
        if is_missed {
            missed.push(&*mutant.name);
        }
    }
    println!("\n{table}");
    ensure!(missed.is_empty(), "nobody found: {}", missed.join("; "));
    Ok(())
}

/// What git knows of, as it is now.
fn copy_of_the_workspace(tree: &Path) -> Result<()> {
    let files = command("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("git ls-files")?;
    ensure!(files.status.success(), "git ls-files: {}", files.status);
    for name in files.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name)?;
        let (from, to) = (crate::root().join(name), tree.join(name));
        if !from.exists() {
            continue;
        }
        let text = fs::read(&from)?;
        // One that is the same keeps its time, and what was built of it.
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::write(to, text)?;
    }
    Ok(())
}

/// Where and how mutants are tried out.
struct Trial<'a> {
    tree: &'a Path,
    copy: &'a Path,
    arguments: &'a MutantsArguments,
    /// In seconds, by the layer's name.
    longest: BTreeMap<&'static str, u64>,
}

fn try_out(mutant: &Mutant, trial: &Trial<'_>) -> Result<Ending> {
    let files = edited(mutant, trial.tree)?;
    let originals = files.keys().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    for (path, text) in &files {
        fs::write(path, text)?;
    }
    let mut ending = hunt(mutant, trial);
    for ((path, _), text) in files.iter().zip(originals) {
        fs::write(path, text)?;
    }
    if let (Ok(Ending { layer: None, .. }), Some(Mistake { model, number })) =
        (&ending, &mutant.mistake)
        && trial.arguments.layer.is_none()
        && models::finds(model, *number)?
    {
        ending = Ok(Ending { layer: Some("models"), how: format!("{model}.pml, BREAK_{number}") });
    }
    ending
}

/// All mutants.
fn list() -> Result<List> {
    let list = fs::read_to_string(crate::root().join("tests/mutants.toml"))?;
    toml::from_str(&list).context("tests/mutants.toml")
}

/// The files that it changes, as it makes them. Each edit must fit in one place.
fn edited(mutant: &Mutant, tree: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for edit in &mutant.edit {
        let path = tree.join(&edit.file);
        let text = match files.remove(&path) {
            Some(text) => text,
            None => fs::read_to_string(&path).with_context(|| path.display().to_string())?,
        };
        let (find, replace) = (trimmed(&edit.find), trimmed(&edit.replace));
        let places = text.matches(find).count();
        ensure!(places == 1, "{places} places in {} match:\n{find}", edit.file.display());
        files.insert(path, text.replacen(find, replace, 1));
    }
    Ok(files)
}

/// TOML's multi-line strings are written with a line break first.
fn trimmed(text: &str) -> &str {
    text.strip_prefix('\n').unwrap_or(text)
}

fn wanted(arguments: &MutantsArguments) -> impl Iterator<Item = &'static Layer> {
    let only = arguments.layer.as_deref();
    LAYERS.iter().filter(move |layer| only.is_none_or(|only| only == layer.name))
}

fn hunt(mutant: &Mutant, trial: &Trial<'_>) -> Result<Ending> {
    let seeds = trial.arguments.seeds;
    let all = || wanted(trial.arguments).map(|layer| (layer, seeds));
    let known = all().filter(|(layer, _)| mutant.layer.as_deref() == Some(layer.name));
    let quick = wanted(trial.arguments).filter(|layer| layer.is_quick);
    let quick = quick.map(|layer| (layer, seeds.div_ceil(100)));
    for (layer, seeds) in known.chain(quick).chain(all()) {
        let mut command = (layer.command)(trial.copy, seeds);
        command.current_dir(trial.tree);
        let found = |how: String| Ok(Ending { layer: Some(layer.name), how });
        match judge(&mut command, trial.longest[layer.name])? {
            Verdict::Passed => {}
            Verdict::Found(Some(seeds)) => return found(format!("{seeds} seeds")),
            Verdict::Found(None) => return found("fails".to_owned()),
            Verdict::Dies(signal) => return found(format!("dies, {signal}")),
            Verdict::Hangs => return found("does not end".to_owned()),
            Verdict::Broken(what) => {
                println!("it does not build:\n{what}");
                return Ok(Ending { layer: None, how: "does not build".to_owned() });
            }
        }
    }
    Ok(Ending { layer: None, how: String::new() })
}

fn judge(command: &mut Command, seconds: u64) -> Result<Verdict> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("RUST_BACKTRACE", "0").process_group(0);
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let read = move |from: Option<&mut dyn Read>| {
        let mut bytes = Vec::new();
        let _ = from.map(|from| from.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let out = thread::spawn(move || read(stdout.as_mut().map(|pipe| pipe as &mut dyn Read)));
    let err = thread::spawn(move || read(stderr.as_mut().map(|pipe| pipe as &mut dyn Read)));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() > Duration::from_secs(seconds) {
            // The whole group: cargo, the test, and what that started.
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-KILL", "--", &group]).status()?;
            child.wait()?;
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let text = [out.join(), err.join()].map(Result::unwrap_or_default).join("\n");
    Ok(match status {
        None => Verdict::Hangs,
        Some(status) if status.success() => Verdict::Passed,
        Some(_) if text.contains("error: could not compile") => Verdict::Broken(text),
        Some(_) => match (fewest_seeds(&text), signal(&text)) {
            (None, Some(signal)) => Verdict::Dies(signal.to_owned()),
            (seeds, _) => Verdict::Found(seeds),
        },
    })
}

/// The name of the signal that ended a test, as cargo tells it.
fn signal(text: &str) -> Option<&str> {
    let (_, told) = text.split_once("(signal: ")?;
    told.split([',', ':', ')']).nth(1).map(str::trim)
}

/// Of the scenarios that failed, the one that needed the fewest seeds.
fn fewest_seeds(text: &str) -> Option<u64> {
    let seeds = text.split("replay with DRIFT_SIM_SEED=").skip(1);
    let number = |text: &str| -> Option<u64> {
        text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    seeds.filter_map(number).min().map(|seed| seed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_fits_the_tree() {
        for mutant in &list().unwrap().mutant {
            edited(mutant, &crate::root()).unwrap_or_else(|error| {
                panic!("mutant `{}` does not fit the tree any more: {error}", mutant.name)
            });
        }
    }
}
