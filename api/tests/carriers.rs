//! How many carriers the default executor has: each case in a process of its own, for the
//! environment is read once.

use std::collections::HashSet;
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

#[test]
fn there_is_one_carrier_for_each_cpu() {
    let cpus = thread::available_parallelism().unwrap().to_string();
    succeeds(child("counts").env(EXPECTED, cpus));
}

/// The affinity of the process counts, not the machine.
#[test]
fn there_is_one_carrier_on_one_cpu() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let first = allowed.trim().split([',', '-']).next().unwrap();
    let child = child("counts");
    let mut bound = Command::new("taskset");
    bound.args(["-c", first]).arg(child.get_program()).args(child.get_args());
    succeeds(bound.env_remove("DRIFT_CARRIERS").env(EXPECTED, "1"));
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
