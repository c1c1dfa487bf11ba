//! `core`'s data structures under Miri: undefined behaviour, races, weak memory.
//!
//! On this machine's target, and on two that are not here: one with weaker memory, one with the
//! other order of bytes.

use anyhow::Result;

use crate::step::{Steps, command};

const HERE: &str = "x86_64-unknown-linux-gnu";
const WEAKER: &str = "aarch64-unknown-linux-gnu";
const BIG_ENDIAN: &str = "s390x-unknown-linux-gnu";

/// Everything that has no threads.
const STRUCTURES: [&str; 8] = [
    "error::",
    "link::",
    "reactor::",
    "sched::injector::",
    "sched::run_queue::",
    "sched::stage::",
    "task::",
    "timer::",
];

/// With threads, and small: what another seed may make different.
const THREADS: [&str; 7] = [
    "with_thieves_every_task_is_taken_exactly_once",
    "with_threads_every_node_is_taken_exactly_once",
    "a_mutex_excludes_many_threads",
    "every_value_of_many_senders_arrives_once",
    "once_is_done_once_and_a_failure_is_seen",
    "one_release_serves_a_crowd",
    "a_slow_wake_leaves_later_epochs_alone",
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
    under_miri(steps, WEAKER, 1, &STRUCTURES)?;
    under_miri(steps, BIG_ENDIAN, 1, &STRUCTURES)
}

/// Everything on every target, and many seeds.
///
/// # Errors
/// As [`run`].
pub fn nightly(steps: &mut Steps) -> Result<()> {
    for target in [HERE, WEAKER, BIG_ENDIAN] {
        under_miri(steps, target, 1, &[])?;
        under_miri(steps, target, 16 * SEEDS, &THREADS)?;
    }
    Ok(())
}

fn under_miri(steps: &mut Steps, target: &str, seeds: u32, tests: &[&str]) -> Result<()> {
    let mut miri = command("cargo", &["+nightly", "miri", "test", "-p", "drift-core", "--lib"]);
    miri.arg("--target").arg(target).arg("--target-dir").arg(crate::target().join("miri"));
    miri.arg("--").args(tests);
    // Addresses are packed with marks into words; records live for as long as the process.
    let flags = "-Zmiri-permissive-provenance -Zmiri-ignore-leaks";
    miri.env(
        "MIRIFLAGS",
        match seeds {
            1 => flags.to_owned(),
            seeds => format!("{flags} -Zmiri-many-seeds=0..{seeds}"),
        },
    );
    steps.run(&format!("miri {target}, {seeds} seeds"), &mut miri)
}
