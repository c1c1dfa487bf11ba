//! Many callers of one descriptor that the runtime owns: an event wakes as many as it can serve,
//! first come, first served, and no event is lost with one that gives up; calls that are ended
//! early leave nothing behind.
#![allow(missing_docs)]

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drift::{Duration, VirtualThread, sleep, spawn};
use drift_core::error::ConcurrencyError;
use drift_core::platform::{Interest, Source};
use drift_core::runtime::Runtime;
use drift_core::time::{Instant, MILLISECOND};
use drift_core::wait::Wait;
use drift_core::wait::readiness::ShortCount;
use drift_sim::net::{TcpListener, TcpStream};
use drift_sim::{Faults, PipeReader, Sim, pipe, seeds, thread};

fn in_worlds(faults: Faults, program: fn()) {
    for seed in seeds(500) {
        let faults = if seed % 3 == 2 { faults } else { Faults::NONE };
        Sim::new(seed).carriers(1 + (seed / 3 % 4) as u32).faults(faults).run(program);
    }
}

/// A source that the runtime owns until this is dropped.
struct Owned {
    runtime: &'static Runtime,
    source: Source,
    /// How often a caller went on after it had been in line.
    wakes: AtomicUsize,
}

impl Owned {
    fn new(of: &impl AsRawFd, short: ShortCount) -> Self {
        let runtime = Runtime::here().expect("a virtual thread registers");
        let source = Source(of.as_raw_fd().cast_unsigned());
        // What the platform refuses is tried again: that is not what this is about.
        while runtime.register(source, short).is_err() {}
        Self { runtime, source, wakes: AtomicUsize::new(0) }
    }

    /// Repeats `call`, which says what it moved and whether that is less than it asked for, as a
    /// socket of `drift::net` does.
    fn call<R>(
        &self,
        until: Instant,
        mut call: impl FnMut() -> Option<(R, bool)>,
    ) -> Result<R, ConcurrencyError> {
        let (runtime, read) = (self.runtime, Interest::READ);
        let wait = Wait::new(runtime).until(until);
        let owned = runtime.owned(self.source);
        let mut turn = None;
        let mut seen = owned.readiness(read);
        loop {
            if seen.is_ready() {
                match call() {
                    None => owned.clear(read, seen),
                    Some((moved, is_short)) => {
                        if is_short {
                            owned.clear_short(read, seen);
                        }
                        return Ok(moved);
                    }
                }
            }
            seen = owned.wait_ready(read, &wait, &mut turn)?;
            self.wakes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.runtime.deregister(self.source);
    }
}

/// A listener, and what accepts at it.
struct Acceptors {
    listener: TcpListener,
    owned: Owned,
    /// Who accepted, in order.
    served: Mutex<Vec<usize>>,
}

impl Acceptors {
    fn new() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:80").unwrap();
        let owned = Owned::new(&listener, ShortCount::Exhausts);
        Arc::new(Self { listener, owned, served: Mutex::default() })
    }

    fn accept(&self, number: usize, until: Instant) -> bool {
        let accepted = self.owned.call(until, || Some((self.listener.try_accept()?, false)));
        if accepted.is_ok() {
            self.served.lock().unwrap().push(number);
        }
        accepted.is_ok()
    }

    fn count(&self) -> usize {
        self.served.lock().unwrap().len()
    }

    fn start(self: &Arc<Self>, number: usize) -> VirtualThread<bool> {
        let all = self.clone();
        spawn(move || all.accept(number, Instant::FAR))
    }

    /// Starts a thread that runs no virtual threads.
    fn start_thread(self: &Arc<Self>, number: usize, until: Instant) -> thread::JoinHandle<bool> {
        let all = self.clone();
        thread::spawn(move || all.accept(number, until))
    }
}

/// How an acceptor comes, and is waited for.
type Start = fn(&Arc<Acceptors>, usize) -> Box<dyn FnOnce() -> bool>;

fn connect() -> TcpStream {
    TcpStream::connect("127.0.0.1:80").unwrap()
}

fn nap() {
    sleep(Duration::from_millis(5)).unwrap();
}

