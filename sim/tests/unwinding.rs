//! Panics of virtual threads: nobody else seems to unwind, nobody waits for ever, and what is left
//! of one world is not in the next.
#![allow(missing_docs)]

use std::io::Read;
use std::sync::Arc;

use drift::sync::{Event, Mutex, Semaphore};
use drift::{Duration, sleep, spawn};
use drift_sim::{PipeReader, Sim, pipe, seeds};

/// What a panic on purpose says; std's report of it is left out.
const ON_PURPOSE: &str = "on purpose";

fn panic_on_purpose() {
    std::panic::resume_unwind(Box::new(ON_PURPOSE));
}

/// One unwinds through guards while others are interrupted with a lock.
#[test]
fn one_that_unwinds_gets_the_locks_that_it_needs() {
    for seed in seeds(1_000) {
        Sim::new(seed).carriers(4).run(|| {
            let (mutex, semaphore) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(2)));
            let all: Vec<_> = (0..8)
                .map(|number| {
                    let (mutex, semaphore) = (Arc::clone(&mutex), Arc::clone(&semaphore));
                    spawn(move || {
                        for round in 0..3 {
                            let _permit = semaphore.acquire();
                            let mut value =
                                mutex.lock().or_else(|error| error.into_inner()).unwrap();
                            *value += 1;
                            if number % 2 == 0 && round == 1 {
                                panic_on_purpose();
                            }
                        }
                    })
                })
                .collect();
            let ended = all.into_iter().filter(|one| one.join().is_ok()).count();
            assert_eq!(ended, 4, "the others panicked");
        });
    }
}

struct Sets(Arc<Event>);

impl Drop for Sets {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Woken by a destructor: std counts panics for the OS thread, which all carriers of a world share.
#[test]
fn who_is_woken_by_one_that_unwinds_does_not_seem_to_unwind() {
    for seed in seeds(1_000) {
        Sim::new(seed).carriers(3).run(|| {
            let event = Arc::new(Event::new());
            let sets = Sets(Arc::clone(&event));
            let panics = spawn(move || {
                let _sets = sets;
                sleep(Duration::from_millis(2)).unwrap();
                panic_on_purpose();
            });
            let woken: Vec<_> = (0..6)
                .map(|_| {
                    let event = Arc::clone(&event);
                    spawn(move || {
                        event.wait().unwrap();
                        assert!(!std::thread::panicking(), "it has nothing to do with that");
                        sleep(Duration::from_millis(1)).unwrap();
                    })
                })
                .collect();
            assert!(panics.join().is_err());
            woken.into_iter().for_each(|one| one.join().unwrap());
        });
    }
}

struct Reads(PipeReader);

impl Drop for Reads {
    fn drop(&mut self) {
        let error = self.0.read(&mut [0; 4]).unwrap_err();
        assert!(error.to_string().contains("may not wait"), "{error}");
    }
}

/// As a socket of the machine's; to wait for ever would leave the OS thread unwinding.
#[test]
fn a_destructor_that_would_wait_for_a_pipe_is_refused() {
    Sim::new(1).run(|| {
        let (reader, writer) = pipe();
        let panics = spawn(move || {
            let _reads = Reads(reader);
            panic_on_purpose();
        });
        assert!(panics.join().is_err());
        drop(writer);
    });
    assert!(!std::thread::panicking());
}

/// A world that is played on a carrier of the machine's leaves it as it was.
#[test]
fn a_virtual_thread_of_the_machine_may_play_a_world() {
    let plays = spawn(|| {
        let value = Sim::new(1).run(|| spawn(|| 42).join().unwrap());
        sleep(Duration::from_millis(1)).unwrap();
        assert!(drift::current().is_some());
        value
    });
    assert_eq!(plays.join(), Ok(42));
}
