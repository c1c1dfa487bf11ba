//! `cargo xtask test`: everything that a user's machine can run in minutes.

use anyhow::Result;

use crate::step::{Counts, cargo};
use crate::symbols;

/// Crates whose tests cargo runs; `drift-ffi` is tested from C.
const CRATES: [&str; 6] = ["-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];

/// Runs all layers, cheapest first; see `docs/testing.md`.
pub fn run() -> Result<()> {
    let mut counts = Counts::default();
    layers(&mut counts)?;
    counts.close()
}

/// The same, as a part of something larger.
pub fn layers(counts: &mut Counts) -> Result<()> {
    counts.step("unit", cargo(&["test"]).args(CRATES).args(["-p", "xtask"]))?;
    loom(counts, "3")?;
    counts.step("archive", &mut cargo(&["build", "--release", "-p", "drift-ffi"]))?;
    symbols::run(&symbols::SymbolsArguments { bless: false })?;
    counts.step("c", &mut cargo(&["test", "-p", "drift-tests"]))
}

/// The models, with at most so many preemptions in one execution.
pub fn loom(counts: &mut Counts, preemptions: &str) -> Result<()> {
    for package in ["drift-core", "drift-pal"] {
        let mut command = cargo(&["test", "--release", "-p", package, "--lib"]);
        command
            .args(["--target-dir", "target/loom", "--config", "profile.release.lto=\"off\""])
            .args(["--", "loom"])
            .env("RUSTFLAGS", "--cfg loom")
            .env("LOOM_MAX_PREEMPTIONS", preemptions);
        counts.step("loom", &mut command)?;
    }
    Ok(())
}
