//! The C and C++ programs of `ffi/tests`, compiled with the machine's compilers and run case by
//! case.
//!
//! Each case is a test named `<compiler>::<program>::<case>`, so `cargo test --test abi -- defects`
//! runs what its filter says. A case that ends with exit code 2 lost a race that no contract
//! decides, one with 3 was kept from the CPUs; both are tried again.
//!
//! | variable           | meaning                                                               |
//! |--------------------|-----------------------------------------------------------------------|
//! | `DRIFT_RT_LIB`     | the archive, instead of `target/archive/libdrift_rt.a`; a relative    |
//! |                    | path begins at the workspace                                          |
//! | `DRIFT_CC`         | a C compiler, named `cross`, instead of those found                   |
//! | `DRIFT_CXX`        | a C++ compiler, named `cross_cxx`, beside that one; else it is C only |
//! | `DRIFT_RUNNER`     | what runs the programs: a command that they are arguments of          |
//! | `DRIFT_TEST_SECS`  | longest time of a case, then it is a hang (60)                        |
//! | `DRIFT_SUITE_RUNS` | repeat the programs of the suite that often and print a table instead |
//! | `DRIFT_SUITE_BUSY` | 1: meanwhile keep every CPU busy with another process                 |

#![deny(unsafe_code)]

#[path = "abi/compile.rs"]
mod compile;
#[path = "abi/run.rs"]
mod run;
#[path = "abi/soak.rs"]
mod soak;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};

use compile::{Built, Compiler};
use run::{Case, Outcome};

/// How often a lost race is tried again.
const ATTEMPTS: u32 = 20;

/// Programs whose cases are listed by themselves and need no arguments.
const PROGRAMS: [&str; 18] = [
    "smoke",
    "callbacks",
    "defects",
    "defects_system",
    "descriptors",
    "executors",
    "fairness",
    "forks",
    "garbage",
    "limits",
    "lookout",
    "registrations",
    "sync",
    "sync_waits",
    "thread_locals",
    "thread_locals_tight",
    "waits",
    "overflow",
];

/// The same, and written in C++: no C compiler takes them.
const CXX_PROGRAMS: [&str; 1] = ["exceptions"];

/// The suite of the toolchain, by group.
const SUITE: [&str; 7] = [
    "suite/spawn",
    "suite/join",
    "suite/cancel",
    "suite/future",
    "suite/executor",
    "suite/reactor",
    "suite/sleep",
];

/// Programs with arguments: program, name of the test, arguments, exit code.
const WITH_ARGUMENTS: [(&str, &str, &str, i32); 20] = [
    ("shadow", "shadow", "", 0),
    ("unloads", "unloads", "", 0),
    ("idle", "idle", "idle 1000 500 1000", 0),
    ("stress", "join_child", "join_child 5000", 0),
    ("stress", "hand_over_on_1_carrier", "hand_over 50000 1", 0),
    ("stress", "hand_over_on_2_carriers", "hand_over 20000 2", 0),
    ("stress", "hand_over_on_4_carriers", "hand_over 20000 4", 0),
    ("stress", "unpark_storm", "unpark_storm 4 2000", 0),
    ("stress", "join_tree_on_1_carrier", "join_tree 12 1", 0),
    ("stress", "join_tree_on_4_carriers", "join_tree 12 4", 0),
    ("stress", "parked_on_1_carrier", "parked 2000 1", 0),
    ("stress", "parked_on_2_carriers", "parked 20000 2", 0),
    ("stress", "cancel_storm_on_1_carrier", "cancel_storm 2000 1", 0),
    ("stress", "cancel_storm_on_4_carriers", "cancel_storm 2000 4", 0),
    ("stress", "timers_on_1_carrier", "timers 500 100 1", 0),
    ("stress", "timers_on_4_carriers", "timers 5000 200 4", 0),
    ("stress", "spawn_storm_on_1_carrier", "spawn_storm 4 1000 1", 0),
    ("stress", "spawn_storm_on_4_carriers", "spawn_storm 8 500 4", 0),
    ("stress", "exit_busy_with_0", "exit_busy 0 50 2", 0),
    ("stress", "exit_busy_with_7", "exit_busy 7 50 2", 7),
];

/// A C program runs as C, and some as C++ too; a C++ program as that.
fn is_for(compiler: Compiler, program: &str) -> bool {
    let both = program == "smoke" || program == "stress" || program.starts_with("suite/");
    match CXX_PROGRAMS.contains(&program) {
        true => compiler.cxx,
        false => both || !compiler.cxx,
    }
}

