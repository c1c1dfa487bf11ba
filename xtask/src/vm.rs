//! `cargo xtask vm --kernel FILE`: the tests of `pal` on another Linux, in an emulated machine.
//!
//! For kernels that have less than this one: guards that are mappings, and those beyond (before
//! 6.13), waits without nanoseconds. On Debian, `apt-get download` of a package
//! `linux-image-...-cloud-amd64`, and `dpkg-deb -x` of that, give the file `boot/vmlinuz-...`;
//! packages `qemu-system-x86` and `cpio` have the rest. Some minutes, as everything is emulated: no
//! part of `ci`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::step::{cargo, command};

#[derive(clap::Args)]
pub struct VmArguments {
    /// The kernel, as the boot loader has it (vmlinuz).
    #[arg(long)]
    kernel: PathBuf,
    /// Longest time, in seconds.
    #[arg(long, default_value_t = 900)]
    seconds: u64,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

pub fn run(arguments: &VmArguments) -> Result<()> {
    let folder = crate::target().join("vm");
    let root = folder.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for name in ["proc", "dev", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    for (built, name) in test_programs(&folder)?.iter().zip(["unit", "host"]) {
        fs::copy(built, root.join(name))?;
    }
    let init = folder.join("init.c");
    fs::write(&init, include_str!("vm/init.c"))?;
    let mut cc = command("cc", &["-O1", "-static", "-o"]);
    succeed(cc.arg(root.join("init")).arg(&init))?;
    let image = folder.join("root.cpio");
    let pack = "find . | cpio -o -H newc --quiet";
    let packed = command("sh", &["-c", pack]).current_dir(&root).output()?;
    ensure!(packed.status.success(), "{pack}: {}", String::from_utf8_lossy(&packed.stderr));
    fs::write(&image, packed.stdout)?;
    boot(arguments, &image)
}

/// The unit tests and the tests on the machine, linked so that they need no library.
fn test_programs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut build = cargo(&["test", "--no-run", "-p", "drift-pal", "--lib", "--test", "host"]);
    build.args(["--target", TARGET, "--message-format", "json", "--target-dir"]).arg(folder);
    let built = build.env("RUSTFLAGS", "-C target-feature=+crt-static").output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let programs: Vec<_> = String::from_utf8(built.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    ensure!(programs.len() == 2, "two test programs, not {programs:?}");
    Ok(programs)
}

fn boot(arguments: &VmArguments, image: &Path) -> Result<()> {
    let mut machine = command("timeout", &[&arguments.seconds.to_string(), "qemu-system-x86_64"]);
    machine.args("-machine q35 -cpu max -smp 2 -m 3G -display none -nodefaults".split(' '));
    machine.args(["-serial", "stdio", "-no-reboot", "-append", "console=ttyS0 quiet panic=-1"]);
    machine.arg("-kernel").arg(&arguments.kernel).arg("-initrd").arg(image).stdin(Stdio::null());
    let ran = machine.output().context("qemu-system-x86_64 of the package qemu-system-x86")?;
    let said = String::from_utf8_lossy(&ran.stdout);
    println!("{said}");
    match said.lines().find(|line| line.starts_with("RESULT")) {
        Some(line) if line.trim() == "RESULT unit 0 host 0" => Ok(()),
        Some(line) => bail!("tests failed: {line}"),
        None => bail!("the machine did not come to its end"),
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
