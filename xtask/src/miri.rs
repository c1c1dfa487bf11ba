//! Undefined behaviour, races and weak memory, as Miri sees them.
//!
//! | package       | what                                            | for                       |
//! |---------------|-------------------------------------------------|---------------------------|
//! | `drift-core`  | its data structures, with threads and without   | this machine, and two that|
//! |               |                                                 | are not here: another     |
//! |               |                                                 | instruction set, and the  |
//! |               |                                                 | other order of bytes      |
//! | `drift`       | blocks of channels, destructors                 | this machine              |
//! | `drift-tests` | `interpreted.rs`: whole programs of both faces, | this machine; nightly the |
//! |               | in worlds. `drift-asm` and `drift-sim` have     | other order of bytes too  |
//! |               | stand-ins for the switch and for mapped memory. |                           |

use std::process::Command;

use anyhow::Result;

use crate::step::{Steps, command};

const HERE: &str = "x86_64-unknown-linux-gnu";
const OTHER: &str = "aarch64-unknown-linux-gnu";
const BIG_ENDIAN: &str = "s390x-unknown-linux-gnu";

/// Everything that has no threads.
const STRUCTURES: [&str; 8] =
    ["error::", "link::", "queues::", "sched::stage::", "source::", "state::", "task::", "wait::"];

/// With threads, and small: what another seed may make different.
const THREADS: [&str; 7] = [
    "with_thieves_every_task_is_taken_exactly_once",
    "with_threads_every_node_is_taken_exactly_once",
    "a_mutex_excludes_many_threads",
    "every_value_of_many_senders_arrives_once",
    "once_is_done_once_and_a_failure_is_seen",
    "one_release_serves_a_crowd",
    "a_slow_wake_leaves_those_alone_who_come_later",
];

/// Seeds of the threads' schedule in CI.
const SEEDS: u32 = 4;

/// The lane.
///
/// # Errors
/// The first step that fails.
pub fn run(steps: &mut Steps) -> Result<()> {
    under_miri(steps, HERE, 1, &[])?;
    under_miri(steps, HERE, SEEDS, &THREADS)?;
    under_miri(steps, OTHER, 1, &STRUCTURES)?;
    under_miri(steps, BIG_ENDIAN, 1, &STRUCTURES)?;
    faces(steps, HERE, 1)
}

/// Everything on every target, and many seeds.
///
/// # Errors
/// As [`run`].
pub fn nightly(steps: &mut Steps) -> Result<()> {
    for target in [HERE, OTHER, BIG_ENDIAN] {
        under_miri(steps, target, 1, &[])?;
        under_miri(steps, target, 16 * SEEDS, &THREADS)?;
    }
    faces(steps, HERE, 16)?;
    faces(steps, BIG_ENDIAN, 1)
}

/// Addresses are packed with marks into words; records live for as long as the process, and so do
/// the threads that contexts are.
const FLAGS: &str = "-Zmiri-permissive-provenance -Zmiri-ignore-leaks";

fn miri(target: &str, what: &[&str]) -> Command {
    let mut miri = command("cargo", &["+nightly", "miri", "test"]);
    miri.args(what).arg("--target").arg(target);
    miri.arg("--target-dir").arg(crate::target().join("miri")).arg("--");
    miri
}

fn under_miri(steps: &mut Steps, target: &str, seeds: u32, tests: &[&str]) -> Result<()> {
    let mut miri = miri(target, &["-p", "drift-core", "--lib"]);
    miri.args(tests);
    miri.env(
        "MIRIFLAGS",
        match seeds {
            1 => FLAGS.to_owned(),
            seeds => format!("{FLAGS} -Zmiri-many-seeds=0..{seeds}"),
        },
    );
    steps.run(&format!("miri {target}, {seeds} seeds"), &mut miri)
}

/// What needs no runtime of `drift`, and the programs, each in so many worlds.
fn faces(steps: &mut Steps, target: &str, worlds: u32) -> Result<()> {
    let mut units = miri(target, &["-p", "drift", "--lib"]);
    units.args(["drops::", "segments::"]).env("MIRIFLAGS", FLAGS);
    steps.run(&format!("miri {target}, units of drift"), &mut units)?;
    let mut programs = miri(target, &["-p", "drift-tests", "--test", "interpreted"]);
    // One world at a time; how many is told by the environment.
    programs.arg("--test-threads=1").env("DRIFT_SIM_SEEDS", worlds.to_string());
    programs.env("MIRIFLAGS", format!("{FLAGS} -Zmiri-env-forward=DRIFT_SIM_SEEDS"));
    steps.run(&format!("miri {target}, programs in {worlds} worlds"), &mut programs)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_filter_names_a_module_with_tests() {
        for filter in STRUCTURES {
            let module =
                Path::new("../core/src").join(filter.trim_end_matches("::").replace("::", "/"));
            let is_there = module.is_dir() || module.with_extension("rs").is_file();
            assert!(is_there, "{filter} is in no file of core");
        }
    }
}
