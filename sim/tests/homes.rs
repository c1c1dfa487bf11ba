//! Which carrier becomes the home of a virtual thread that stays: homes are even, one that computes
//! holds up its own only, and short ones wake nobody.
//!
//! Where a program needs an arrangement of homes, it goes on until it has that, whatever the seed;
//! and that a start was late is told from the log: some carrier slept meanwhile.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use drift::sync::unbounded;
use drift::{Duration, Instant, VirtualThread, park, sleep, spawn, yield_now};
use drift_core::prim::AtomicU32 as Word;
use drift_core::time::MILLISECOND;
use drift_pal::process;
use drift_sim::{Entry, Log, Sim, What, Who, note, seeds, who};

/// How often a carrier on the lookout looks around.
const TICK: u64 = 10 * MILLISECOND;

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis)
}

/// A world of 2, 3 or 4 carriers, whose virtual threads stay where they have started.
fn world(seed: u64) -> (Sim, u32) {
    let carriers = 2 + (seed % 3) as u32;
    (Sim::new(seed).carriers(carriers).migrating(false), carriers)
}

/// Keeps its carrier for so long.
fn compute(nanos: u64) {
    let platform = process::runtime().unwrap().platform();
    let until = platform.now() + nanos;
    while platform.now() < until {
        platform.thread_wait(&Word::new(0), 0, Some(until));
    }
}

/// Keeps its carrier until `is_over`.
fn compute_until(is_over: impl Fn() -> bool) {
    while !is_over() {
        compute(MILLISECOND / 20);
    }
}

/// The carrier that runs the caller.
fn here() -> usize {
    match who() {
        Some(Who::Carrier(id)) => id.into(),
        other => panic!("{other:?} runs no virtual thread"),
    }
}

/// How many connections have started on each carrier. Carrier 0 is the default executor of C.
#[derive(Clone, Default)]
struct Homes(Arc<[AtomicU32; 5]>);

impl Homes {
    fn connection(&self) -> VirtualThread<()> {
        let homes = self.clone();
        spawn(move || {
            homes.0[here()].fetch_add(1, Ordering::SeqCst);
            park().unwrap();
        })
    }

    fn at(&self, carrier: usize) -> u32 {
        self.0[carrier].load(Ordering::SeqCst)
    }

    fn of_rust(&self, carriers: u32) -> Vec<u32> {
        (1..=carriers as usize).map(|carrier| self.at(carrier)).collect()
    }

    /// Starts connections until `count` of them are at home here. All other carriers compute.
    fn crowd(&self, count: u32) -> Vec<VirtualThread<()>> {
        let mut connections = Vec::new();
        while self.at(here()) < count {
            assert!(connections.len() < 1_000, "all others compute, and start what comes");
            connections.push(self.connection());
            yield_now();
        }
        connections
    }
}

/// `count` carriers but this compute from now on, until it is over.
fn computing(count: u32, over: &Arc<AtomicBool>) -> Vec<VirtualThread<()>> {
    let begun = Arc::new(AtomicU32::new(0));
    let computes = |_| {
        let (begun, over) = (begun.clone(), over.clone());
        spawn(move || {
            begun.fetch_add(1, Ordering::SeqCst);
            compute_until(|| over.load(Ordering::SeqCst));
        })
    };
    let threads = (0..count).map(computes).collect();
    // This carrier is kept meanwhile, so each of them has another.
    compute_until(|| begun.load(Ordering::SeqCst) == count);
    threads
}

fn end(threads: &[VirtualThread<()>]) {
    threads.iter().for_each(|thread| thread.thread().unpark());
    threads.iter().for_each(|thread| thread.join().unwrap());
}

/// As an accept loop: one more each time that something comes.
#[test]
fn connections_are_spread_over_the_carriers() {
    for seed in seeds(100) {
        let (sim, carriers) = world(seed);
        let accepts = || {
            let homes = Homes::default();
            let threads: Vec<_> = (0..60)
                .map(|_| {
                    sleep(ms(1)).unwrap();
                    homes.connection()
                })
                .collect();
            sleep(ms(50)).unwrap();
            end(&threads);
            homes
        };
        let run = sim.try_run(accepts).unwrap_or_else(|failure| panic!("{failure}"));
        let counts = run.value.of_rust(carriers);
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 12, "{counts:?}; replay with DRIFT_SIM_SEED={seed}");
    }
}