/// Waits until nobody has anything to do.
fn settle() {
    sleep(Duration::from_millis(500)).unwrap();
}

fn first_come_first_served(start: Start) {
    const ACCEPTORS: usize = 12;
    let all = Acceptors::new();
    let acceptors: Vec<_> = (0..ACCEPTORS)
        .map(|number| {
            let acceptor = start(&all, number);
            settle();
            acceptor
        })
        .collect();
    for served in 1..=ACCEPTORS {
        drop(connect());
        while all.count() < served {
            nap();
        }
        settle();
    }
    assert!(acceptors.into_iter().all(|accepts| accepts()));
    assert_eq!(*all.served.lock().unwrap(), (0..ACCEPTORS).collect::<Vec<_>>());
    let wakes = all.owned.wakes.load(Ordering::Relaxed);
    assert_eq!(wakes, ACCEPTORS, "one event wakes one");
}

#[test]
fn connections_go_to_those_who_came_first() {
    in_worlds(Faults::NONE, || {
        first_come_first_served(|all, number| {
            let acceptor = all.start(number);
            Box::new(move || acceptor.join().unwrap())
        });
    });
}

#[test]
fn connections_go_to_the_threads_that_came_first() {
    in_worlds(Faults::NONE, || {
        first_come_first_served(|all, number| {
            let acceptor = all.start_thread(number, Instant::FAR);
            Box::new(move || acceptor.join())
        });
    });
}

/// Some leave by time, be it that they lead or follow, just as connections come; those that stay
/// get what they leave, and each connection is somebody's.
#[test]
fn a_thread_that_gives_up_loses_no_event() {
    in_worlds(Faults::QUIET, || {
        let all = Acceptors::new();
        let now = all.owned.runtime.platform().now();
        let hasty: Vec<_> = (0..4)
            .map(|number| all.start_thread(number, now + (1 + number as u64 % 3) * MILLISECOND))
            .collect();
        let patient = [8, 9].map(|number| all.start_thread(number, Instant::FAR));
        let virtual_one = all.start(10);
        let clients: Vec<_> = (0..3).map(|_| spawn(connect)).collect();
        while all.count() < clients.len() {
            nap();
        }
        let taken = hasty.into_iter().map(thread::JoinHandle::join);
        let taken = taken.filter(|has_accepted| *has_accepted).count();
        let more: Vec<_> = (0..taken).map(|_| connect()).collect();
        // A join blocks the carrier.
        while all.count() < clients.len() + taken {
            nap();
        }
        assert_eq!(patient.map(thread::JoinHandle::join), [true; 2]);
        assert!(virtual_one.join().unwrap());
        drop(clients.iter().map(|client| client.join().unwrap()).collect::<Vec<_>>());
        drop(more);
    });
}

/// Several at once: each event may bring more than one, and each caller takes one.
#[test]
fn one_event_serves_as_many_as_it_brings() {
    in_worlds(Faults::QUIET, || {
        let all = Acceptors::new();
        let acceptors: Vec<_> = (0..6).map(|number| all.start(number)).collect();
        let clients: Vec<_> = (0..6).map(|_| spawn(connect)).collect();
        assert!(acceptors.into_iter().all(|acceptor| acceptor.join().unwrap()));
        drop(clients.iter().map(|client| client.join().unwrap()).collect::<Vec<_>>());
    });
}

/// Some give up, by time or because they are cancelled, just as connections come.
#[test]
fn one_that_gives_up_loses_no_event() {
    const CONNECTIONS: usize = 4;
    in_worlds(Faults::QUIET, || {
        let all = Acceptors::new();
        let impatient: Vec<_> = (0..4)
            .map(|number| {
                let all = all.clone();
                spawn(move || {
                    let now = all.owned.runtime.platform().now();
                    all.accept(number, now + (1 + number as u64 % 2) * MILLISECOND)
                })
            })
            .collect();
        let patient = {
            let all = all.clone();
            spawn(move || while all.count() < CONNECTIONS && all.accept(9, Instant::FAR) {})
        };
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| spawn(connect)).collect();
        impatient[3].cancel();
        for one in impatient {
            let _ = one.join();
        }
        while all.count() < CONNECTIONS {
            nap();
        }
        // It may be in line for one more.
        patient.cancel();
        let _ = patient.join();
        drop(clients.iter().map(|client| client.join().unwrap()).collect::<Vec<_>>());
    });
}

