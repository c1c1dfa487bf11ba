//! Random programs of the C ABI against a reference.
//!
//! | file          | what                                                                      |
//! |---------------|---------------------------------------------------------------------------|
//! | `program.rs`  | what a program is                                                         |
//! | `generate.rs` | one from a seed                                                           |
//! | `act.rs`      | makes its calls                                                           |
//! | `record.rs`   | what was called and answered, in one order                                |
//! | `model.rs`    | the reference: a virtual thread, and what each call does to it            |
//! | `search.rs`   | whether the reference could have done what was recorded                   |
//! | `judge.rs`    | who may wait for ever; the verdict; with `answers.rs` and `places.rs`     |
//! | `run.rs`      | under the simulator, or on the machine                                    |
//! | `shrink.rs`   | makes what fails smaller                                                  |
//!
//! `DRIFT_SIM_SEEDS` is how many programs are run, `DRIFT_SIM_SEED` the one that is;
//! `DRIFT_RANDOM_SECONDS` is how long they run on the machine, `DRIFT_RANDOM_FIRST` from which on.
//!
//! # Unsafe
//! `act.rs`, which has the callbacks.
#![cfg(not(loom))]
#![deny(unsafe_code)]

#[path = "random/act.rs"]
mod act;
#[path = "random/answers.rs"]
mod answers;
#[path = "random/generate.rs"]
mod generate;
#[path = "random/judge.rs"]
mod judge;
#[path = "random/model.rs"]
mod model;
#[path = "random/places.rs"]
mod places;
#[path = "random/program.rs"]
mod program;
#[path = "random/record.rs"]
mod record;
#[path = "random/run.rs"]
mod run;
#[path = "random/search.rs"]
mod search;
#[path = "random/shrink.rs"]
mod shrink;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Seeds that found something once.
const FOUND: [u64; 3] = [398_219, 448_011, 1_022_431];

/// Processes that run programs on the machine at once, and what tells each its first program.
const PROCESSES: u64 = 8;
const FIRST: &str = "DRIFT_RANDOM_FIRST";

/// Worlds in which a smaller program may fail, besides the one that the first did.
const WORLDS: u64 = 12;

#[test]
fn answers_are_those_of_the_reference_in_every_world() {
    let start = Instant::now();
    let (mut programs, mut calls, mut steps) = (0_u32, 0, 0);
    for seed in drift_sim::seeds(300).chain(FOUND) {
        let program = generate::program(seed);
        match run::simulate(&program, seed) {
            Ok(stats) => {
                programs += 1;
                calls += stats.calls;
                steps += stats.steps;
            }
            Err(failure) => report(&program, seed, failure),
        }
    }
    let rate = f64::from(programs) / start.elapsed().as_secs_f64();
    println!("{programs} programs, {calls} calls, {steps} steps, {rate:.0} programs per second");
}

/// Shrinks what has failed, and says how.
fn report(program: &program::Program, seed: u64, failure: String) -> ! {
    println!("seed {seed}: {failure}\n{program}");
    let fails = |program: &program::Program| {
        // Faults stay as they were: they follow from the seed.
        let worlds = std::iter::once(seed).chain((1..WORLDS).map(|more| seed + 4 * more));
        worlds.into_iter().find_map(|world| {
            let failed = run::simulate(program, world).err();
            failed.map(|failure| format!("in world {world}: {failure}"))
        })
    };
    let (smallest, failure) = shrink::shrink(program, failure, fails);
    panic!(
        "seed {seed} shrinks to\n{smallest}\n{failure}\nreplay with \
         DRIFT_SIM_SEED={seed} cargo test -p drift-tests --test random"
    );
}

#[test]
fn answers_are_those_of_the_reference_on_the_machine() {
    match std::env::var(FIRST) {
        Ok(first) => on_the_machine(first.parse().expect("the number of a program")),
        Err(_) => in_processes(),
    }
}

/// Programs mostly wait, and of them a process runs one at a time.
fn in_processes() {
    let start = |number: u64| {
        let mut again = Command::new(std::env::current_exe().expect("the name of this program"));
        again.args(["--exact", "answers_are_those_of_the_reference_on_the_machine", "--nocapture"]);
        again.env(FIRST, (number << 32).to_string());
        again.spawn().expect("a process")
    };
    let children: Vec<Child> = (0..PROCESSES).map(start).collect();
    for mut child in children {
        let status = child.wait().expect("the end of a process");
        assert!(status.success(), "{status}");
    }
}

fn on_the_machine(first: u64) {
    let seconds = std::env::var("DRIFT_RANDOM_SECONDS").ok();
    let seconds = seconds.map_or(1.0, |text| text.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut seed = first;
    while Instant::now() < end {
        let program = generate::program(seed);
        if let Err(failure) = run::real(&program) {
            panic!("program {seed} on the machine: {failure}\n{program}");
        }
        seed += 1;
    }
    println!("{} programs on the machine, from {first} on", seed - first);
}
