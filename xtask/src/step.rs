//! Running one command after the other: output as it comes, tests counted, failures named.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// How many tests the steps so far ran.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
}

/// A command in the workspace's folder.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(crate::root());
    command
}

/// Cargo itself, the one that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

impl Counts {
    /// Runs a command, shows what it prints, and adds the tests that it counted.
    ///
    /// # Errors
    /// Names the step and the command to run again, if the command fails.
    pub fn step(&mut self, name: &str, command: &mut Command) -> Result<()> {
        println!("\n==> {name}: {}", shown(command));
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("step `{name}`: {} does not start", shown(command)))?;
        let output = child.stdout.take().expect("it is piped");
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            self.count(&line);
        }
        let status = child.wait()?;
        println!("<== {name}: {:.1} s", begun.elapsed().as_secs_f64());
        if !status.success() {
            bail!("step `{name}` failed ({status}); to run it again:\n    {}", shown(command));
        }
        Ok(())
    }

    /// Adds the tests of a line `test result: ok. 3 passed; 0 failed; ...`.
    fn count(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        let mut before = "";
        for word in result.split([' ', ';', '.']).filter(|word| !word.is_empty()) {
            match word {
                "passed" => self.passed += before.parse().unwrap_or(0),
                "failed" => self.failed += before.parse().unwrap_or(0),
                _ => {}
            }
            before = word;
        }
    }

    /// The closing line; an error if no test ran.
    ///
    /// # Errors
    /// If no test ran at all.
    pub fn close(self) -> Result<()> {
        println!("\n{} passed, {} failed", self.passed, self.failed);
        if self.passed == 0 {
            bail!("no test ran");
        }
        Ok(())
    }
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let mut words: Vec<String> = command
        .get_envs()
        .filter_map(|(name, value)| {
            Some(format!("{}={:?}", name.to_string_lossy(), value?.to_string_lossy()))
        })
        .collect();
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Whether a program can be started.
pub fn exists(program: &str) -> bool {
    let version =
        command(program, &["--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
