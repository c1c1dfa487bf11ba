//! Programs under AddressSanitizer, ThreadSanitizer and valgrind, which are told of our stacks.
//!
//! Both sanitizers are the compiler's own, behind `RUSTC_BOOTSTRAP`; ThreadSanitizer needs a std
//! that it sees as well, and so the component `rust-src`. Each must also find a bug that was
//! planted: a tool that is told wrong things may see nothing at all.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::step::{Steps, cargo, command};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Seeds of each simulated scenario.
const SEEDS: &str = "100";

/// A sanitizer, and how it is run.
struct Tool {
    name: &'static str,
    flags: &'static str,
    /// What cargo needs besides.
    cargo: &'static [&'static str],
    options: (&'static str, &'static str),
    /// Whether it sees anything where one OS thread plays all.
    simulates: bool,
    /// Planted bugs, and what the report of each has in it.
    planted: &'static [(&'static str, &'static str)],
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "address",
        flags: "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer",
        cargo: &[],
        // Stacks that are suspended for ever are not looked through for what they own.
        options: ("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1"),
        simulates: true,
        planted: &[("stack", "stack-buffer-overflow"), ("freed", "heap-use-after-free")],
    },
    Tool {
        name: "thread",
        flags: "-Zsanitizer=thread",
        cargo: &["-Zbuild-std"],
        // Carriers are never joined: the process may end at any moment.
        options: ("TSAN_OPTIONS", "report_thread_leaks=0:halt_on_error=1"),
        simulates: false,
        planted: &[("race", "ThreadSanitizer: data race")],
    },
];

/// Programs of `ffi/tests` and their cases that end within seconds under valgrind.
const C: [(&str, &[&str]); 4] = [
    ("stress", &["join_tree", "8", "2"]),
    ("stress", &["cancel_storm", "500", "2"]),
    ("stress", &["timers", "50", "100", "2"]),
    ("stress", &["unpark_storm", "2", "200"]),
];

/// All tools over programs that end within minutes.
///
/// # Errors
/// The first report of a tool, or a planted bug that one did not report.
pub fn run(steps: &mut Steps) -> Result<()> {
    for tool in &TOOLS {
        tests(steps, tool, "drift", &["--test", "suite", "--test", "contract"], &[])?;
        let all: &[&str] = if tool.simulates { &[] } else { &["host::"] };
        tests(steps, tool, "drift-tests", &["--test", "scenarios"], all)?;
        for (bug, report) in tool.planted {
            planted(steps, tool, bug, report)?;
        }
    }
    valgrind(steps)
}

impl Tool {
    fn cargo(&self, what: &str, package: &str) -> Command {
        let mut command = cargo(&[what]);
        command.args(self.cargo).args(["-p", package, "--features", "sanitize"]);
        command.args(["--target", TARGET, "--target-dir"]).arg(self.folder());
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", self.flags);
        command.env(self.options.0, self.options.1);
        command
    }

    fn folder(&self) -> PathBuf {
        crate::target().join("sanitize").join(self.name)
    }
}

fn tests(
    steps: &mut Steps,
    tool: &Tool,
    package: &str,
    which: &[&str],
    arguments: &[&str],
) -> Result<()> {
    let mut command = tool.cargo("test", package);
    command.args(which).arg("--").args(arguments).env("DRIFT_SIM_SEEDS", SEEDS);
    steps.run(&format!("{} {package}", tool.name), &mut command)
}

fn planted(steps: &mut Steps, tool: &Tool, bug: &str, report: &str) -> Result<()> {
    let name = format!("{} planted {bug}", tool.name);
    let again = format!("cargo test -p drift-tests --test planted -- {bug}");
    steps.check(&name, &again, |steps| {
        let mut command = tool.cargo("test", "drift-tests");
        let output = command.args(["--test", "planted", "--", bug]).output().context("cargo")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success(), "nothing was reported:\n{told}");
        ensure!(told.contains(report), "the report is not of `{report}`:\n{told}");
        steps.count(1, 0);
        Ok(())
    })
}

fn valgrind(steps: &mut Steps) -> Result<()> {
    let folder = crate::target().join("sanitize/valgrind");
    let mut build = cargo(&["build", "--profile", "archive", "-p", "drift-ffi"]);
    build.args(["--features", "sanitize", "--target-dir"]);
    steps.run("valgrind archive", build.arg(&folder))?;
    for (program, arguments) in C {
        let output = folder.join(program);
        let mut cc = command("cc", &["-std=c11", "-O1", "-g", "-I", "ffi/include"]);
        cc.arg(format!("ffi/tests/{program}.c")).arg(folder.join("archive/libdrift_rt.a"));
        ensure!(cc.arg("-pthread").arg("-o").arg(&output).status()?.success(), "{cc:?}");
        let mut run = command("valgrind", &["--quiet", "--error-exitcode=9", "--fair-sched=yes"]);
        run.arg(&output).args(arguments);
        steps.run(&format!("valgrind {program} {}", arguments.join(" ")), &mut run)?;
        steps.count(1, 0);
    }
    Ok(())
}
