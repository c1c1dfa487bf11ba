use drift::sync::{Mutex, channel};
use drift::{ConcurrencyError, Duration, sleep, spawn};
use drift_sim::{Faults, Reason, Sim, seeds};

fn program() -> u64 {
    let (to, from) = channel::bounded::<u64>(2);
    let total = std::sync::Arc::new(Mutex::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (from, total) = (from.clone(), total.clone());
            spawn(move || {
                while let Ok(value) = from.recv() {
                    *total.lock().unwrap() += value;
                }
            })
        })
        .collect();
    for value in 0..20 {
        to.send(value).unwrap();
    }
    drop(to);
    for worker in workers {
        worker.join().unwrap();
    }
    let got = *total.lock().unwrap();
    got
}

#[test]
fn a_program_runs_unchanged() {
    for seed in seeds(10_000) {
        let run =
            Sim::new(seed).carriers(1 + (seed % 3) as u32).faults(Faults::QUIET).try_run(program);
        match run {
            Ok(run) => assert_eq!(run.value, 190),
            Err(failure) => panic!("{}\n{failure}", failure.log),
        }
    }
}

#[test]
fn deadlock() {
    let failure = Sim::new(3).carriers(2).try_run(|| {
        let (to, from) = channel::bounded::<u64>(2);
        let a = spawn(move || from.recv());
        let r = a.join();
        drop(to);
        r
    });
    let failure = failure.map(|_| ()).unwrap_err();
    println!("{failure}");
    assert!(matches!(failure.reason, Reason::Deadlock));
}

#[test]
fn time() {
    for seed in seeds(1000) {
        let run = Sim::new(seed).carriers(3).try_run(|| {
            let slow = spawn(|| sleep(Duration::from_millis(3_600_000)));
            let r = slow.join_timeout(Duration::from_millis(10));
            slow.join().unwrap().unwrap();
            r.map(|_| ())
        });
        match run {
            Ok(run) => assert_eq!(run.value, Err(ConcurrencyError::Timeout)),
            Err(failure) => panic!("{}\n{failure}", failure.log),
        }
    }
}
