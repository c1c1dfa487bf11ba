//! Running one command after the other: output as it comes, tests counted, failures named.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What ran so far: the steps with their times, and the tests that their runners counted.
#[derive(Debug, Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
    passed: u64,
    failed: u64,
}

/// A command in the workspace's folder.
pub fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(crate::root());
    command
}

/// Cargo itself, the one that runs this.
pub fn cargo(arguments: &[&str]) -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), arguments)
}

/// Whether a program can be started.
pub fn exists(program: &str) -> bool {
    let mut version = command(program, &["--version"]);
    version.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

impl Steps {
    /// Runs a command, shows what it prints, and adds the tests that it counted.
    ///
    /// # Errors
    /// Names the step and the command to run again, if the command fails.
    pub fn run(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let shown = shown(command);
        self.check(name, &shown, |steps| {
            let mut child = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .with_context(|| format!("cannot start `{shown}`"))?;
            let output = child.stdout.take().context("the output was asked for as a pipe")?;
            for line in BufReader::new(output).split(b'\n') {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                let (passed, failed) = counted(&line);
                steps.count(passed, failed);
            }
            let status = child.wait()?;
            if !status.success() {
                bail!("{status}");
            }
            Ok(())
        })
    }

    /// Runs a check of ours; `again` is the command that runs it again.
    ///
    /// # Errors
    /// What `check` says, with the name of the step and `again`.
    pub fn check(
        &mut self,
        name: &str,
        again: &str,
        check: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        println!("\n==> {name}: {again}");
        let begun = Instant::now();
        let result = check(self);
        let time = begun.elapsed();
        self.done.push((name.to_owned(), time));
        match result {
            Ok(()) => println!("<== {name}: {}", seconds(time)),
            Err(error) => bail!("step `{name}` FAILED: {error:#}\nto run it again:\n    {again}"),
        }
        Ok(())
    }

    /// Adds tests that ran.
    pub fn count(&mut self, passed: u64, failed: u64) {
        self.passed += passed;
        self.failed += failed;
    }

    /// Steps with their times, what failed if something did, and the closing line.
    ///
    /// # Errors
    /// `result`; or that no test ran.
    pub fn close(self, result: Result<()>) -> Result<()> {
        println!();
        for (name, time) in &self.done {
            println!("{:>10}  {name}", seconds(*time));
        }
        if let Err(error) = &result {
            println!("\n{:#<78}\n{error:#}\n{:#<78}", "", "");
        }
        println!("\n{} passed, {} failed", self.passed, self.failed);
        if result.is_ok() && self.passed == 0 {
            bail!("no test ran");
        }
        if result.is_ok() && self.failed > 0 {
            bail!("a runner counted failed tests and exited with success");
        }
        result.map_err(|_| anyhow::anyhow!("see above"))
    }
}

/// As it stands in the summaries.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The tests of a line `test result: ok. 3 passed; 0 failed; ...`.
fn counted(line: &str) -> (u64, u64) {
    let Some((_, result)) = line.split_once("test result: ") else { return (0, 0) };
    let before = |what: &str| {
        let (before, _) = result.split_once(what)?;
        before.split_whitespace().last()?.parse().ok()
    };
    (before(" passed").unwrap_or(0), before(" failed").unwrap_or(0))
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let quoted = |word: &OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        match !word.is_empty() && word.chars().all(plain) {
            true => word.into_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    };
    let set = |(name, value): (&OsStr, Option<&OsStr>)| {
        Some(format!("{}={}", name.to_string_lossy(), quoted(value?)))
    };
    let mut words: Vec<String> = command.get_envs().filter_map(set).collect();
    // Cargo gives its own path; nobody types that.
    let program = command.get_program();
    let cargo = env::var_os("CARGO").is_some_and(|cargo| cargo == program);
    words.push(if cargo { "cargo".to_owned() } else { quoted(program) });
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_is_counted_and_any_other_is_not() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered";
        assert_eq!(counted(line), (12, 3));
        assert_eq!(counted("12 passed; 3 failed"), (0, 0));
        assert_eq!(counted("test result: unknown"), (0, 0));
    }

    #[test]
    fn a_command_is_shown_so_that_a_shell_takes_it() {
        let mut command = command("cc", &["a b", "it's", "-O2"]);
        command.env("RUSTFLAGS", "--cfg loom");
        assert_eq!(shown(&command), r"RUSTFLAGS='--cfg loom' cc 'a b' 'it'\''s' -O2");
    }

    #[test]
    fn a_failed_step_names_itself_and_the_command() {
        let mut steps = Steps::default();
        let error = steps.run("breaks", &mut command("sh", &["-c", "exit 3"])).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("`breaks` FAILED"), "{said}");
        assert!(said.contains("sh -c 'exit 3'"), "{said}");
    }

    #[test]
    fn a_run_without_a_test_is_an_error() {
        assert!(Steps::default().close(Ok(())).is_err());
    }
}
