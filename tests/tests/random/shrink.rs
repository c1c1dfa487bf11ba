//! Makes a program that fails smaller, as long as it still does.

use std::time::{Duration, Instant};

use crate::program::{Exec, Op, Program};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The smallest program that was found, and how it fails.
pub fn shrink(
    program: &Program,
    failure: String,
    fails: impl Fn(&Program) -> Option<String>,
) -> (Program, String) {
    let end = Instant::now() + PATIENCE;
    let mut best = (program.clone(), failure);
    loop {
        let before = best.0.clone();
        for smaller in candidates(&before) {
            if Instant::now() > end {
                return best;
            }
            if weight(&smaller) < weight(&best.0)
                && let Some(failure) = fails(&smaller)
            {
                best = (smaller, failure);
                break;
            }
        }
        if best.0 == before {
            return best;
        }
    }
}

fn weight(program: &Program) -> usize {
    let parts = program.threads.len() + program.execs.len() + program.carriers as usize;
    program.size() * 4 + parts
}

/// Programs with a little less in them; the boldest first.
fn candidates(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Program)| {
        let mut copy = program.clone();
        change(&mut copy);
        all.push(copy);
    };
    for number in 0..program.threads.len() {
        with(&|copy| drop(copy.threads.remove(number)));
    }
    let lengths: Vec<usize> = program.clone().lists().map(|ops| ops.len()).collect();
    for (list, length) in lengths.iter().copied().enumerate() {
        let mut part = length;
        while part > 0 {
            for from in (0..length).step_by(part) {
                with(&|copy| {
                    let ops = copy.lists().nth(list).expect("so many were counted");
                    ops.drain(from..(from + part).min(length));
                });
            }
            part /= 2;
        }
    }
    with(&|copy| copy.carriers = 1);
    with(&without_executors);
    all
}

fn without_executors(program: &mut Program) {
    program.execs.clear();
    for op in program.lists().flatten() {
        match op {
            Op::Submit(exec, _) | Op::DefaultSet(exec) => *exec = Exec::Default,
            Op::Shutdown(..) => *op = Op::Yield,
            _ => {}
        }
    }
}
