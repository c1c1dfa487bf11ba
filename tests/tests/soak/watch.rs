//! The watch over a soak: nothing grows, everybody gets on, no deadline is missed.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use drift::{Executor, ExecutorPolicy};
use drift_core::runtime::Standing;
use drift_sim::Fault;

use crate::jobs::{self, Choices};
use crate::machine;

/// A job that does not end a round in this time is stuck, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sleep that is later than this has missed its deadline. It holds with a load on every CPU that
/// takes turns of some milliseconds.
const MISSED: Duration = Duration::from_secs(2);

/// In less time tables do not find their size, and rare faults may not happen.
const LONG: Duration = Duration::from_secs(60);

/// Nanoseconds that sleeps were late.
#[derive(Default)]
pub struct Lateness {
    sleeps: AtomicU64,
    sum: AtomicU64,
    worst: AtomicU64,
}

impl Lateness {
    /// A sleep of `span` took `time`.
    pub fn slept(&self, time: Duration, span: Duration) {
        assert!(time >= span, "early: {time:?} of {span:?}");
        let late = (time - span).as_nanos() as u64;
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(late, Ordering::Relaxed);
        self.worst.fetch_max(late, Ordering::Relaxed);
        assert!(time - span < MISSED, "missed: {time:?} for a sleep of {span:?}");
    }
}

/// What jobs tell.
#[derive(Default)]
pub struct Watch {
    late: Arc<Lateness>,
}

impl Watch {
    pub fn lateness(&self) -> Arc<Lateness> {
        self.late.clone()
    }
}

/// What the process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Belongings {
    threads: u64,
    descriptors: usize,
    /// Resident memory, in KiB.
    memory: u64,
}

impl Belongings {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
        };
        Self {
            threads: field("Threads:"),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            memory: field("VmRSS:"),
        }
    }
}

/// What came of it.
pub struct Report {
    time: Duration,
    rounds: Vec<(&'static str, u64)>,
    late: Arc<Lateness>,
    before: Belongings,
    /// After a fifth of the time, when every table has its size, and at the end.
    warm: Belongings,
    after: Belongings,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "soaked for {:?}; rounds:", self.time)?;
        for (job, rounds) in &self.rounds {
            writeln!(f, "  {job:<12} {rounds:>8}")?;
        }
        let sleeps = self.late.sleeps.load(Ordering::Relaxed).max(1);
        let mean = Duration::from_nanos(self.late.sum.load(Ordering::Relaxed) / sleeps);
        let worst = Duration::from_nanos(self.late.worst.load(Ordering::Relaxed));
        writeln!(f, "{sleeps} sleeps, none early, {mean:?} late on average, {worst:?} at worst")?;
        writeln!(f, "before: {:?}", self.before)?;
        for machine in machine::machines() {
            writeln!(f, "faults: {:?}", machine.struck())?;
        }
        writeln!(f, "warm:   {:?}", self.warm)?;
        write!(f, "after:  {:?}", self.after)
    }
}

/// Runs every job for `time`, side by side, and checks that all is as before.
pub fn soak(time: Duration) -> Report {
    let [_, refusing] = machine::machines();
    // The default executor stays; it and the runtime belong to what there is before.
    let executor = Executor::new(ExecutorPolicy::new().min_threads(2)).unwrap();
    executor.default_set();
    drift::spawn(|| ()).join().unwrap();
    thread::sleep(Duration::from_millis(300));
    let before = Belongings::now();
    let stop = Arc::new(AtomicBool::new(false));
    let watch = Arc::new(Watch::default());
    let begun = Instant::now();
    let running: Vec<_> = jobs::ALL
        .into_iter()
        .zip(1..)
        .map(|((name, job), seed)| {
            let (stop, watch) = (stop.clone(), watch.clone());
            let rounds = Arc::new(AtomicU64::new(0));
            let done = rounds.clone();
            let one = drift::spawn(move || {
                let mut choices = Choices::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    job(&watch, &mut choices);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
            (name, one, rounds)
        })
        .collect();
    let count = |rounds: &AtomicU64| rounds.load(Ordering::Relaxed);
    let mut progress: Vec<_> = running.iter().map(|_| (0, Instant::now())).collect();
    let mut warm = None;
    while begun.elapsed() < time {
        thread::sleep(Duration::from_millis(200).min(time));
        for ((name, one, rounds), (seen, since)) in running.iter().zip(&mut progress) {
            if one.is_completed() {
                panic!("job `{name}` has ended: {:?}", one.join());
            }
            if count(rounds) != *seen {
                (*seen, *since) = (count(rounds), Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "job `{name}` is stuck in round {seen}");
        }
        if warm.is_none() && begun.elapsed() > time / 5 {
            warm = Some(Belongings::now());
        }
    }
    stop.store(true, Ordering::Relaxed);
    let rounds = running
        .into_iter()
        .map(|(name, one, rounds)| {
            one.join().unwrap_or_else(|error| panic!("job `{name}`: {error}"));
            (name, count(&rounds))
        })
        .collect();
    let after = settle(before);
    let warm = warm.unwrap_or(after);
    if time >= LONG {
        let growth = after.memory as f64 / warm.memory as f64;
        // Tables that found their size late, and the allocator's own; a leak of one record in a
        // hundred rounds would be more after some minutes.
        assert!(growth < 1.25, "memory grows: {warm:?}, then {after:?}");
        // Tables are asked for before anything runs; sockets of worlds alone end a call early.
        let elsewhere = |fault| matches!(fault, Fault::Table | Fault::ShortCall);
        for (fault, count) in refusing.struck().into_iter().filter(|(fault, _)| !elsewhere(*fault))
        {
            assert!(count > 0, "{fault:?} never happened");
        }
    }
    Report { time, rounds, late: watch.late.clone(), before, warm, after }
}

/// Waits until nothing is left but what there was before; carriers of executors that were shut
/// down are gone when that returns, but a thread leaves the process's count a little later.
fn settle(before: Belongings) -> Belongings {
    let patience = Instant::now() + PATIENCE;
    loop {
        let after = Belongings::now();
        let all = || machine::machines().iter().flat_map(|one| one.runtime.virtual_threads());
        let alive = all().filter(|one| one.standing != Standing::Ended).count();
        let kept = all().count();
        let same = (after.threads, after.descriptors) == (before.threads, before.descriptors);
        if same && alive == 0 && kept == 0 {
            return after;
        }
        assert!(
            Instant::now() < patience,
            "left over: {alive} virtual threads, {kept} handles; {before:?}, then {after:?}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}