/// Sleepers are spawned until two carriers have some, and then one that computes for longer than
/// they sleep.
#[test]
fn one_that_computes_holds_up_its_own_only() {
    for seed in seeds(100) {
        let (sim, _) = world(seed);
        let run = sim.try_run(|| {
            let (homes, over) = (Homes::default(), Arc::new(AtomicBool::new(false)));
            let sleeps = || {
                let (homes, over) = (homes.clone(), over.clone());
                spawn(move || {
                    let (home, mut worst) = (here(), 0);
                    homes.0[home].fetch_add(1, Ordering::SeqCst);
                    while !over.load(Ordering::SeqCst) {
                        let begun = Instant::now();
                        sleep(ms(25)).unwrap();
                        worst = worst.max(begun.elapsed().as_millis());
                    }
                    (home, worst)
                })
            };
            let mut sleepers = Vec::new();
            let have_some = || (1..5).filter(|carrier| homes.at(*carrier) >= 4).count();
            while have_some() < 2 {
                assert!(sleepers.len() < 200, "all are at home in one place");
                sleepers.push(sleeps());
                sleep(ms(1)).unwrap();
            }
            let computes = || {
                compute(200 * MILLISECOND);
                here()
            };
            let busy = spawn(computes).join().unwrap();
            over.store(true, Ordering::SeqCst);
            let ends = |sleeper: VirtualThread<_>| sleeper.join().unwrap();
            (busy, sleepers.into_iter().map(ends).collect::<Vec<(usize, u128)>>())
        });
        let (busy, sleepers) = run.unwrap_or_else(|failure| panic!("{failure}")).value;
        let late = |(home, worst): &&(usize, u128)| *home != busy && *worst > 100;
        let late: Vec<_> = sleepers.iter().filter(late).collect();
        assert!(late.is_empty(), "{late:?} beside {busy}; replay with DRIFT_SIM_SEED={seed}");
    }
}

/// How long each carrier has slept.
#[derive(Clone)]
struct Slept {
    total: Vec<u64>,
    since: Vec<Option<u64>>,
}

impl Slept {
    /// Counts an entry of the log.
    fn see(&mut self, entry: &Entry) {
        let awake = match (entry.who, &entry.what) {
            (_, What::Wakes(id)) => usize::from(*id),
            (Who::Carrier(id), _) => usize::from(id),
            _ => return,
        };
        if let Some(since) = self.since[awake].take() {
            self.total[awake] += entry.at - since;
        }
        if let (Who::Carrier(id), What::Sleeps(_)) = (entry.who, &entry.what) {
            self.since[usize::from(id)] = Some(entry.at);
        }
    }

    /// Until `now`, by carrier.
    fn until(&self, now: u64) -> Vec<u64> {
        let of_one = |(total, since): (&u64, &Option<u64>)| total + now - since.unwrap_or(now);
        self.total.iter().zip(&self.since).map(of_one).collect()
    }
}

/// How long a carrier slept, at most, while one and the same virtual thread waited for its start,
/// and how long one waited; notes tell of both.
fn slept_and_waited(log: &Log) -> (u64, u64) {
    let mut slept = Slept { total: vec![0; 5], since: vec![None; 5] };
    let mut waiting = BTreeMap::new();
    let (mut most, mut longest) = (0, 0);
    for entry in log.entries() {
        slept.see(entry);
        let What::Note(text) = &entry.what else { continue };
        let now = slept.until(entry.at);
        match text.split_once(' ') {
            Some(("spawned", number)) => drop(waiting.insert(number.to_owned(), (entry.at, now))),
            Some(("started", number)) => {
                let (since, before): (u64, Vec<u64>) =
                    waiting.remove(number).expect("it was spawned");
                longest = longest.max(entry.at - since);
                // Carrier 0 is the default executor of C.
                let meanwhile = now.iter().zip(before).skip(1).map(|(now, before)| now - before);
                most = most.max(meanwhile.max().unwrap_or(0));
            }
            _ => {}
        }
    }
    assert!(waiting.is_empty(), "all start");
    (most, longest)
}

/// One begins to compute, wherever: nobody that starts meanwhile waits for it while another carrier
/// sleeps. Where no other does, the starts queue up: in a world, interruptions cost time as well.
#[test]
fn nobody_starts_late_because_another_computes() {
    for seed in seeds(100) {
        let (sim, _) = world(seed);
        let run = sim.try_run(|| {
            let computes = spawn(|| compute(500 * MILLISECOND));
            let starts = |number| {
                sleep(ms(1)).unwrap();
                note(format!("spawned {number}"));
                spawn(move || {
                    note(format!("started {number}"));
                    park().unwrap();
                })
            };
            let threads: Vec<_> = (0..48).map(starts).collect();
            sleep(ms(100)).unwrap();
            end(&threads);
            computes.join().unwrap();
        });
        let run = run.unwrap_or_else(|failure| panic!("{failure}"));
        let (slept, waited) = slept_and_waited(&run.log);
        // A carrier on the lookout sees to it; what it costs to wake one comes on top.
        assert!(slept <= 2 * TICK, "{slept} ns; replay with DRIFT_SIM_SEED={seed}");
        // Nor does an idle carrier look again and again without a sleep.
        assert!(waited <= 20 * TICK, "{waited} ns; replay with DRIFT_SIM_SEED={seed}");
    }
}

