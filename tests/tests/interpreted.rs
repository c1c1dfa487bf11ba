//! Small programs for Miri: each touches what the two faces build out of pointers, in a world.
//! `drift-asm` has a stand-in for the context switch there, and `drift-sim` for its memory; each
//! program is one seed there, and some here.
//!
//! | program            | of what                                                              |
//! |--------------------|----------------------------------------------------------------------|
//! | packets            | closures and results on their way through a payload; detached, cut   |
//! |                    | off by a cancel, a panic, and never started                          |
//! | scopes             | what children borrow, and tickets                                    |
//! | channels           | blocks of a queue, meetings in frames that wait, `select!`           |
//! | locks              | guards, conditions, permits, once                                    |
//! | values_made_once   | references into cells that somebody else filled                      |
//! | groups             | futures, and who is told of their end                                |
//! | waits              | joins, deadlines and time-outs, linked into frames                   |
//! | callbacks          | of C: inline, at a pointer, dropped before they start; any handle    |
#![allow(missing_docs)]

#[path = "interpreted/c.rs"]
mod c;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift::sync::{
    Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, Semaphore, bounded, unbounded,
};
use drift::{ConcurrencyError, Duration, FutureGroup, scope, sleep, spawn, spawn_future};
use drift_sim::{Sim, seeds};

/// On one carrier, and on two.
fn in_worlds(program: impl Fn()) {
    for seed in seeds(if cfg!(miri) { 1 } else { 20 }) {
        Sim::new(seed).carriers(1 + seed as u32 % 2).run(&program);
    }
}

/// Counts what is dropped.
#[derive(Clone, Default)]
struct Tally(Arc<AtomicUsize>);

