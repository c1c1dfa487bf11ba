//! What worlds cost a process: address space that comes back, and what a failed one keeps.
#![allow(missing_docs)]

use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fs, thread};

use drift::sync::channel;
use drift_sim::{Reason, Sim};

/// One test at a time: the process is its own.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// MiB of address space.
fn mapped() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

fn fail(seed: u64) {
    let failure = Sim::new(seed).try_run(|| panic!("on purpose")).map(|run| run.value);
    let failure: Result<(), _> = failure;
    assert!(matches!(failure.unwrap_err().reason, Reason::Panic(_)));
}

#[test]
fn os_threads_that_end_hand_their_memory_on() {
    let _alone = alone();
    let play = || thread::spawn(|| Sim::new(1).run(drift::yield_now)).join().unwrap();
    play();
    let before = mapped();
    (0..20).for_each(|_| play());
    let grown = mapped() - before;
    assert!(grown < 8 << 10, "{grown} MiB more, for 20 threads, one after another");
}

/// It keeps the tables that it had, and not what they were cut from.
#[test]
fn a_failed_world_keeps_little_address_space() {
    let _alone = alone();
    fail(0);
    let before = mapped();
    (1..=20).for_each(fail);
    let grown = mapped() - before;
    assert!(grown < 20 * 64, "{grown} MiB more, for 20 worlds");
}

#[test]
fn a_full_process_says_what_filled_it() {
    const FULL: &str = "DRIFT_SIM_TEST_FULL";
    let _alone = alone();
    if env::var_os(FULL).is_some() {
        (0..10_000).for_each(fail);
        return;
    }
    // 32 GiB.
    let mut other = Command::new("sh");
    other.args(["-c", "ulimit -v 33554432; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    other.args(["--exact", "a_full_process_says_what_filled_it", "--nocapture"]).env(FULL, "1");
    let output = other.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("no room for tables"), "{text}");
    assert!(text.contains("run the seeds in several processes"), "{text}");
}

/// Why it keeps them: who waits is linked into what the caller still has.
#[test]
fn what_a_failed_world_waited_for_can_still_be_used() {
    let _alone = alone();
    for seed in 0..20 {
        let (to, from) = channel::bounded::<u32>(1);
        let lock = Arc::new(drift::sync::Mutex::new(0));
        let failure = Sim::new(seed).try_run(|| {
            let (other, theirs) = (from.clone(), lock.clone());
            drop(drift::spawn(move || other.recv()));
            drop(drift::spawn(move || *theirs.lock().unwrap() += 1));
            let _held = lock.lock().unwrap();
            drift::sleep(drift::Duration::from_millis(1)).unwrap();
            from.recv()
        });
        assert!(matches!(failure.map(|run| run.value).unwrap_err().reason, Reason::Deadlock));
        // The next one has stacks of its own.
        Sim::new(seed).run(|| drop(drift::spawn(drift::yield_now)));
        drop(to);
        drop(from);
    }
}
