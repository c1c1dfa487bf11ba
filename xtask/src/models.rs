//! `cargo xtask models`: explores the protocols' models in `docs/models` with Spin.
//!
//! A model that says yes to everything proves nothing: so each has mistakes, `BREAK_1` and so on,
//! and every one of them has to be found.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::step::{Steps, command};

#[derive(clap::Args)]
pub struct ModelsArguments {
    /// Runs the scenarios with this in their name.
    #[arg(long)]
    only: Option<String>,
    /// Runs the large ones as well: 15 minutes and 4 GiB.
    #[arg(long)]
    nightly: bool,
}

#[derive(Deserialize)]
struct List {
    scenario: Vec<Scenario>,
}

/// One model with as many of everything as it says.
#[derive(Deserialize)]
struct Scenario {
    model: String,
    with: String,
    #[serde(default)]
    progress: bool,
    #[serde(default)]
    nightly: bool,
    #[serde(default)]
    finds: Vec<u32>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let what = if self.progress { "progress" } else { "safety" };
        write!(f, "{} {what} {}", self.model, self.with)
    }
}

/// What an exploration ended with.
enum End {
    /// The number of states.
    Explored(f64),
    Found,
}

/// Explores the models; the first that is not as it should be ends it.
///
/// # Errors
/// Names the scenario.
pub fn run(arguments: &ModelsArguments) -> Result<()> {
    let mut steps = Steps::default();
    let only = arguments.only.as_deref().unwrap_or_default();
    let result = explore(&mut steps, arguments.nightly, only);
    steps.close(result)
}

/// What CI has time for.
///
/// # Errors
/// As [`run`].
pub fn small(steps: &mut Steps) -> Result<()> {
    explore(steps, false, "")
}

/// All of it.
///
/// # Errors
/// As [`run`].
pub fn all(steps: &mut Steps) -> Result<()> {
    explore(steps, true, "")
}

/// Whether the scenario that has to find a mistake does.
///
/// # Errors
/// When there is none, or no Spin.
pub fn finds(model: &str, mistake: u32) -> Result<bool> {
    let models = crate::root().join("docs/models");
    let list: List = toml::from_str(&fs::read_to_string(models.join("scenarios.toml"))?)?;
    let mut scenarios = list.scenario.iter();
    let responsible = scenarios.find(|one| one.model == model && one.finds.contains(&mistake));
    let responsible = responsible.with_context(|| format!("nothing finds {mistake} of {model}"))?;
    Ok(matches!(responsible.explore(&models, Some(mistake))?, End::Found))
}

fn explore(steps: &mut Steps, nightly: bool, only: &str) -> Result<()> {
    // Spin has no `--version`.
    let exists = command("spin", &["-V"]).output().is_ok();
    ensure!(exists, "no `spin` here: see .ci/run for what to install");
    let models = crate::root().join("docs/models");
    let list: List = toml::from_str(&fs::read_to_string(models.join("scenarios.toml"))?)?;
    every_mistake_is_found(&models, &list)?;
    for scenario in &list.scenario {
        let name = scenario.to_string();
        let has_time = nightly || !scenario.nightly;
        if !name.contains(only) || !has_time && scenario.finds.is_empty() {
            continue;
        }
        let again = format!("cargo xtask models --nightly --only '{name}'");
        steps.check(&name, &again, |steps| {
            if has_time {
                match scenario.explore(&models, None)? {
                    End::Explored(states) => println!("{states:.0} states, nothing wrong"),
                    End::Found => bail!("something is wrong: see {}", folder().display()),
                }
                steps.count(1, 0);
            }
            for mistake in &scenario.finds {
                let End::Found = scenario.explore(&models, Some(*mistake))? else {
                    bail!("does not find BREAK_{mistake}");
                };
                println!("finds BREAK_{mistake}");
                steps.count(1, 0);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// That some scenario is responsible for each mistake that a model has.
fn every_mistake_is_found(models: &Path, list: &List) -> Result<()> {
    for entry in fs::read_dir(models)? {
        let path = entry?.path();
        let Some(model) = path.to_str().and_then(|path| path.strip_suffix(".pml")) else {
            continue;
        };
        let model = model.rsplit('/').next().unwrap_or(model);
        let own = || list.scenario.iter().filter(|scenario| scenario.model == model);
        ensure!(own().next().is_some(), "nothing in scenarios.toml runs {}", path.display());
        let text = fs::read_to_string(&path)?;
        let mistakes = text.split("BREAK_").skip(1).filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        });
        for mistake in mistakes {
            let is_found = own().any(|scenario| scenario.finds.contains(&mistake));
            ensure!(is_found, "nothing in scenarios.toml finds BREAK_{mistake} of {model}");
        }
    }
    Ok(())
}

fn folder() -> PathBuf {
    crate::target().join("models")
}

impl Scenario {
    /// Spin writes a program that explores the model; it is compiled and run.
    fn explore(&self, models: &Path, mistake: Option<u32>) -> Result<End> {
        let folder = folder();
        fs::create_dir_all(&folder)?;
        let within = |program: &str| {
            let mut command = Command::new(program);
            command.current_dir(&folder);
            command
        };
        let mut spin = within("spin");
        spin.args(self.with.split(' ').map(|word| format!("-D{word}")));
        spin.args(mistake.map(|mistake| format!("-DBREAK_{mistake}")));
        spin.args(self.progress.then_some("-DLIVE"));
        let model = models.join(format!("{}.pml", self.model));
        printed(spin.arg("-a").arg(model))?;

        let mut cc = within("gcc");
        // Warnings are about generated code. Memory in MiB, so that too large a model says so.
        cc.args(["-O2", "-w", "-DCOLLAPSE", "-DMEMLIM=4000", "-o", "pan", "pan.c"]);
        // Fairness of up to six processes.
        cc.arg(if self.progress { "-DNFAIR=3" } else { "-DSAFETY" });
        printed(&mut cc)?;

        let mut pan = within("./pan");
        pan.args(["-m1000000", "-c1"]).args(self.progress.then_some("-a"));
        verdict(&printed(pan.args(self.progress.then_some("-f")))?)
    }
}

/// What the explorer printed, which is the only way it tells anything.
fn verdict(said: &str) -> Result<End> {
    let number = |before: &str| {
        let line = said.lines().find(|line| line.contains(before))?;
        line.split(before).next()?.split_whitespace().last()?.parse::<f64>().ok()
    };
    let found =
        ["pan:1: assertion violated", "pan:1: acceptance cycle", "pan:1: invalid end state"];
    if found.iter().any(|what| said.contains(what)) {
        return Ok(End::Found);
    }
    let is_whole = !said.contains("Search not completed") && !said.contains("max search depth");
    ensure!(is_whole && said.contains("errors: 0"), "not explored to the end:\n{said}");
    Ok(End::Explored(number(" states, stored").context("no number of states")?))
}

/// What a command printed.
fn printed(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{said}{complained}", output.status);
    Ok(said)
}
