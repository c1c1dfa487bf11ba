//! What the simulator promises: the same again, nothing real, and an answer to every end.
#![allow(missing_docs)]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::sync::{Mutex, channel};
use drift::{ConcurrencyError, Duration, Instant, park, sleep, spawn, yield_now};
use drift_sim::{Fault, Faults, Reason, Sim, What, note, seeds, thread};

/// Virtual threads that hand values on, with time-outs, locks and a thread of the world's own.
fn program() -> u64 {
    let (to, from) = channel::bounded::<u64>(2);
    let total = Arc::new(Mutex::new(0));
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let (from, total) = (from.clone(), total.clone());
            spawn(move || {
                loop {
                    match from.recv_timeout(Duration::from_millis(1)) {
                        Ok(value) => *total.lock().unwrap() += value,
                        Err(ConcurrencyError::Timeout) => {}
                        Err(_) => return,
                    }
                }
            })
        })
        .collect();
    let sender = thread::spawn({
        let to = to.clone();
        move || (10..20).for_each(|value| to.send(value).unwrap())
    });
    for value in 0..10 {
        to.send(value).unwrap();
        note(format!("sent {value}"));
    }
    drop(to);
    for taker in takers {
        taker.join().unwrap();
    }
    sender.join();
    total.lock().map(|total| *total).unwrap()
}

fn world(seed: u64) -> Sim {
    Sim::new(seed).carriers(1 + (seed % 4) as u32).faults(Faults::QUIET)
}

fn log(seed: u64) -> String {
    let run = world(seed).try_run(program).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(run.value, 190);
    run.log.to_string()
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in seeds(50) {
        let (one, two) = (log(seed), log(seed));
        let differs = one.lines().zip(two.lines()).find(|(one, two)| one != two);
        assert!(one == two, "seed {seed}: {differs:?}");
    }
}

#[test]
fn other_seeds_give_other_logs() {
    let mut logs: Vec<String> = (0..50).map(log).collect();
    logs.sort_unstable();
    logs.dedup();
    assert!(logs.len() > 45, "{} of 50 differ", logs.len());
}

/// In this process the seeds come last, in the other first: nothing of what ran before, and no
/// address, is in a log.
#[test]
fn another_process_gives_the_same_log() {
    const ASKED: &str = "DRIFT_SIM_TEST_LOGS";
    let own = || (100..105).map(log).collect::<String>();
    if std::env::var_os(ASKED).is_some() {
        print!("[{}]", own());
        return;
    }
    (0..20).for_each(|seed| drop(log(seed)));
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "another_process_gives_the_same_log", "--nocapture"]).env(ASKED, "1");
    let output = String::from_utf8(other.output().unwrap().stdout).unwrap();
    let theirs = output.split_once('[').and_then(|(_, rest)| rest.rsplit_once(']')).unwrap().0;
    assert!(theirs == own(), "the logs differ");
}

/// The highest there is, too; and none if none are asked for.
#[test]
fn seeds_are_those_that_are_named() {
    const ASKED: &str = "DRIFT_SIM_TEST_SEEDS";
    if std::env::var_os(ASKED).is_some() {
        println!("[{:?}]", seeds(10).collect::<Vec<_>>());
        return;
    }
    let one = |seed: u64| ("DRIFT_SIM_SEED", seed.to_string(), vec![seed]);
    let count = |count: u64| ("DRIFT_SIM_SEEDS", count.to_string(), (0..count).collect());
    for (name, value, expected) in [one(0), one(7), one(u64::MAX), count(0), count(3)] {
        let mut other = Command::new(std::env::current_exe().unwrap());
        other.args(["--exact", "seeds_are_those_that_are_named", "--nocapture"]).env(ASKED, "1");
        other.env_remove("DRIFT_SIM_SEED").env(name, value);
        let text = String::from_utf8(other.output().unwrap().stdout).unwrap();
        assert!(text.contains(&format!("[{expected:?}]")), "{text}");
    }
}

#[test]
fn worlds_of_several_os_threads_do_not_meet() {
    let alone: Vec<String> = (0..20).map(log).collect();
    let threads: Vec<_> =
        (0..4).map(|_| std::thread::spawn(|| (0..20).map(log).collect::<Vec<_>>())).collect();
    for thread in threads {
        assert!(thread.join().unwrap() == alone);
    }
}