fn main() -> ExitCode {
    soak::spin_if_asked();
    let arguments = Arguments::from_args();
    let workspace = workspace();
    let archive = env::var_os("DRIFT_RT_LIB").map(PathBuf::from);
    let archive = workspace.join(archive.unwrap_or("target/archive/libdrift_rt.a".into()));
    let mut trials = header_trials(&workspace);
    if archive.is_file() {
        let compilers = Compiler::present();
        let runs = env::var("DRIFT_SUITE_RUNS").ok().and_then(|runs| runs.parse().ok());
        if let Some(runs) = runs {
            let c11 = compilers.into_iter().find(|compiler| !compiler.cxx);
            let c11 = c11.expect("a C compiler is on the path");
            let built = compile::all(&workspace, &archive, &[(c11, SUITE.to_vec())]);
            return soak::soak(&built, runs, arguments.filter.as_deref());
        }
        // Not each target has a shared library; this machine does.
        let has_shared = archive.with_extension("so").is_file() || !Compiler::is_cross();
        let wanted = |c| {
            let mut programs = programs_for(c);
            programs.retain(|program| has_shared || *program != "unloads");
            (c, programs)
        };
        let wanted: Vec<_> = compilers.into_iter().map(wanted).collect();
        for built in compile::all(&workspace, &archive, &wanted) {
            trials.extend(trials_of(built));
        }
    } else {
        trials.push(Trial::test("archive_is_built", move || {
            Err(Failed::from(format!(
                "no archive at {}: `cargo xtask test` builds it, or name one in DRIFT_RT_LIB",
                archive.display()
            )))
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests is a folder of the workspace").to_path_buf()
}

fn programs_for(compiler: Compiler) -> Vec<&'static str> {
    let mut all = [&PROGRAMS[..], &CXX_PROGRAMS, &SUITE].concat();
    all.extend(WITH_ARGUMENTS.iter().map(|(program, ..)| *program));
    all.dedup();
    all.retain(|program| is_for(compiler, program));
    all
}

/// `drift.h` compiles by itself, in both languages and with every compiler there is.
fn header_trials(workspace: &Path) -> Vec<Trial> {
    let include = workspace.join("ffi/include");
    let trial = |compiler: Compiler| {
        let include = include.clone();
        Trial::test(format!("{}::drift_h_compiles_alone", compiler.name), move || {
            compile::header(compiler, &include).map_err(Failed::from)
        })
    };
    Compiler::present().into_iter().map(trial).collect()
}

/// One trial for its compilation and one for each of its cases.
fn trials_of(built: Built) -> Vec<Trial> {
    let prefix = format!("{}::{}", built.compiler.name, built.program.replace('/', "_"));
    let mut trials = Vec::new();
    let result = built.result.and_then(|path| Ok((cases_of(built.program, &path)?, path)));
    let compiled = result.as_ref().map(|_| ()).map_err(|error| error.clone());
    trials.push(Trial::test(format!("{prefix}::compiles"), || compiled.map_err(Failed::from)));
    for case in result.map(|(cases, _)| cases).unwrap_or_default() {
        let name = format!("{prefix}::{}", case.name);
        trials.push(Trial::test(name, move || run_case(&case).map_err(Failed::from)));
    }
    trials
}

fn cases_of(program: &str, path: &Path) -> Result<Vec<Case>, String> {
    let rows = WITH_ARGUMENTS.iter().filter(|row| row.0 == program);
    let mut cases: Vec<_> =
        rows.map(|(_, name, arguments, code)| Case::new(path, name, arguments, *code)).collect();
    if cases.is_empty() {
        let listed = run::list(path)?;
        cases = listed.lines().map(|name| Case::new(path, name, name, 0)).collect();
    }
    match cases.is_empty() {
        true => Err(format!("{program} lists no cases")),
        false => Ok(cases),
    }
}

/// Passes if one attempt does and none before it did worse than lose a race.
fn run_case(case: &Case) -> Result<(), String> {
    let mut said = String::new();
    for _ in 0..ATTEMPTS {
        match case.run() {
            Outcome::Right => return Ok(()),
            Outcome::Lost(message) | Outcome::Late(message) => said = message,
            other => return Err(other.to_string()),
        }
    }
    Err(format!("lost its race {ATTEMPTS} times of {ATTEMPTS}; the last: {said}"))
}

/// A directory for what this run writes.
fn scratch() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi");
    fs::create_dir_all(&path).expect("the target directory can be written");
    path
}
