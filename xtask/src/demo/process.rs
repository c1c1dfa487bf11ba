//! A program that was started here: its lines, its costs, and its end.
//!
//! Dropping a [`Program`] ends it, by its id. A program whose parent is gone ends by itself,
//! because its standard input does.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rlimit::Resource;
use serde_json::Value;

/// Clock ticks in a second, as proc_pid_stat(5) counts: USER_HZ, which is 100 on every machine that
/// Rust's std knows Linux on.
const TICKS: u64 = 100;

/// A running program.
pub struct Program {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
}

impl Program {
    /// Starts `command` with its input and output in our hands; `read` says what a line means.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &'static str,
        mut command: Command,
        read: fn(&str) -> Option<Value>,
    ) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start the {name}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the output was asked for as a pipe")?;
        let (to, lines) = mpsc::channel();
        // Ends with the program, which closes its output, or with the receiver.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if read(&line).is_some_and(|value| to.send(value).is_err()) {
                    return;
                }
            }
        });
        Ok(Self { name, child, input, lines })
    }

    /// The next line that means something.
    ///
    /// # Errors
    /// When none comes within `patience`, or the program has ended.
    pub fn next(&mut self, patience: Duration) -> Result<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                Err(anyhow!("the {} said nothing for {} s", self.name, patience.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self
                .fault()
                .unwrap_or_else(|| anyhow!("the {} closed its output and goes on", self.name))),
        }
    }

    /// The next line that has `key`; others in between are passed over.
    ///
    /// # Errors
    /// When it does not come within `patience`.
    pub fn expect(&mut self, key: &str, patience: Duration) -> Result<Value> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self
                .next(left)
                .with_context(|| format!("the {} never said \"{key}\"", self.name))?;
            if line.get(key).is_some() {
                return Ok(line);
            }
        }
    }

    /// The latest line with `key` among those that are there already.
    pub fn latest(&mut self, key: &str) -> Option<Value> {
        self.lines.try_iter().filter(|line| line.get(key).is_some()).last()
    }

    /// How the program ended, if it has ended, or is about to.
    pub fn fault(&mut self) -> Option<anyhow::Error> {
        let status = self.wait(Duration::from_millis(500)).ok()?;
        Some(anyhow!("the {} ended with {status}", self.name))
    }

    /// Sends a line to the program's input.
    ///
    /// # Errors
    /// When the input is closed, or the program has ended.
    pub fn send(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the input was closed before")?;
        writeln!(input, "{line}").with_context(|| format!("the {} is gone", self.name))
    }

    /// Closes the program's input: it ends its work.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not come within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < end, "the {} does not end", self.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// CPU time of the program so far, as proc_pid_stat(5) counts it.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("odd stat line: {stat}"))?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS))
    }

    /// Bytes of memory the program holds, without what the kernel holds for it.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn memory(&self) -> Result<u64> {
        Ok(status_field(&self.proc("status")?, "VmRSS").context("no VmRSS")? << 10)
    }

    /// OS threads of the program.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn os_threads(&self) -> Result<u64> {
        status_field(&self.proc("status")?, "Threads").context("no count of threads")
    }

    fn proc(&self, file: &str) -> Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
            .with_context(|| format!("the {} is gone", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Both fail only for a child that is gone, which is what they are for.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// User and system ticks: fields 14 and 15, counted behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A number of proc_pid_status(5).
fn status_field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A line that is JSON, as our own programs say.
pub fn json(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

/// The number under `key`; 0 where there is none.
pub fn number(line: &Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or(0.0)
}

/// Raises the soft limit on open files to the hard one; children inherit it.
///
/// # Errors
/// When the hard limit is below `needed`.
pub fn raise_open_files(needed: u64) -> Result<()> {
    let (_, most) = Resource::NOFILE.get()?;
    ensure!(
        most >= needed,
        "{needed} open files are needed and {most} allowed: lower --connections"
    );
    Resource::NOFILE.set(most, most).context("cannot raise the limit on open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20 0 1 0";
        assert_eq!(cpu_ticks(stat), Some(150));
    }

    #[test]
    fn a_status_field_is_found_by_its_whole_name() {
        let status = "Name:\tx\nVmRSSx:\t9 kB\nVmRSS:\t  12 kB\nThreads:\t3\n";
        assert_eq!(status_field(status, "VmRSS"), Some(12));
        assert_eq!(status_field(status, "Threads"), Some(3));
        assert_eq!(status_field(status, "VmPTE"), None);
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_status() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo '{\"one\":1}'; echo noise; exit 3"]);
        let mut program = Program::start("shell", command, json).unwrap();
        assert_eq!(number(&program.next(Duration::from_secs(60)).unwrap(), "one"), 1.0);
        let error = program.next(Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
