//! `cargo xtask board NAME`: builds an image of `targets`, boots it in QEMU, shows what it says.
//!
//! With `--test` nobody types: what the image says is compared, what it reads is typed for it, and
//! its exit code counts.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::step::{Steps, cargo, command, exists};

/// A workspace of its own.
pub const WORKSPACE: [&str; 2] = ["--manifest-path", "targets/Cargo.toml"];

/// Longest time of a boot, in seconds: it takes a few alone, and CI's machine is busy.
const PATIENCE: u64 = 300;

#[derive(clap::Args)]
pub struct BoardArguments {
    /// The machine.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(IMAGES.map(|image| image.name)))]
    name: String,
    /// CPUs of the machine.
    #[arg(long)]
    cpus: Option<u32>,
    /// Compares what it says, and types for it.
    #[arg(long)]
    test: bool,
}

/// An image, and the machine that it is for.
struct Image {
    name: &'static str,
    package: &'static str,
    target: &'static str,
    qemu: &'static str,
    /// The package of Debian that has it.
    debian: &'static str,
    machine: &'static [&'static str],
    /// How many CPUs it is tested with.
    cpus: &'static [u32],
    /// What it says, each in a line, and what is typed after it; `SMP` begins what it says only
    /// if there are several.
    dialogue: &'static [Said],
}

struct Said {
    line: &'static str,
    then_type: Option<&'static str>,
}

const fn says(line: &'static str) -> Said {
    Said { line, then_type: None }
}

const fn asks(line: &'static str, answer: &'static str) -> Said {
    Said { line, then_type: Some(answer) }
}

const IMAGES: [Image; 1] = [Image {
    name: "riscv64",
    package: "drift-riscv64",
    target: "riscv64gc-unknown-none-elf",
    qemu: "qemu-system-riscv64",
    debian: "qemu-system-misc",
    machine: &["-machine", "virt", "-bios", "none", "-m", "256M"],
    cpus: &[1, 4],
    dialogue: &[
        says("drift: virtual threads on riscv64, M mode, CPUS"),
        says("200 sleepers, none early"),
        says("8 pairs woke each other 5000 times and more, none lost, on every CPU"),
        says("SMP a virtual thread ran on two CPUs"),
        asks("type a line:", "hello board\n"),
        says("hello board"),
    ],
}];

/// Builds and boots one.
///
/// # Errors
/// What is missing here and how to get it; what the image said instead; its exit code.
pub fn run(arguments: &BoardArguments) -> Result<()> {
    let image =
        IMAGES.iter().find(|image| image.name == arguments.name).context("no such board")?;
    if arguments.test {
        let mut steps = Steps::default();
        let cpus = arguments.cpus.as_slice();
        let result = image.test(&mut steps, if cpus.is_empty() { image.cpus } else { cpus });
        return steps.close(result);
    }
    image.check_tools()?;
    succeed(&mut image.build())?;
    succeed(&mut image.boot(image.package, arguments.cpus.unwrap_or(1), None))
}

/// Builds and tests all.
///
/// # Errors
/// The first that fails.
pub fn all(steps: &mut Steps) -> Result<()> {
    IMAGES.iter().try_for_each(|image| image.test(steps, image.cpus))
}

/// The habits of each image and of what it is made of.
///
/// # Errors
/// As [`all`].
pub fn clippy(steps: &mut Steps) -> Result<()> {
    IMAGES.iter().try_for_each(|image| {
        image.check_tools()?;
        let mut clippy = cargo(&["clippy", "--package", image.package, "--package", "drift-board"]);
        clippy.args(WORKSPACE).args(["--target", image.target]);
        clippy.arg("--target-dir").arg(crate::target().join("targets"));
        steps.run(&format!("clippy {}", image.name), clippy.args(["--", "-Dwarnings"]))
    })
}

impl Image {
    fn check_tools(&self) -> Result<()> {
        let Self { qemu, debian, target, .. } = self;
        ensure!(exists(qemu), "no `{qemu}` here: on Debian, apt-get install {debian}");
        let sysroot = command("rustc", &["--print", "sysroot"]).output()?;
        let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout)?.trim());
        let library = sysroot.join("lib/rustlib").join(target).join("lib");
        ensure!(library.exists(), "Rust has no {target} here: rustup target add {target}");
        Ok(())
    }

    fn build(&self) -> Command {
        let mut build = cargo(&["build", "--release", "--package", self.package]);
        build.args(WORKSPACE).args(["--target", self.target]);
        build.arg("--target-dir").arg(crate::target().join("targets"));
        build
    }

    /// Boots one of its programs, and ends it after so many seconds.
    fn boot(&self, program: &str, cpus: u32, seconds: Option<u64>) -> Command {
        let built = crate::target().join("targets").join(self.target).join("release");
        let mut boot = match seconds {
            Some(seconds) => command("timeout", &[&seconds.to_string(), self.qemu]),
            None => command(self.qemu, &[]),
        };
        boot.args(self.machine).args(["-smp", &cpus.to_string()]);
        boot.args(["-display", "none", "-nodefaults", "-serial", "stdio", "-kernel"]);
        boot.arg(built.join(program));
        boot
    }

    fn test(&self, steps: &mut Steps, cpus: &[u32]) -> Result<()> {
        self.check_tools()?;
        steps.run(&format!("{} image", self.name), &mut self.build())?;
        let mut suite = self.boot(&format!("{}-suite", self.package), 2, Some(PATIENCE));
        steps.run(&format!("{} conformance", self.name), &mut suite)?;
        for &cpus in cpus {
            let again = format!("cargo xtask board {} --test --cpus {cpus}", self.name);
            let name = format!("{} boots, {}", self.name, count(cpus));
            steps.check(&name, &again, |steps| {
                self.talk(cpus)?;
                steps.count(1, 0);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Boots it, compares what it says, and answers.
    fn talk(&self, cpus: u32) -> Result<()> {
        let mut boot = self.boot(self.package, cpus, Some(PATIENCE));
        let mut machine = boot
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {boot:?}"))?;
        let result = talk(&mut machine, self.dialogue, &count(cpus));
        if result.is_err() {
            // `timeout` hands this signal on to the emulator.
            command("kill", &["-TERM", &machine.id().to_string()]).status()?;
        }
        let status = machine.wait()?;
        result?;
        ensure!(status.success(), "the image ended with {status}");
        Ok(())
    }
}

/// As images say it.
fn count(cpus: u32) -> String {
    if cpus == 1 { "1 CPU".to_owned() } else { format!("{cpus} CPUs") }
}

/// Waits for each line, and answers.
fn talk(machine: &mut Child, dialogue: &[Said], cpus: &str) -> Result<()> {
    let mut input = machine.stdin.take().context("its input was asked for as a pipe")?;
    let output = machine.stdout.take().context("its output was asked for as a pipe")?;
    let mut lines = BufReader::new(output).lines();
    for Said { line, then_type } in dialogue {
        let line = line.replace("CPUS", cpus);
        let line = match line.strip_prefix("SMP ") {
            Some(_) if cpus == count(1) => continue,
            Some(line) => line,
            None => &line,
        };
        let said = lines.next().with_context(|| format!("it ended before `{line}`"))??;
        println!("{said}");
        ensure!(said.trim_end() == line, "it said `{said}`, not `{line}`");
        if let Some(answer) = then_type {
            input.write_all(answer.as_bytes())?;
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