impl Drop for Tally {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn packets() {
    in_worlds(|| {
        let tally = Tally::default();
        let own = tally.clone();
        let text = spawn(move || {
            let _own = &own;
            drift::current().expect("it runs on one").name().map(str::to_owned)
        });
        assert_eq!(text.join(), Ok(None));
        let own = tally.clone();
        drop(spawn(move || own));
        let own = tally.clone();
        let never = spawn(move || own);
        never.cancel();
        assert!(never.join().is_err());
        let panics = spawn(|| panic!("on purpose: {}", 7));
        assert!(panics.join().unwrap_err().to_string().contains("on purpose: 7"));
        let parked = spawn(drift::park);
        drift::yield_now();
        parked.cancel();
        assert_eq!(parked.join(), Ok(Err(ConcurrencyError::Cancelled)));
        sleep(Duration::from_millis(1)).unwrap();
        assert_eq!(tally.0.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn scopes() {
    in_worlds(|| {
        let words = ["one".to_owned(), "three".to_owned()];
        let (sum, cell) = (AtomicUsize::new(0), Cell::new(1));
        let ended = scope(|s| {
            let children = words.each_ref().map(|word| {
                s.spawn(|| {
                    drift::yield_now();
                    sum.fetch_add(word.len(), Ordering::Relaxed);
                    word.as_str()
                })
            });
            cell.set(2);
            let never = s.spawn(drift::park);
            never.cancel();
            children.map(|child| child.join().unwrap())
        });
        assert_eq!(ended.unwrap(), ["one", "three"]);
        assert_eq!((sum.into_inner(), cell.get()), (8, 2));
    });
}

#[test]
fn channels() {
    in_worlds(|| {
        let (sender, receiver) = unbounded();
        (0..33).for_each(|n| sender.send(Box::new(n)).unwrap());
        (0..32).for_each(|n| assert_eq!(receiver.recv(), Ok(Box::new(n))));
        sender.send(Box::new(33)).unwrap();
        assert_eq!([receiver.recv(), receiver.recv()], [Ok(Box::new(32)), Ok(Box::new(33))]);
        let (to, meets) = bounded(0);
        let (small, one) = bounded(1);
        let sends = spawn(move || {
            to.send("met".to_owned()).unwrap();
            (0..3).for_each(|n| small.send(Box::new(n)).unwrap());
        });
        assert_eq!(meets.recv(), Ok("met".to_owned()));
        let mut sum = 0;
        for _ in 0..3 {
            let got = drift::select! {
                recv(one) -> n => n.map_or(100, |n| *n),
                recv(receiver) -> n => n.map_or(100, |n| *n),
            };
            sum += got.unwrap();
        }
        assert_eq!((sum, sends.join()), (3, Ok(())));
        sender.send(Box::new(1)).unwrap();
    });
}

#[test]
fn locks() {
    in_worlds(|| {
        let shared = Arc::new((Mutex::new(vec![0]), Condvar::new(), RwLock::new(0)));
        let (semaphore, once) = (Arc::new(Semaphore::new(1)), Arc::new(Once::new()));
        let threads = [1, 2].map(|n| {
            let (shared, semaphore, once) = (shared.clone(), semaphore.clone(), once.clone());
            spawn(move || {
                let permits = semaphore.acquire().unwrap();
                drift::yield_now();
                drop(permits);
                let _ = once.call_once(drift::yield_now);
                *shared.2.write().unwrap() += n;
                let read = shared.2.read().unwrap();
                drift::yield_now();
                assert!(*read >= n);
                drop(read);
                let mut values = shared.0.lock().unwrap();
                values.push(n);
                drift::yield_now();
                drop(values);
                shared.1.notify_all();
            })
        });
        let mut values = shared.0.lock().unwrap();
        while values.len() < 3 {
            values = shared.1.wait(values).unwrap();
        }
        drop(values);
        threads.iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*shared.2.read().unwrap(), 3);
    });
}

#[test]
fn values_made_once() {
    in_worlds(|| {
        let once = OnceLock::new();
        let lazy = LazyLock::new(|| {
            drift::yield_now();
            vec![Box::new(1)]
        });
        let seen = scope(|s| {
            let others = [2, 3].map(|n| {
                let (once, lazy) = (&once, &lazy);
                s.spawn(move || {
                    let made = once.get_or_init(|| {
                        drift::yield_now();
                        Box::new(n)
                    });
                    *lazy[0] + **made
                })
            });
            others.map(|other| other.join().unwrap())
        });
        let [one, other] = seen.unwrap();
        assert!(one == other && (3..=4).contains(&one));
    });
}

#[test]
fn groups() {
    in_worlds(|| {
        let mut group = FutureGroup::new();
        for n in [2, 1] {
            group.add(spawn_future(move || {
                sleep(Duration::from_millis(n)).unwrap();
                Box::new(n)
            }));
        }
        assert_eq!(group.join_any().map(|n| **n), Ok(1));
        assert_eq!(group.select().unwrap().result, Ok(Box::new(1)));
        assert_eq!(group.join_all(), Ok(vec![Box::new(2)]));
    });
}

#[test]
fn waits() {
    in_worlds(|| {
        let sleeper = spawn(|| sleep(Duration::from_millis(3)));
        let late = sleeper.join_timeout(Duration::from_millis(1));
        assert_eq!(late, Err(ConcurrencyError::Timeout));
        let (_keeps, from) = bounded::<Box<u8>>(0);
        let none = from.recv_timeout(Duration::from_millis(1));
        assert_eq!(none, Err(ConcurrencyError::Timeout));
        let parked = spawn(drift::park);
        parked.thread().unpark();
        assert_eq!(parked.join(), Ok(Ok(())));
        assert_eq!(sleeper.join(), Ok(Ok(())));
        // A thread of the world's, which runs no virtual ones: it blocks.
        let (tells, told) = bounded(1);
        drop(drift_sim::thread::spawn(move || {
            let (to, from) = bounded(0);
            let receives = spawn(move || from.recv());
            to.send(Box::new(5)).unwrap();
            tells.send(receives.join()).unwrap();
        }));
        assert_eq!(told.recv(), Ok(Ok(Ok(Box::new(5)))));
    });
}
