//! How many carriers the default executor has: each case in a process of its own, for the
//! environment is read once.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Barrier, Mutex};
use std::{env, fs, thread};

use drift::{ConcurrencyError, Error, ExecutorPolicy, spawn};

/// How many carriers the child expects.
const EXPECTED: &str = "EXPECTED_CARRIERS";

/// This test program again, for the test `name` alone.
fn child(name: &str) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    without_environment(child)
}

/// `child` without what this process's environment says of carriers.
fn without_environment(mut child: Command) -> Command {
    child.env_remove("DRIFT_CARRIERS").env_remove("DRIFT_WATCH").env("RUST_BACKTRACE", "0");
    child
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[track_caller]
fn succeeds(child: &mut Command) {
    let output = child.output().unwrap();
    assert!(output.status.success(), "{child:?}\n{}", text(&output));
}

/// As many carriers as there are said to be, and no more.
fn count() {
    let expected: usize = env::var(EXPECTED).unwrap().parse().unwrap();
    // Each keeps its carrier until all are there: with fewer carriers this does not end.
    let all = Arc::new(Barrier::new(expected));
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let start = |meets: bool| {
        let (all, threads) = (all.clone(), threads.clone());
        spawn(move || {
            if meets {
                all.wait();
            }
            thread::sleep(std::time::Duration::from_millis(1));
            threads.lock().unwrap().insert(fs::read_link("/proc/thread-self").unwrap());
        })
    };
    let started: Vec<_> = (0..40 * expected).map(|n| start(n < expected)).collect();
    started.iter().for_each(|one| one.join().unwrap());
    assert_eq!(threads.lock().unwrap().len(), expected);
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn counts() {
    drift::run(count);
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn counts_two_by_attribute() {
    #[drift::main(carriers = 1 + 1)]
    fn main() {
        count();
    }
    main();
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn counts_three_by_policy() {
    drift::run_with(ExecutorPolicy::new().min_threads(3), count);
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn runs() {
    drift::run(|| ());
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn is_refused() {
    let refused = spawn(|| ()).join().unwrap_err();
    let ConcurrencyError::Failed(Error::Variable { name, value, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!((*name, value), ("DRIFT_CARRIERS", &env::var("DRIFT_CARRIERS").unwrap()));
}

/// The CPUs that this process may run on, as the kernel writes them.
fn allowed() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    allowed.unwrap().trim().to_owned()
}

/// How many of them there are.
fn allowed_count() -> usize {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
    };
    allowed().split(',').map(range).sum()
}

/// `child` on these CPUs only.
fn on_cpus(child: &Command, cpus: &str) -> Command {
    let mut bound = Command::new("taskset");
    bound.args(["-c", cpus]).arg(child.get_program()).args(child.get_args());
    without_environment(bound)
}

/// `child` in a cgroup of either version whose CPU time in each 100 ms is so much. A folder in
/// place of the kernel's says so, in a mount namespace; none where that is not allowed.
fn within_quota(child: &Command, quota: &str) -> Option<Command> {
    const BIND: &str = r#"mount --bind "$0" /sys/fs/cgroup && exec "$@""#;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cgroup-{quota}"));
    let unlimited = if quota == "max" { "-1" } else { quota };
    for (version, file, text) in [
        ("", "cgroup.controllers", "cpu"),
        ("", "cpu.max", &format!("{quota} 100000")),
        ("cpu", "cpu.cfs_quota_us", unlimited),
        ("cpu", "cpu.cfs_period_us", "100000"),
    ] {
        fs::create_dir_all(folder.join(version)).unwrap();
        fs::write(folder.join(version).join(file), format!("{text}\n")).unwrap();
    }
    let in_folder = || {
        // The cgroup namespace makes the process's own group the root of all.
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "--cgroup", "sh", "-c", BIND]).arg(&folder);
        unshare
    };
    if !in_folder().arg("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("left out: this process may not have a mount namespace of its own");
        return None;
    }
    let mut within = in_folder();
    within.arg(child.get_program()).args(child.get_args());
    Some(without_environment(within))
}

#[test]
fn there_is_one_carrier_for_each_cpu() {
    let mut child = child("counts");
    match within_quota(&child, "max") {
        Some(mut child) => succeeds(child.env(EXPECTED, allowed_count().to_string())),
        None => succeeds(child.env(EXPECTED, by_std().to_string())),
    }
}

/// What std finds, quota included.
fn by_std() -> usize {
    thread::available_parallelism().unwrap().get()
}

/// The affinity of the process counts, not the machine.
#[test]
fn there_is_one_carrier_on_one_cpu() {
    let allowed = allowed();
    let first = allowed.split([',', '-']).next().unwrap();
    succeeds(on_cpus(&child("counts"), first).env(EXPECTED, "1"));
}

/// The quota of the cgroup counts, in whole CPUs, but never less than one nor more than there are.
#[test]
fn there_are_as_many_carriers_as_the_quota_has_cpus() {
    for (quota, cpus) in [("30000", 1), ("100000", 1), ("190000", 1), ("200000", 2), ("900000", 9)]
    {
        let Some(mut child) = within_quota(&child("counts"), quota) else { return };
        succeeds(child.env(EXPECTED, cpus.min(allowed_count()).to_string()));
    }
}

#[test]
fn the_environment_says_how_many() {
    for carriers in ["1", "2", "4", " 3 "] {
        succeeds(child("counts").env("DRIFT_CARRIERS", carriers).env(EXPECTED, carriers.trim()));
    }
}

#[test]
fn a_policy_or_attribute_says_how_many_whatever_the_environment_says() {
    for environment in ["1", "many"] {
        let two = &mut child("counts_two_by_attribute");
        succeeds(two.env("DRIFT_CARRIERS", environment).env(EXPECTED, "2"));
        let three = &mut child("counts_three_by_policy");
        succeeds(three.env("DRIFT_CARRIERS", environment).env(EXPECTED, "3"));
    }
}

#[test]
fn nonsense_in_the_environment_is_an_error_that_says_how_to_go_on() {
    for value in ["0", "", "-1", "many", "2.5", "1024", "99999999999999999999"] {
        let output = child("runs").env("DRIFT_CARRIERS", value).output().unwrap();
        let text = text(&output);
        assert!(!output.status.success(), "{value:?}: {text}");
        let said = format!("the environment's DRIFT_CARRIERS is {value:?}, and must be a number");
        assert!(text.contains(&said) && text.contains("unset it"), "{value:?}: {text}");
        succeeds(child("is_refused").env("DRIFT_CARRIERS", value));
    }
}
