//! `DRIFT_WATCH`: who keeps a carrier for long is named on standard error, through both faces. Each
//! case runs in a process of its own.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a callback's object is null, and its functions ignore it.
#![cfg(not(loom))]
#![allow(unsafe_code)]

use std::env;
use std::ffi::c_void;
use std::process::Command;
use std::time::{Duration, Instant};

use drift::{Builder, ExecutorPolicy, sleep, spawn};
use drift_abi::exec::{drift_exec_create, drift_exec_submit};
use drift_abi::thread::{DriftIface, drift_thread_join, drift_thread_spawn, drift_vtable};

/// Computes for so long.
fn compute(millis: u64) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(millis) {
        std::hint::spin_loop();
    }
}

/// The case `name`, with that variable; what it wrote on standard error, and on standard output.
fn run(name: &str, watch: Option<&str>) -> (String, String) {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    child.env_remove("DRIFT_WATCH").envs(watch.map(|watch| ("DRIFT_WATCH", watch)));
    let output = child.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, said) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{told}\n{said}");
    (told, said)
}

/// The lines about somebody who keeps a carrier.
fn lines(told: &str) -> Vec<&str> {
    told.lines().filter(|line| line.contains("without a pause")).collect()
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn two_compute() {
    let carriers = env::var("CARRIERS").map_or(1, |carriers| carriers.parse().unwrap());
    drift::run_with(ExecutorPolicy::new().min_threads(carriers), || {
        for name in ["first \"one\"", "second"] {
            let one = Builder::new().name(name).spawn(|| compute(1000));
            println!("handle {:#x}", one.thread().id());
            one.join().unwrap();
            sleep(Duration::from_millis(1)).unwrap();
        }
    });
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn one_of_c_computes() {
    unsafe extern "C" fn call(_: *mut c_void) {
        compute(1000);
    }
    static FUNCTIONS: drift_vtable = drift_vtable { drop: None, call: Some(call) };
    let callback = DriftIface {
        data: std::ptr::null_mut(),
        vtable: &raw const FUNCTIONS,
        inline_storage: [0; 4],
        flags: 0,
    };
    // SAFETY: a callback, whose object is null.
    let vt = unsafe { drift_thread_spawn(&raw const callback, 0) };
    let executor = drift_exec_create(2, 2, 0, 0, 0);
    println!("handle {vt:#x} executor {executor:#x}");
    assert_eq!(drift_exec_submit(executor, vt), 0);
    drift_thread_join(vt);
}

#[test]
#[ignore = "run by the others, in a process of its own"]
fn many_take_turns() {
    drift::run(|| {
        let take_turns = || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1000) {
                drift::yield_now();
            }
            sleep(Duration::from_millis(500)).unwrap();
        };
        let threads: Vec<_> = (0..8).map(|_| spawn(take_turns)).collect();
        threads.iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn each_that_keeps_a_carrier_is_named_once() {
    for carriers in ["1", "2", "4"] {
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "two_compute", "--ignored", "--nocapture", "--test-threads=1"]);
        let output = child.env("DRIFT_WATCH", "50").env("CARRIERS", carriers).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        let lines = lines(&told);
        assert_eq!(lines.len(), 2, "on {carriers}: {told}\n{said}");
        let handles = said.lines().filter_map(|line| line.rsplit_once("handle ").map(|(_, h)| h));
        for ((line, handle), name) in lines.iter().zip(handles).zip(["first \"one\"", "second"]) {
            let named = format!("drift: virtual thread {handle} \"{name}\" has run for ");
            assert!(line.starts_with(&named), "{line}\n{named}");
            assert!(line.contains("keeps carrier ") && line.contains(" of executor 0x"), "{line}");
            assert!(line.ends_with("(DRIFT_WATCH=50)"), "{line}");
        }
    }
}

#[test]
fn one_of_c_is_named_with_its_executor() {
    let (told, said) = run("one_of_c_computes", Some("50"));
    let lines = lines(&told);
    assert_eq!(lines.len(), 1, "{told}");
    let words = said.lines().find_map(|line| line.split_once("handle ")).unwrap().1;
    let (handle, executor) = words.split_once(" executor ").unwrap();
    assert!(lines[0].contains(&format!("virtual thread {handle} has run")), "{told}\n{said}");
    assert!(lines[0].contains(&format!("of executor {executor} ")), "{told}\n{said}");
}

#[test]
fn nobody_is_named_who_takes_turns_or_sleeps() {
    // Wide, because a machine may stop a whole carrier for a while.
    let (told, _) = run("many_take_turns", Some("900"));
    assert!(lines(&told).is_empty(), "{told}");
}

#[test]
fn nobody_watches_unless_the_environment_says_so() {
    let (told, _) = run("one_of_c_computes", None);
    assert!(!told.contains("drift:"), "{told}");
}

#[test]
fn nonsense_is_told_and_nothing_is_watched() {
    for value in ["", "0", "-5", "soon", "86400001"] {
        let (told, _) = run("one_of_c_computes", Some(value));
        let said = format!("drift: DRIFT_WATCH is {value:?}, and must be a number of milliseconds");
        assert!(told.contains(&said) && lines(&told).is_empty(), "{told}");
    }
}
