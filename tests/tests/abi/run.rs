//! One case: a process with a time limit, and what its end means.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, process, thread};

/// What a program says when it lost a race that no contract decides.
const LOST: i32 = 2;
/// What it says when the machine let its threads wait for a CPU for too long.
const LATE: i32 = 3;
/// How often a running process is looked at.
const POLL: Duration = Duration::from_millis(2);

/// A program, its arguments, and the exit code that means "right".
pub struct Case {
    pub name: String,
    path: PathBuf,
    arguments: Vec<String>,
    code: i32,
}

/// How a case ended; the texts are what it said.
pub enum Outcome {
    Right,
    Wrong(String),
    Lost(String),
    Late(String),
    Crash(String),
    Hang(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::Wrong(said) | Self::Lost(said) | Self::Late(said) => f.write_str(said),
            Self::Crash(said) => write!(f, "crash: {said}"),
            Self::Hang(said) => write!(f, "hang: {said}"),
        }
    }
}

impl Case {
    /// `arguments` are separated by spaces.
    pub fn new(path: &Path, name: &str, arguments: &str, code: i32) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            code,
        }
    }

    pub fn run(&self) -> Outcome {
        match self.finish() {
            Ok((Some(status), said)) => self.judge(status, said),
            Ok((None, said)) => Outcome::Hang(format!("killed after {:?}; {said}", limit())),
            Err(error) => Outcome::Wrong(format!("{} does not run: {error}", self.path.display())),
        }
    }

    fn judge(&self, status: ExitStatus, said: String) -> Outcome {
        match (status.code(), status.signal()) {
            (Some(code), _) if code == self.code => Outcome::Right,
            (Some(LOST), _) => Outcome::Lost(said),
            (Some(LATE), _) => Outcome::Late(said),
            (Some(1), _) => Outcome::Wrong(said),
            (Some(code), _) => Outcome::Wrong(format!("exit code {code}; {said}")),
            (None, signal) => Outcome::Crash(format!("signal {}; {said}", signal.unwrap_or(0))),
        }
    }

    /// No status: it had to be killed. Output goes to a file, not a pipe, so that a grandchild
    /// which survives cannot hold this process up.
    fn finish(&self) -> std::io::Result<(Option<ExitStatus>, String)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = crate::scratch().join(format!("said-{}-{count}", process::id()));
        let mut command = program(&self.path);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(File::create(&log)?).spawn()?;
        let start = Instant::now();
        let status = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if start.elapsed() > limit() => {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                None => thread::sleep(POLL),
            }
        };
        let said = String::from_utf8_lossy(&fs::read(&log)?).trim_end().to_owned();
        fs::remove_file(&log)?;
        Ok((status, said))
    }
}

/// A command as a shell would read it, if it quotes nothing.
pub fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// The executable at `path`, by itself or by what `DRIFT_RUNNER` says.
fn program(path: &Path) -> Command {
    match env::var("DRIFT_RUNNER") {
        Ok(line) if !line.trim().is_empty() => {
            let mut runner = command(&line);
            runner.arg(path);
            runner
        }
        _ => Command::new(path),
    }
}

/// The names of a program's cases, one on each line.
pub fn list(path: &Path) -> Result<String, String> {
    let output = program(path).arg("--list").output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{} --list: {}", path.display(), output.status)),
    }
}

fn limit() -> Duration {
    let seconds = env::var("DRIFT_TEST_SECS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}
