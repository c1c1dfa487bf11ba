//! A test that runs in processes of its own: the default executor's number of carriers is read
//! from the environment once in a process.

use std::env;
use std::process::{Command, Output};

/// Set in such a process.
const AGAIN: &str = "DRIFT_TEST_AGAIN";

/// Runs `body` with 1, 2 and 4 carriers, each time in a process that a shell starts after `first`.
/// What the processes said; nothing where this process is one of them.
pub fn on_carriers(test: &str, first: &str, body: fn()) -> Vec<Output> {
    if env::var_os(AGAIN).is_some() {
        body();
        return Vec::new();
    }
    ["1", "2", "4"].map(|carriers| run(test, first, carriers)).into()
}

fn run(test: &str, first: &str, carriers: &str) -> Output {
    let mut again = Command::new("sh");
    again.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]);
    again.arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = again.env(AGAIN, "1").env("DRIFT_CARRIERS", carriers).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{carriers} carriers, {}: {said}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "no such test: {test}");
    output
}
