//! Runs each case once for each number of carriers, one case at a time.
//!
//! The default executor is the process's, so cases are not run in parallel: before each one it is
//! set to the executor with as many carriers as its name says. A case that does not end is named
//! and ends the process; panics on purpose, which say so, are not printed.

#![allow(dead_code)] // each test uses some of it

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::{panic, thread, time};

use drift::{Executor, ExecutorPolicy, VirtualThread};
use libtest_mimic::{Arguments, Trial};

/// What the message of a panic on purpose contains.
pub const PURPOSE: &str = "on purpose";

/// A name and what it runs.
pub type Case = (&'static str, fn());

/// Longest time of a case, in seconds.
const PATIENCE: u64 = 120;

static CARRIERS: AtomicU32 = AtomicU32::new(1);
static MIGRATES: AtomicBool = AtomicBool::new(false);
/// Goes up with every case.
static ROUND: AtomicU64 = AtomicU64::new(0);
static RUNNING: Mutex<String> = Mutex::new(String::new());

/// Names become cases.
#[macro_export]
macro_rules! cases {
    ($($name:path),* $(,)?) => {
        &[$((stringify!($name), $name as fn())),*]
    };
}

/// How many carriers the default executor has now.
pub fn carriers() -> u32 {
    CARRIERS.load(Ordering::Relaxed)
}

/// Whether virtual threads of the default executor migrate.
pub fn migrates() -> bool {
    MIGRATES.load(Ordering::Relaxed)
}

/// What the two above say from now on.
pub fn set(carriers: u32, migrates: bool) {
    CARRIERS.store(carriers, Ordering::Relaxed);
    MIGRATES.store(migrates, Ordering::Relaxed);
}

/// As many carriers as the case asks for, all of which stay; virtual threads migrate if it says.
#[allow(unsafe_code)]
pub fn policy() -> ExecutorPolicy {
    let policy = ExecutorPolicy::new().min_threads(carriers());
    match migrates() {
        // SAFETY: no case keeps anything of its OS thread across a call that may park.
        true => unsafe { policy.migrating() },
        false => policy,
    }
}

/// Makes `executor` the default one, whether or not virtual threads migrate there.
#[allow(unsafe_code)]
pub fn prefer(executor: Executor) {
    // SAFETY: as in `policy`.
    unsafe { executor.default_set_migrating() };
}

/// The main function of a test: each case on so many carriers, and on the last number again with
/// virtual threads that migrate.
pub fn main<F>(counts: &[u32], cases: &[(&'static str, F)]) -> ExitCode
where
    F: Fn() + Copy + Send + 'static,
{
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    hush();
    let stays = counts.iter().map(|count| (*count, false));
    let worlds = stays.chain(counts.last().map(|count| (*count, true)));
    let trials = worlds.flat_map(|(count, migrates)| {
        let executor = std::sync::OnceLock::new();
        let executor = Arc::new(executor);
        cases.iter().map(move |(name, run)| {
            let (executor, run) = (executor.clone(), *run);
            let how = if migrates { "_migrating" } else { "" };
            let name = format!("on_{count}{how}::{}", name.replace(' ', ""));
            Trial::test(name.clone(), move || {
                set(count, migrates);
                prefer(*executor.get_or_init(|| Executor::new(policy()).unwrap()));
                watch(&name);
                run();
                Ok(())
            })
        })
    });
    let trials: Vec<_> = trials.collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    ROUND.fetch_add(1, Ordering::Relaxed);
    conclusion.exit_code()
}

/// Names the case that runs from now on.
fn watch(name: &str) {
    name.clone_into(&mut RUNNING.lock().unwrap());
    let round = ROUND.fetch_add(1, Ordering::Relaxed) + 1;
    thread::spawn(move || {
        for _ in 0..PATIENCE {
            thread::sleep(time::Duration::from_secs(1));
            if ROUND.load(Ordering::Relaxed) != round {
                return;
            }
        }
        eprintln!("{} does not end", RUNNING.lock().unwrap());
        std::process::exit(101);
    });
}

fn hush() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| info.payload().downcast_ref::<String>().cloned());
        let said = text.is_some_and(|message| message.contains(PURPOSE));
        if !said && !info.payload().is::<Bomb>() {
            before(info);
        }
    }));
}

/// Every carrier of an executor, kept from running anything until this is dropped.
pub struct Occupied {
    gates: Vec<mpsc::Sender<()>>,
    threads: Vec<VirtualThread<()>>,
}

impl Occupied {
    /// All of the default executor's.
    pub fn default() -> Self {
        Self::of(&Executor::default_get(), carriers())
    }

    /// All of `executor`'s, which are so many.
    pub fn of(executor: &Executor, carriers: u32) -> Self {
        let all = Arc::new(Barrier::new(carriers as usize + 1));
        let mut occupied = Self { gates: Vec::new(), threads: Vec::new() };
        for _ in 0..carriers {
            let (gate, waits) = mpsc::channel::<()>();
            let all = all.clone();
            let thread = drift::spawn_on(executor, move || {
                all.wait();
                let _ = waits.recv();
            });
            occupied.gates.push(gate);
            occupied.threads.push(thread.unwrap());
        }
        all.wait();
        occupied
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.gates.clear();
        for thread in &self.threads {
            thread.join().unwrap();
        }
    }
}

/// How many there are, and how many there were.
#[derive(Clone, Default)]
pub struct Tally(Arc<(AtomicU64, AtomicU64)>);

impl Tally {
    /// One more.
    pub fn one(&self) -> Counted {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    pub fn made(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    /// Waits until all are gone; the harness has an eye on the time.
    pub fn settle(&self) {
        while self.dropped() < self.made() {
            drift::sleep(drift::Duration::from_millis(1)).unwrap();
        }
        assert_eq!(self.dropped(), self.made(), "dropped twice");
    }
}

/// One of a tally.
pub struct Counted(Tally);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// Panics when it is dropped.
pub struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("a bomb, {PURPOSE}");
        }
    }
}

/// Calls what it has when it is dropped.
pub struct OnDrop<F: FnOnce()>(pub Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0.take().unwrap())();
    }
}

/// Calls `f` while the caller unwinds.
pub fn unwinding(f: impl FnOnce()) {
    let thrown = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let _calls = OnDrop(Some(f));
        panic!("{PURPOSE}");
    }));
    assert!(thrown.is_err() && !thread::panicking());
}
