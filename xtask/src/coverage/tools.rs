//! llvm-profdata and llvm-cov: the compiler's own, which alone know its format.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::step::command;

/// Longest time for rustup to bring them.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    /// Those of the variables `LLVM_PROFDATA` and `LLVM_COV`, or of rustup's component
    /// `llvm-tools`, which is installed if it is missing.
    pub fn find() -> Result<Self> {
        if let (Some(profdata), Some(cov)) = (env::var_os("LLVM_PROFDATA"), env::var_os("LLVM_COV"))
        {
            return Ok(Self { profdata: profdata.into(), cov: cov.into() });
        }
        if let Some(tools) = Self::of_rustup()? {
            return Ok(tools);
        }
        install()?;
        Self::of_rustup()?.context("llvm-tools are installed, and not there")
    }

    fn of_rustup() -> Result<Option<Self>> {
        let output = command("rustc", &["--print", "sysroot"]).output().context("rustc")?;
        let libraries = Path::new(String::from_utf8(output.stdout)?.trim()).join("lib/rustlib");
        for machine in fs::read_dir(&libraries)? {
            let folder = machine?.path().join("bin");
            let tools =
                Self { profdata: folder.join("llvm-profdata"), cov: folder.join("llvm-cov") };
            if tools.profdata.is_file() && tools.cov.is_file() {
                return Ok(Some(tools));
            }
        }
        Ok(None)
    }

    /// All profiles of a folder as one.
    pub fn merge(&self, folder: &Path, profile: &Path) -> Result<()> {
        let mut merge = Command::new(&self.profdata);
        // A program that was killed while it made its file leaves one that cannot be read.
        merge.args(["merge", "--sparse", "--failure-mode=all", "-o"]).arg(profile);
        let mut files = 0;
        for entry in fs::read_dir(folder)? {
            merge.arg(entry?.path());
            files += 1;
        }
        ensure!(files > 0, "no profile in {}", folder.display());
        ensure!(merge.status()?.success(), "{merge:?}");
        Ok(())
    }

    /// What `object` has counted in these folders of the workspace, in the format of lcov.
    pub fn export(&self, object: &Path, profile: &Path, folders: &[&str]) -> Result<String> {
        let mut export = Command::new(&self.cov);
        export.args(["export", "--format=lcov", "--instr-profile"]).arg(profile).arg(object);
        export.arg("--sources").args(folders.iter().map(|folder| crate::root().join(folder)));
        let output = export.output().context("llvm-cov")?;
        let said = String::from_utf8_lossy(&output.stderr);
        // What runs in the compiler, such as macros, is not instrumented.
        let is_plain = said.contains("no coverage data found");
        ensure!(output.status.success() || is_plain, "{export:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn install() -> Result<()> {
    let mut child = command("rustup", &["component", "add", "llvm-tools"]).spawn()?;
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "rustup component add llvm-tools: {status}");
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("rustup does not bring llvm-tools; set LLVM_PROFDATA and LLVM_COV");
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The test programs that a `cargo test --no-run --message-format=json` has built.
pub fn executables(cargo: &mut Command) -> Result<Vec<PathBuf>> {
    let output = cargo.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{cargo:?}");
    let mut programs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        programs.extend(message["executable"].as_str().map(PathBuf::from));
    }
    ensure!(!programs.is_empty(), "cargo has built no test");
    Ok(programs)
}
