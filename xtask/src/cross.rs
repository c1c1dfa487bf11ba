//! AArch64 under QEMU user mode: the tests of the crates, and the C programs over the archive.
//!
//! User mode is another CPU but not a Linux kernel. What it lacks (`epoll_pwait2`, guards by
//! madvise) is what the fallbacks are for, so this shows those too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::step::{Steps, cargo, command};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const CC: &str = "aarch64-linux-gnu-gcc";
const RUNNER: [&str; 3] = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];

/// Programs that list their cases. Those left out measure time or memory, which an emulator
/// changes, or fault on purpose, which it handles itself.
const PROGRAMS: [&str; 13] = [
    "smoke",
    "defects",
    "executors",
    "waits",
    "descriptors",
    "garbage",
    "suite/spawn",
    "suite/join",
    "suite/cancel",
    "suite/future",
    "suite/executor",
    "suite/reactor",
    "suite/sleep",
];

/// Longest time of a case.
const LIMIT: Duration = Duration::from_secs(60);
/// Exit codes of a case that lost a race which no contract decides, or waited for a CPU.
const AGAIN: [i32; 2] = [2, 3];
/// How often such a case is tried.
const ATTEMPTS: usize = 20;

/// Builds and runs everything.
///
/// # Errors
/// The first step that fails.
pub fn run(steps: &mut Steps) -> Result<()> {
    for tool in [CC, RUNNER[0]] {
        ensure!(crate::step::exists(tool), "no `{tool}` here: see .ci/run for what to install");
    }
    let crates = ["test", "-p", "drift-asm", "-p", "drift-core", "-p", "drift-pal"];
    steps.run("aarch64 crates", cross(&mut cargo(&crates)))?;
    let archive = ["build", "--release", "-p", "drift-ffi"];
    steps.run("aarch64 archive", cross(&mut cargo(&archive)))?;
    let lane = "cargo xtask ci --lane aarch64";
    steps.check("aarch64 C programs", lane, |steps| {
        let built = PROGRAMS.map(|program| compile(program).map(|path| (program, path)));
        for program in built {
            let (program, path) = program?;
            let cases = list(&path)?;
            ensure!(!cases.is_empty(), "{program} lists no cases");
            for case in &cases {
                run_case(&path, case).with_context(|| format!("{program} {case}"))?;
                steps.count(1, 0);
            }
            println!("{program}: {} cases", cases.len());
        }
        Ok(())
    })
}

fn cross(command: &mut Command) -> &mut Command {
    command
        .args(["--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", CC)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", RUNNER.join(" "))
}

fn compile(program: &str) -> Result<PathBuf> {
    let target = crate::target().join(TARGET);
    let output = target.join("c").join(program.replace('/', "_"));
    fs::create_dir_all(target.join("c"))?;
    let mut cc = command(CC, &["-std=c11", "-g", "-I", "ffi/include"]);
    cc.arg(Path::new("ffi/tests").join(program).with_extension("c"));
    cc.arg(target.join("release/libdrift_rt.a")).arg("-pthread").arg("-o").arg(&output);
    let status = cc.status().with_context(|| CC)?;
    ensure!(status.success(), "{cc:?}");
    Ok(output)
}

fn under_qemu(path: &Path) -> Command {
    let mut command = command(RUNNER[0], &RUNNER[1..]);
    command.arg(path).stdin(Stdio::null());
    command
}

fn list(path: &Path) -> Result<Vec<String>> {
    let output = under_qemu(path).arg("--list").output()?;
    ensure!(output.status.success(), "{} --list: {}", path.display(), output.status);
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn run_case(path: &Path, case: &str) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let mut child = under_qemu(path).arg(case).stdout(Stdio::null()).spawn()?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                bail!("hangs: killed after {} s", LIMIT.as_secs());
            }
            thread::sleep(Duration::from_millis(2));
        };
        match status.code() {
            Some(0) => return Ok(()),
            Some(code) if AGAIN.contains(&code) => {}
            _ => bail!("{status}"),
        }
    }
    bail!("lost its race {ATTEMPTS} times of {ATTEMPTS}")
}
