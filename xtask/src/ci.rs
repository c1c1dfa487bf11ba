//! `cargo xtask ci`: the lanes that every change must pass.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::step::{Steps, cargo, command, seconds};
use crate::test::{EXAMPLES, TOOLS};
use crate::{board, cross, fuzz, header, miri, models, sanitize, sim, surface, test, tidy};

#[derive(clap::Args)]
pub struct CiArguments {
    /// Runs one lane only.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(LANES.map(|lane| lane.0)))]
    lane: Option<String>,
}

type Lane = fn(&mut Steps) -> Result<()>;

/// Cheapest first, so that most mistakes are told within a minute.
const LANES: [(&str, Lane); 15] = [
    ("style", style),
    ("clippy", clippy),
    ("stubs", stubs),
    ("doc", doc),
    ("examples", examples),
    ("deny", deny),
    ("test", readme),
    ("sim", simulate),
    ("models", models::small),
    ("sanitize", sanitize::run),
    ("miri", miri::run),
    ("fuzz", fuzz),
    ("boards", boards),
    ("aarch64", cross::aarch64),
    ("riscv64", cross::riscv64),
];

/// Lanes that run tests; the others need no closing count.
const TESTING: [&str; 10] =
    ["doc", "test", "sim", "models", "sanitize", "miri", "fuzz", "boards", "aarch64", "riscv64"];

/// Seeds of each simulated scenario.
const SEEDS: u64 = 10_000;

/// Seconds of fuzzing, of each surface.
const FUZZ: u64 = 15;

/// Runs the lanes; the first failure ends it.
///
/// # Errors
/// The first step that fails.
pub fn run(arguments: &CiArguments) -> Result<()> {
    let wanted = |name: &str| arguments.lane.as_deref().is_none_or(|only| only == name);
    let mut steps = Steps::default();
    let mut times = Vec::new();
    let mut result = steps.run("toolchain", &mut command("rustc", &["-vV"]));
    for (name, lane) in LANES.into_iter().filter(|(name, _)| wanted(name)) {
        if result.is_err() {
            break;
        }
        println!("\n######## lane {name}");
        let begun = Instant::now();
        let done = lane(&mut steps);
        times.push((name, begun.elapsed(), if done.is_ok() { "ok" } else { "FAILED" }));
        result = done.with_context(|| format!("lane `{name}`"));
    }
    println!();
    for (name, time, end) in times {
        println!("lane {name:8} {:>9}  {end}", seconds(time));
    }
    match &arguments.lane {
        Some(lane) if !TESTING.contains(&&**lane) => result,
        _ => steps.close(result),
    }
}

fn style(steps: &mut Steps) -> Result<()> {
    steps.run("fmt", &mut cargo(&["fmt", "--all", "--check"]))?;
    steps.run("fmt tools", cargo(&["fmt", "--check"]).args(TOOLS))?;
    steps.run("fmt examples", cargo(&["fmt", "--check"]).args(EXAMPLES))?;
    steps.run("fmt targets", cargo(&["fmt", "--all", "--check"]).args(board::WORKSPACE))?;
    steps.run("fmt fuzz", cargo(&["fmt", "--check"]).args(fuzz::WORKSPACE))?;
    steps.check("tidy", "cargo xtask tidy", |_| tidy::run())?;
    steps.check("header", "cargo xtask header --check", |_| header::check())?;
    steps.check("surface", "cargo xtask surface", |_| surface::check())
}

fn clippy(steps: &mut Steps) -> Result<()> {
    let all = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"];
    steps.run("clippy", &mut cargo(&all))?;
    // As C programs link it, with its own panic handler.
    let archive = ["clippy", "--profile", "archive", "-p", "drift-ffi", "--", "-Dwarnings"];
    steps.run("clippy archive", &mut cargo(&archive))?;
    let mut tools = test::tools("clippy");
    steps.run("clippy tools", tools.args(["--all-targets", "--", "-Dwarnings"]))?;
    let mut fuzz = cargo(&["clippy"]);
    fuzz.args(fuzz::WORKSPACE).arg("--target-dir").arg(crate::target());
    steps.run("clippy fuzz", fuzz.args(["--", "-Dwarnings"]))?;
    // The same crates as models see them, which is not all of them: the rest of `pal` is left out.
    let mut models = cargo(&["clippy", "-p", "drift-core", "-p", "drift-pal", "--all-targets"]);
    models.arg("--target-dir").arg(crate::target().join("loom"));
    models.args(["--", "-Dwarnings", "-Adead_code"]).env("RUSTFLAGS", "--cfg loom");
    steps.run("clippy models", &mut models)
}

fn stubs(steps: &mut Steps) -> Result<()> {
    for target in ["x86_64-apple-darwin", "x86_64-pc-windows-gnu"] {
        let arguments = ["check", "-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];
        steps.run(target, cargo(&arguments).args(["--target", target]))?;
    }
    for target in [
        "x86_64-unknown-none",
        "aarch64-unknown-none",
        "riscv64gc-unknown-none-elf",
        "riscv64imac-unknown-none-elf",
    ] {
        let arguments = ["check", "-p", "drift-asm", "-p", "drift-core"];
        steps.run(target, cargo(&arguments).args(["--target", target]))?;
    }
    for target in ["riscv32imac-unknown-none-elf", "riscv32imafc-unknown-none-elf"] {
        let arguments = ["check", "-p", "drift-asm", "--target", target];
        steps.run(target, &mut cargo(&arguments))?;
    }
    Ok(())
}

fn doc(steps: &mut Steps) -> Result<()> {
    let mut doc = cargo(&["doc", "--no-deps", "--workspace"]);
    steps.run("doc", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    steps.run("doc examples", &mut cargo(&["test", "--doc", "-p", "drift"]))
}

/// Programs in Rust, from outside the workspace as a user's are.
fn examples(steps: &mut Steps) -> Result<()> {
    let mut clippy = cargo(&["clippy", "--all-targets"]);
    steps.run("clippy examples", clippy.args(EXAMPLES).args(["--", "-Dwarnings"]))?;
    steps.run("test examples", cargo(&["test"]).args(EXAMPLES))
}

fn simulate(steps: &mut Steps) -> Result<()> {
    sim::itself(steps)?;
    sim::seeds(steps, SEEDS, SEEDS)?;
    sim::random(steps, 10 * SEEDS)
}

fn fuzz(steps: &mut Steps) -> Result<()> {
    fuzz::all(steps, FUZZ)
}

/// Images without an operating system.
fn boards(steps: &mut Steps) -> Result<()> {
    board::clippy(steps)?;
    board::all(steps)
}

fn deny(steps: &mut Steps) -> Result<()> {
    let what = ["check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    for (name, options) in [
        ("deny", &[][..]),
        ("deny tools", &TOOLS[..]),
        ("deny examples", &EXAMPLES),
        ("deny fuzz", &fuzz::WORKSPACE),
        ("deny targets", &board::WORKSPACE),
    ] {
        let mut deny = cargo(&["deny", "--config", "deny.toml"]);
        steps.run(name, deny.args(options).args(what))?;
    }
    Ok(())
}

/// The README's test command, as it stands there.
fn readme(steps: &mut Steps) -> Result<()> {
    let readme = std::fs::read_to_string(crate::root().join("README.md"))?;
    ensure!(readme.contains("cargo xtask test"), "README.md does not say `cargo xtask test`");
    test::layers(steps)
}
