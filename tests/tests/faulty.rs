//! The real platform with faults: what is accepted ends, what is refused says so, nothing hangs.
//!
//! | file         | what                                                                       |
//! |--------------|----------------------------------------------------------------------------|
//! | `mixed.rs`   | everything at once, where every call may be refused                        |
//! | `machine.rs` | a runtime on a platform with faults, which all threads of the test are in  |
//! | `refusal.rs` | what a program sees of a refusal                                           |
//!
//! The scenarios of `scenarios/` run here as well, with the faults that each of them must bear.
//! `DRIFT_MACHINE_SEEDS` says how many seeds; they decide which question is refused, not who asks
//! it.
#![cfg(not(loom))]

#[path = "scenarios/ends.rs"]
mod ends;
#[path = "scenarios/executors.rs"]
mod executors;
#[path = "scenarios/locks.rs"]
mod locks;
#[path = "faulty/machine.rs"]
mod machine;
#[path = "faulty/mixed.rs"]
mod mixed;
#[path = "scenarios/onces.rs"]
mod onces;
#[path = "scenarios/program.rs"]
mod program;
#[path = "faulty/refusal.rs"]
mod refusal;
#[path = "scenarios/waits.rs"]
mod waits;

use drift_sim::Fault;

use machine::{Machine, seeds};

/// Seeds of the mixed program if nothing else is said: some seconds.
const SEEDS: u64 = 30;

#[test]
fn programs_bear_what_a_machine_disturbs() {
    let scenarios = [waits::ALL, ends::ALL, executors::ALL, locks::ALL, onces::ALL].concat();
    for seed in seeds(2) {
        for &(name, run, faults) in &scenarios {
            let policy = drift::ExecutorPolicy::new().min_threads(1 + (seed % 3) as u32);
            Machine::run(name, seed, faults, move || machine::on(policy, run));
        }
    }
}

#[test]
fn what_is_accepted_ends_and_what_is_refused_says_so() {
    let mut struck = [0; Fault::ALL.len()];
    for seed in seeds(SEEDS) {
        let of_one = Machine::run("mixed", seed, mixed::FAULTS, move || mixed::round(seed));
        struck.iter_mut().zip(of_one).for_each(|(all, one)| *all += one);
    }
    println!("{:?}: {struck:?}", Fault::ALL);
    let is_usual = |variable| std::env::var_os(variable).is_none();
    if is_usual("DRIFT_SIM_SEED") && is_usual("DRIFT_MACHINE_SEEDS") {
        for (fault, count) in Fault::ALL.iter().zip(struck) {
            // Short calls are of sockets in memory.
            let happens = count > 0 || *fault == Fault::ShortCall;
            assert!(happens, "{fault:?} never happened");
        }
    }
}
