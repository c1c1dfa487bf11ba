//! Linux of another instruction set under QEMU user mode: the tests of the crates, the scenarios,
//! and the C programs over the archive.
//!
//! User mode is another CPU but not a Linux kernel. What it lacks (`epoll_pwait2`, guards by
//! madvise) is what the fallbacks are for, so this shows those too.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::archive;
use crate::step::{Steps, cargo, exists};

/// A machine that is not this one, and what builds for it and runs it.
struct Machine {
    name: &'static str,
    target: &'static str,
    cc: &'static str,
    qemu: &'static str,
    /// Where its C library is.
    root: &'static str,
}

const AARCH64: Machine = Machine {
    name: "aarch64",
    target: "aarch64-unknown-linux-gnu",
    cc: "aarch64-linux-gnu-gcc",
    qemu: "qemu-aarch64",
    root: "/usr/aarch64-linux-gnu",
};

const RISCV64: Machine = Machine {
    name: "riscv64",
    target: "riscv64gc-unknown-linux-gnu",
    cc: "riscv64-linux-gnu-gcc",
    qemu: "qemu-riscv64",
    root: "/usr/riscv64-linux-gnu",
};

/// Seeds of each simulated scenario: the emulator is slow, and what differs is the switch.
const SEEDS: &str = "100";

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

/// All of AArch64.
///
/// # Errors
/// The first step that fails.
pub fn aarch64(steps: &mut Steps) -> Result<()> {
    AARCH64.run(steps)
}

/// All of RISC-V.
///
/// # Errors
/// As [`aarch64`].
pub fn riscv64(steps: &mut Steps) -> Result<()> {
    RISCV64.run(steps)
}

impl Machine {
    fn run(&self, steps: &mut Steps) -> Result<()> {
        for tool in [self.cc, self.qemu] {
            ensure!(exists(tool), "no `{tool}` here: see .ci/run for what to install");
        }
        let name = |what: &str| format!("{} {what}", self.name);
        let crates = ["test", "-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];
        steps.run(&name("crates"), without(self.cross(&mut cargo(&crates))))?;

        let mut scenarios = cargo(&["test", "-p", "drift-tests", "--test", "scenarios"]);
        steps.run(&name("scenarios"), self.cross(&mut scenarios).env("DRIFT_SIM_SEEDS", SEEDS))?;

        steps.run(&name("archive"), self.cross(&mut archive::build()))?;
        let mut programs = cargo(&["test", "-p", "drift-tests", "--test", "abi", "cross::"]);
        let library = archive::library_for(self.target);
        programs.env("DRIFT_RT_LIB", library).env("DRIFT_CC", self.cc);
        programs.env("DRIFT_RUNNER", self.runner());
        steps.run(&name("C programs"), without(&mut programs))
    }

    fn runner(&self) -> String {
        format!("{} -L {}", self.qemu, self.root)
    }

    fn cross<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let variable = |what: &str| {
            format!("CARGO_TARGET_{}_{what}", self.target.replace('-', "_").to_uppercase())
        };
        command
            .args(["--target", self.target])
            .env(variable("LINKER"), self.cc)
            .env(variable("RUNNER"), self.runner())
    }
}

fn without(tests: &mut Command) -> &mut Command {
    tests.arg("--").args(LEFT_OUT.iter().flat_map(|(test, _)| ["--skip", *test]))
}