/// Although the other carriers are nobody's home.
#[test]
fn short_ones_wake_nobody() {
    for seed in seeds(100) {
        let (sim, carriers) = world(seed);
        let short = move || {
            let homes = Homes::default();
            let over = Arc::new(AtomicBool::new(false));
            let others = computing(carriers - 1, &over);
            let connections = homes.crowd(50);
            over.store(true, Ordering::SeqCst);
            others.iter().for_each(|other| other.join().unwrap());
            sleep(ms(50)).unwrap();
            assert!(homes.at(here()) >= 50);
            note("short");
            for number in 0..200 {
                assert_eq!(spawn(move || number).join().unwrap(), number);
            }
            note("over");
            end(&connections);
        };
        let run = sim.try_run(short).unwrap_or_else(|failure| panic!("{failure}"));
        let entries = run.log.entries();
        let is = |text: &str| {
            let note = What::Note(text.to_owned());
            entries.iter().position(|entry| entry.what == note).unwrap()
        };
        let between = &entries[is("short")..is("over")];
        let wakes = between.iter().filter(|entry| matches!(entry.what, What::Wakes(_))).count();
        assert!(wakes <= 100, "{wakes} wakes; replay with DRIFT_SIM_SEED={seed}");
    }
}

/// More than one carrier computes, and so does who spawned what is left: whoever looks around takes
/// that, though the policy's carriers were not all started before.
#[test]
fn all_that_compute_at_once_have_a_carrier_each() {
    // In the last, two carriers get work while a pusher has counted a searcher that there is not.
    for seed in seeds(100).chain([27_551]) {
        let (sim, carriers) = world(seed);
        let run = sim.limit(100_000).try_run(|| {
            let over = Arc::new(AtomicBool::new(false));
            let threads = computing(carriers - 1, &over);
            over.store(true, Ordering::SeqCst);
            threads.iter().for_each(|one| one.join().unwrap());
        });
        run.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// Two carriers. One is crowded, offers what is new, and computes; the other runs one that makes
/// calls which need not wait. That one's budget is used up a few times, and the new one has begun.
#[test]
fn one_whose_budget_is_used_up_makes_room_for_what_was_offered() {
    for seed in seeds(100) {
        let run = Sim::new(seed).carriers(2).migrating(false).limit(1_000_000).try_run(|| {
            let (homes, over) = (Homes::default(), Arc::new(AtomicBool::new(false)));
            let others = computing(1, &over);
            let mut connections = homes.crowd(20);
            over.store(true, Ordering::SeqCst);
            others.iter().for_each(|other| other.join().unwrap());
            let mut tries = (0..100).filter_map(|_| calls_beside_one_offered(&mut connections));
            let calls = tries.next().expect("a crowded carrier offers what begins");
            end(&connections);
            calls
        });
        let calls = run.unwrap_or_else(|failure| panic!("{failure}")).value;
        assert!(calls <= 1_000, "{calls} calls before it began; replay with DRIFT_SIM_SEED={seed}");
    }
}

/// Calls of one virtual thread that need not wait, on the other carrier, after another was offered
/// to that; none if it began here. It is added to `connections`.
fn calls_beside_one_offered(connections: &mut Vec<VirtualThread<()>>) -> Option<u32> {
    let (began, calls) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(u32::MAX)));
    let (has_begun, counts) = (began.clone(), calls.clone());
    let spends = spawn(move || {
        let (to, from) = unbounded();
        counts.store(0, Ordering::SeqCst);
        while has_begun.load(Ordering::SeqCst) == 0 {
            to.try_send(()).unwrap();
            from.try_recv().unwrap();
            counts.fetch_add(2, Ordering::SeqCst);
        }
    });
    // This carrier is kept meanwhile, so it has the other.
    compute_until(|| calls.load(Ordering::SeqCst) != u32::MAX);
    let begins = began.clone();
    connections.push(spawn(move || {
        begins.store(here() as u32, Ordering::SeqCst);
        park().unwrap();
    }));
    // In one of these turns this carrier comes to it. Until then no call counts.
    for _ in 0..8 {
        yield_now();
        calls.store(0, Ordering::SeqCst);
    }
    compute_until(|| began.load(Ordering::SeqCst) != 0);
    spends.join().unwrap();
    (began.load(Ordering::SeqCst) != here() as u32).then(|| calls.load(Ordering::SeqCst))
}
