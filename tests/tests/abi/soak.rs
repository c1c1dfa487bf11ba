//! The suite, over and over: a table of what went wrong how often, beside Drift's C runtime.
//!
//! A race may be lost, but no more often than with the C runtime; its figures are those of the
//! ABI's description, each test 200 times on an idle machine with two CPUs. Late is what missed a
//! limit of some milliseconds while its threads waited for a CPU: the machine's doing, and counted
//! only.

use std::hint::black_box;
use std::os::unix::process::parent_id;
use std::process::{Child, Command, ExitCode, Stdio};
use std::{env, process, thread};

use crate::compile::Built;
use crate::run::Outcome;

/// Set for the children that keep a CPU busy.
const SPIN: &str = "DRIFT_SUITE_SPIN";
/// The C runtime's runs of each test.
const REFERENCE_RUNS: u64 = 200;

#[derive(Default)]
struct Counts {
    wrong: u64,
    lost: u64,
    late: u64,
    crash: u64,
    hang: u64,
}

/// How many of 200 races the C runtime lost. The cancelling ones are given as 4 to 18 each.
fn reference(name: &str) -> u64 {
    match name {
        "join_timeout_zero" => 17,
        "default_executor_override" => 13,
        "queue_limit_enforced" => 1,
        "cancel_after_start_does_not_kill" | "cancel_after_completion_no_effect" => 0,
        name if name.starts_with("cancel_") => 18,
        name if name.starts_with("future_cancel_before_start_") => 18,
        _ => 0,
    }
}

/// Runs every case of `built` that has `filter` in its name, and prints a row for each.
pub fn soak(built: &[Built], runs: u64, filter: Option<&str>) -> ExitCode {
    let busy = env::var("DRIFT_SUITE_BUSY").is_ok_and(|value| value == "1");
    let mut spinners = if busy { spinners() } else { Vec::new() };
    println!("{runs} runs each, {} busy processes beside them", spinners.len());
    println!(
        "{:<54} {:>5} {:>5} {:>5} {:>5} {:>5} {:>10}",
        "test", "wrong", "lost", "late", "crash", "hang", "C lost/200"
    );
    let mut failed = false;
    for program in built {
        let cases = match &program.result {
            Ok(path) => crate::cases_of(program.program, path),
            Err(error) => Err(error.clone()),
        };
        let cases = cases.unwrap_or_else(|error| {
            println!("{}: {error}", program.program);
            failed = true;
            Vec::new()
        });
        let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
        for case in cases.iter().filter(|case| wanted(&case.name)) {
            failed |= !row(case, runs);
        }
    }
    for spinner in &mut spinners {
        // Already gone is as good as killed.
        let _ = spinner.kill();
        let _ = spinner.wait();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the first of each sort of failure under the row; true if the row is as it must be.
fn row(case: &crate::run::Case, runs: u64) -> bool {
    let mut counts = Counts::default();
    let mut said = Vec::new();
    for _ in 0..runs {
        let outcome = case.run();
        let count = match outcome {
            Outcome::Right => continue,
            Outcome::Wrong(_) => &mut counts.wrong,
            Outcome::Lost(_) => &mut counts.lost,
            Outcome::Late(_) => &mut counts.late,
            Outcome::Crash(_) => &mut counts.crash,
            Outcome::Hang(_) => &mut counts.hang,
        };
        *count += 1;
        if *count == 1 {
            said.push(outcome.to_string());
        }
    }
    let Counts { wrong, lost, late, crash, hang } = counts;
    let name = &case.name;
    let reference = reference(name);
    println!("{name:<54} {wrong:>5} {lost:>5} {late:>5} {crash:>5} {hang:>5} {reference:>10}");
    for line in said {
        println!("    {line}");
    }
    wrong + crash + hang == 0 && lost * REFERENCE_RUNS <= reference * runs
}

/// One for each CPU.
fn spinners() -> Vec<Child> {
    let executable = env::current_exe().expect("this program has a path");
    let spawn = |_| {
        let mut command = Command::new(&executable);
        command.env(SPIN, "1").stdin(Stdio::null());
        command.spawn().expect("a process can be started")
    };
    (0..thread::available_parallelism().map_or(1, usize::from)).map(spawn).collect()
}

/// In a child of [`spinners`]: uses a CPU until it is killed or its parent is gone.
pub fn spin_if_asked() {
    if env::var_os(SPIN).is_none() {
        return;
    }
    let parent = parent_id();
    while parent_id() == parent {
        for step in 0..10_000_000_u64 {
            black_box(step);
        }
    }
    process::exit(0);
}