/// The first in line is cancelled just as the only connection comes.
#[test]
fn one_that_is_cancelled_as_it_is_woken_loses_no_event() {
    in_worlds(Faults::QUIET, || {
        let all = Acceptors::new();
        let first = Arc::new(all.start(0));
        nap();
        let patient = all.start(1);
        nap();
        let cancelled = first.clone();
        let canceller = spawn(move || cancelled.cancel());
        let client = spawn(connect);
        if first.join().unwrap_or(false) {
            drop(connect());
        }
        assert!(patient.join().unwrap());
        canceller.join().unwrap();
        client.join().unwrap();
    });
}

/// All who read find the end.
#[test]
fn an_end_reaches_all() {
    in_worlds(Faults::QUIET, || {
        let (reader, writer) = pipe();
        let owned = Arc::new((Owned::new(&reader, ShortCount::Exhausts), reader));
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let both = owned.clone();
                spawn(move || read(&both.0, &both.1))
            })
            .collect();
        nap();
        drop(writer);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 0));
    });
}

/// Reads up to 16 bytes; zero at the end.
fn read(owned: &Owned, reader: &PipeReader) -> usize {
    let call = || reader.try_read(&mut [0; 16]).map(|length| (length, 0 < length && length < 16));
    owned.call(Instant::FAR, call).unwrap()
}

/// As after a close(2) of which the runtime was told nothing, and an open that got the number.
#[test]
fn one_that_is_registered_again_ends_the_waits_for_the_last_one() {
    in_worlds(Faults::QUIET, || {
        let (reader, mut writer) = pipe();
        let reader = Arc::new(reader);
        let owned = Arc::new(Owned::new(&*reader, ShortCount::Exhausts));
        let tries = Arc::new(AtomicUsize::new(0));
        let begins = || {
            let (owned, reader, tries) = (owned.clone(), reader.clone(), tries.clone());
            spawn(move || {
                let call = || {
                    tries.fetch_add(1, Ordering::Relaxed);
                    reader.try_read(&mut [0; 1]).map(|length| (length, false))
                };
                owned.call(Instant::FAR, call)
            })
        };
        let waits = [begins(), begins()];
        while tries.load(Ordering::Relaxed) == 0 {
            sleep(Duration::from_millis(1)).unwrap();
        }
        sleep(Duration::from_millis(100)).unwrap();
        while owned.runtime.register(owned.source, ShortCount::Exhausts).is_err() {}
        for waits in waits {
            assert_eq!(waits.join().unwrap(), Err(ConcurrencyError::Closed));
        }
        let new = owned.runtime.owned(owned.source);
        assert!(new.readiness(Interest::READ).is_ready(), "somebody has a turn for ever");
        let waits = begins();
        sleep(Duration::from_millis(100)).unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(waits.join().unwrap(), Ok(1));
    });
}

/// A call that the platform ended early leaves bytes that no event tells of.
#[test]
fn calls_that_are_ended_early_leave_nothing_behind() {
    let faults = Faults { short_call: 300_000, ..Faults::QUIET };
    in_worlds(faults, || {
        let (reader, mut writer) = pipe();
        let owned = Owned::new(&reader, ShortCount::Nothing);
        let (sent, has_read) = drift::sync::bounded(1);
        let sender = spawn(move || {
            for _ in 0..8 {
                writer.write_all(b"eleven here").unwrap();
                // As a request: what comes next waits until it was read.
                has_read.recv().unwrap();
            }
        });
        for _ in 0..8 {
            let mut left = 11;
            while left > 0 {
                left -= read(&owned, &reader);
            }
            sent.send(()).unwrap();
        }
        sender.join().unwrap();
        assert_eq!(read(&owned, &reader), 0);
    });
}