#[test]
fn hours_take_no_time() {
    let hours = Duration::from_millis(100 * 3_600_000);
    let run = Sim::new(1).try_run(move || {
        let begun = Instant::now();
        sleep(hours).unwrap();
        begun.elapsed()
    });
    let run = run.unwrap();
    assert!(run.value.as_secs() >= 360_000 && run.elapsed >= 360_000_000_000_000);
    assert!(run.steps < 1_000, "{} steps", run.steps);
}

#[test]
fn a_panic_of_the_program_comes_back() {
    let failure = Sim::new(1).try_run(|| panic!("on purpose")).unwrap_err();
    let Reason::Panic(payload) = &failure.reason else { panic!("{failure}") };
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    assert!(failure.to_string().contains("DRIFT_SIM_SEED=1"), "{failure}");
}

#[test]
fn a_panic_of_a_thread_ends_the_world() {
    let failure = Sim::new(1)
        .try_run(|| thread::spawn(|| panic!("on purpose")).join())
        .map(|run| run.value)
        .unwrap_err();
    assert!(matches!(failure.reason, Reason::Broken(_)), "{failure}");
    assert!(failure.to_string().contains("thread 0 panicked: on purpose"), "{failure}");
}

/// The rest of what was left behind ends as well.
#[test]
fn a_panic_of_a_thread_after_the_program_ends_the_world_too() {
    // Each prints its panic, and the harness keeps that.
    for seed in seeds(50).take(10_000) {
        let ended = Arc::new(AtomicU32::new(0));
        let failure = Sim::new(seed)
            .carriers(1 + (seed % 4) as u32)
            .try_run(|| {
                let (ended, panics) = (ended.clone(), Arc::new(AtomicU32::new(0)));
                let (told, begun) = (panics.clone(), Arc::new(AtomicU32::new(0)));
                let begins = begun.clone();
                drop(spawn(move || {
                    begins.store(1, Ordering::SeqCst);
                    while sleep(Duration::from_millis(1_000)).is_ok() {}
                    while panics.load(Ordering::SeqCst) == 0 {
                        yield_now();
                    }
                    (0..100).for_each(|_| yield_now());
                    ended.fetch_add(1, Ordering::SeqCst);
                }));
                drop(thread::spawn(move || {
                    sleep(Duration::from_millis(20)).unwrap();
                    told.store(1, Ordering::SeqCst);
                    panic!("on purpose");
                }));
                while begun.load(Ordering::SeqCst) == 0 {
                    sleep(Duration::from_millis(2)).unwrap();
                }
            })
            .map(|run| run.value)
            .unwrap_err();
        assert!(matches!(failure.reason, Reason::Broken(_)), "{failure}");
        assert!(failure.to_string().contains("thread 0 panicked: on purpose"), "{failure}");
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_deadlock_is_told_with_what_each_waits_for() {
    // A world with a deadlock keeps its memory.
    for seed in 0..50 {
        let failure = world(seed)
            .try_run(|| {
                let locks = Arc::new((Mutex::new(()), Mutex::new(())));
                let (to, from) = channel::bounded::<u8>(1);
                let theirs = locks.clone();
                let _first = locks.0.lock().unwrap();
                let other = spawn(move || {
                    let _second = theirs.1.lock().unwrap();
                    to.send(1).unwrap();
                    let _first = theirs.0.lock().unwrap();
                });
                from.recv().unwrap();
                let third = locks.clone();
                spawn(move || drop(third.1.lock().unwrap())).join().unwrap();
                other.join().unwrap();
            })
            .unwrap_err();
        assert!(matches!(failure.reason, Reason::Deadlock), "{failure}");
        let report = failure.to_string();
        assert_eq!(report.matches("waits for Mutex").count(), 2, "{report}");
        assert_eq!(report.matches("waits for Join").count(), 1, "{report}");
    }
}

#[test]
fn a_program_without_end_is_stopped() {
    let endless = || {
        loop {
            yield_now();
        }
    };
    let failure = Sim::new(1).limit(1_000).try_run::<()>(endless).unwrap_err();
    assert!(matches!(failure.reason, Reason::Steps(1_000)), "{failure}");
}

#[test]
fn what_is_left_behind_is_cancelled() {
    for seed in seeds(50) {
        let ended = Arc::new(AtomicU32::new(0));
        let run = world(seed).try_run(|| {
            for _ in 0..3 {
                let ended = ended.clone();
                let _ = spawn(move || {
                    while park().is_ok() {}
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
            // All of them have begun.
            sleep(Duration::from_millis(1_000)).unwrap();
        });
        assert_eq!(run.unwrap().left_behind, 3);
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_world_inside_a_world_is_refused() {
    let failure = Sim::new(1).try_run(|| Sim::new(2).run(|| ())).unwrap_err();
    assert!(failure.to_string().contains("a world inside a world"), "{failure}");
}

/// Each kind happens in some world, and is in its log; the program sees a stated error or nothing.
#[test]
fn every_fault_strikes_and_is_borne() {
    let mut seen = Vec::new();
    for seed in seeds(300) {
        let run = Sim::new(seed).carriers(2).faults(Faults::ALL).try_run(|| {
            for _ in 0..10 {
                let one = spawn(|| sleep(Duration::from_millis(3)));
                match one.join() {
                    Ok(slept) => slept.unwrap(),
                    Err(ConcurrencyError::Failed(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        let run = match run {
            Ok(run) => run,
            // Refused before there was a program.
            Err(failure) if matches!(failure.reason, Reason::Broken(_)) => {
                assert!(failure.to_string().contains("the world has no"), "{failure}");
                continue;
            }
            Err(failure) => panic!("{failure}"),
        };
        for entry in run.log.entries() {
            if let What::Fault(fault) = entry.what
                && !seen.contains(&fault)
            {
                seen.push(fault);
            }
        }
    }
    for fault in [
        Fault::StackReserve,
        Fault::StackAlloc,
        Fault::ThreadStart,
        Fault::SpuriousWake,
        Fault::LateWake,
        Fault::ClockJump,
    ] {
        assert!(seen.contains(&fault), "{fault:?} never happened");
    }
}

/// Thousands of worlds take no more memory than some: in pages, as the kernel counts them.
#[test]
fn worlds_give_their_memory_back() {
    let resident = || -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    };
    let run = |count| (0..count).for_each(|seed| drop(log(seed)));
    run(200);
    let before = resident();
    run(2_000);
    let grown = resident().saturating_sub(before);
    // Other tests run beside this one: 64 MiB, where 2 000 worlds that stay would be 300.
    assert!(grown < 16_384, "{grown} pages more");
}

/// Several channels can be received from at once, and nothing is waited for.
#[test]
fn a_choice_among_ready_channels_follows_from_the_seed() {
    let choose = || {
        let chosen = || {
            let (ones, from_ones) = channel::unbounded();
            let (twos, from_twos) = channel::unbounded();
            ones.send(1).unwrap();
            twos.send(2).unwrap();
            drift::select! {
                recv(from_ones) -> one => one.unwrap(),
                recv(from_twos) -> two => two.unwrap(),
                default => unreachable!("both are ready"),
            }
            .unwrap()
        };
        (0..7).map(|_| chosen()).collect::<Vec<u32>>()
    };
    for seed in seeds(50) {
        let chosen = Sim::new(seed).run(choose);
        assert_eq!(chosen, Sim::new(seed).run(choose));
    }
    let all: Vec<_> = (0..50).flat_map(|seed| Sim::new(seed).run(choose)).collect();
    assert!(all.contains(&1) && all.contains(&2), "any of them");
}

/// Threads of a world share an OS thread, and are several all the same.
#[test]
fn a_reentrant_lock_excludes_threads_of_the_world() {
    for seed in seeds(50) {
        Sim::new(seed).carriers(2).run(|| {
            let mutex = Arc::new(drift::sync::ReentrantMutex::new(AtomicU32::new(0)));
            let both = [0, 1].map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || {
                    let inside = mutex.lock().unwrap();
                    let again = mutex.lock().unwrap();
                    assert_eq!(again.fetch_add(1, Ordering::Relaxed), 0, "two owners");
                    sleep(Duration::from_millis(1)).unwrap();
                    inside.fetch_sub(1, Ordering::Relaxed);
                })
            });
            both.into_iter().for_each(thread::JoinHandle::join);
        });
    }
}

/// Many children, spawned from several carriers.
#[test]
fn a_scope_of_many_children_ends() {
    for seed in seeds(30) {
        Sim::new(seed).carriers(2).run(|| {
            let spawned = drift::scope(|s| {
                for _ in 0..4 {
                    s.spawn(move || (0..60).for_each(|_| drop(s.spawn(|| ()))));
                }
            });
            assert!(spawned.is_ok());
        });
    }
}
