//! AArch64 under QEMU user mode: the tests of the crates, and the C programs over the archive.
//!
//! User mode is another CPU but not a Linux kernel. What it lacks (`epoll_pwait2`, guards by
//! madvise) is what the fallbacks are for, so this shows those too.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::archive;
use crate::step::{Steps, cargo, exists};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const CC: &str = "aarch64-linux-gnu-gcc";
const QEMU: &str = "qemu-aarch64";
const RUNNER: &str = "qemu-aarch64 -L /usr/aarch64-linux-gnu";

/// Tests that say more about the emulator than about us, and why.
const LEFT_OUT: [(&str, &str); 9] = [
    ("carriers::", "starts itself again, which is not a program of this machine"),
    ("refused::", "the same, with system calls refused by a kernel's filter"),
    ("beyond::", "the same"),
    ("forked::", "starts itself again, and forks"),
    ("cross::limits::", "what the emulator maps and opens counts, too"),
    ("cross::overflow::", "the emulator takes faults for itself, and lets no child's handler run"),
    ("cross::forks::child_has", "its own threads do not survive a fork: it ends in an assertion"),
    ("cross::forks::grandchild_has", "the same"),
    ("cross::idle::", "measures the emulator's CPU time"),
];

/// Builds and runs everything.
///
/// # Errors
/// The first step that fails.
pub fn run(steps: &mut Steps) -> Result<()> {
    for tool in [CC, QEMU] {
        ensure!(exists(tool), "no `{tool}` here: see .ci/run for what to install");
    }
    let crates = ["test", "-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];
    steps.run("aarch64 crates", without(cross(&mut cargo(&crates))))?;
    steps.run("aarch64 archive", cross(&mut archive::build()))?;

    let mut programs = cargo(&["test", "-p", "drift-tests", "--test", "abi", "cross::"]);
    let library = archive::library_for(TARGET);
    programs.env("DRIFT_RT_LIB", library).env("DRIFT_CC", CC).env("DRIFT_RUNNER", RUNNER);
    steps.run("aarch64 C programs", without(&mut programs))
}

fn without(tests: &mut Command) -> &mut Command {
    tests.arg("--").args(LEFT_OUT.iter().flat_map(|(test, _)| ["--skip", *test]))
}

fn cross(command: &mut Command) -> &mut Command {
    command
        .args(["--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", CC)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER)
}
