//! `cargo xtask ci`: the lanes that every change must pass.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::header::HeaderArguments;
use crate::step::{Counts, cargo, command};
use crate::{header, test, tidy};

const AARCH64: &str = "aarch64-unknown-linux-gnu";

#[derive(clap::Args)]
pub struct CiArguments {
    /// Runs one lane only.
    #[arg(long)]
    lane: Option<String>,
}

type Lane = fn(&mut Counts) -> Result<()>;

const LANES: [(&str, Lane); 7] = [
    ("style", style),
    ("clippy", clippy),
    ("test", readme),
    ("stubs", stubs),
    ("aarch64", aarch64),
    ("doc", doc),
    ("deny", deny),
];

/// Runs the lanes; the first failure ends it.
pub fn run(arguments: &CiArguments) -> Result<()> {
    let mut counts = Counts::default();
    let mut times = Vec::new();
    counts.step("toolchain", &mut command("rustc", &["-vV"]))?;
    for (name, lane) in LANES {
        if arguments.lane.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        println!("\n######## lane {name}");
        let begun = Instant::now();
        lane(&mut counts)?;
        times.push((name, begun.elapsed().as_secs_f64()));
    }
    ensure!(!times.is_empty(), "no such lane; there are {:?}", LANES.map(|(name, _)| name));
    println!();
    for (name, seconds) in times {
        println!("lane {name:8} {seconds:7.1} s");
    }
    if arguments.lane.is_some() { Ok(()) } else { counts.close() }
}

fn style(counts: &mut Counts) -> Result<()> {
    counts.step("fmt", &mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    header::run(&HeaderArguments { check: true })
}

fn clippy(counts: &mut Counts) -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features", "--"];
    counts.step("clippy", cargo(&arguments).args(["-D", "warnings"]))
}

/// The README's test command, as it stands there.
fn readme(counts: &mut Counts) -> Result<()> {
    let readme = std::fs::read_to_string(crate::root().join("README.md"))?;
    ensure!(readme.contains("cargo xtask test"), "README.md does not say `cargo xtask test`");
    test::layers(counts)
}

fn stubs(counts: &mut Counts) -> Result<()> {
    for target in ["x86_64-apple-darwin", "x86_64-pc-windows-gnu"] {
        let arguments = ["check", "-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];
        counts.step(target, cargo(&arguments).args(["--target", target]))?;
    }
    for target in ["x86_64-unknown-none", "aarch64-unknown-none"] {
        let arguments = ["check", "-p", "drift-asm", "-p", "drift-core", "--target", target];
        counts.step(target, &mut cargo(&arguments))?;
    }
    Ok(())
}

/// Under QEMU user mode, which is a CPU but not a Linux kernel: what it lacks (`epoll_pwait2`,
/// guards by madvise) is what the fallbacks are for.
fn aarch64(counts: &mut Counts) -> Result<()> {
    let crates = ["test", "-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];
    counts.step("aarch64 tests", cross(cargo(&crates).args(["--target", AARCH64])))?;
    let archive = ["build", "--release", "-p", "drift-ffi", "--target", AARCH64];
    counts.step("aarch64 archive", cross(&mut cargo(&archive)))?;
    let lib = crate::root().join("target").join(AARCH64).join("release/libdrift_rt.a");
    let suite = ["test", "-p", "drift-tests", "--test", "abi", "--", "suite", "smoke"];
    let mut suite = cargo(&suite);
    suite
        .env("DRIFT_RT_LIB", lib)
        .env("DRIFT_CC", "aarch64-linux-gnu-gcc")
        .env("DRIFT_RUNNER", "qemu-aarch64 -L /usr/aarch64-linux-gnu");
    counts.step("aarch64 C suite", &mut suite)
}

fn cross(command: &mut std::process::Command) -> &mut std::process::Command {
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc").env(
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
        "qemu-aarch64 -L /usr/aarch64-linux-gnu",
    )
}

fn doc(counts: &mut Counts) -> Result<()> {
    let mut doc = cargo(&["doc", "--no-deps", "--workspace"]);
    counts.step("doc", doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny(counts: &mut Counts) -> Result<()> {
    counts.step("deny", &mut cargo(&["deny", "check", "licenses", "bans", "sources"]))
}
