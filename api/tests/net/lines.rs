//! Many callers of one socket: an event serves as many as it brings, first come, first served.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use drift::Instant;
use drift::net::{TcpListener, TcpStream};
use drift_core::platform::{Interest, Source};
use drift_core::wait::Wait;
use drift_core::wait::readiness::{ShortCount, Turn};
use drift_pal::process;

use crate::{Place, Running, V4, connection, everywhere, ms, on_carriers};

/// Waits until so many callers have got as far as this; then they get in line.
fn wait_for(count: &AtomicUsize, callers: usize) {
    while count.load(Ordering::SeqCst) < callers {
        drift::sleep(ms(1)).unwrap();
    }
    drift::sleep(ms(20)).unwrap();
}

#[test]
fn connections_go_to_those_who_came_first() {
    on_carriers(|place| {
        const ACCEPTORS: usize = 20;
        let listener = Arc::new(TcpListener::bind(V4).unwrap());
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Mutex::new(Vec::new()));
        let come = Arc::new(AtomicUsize::new(0));
        let acceptors: Vec<_> = (0..ACCEPTORS)
            .map(|number| {
                let (listener, served, comes) = (listener.clone(), served.clone(), come.clone());
                let acceptor = place.spawn(move || {
                    comes.fetch_add(1, Ordering::SeqCst);
                    let stream = listener.accept().unwrap();
                    served.lock().unwrap().push(number);
                    drop(stream);
                });
                wait_for(&come, number + 1);
                acceptor
            })
            .collect();
        for count in 1..=ACCEPTORS {
            let _client = TcpStream::connect(address).unwrap();
            while served.lock().unwrap().len() < count {
                drift::sleep(ms(1)).unwrap();
            }
        }
        acceptors.into_iter().for_each(Running::join);
        assert_eq!(*served.lock().unwrap(), (0..ACCEPTORS).collect::<Vec<_>>());
    });
}

/// A listener that is taken over by hand, so that every wake of a caller can be counted.
struct Counted {
    listener: std::net::TcpListener,
    source: Source,
    come: AtomicUsize,
    wakes: AtomicUsize,
    served: AtomicUsize,
}

impl Counted {
    fn accept(&self) {
        let (runtime, read) = (process::runtime().unwrap(), Interest::READ);
        let owned = runtime.owned(self.source);
        let mut turn: Option<Turn<'static>> = None;
        let mut seen = owned.readiness(read);
        self.come.fetch_add(1, Ordering::SeqCst);
        loop {
            if seen.is_ready() {
                if self.listener.accept().is_ok() {
                    self.served.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                owned.clear(read, seen);
            }
            let wait = Wait::new(runtime);
            seen = owned.wait_ready(read, &wait, &mut turn).unwrap();
            self.wakes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_connection_wakes_one_of_a_thousand() {
    on_carriers(|place| {
        const ACCEPTORS: usize = 1_000;
        const CONNECTIONS: usize = 20;
        let runtime = process::runtime().unwrap();
        let listener = std::net::TcpListener::bind(V4).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let source = Source(listener.as_raw_fd().cast_unsigned());
        runtime.register(source, ShortCount::Nothing).unwrap();
        let zero = || AtomicUsize::new(0);
        let (come, wakes, served) = (zero(), zero(), zero());
        let all = Arc::new(Counted { listener, source, come, wakes, served });
        let acceptors: Vec<_> = (0..ACCEPTORS)
            .map(|_| {
                let all = all.clone();
                place.spawn(move || all.accept())
            })
            .collect();
        wait_for(&all.come, ACCEPTORS);
        let before = all.wakes.load(Ordering::SeqCst);
        let mut clients = Vec::new();
        for count in 1..=CONNECTIONS {
            clients.push(TcpStream::connect(address).unwrap());
            while all.served.load(Ordering::SeqCst) < count {
                drift::sleep(ms(1)).unwrap();
            }
        }
        let wakes = all.wakes.load(Ordering::SeqCst) - before;
        // An event that a carrier takes while a turn lasts may wake one more.
        assert!(wakes <= 2 * CONNECTIONS, "{wakes} wakes for {CONNECTIONS} connections");
        // The rest at once: whatever the events bring is taken.
        for _ in CONNECTIONS..ACCEPTORS {
            clients.push(TcpStream::connect(address).unwrap());
        }
        acceptors.into_iter().for_each(Running::join);
        runtime.deregister(source);
    });
}

/// Callers that give up just as a connection comes leave it to those that stay.
#[test]
fn one_that_gives_up_loses_no_event() {
    everywhere(|place| {
        let listener = Arc::new(TcpListener::bind(V4).unwrap());
        let address = listener.local_addr().unwrap();
        for round in 0..20_u64 {
            let hasty: Vec<_> = (0..4)
                .map(|_| {
                    let (listener, time) = (listener.clone(), ms(1 + round % 3));
                    place.spawn(move || usize::from(listener.accept_timeout(time).is_ok()))
                })
                .collect();
            let patient = {
                let listener = listener.clone();
                place.spawn(move || drop(listener.accept().unwrap()))
            };
            drift::sleep(ms(1 + round % 3)).unwrap();
            let first = TcpStream::connect(address).unwrap();
            let taken: usize = hasty.into_iter().map(Running::join).sum();
            assert!(taken <= 1);
            let second = (taken == 1).then(|| TcpStream::connect(address).unwrap());
            patient.join();
            drop((first, second));
        }
    });
}

/// Writers of one stream are served in turn, and none of them is forgotten.
#[test]
fn many_writers_and_readers_of_one_stream_end() {
    everywhere(|place: Place| {
        const EACH: usize = 64 << 10;
        let (here, there) = connection(V4);
        let (here, there) = (Arc::new(here), Arc::new(there));
        let writers: Vec<_> = (0..16)
            .map(|_| {
                let here = here.clone();
                place.spawn(move || (&*here).write_all(&[7; EACH]).unwrap())
            })
            .collect();
        let total = Arc::new(AtomicUsize::new(0));
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (there, total) = (there.clone(), total.clone());
                place.spawn(move || {
                    let mut buffer = [0; 1_000];
                    loop {
                        match (&*there).read(&mut buffer).unwrap() {
                            0 => return,
                            length => total.fetch_add(length, Ordering::SeqCst),
                        };
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(Running::join);
        here.shutdown(std::net::Shutdown::Write).unwrap();
        readers.into_iter().for_each(Running::join);
        assert_eq!(total.load(Ordering::SeqCst), 16 * EACH);
    });
}

/// An OS thread, and where the kernel tells of it.
struct OsThread<T> {
    thread: JoinHandle<T>,
    task: PathBuf,
}

impl<T: Send + 'static> OsThread<T> {
    /// Starts one and waits until it sleeps in `body`.
    fn asleep(body: impl FnOnce() -> T + Send + 'static) -> Self {
        let (tells, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            tells.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
            drop(tells);
            body()
        });
        let one = Self { thread, task: Path::new("/proc").join(told.recv().unwrap()) };
        while !one.is_asleep() {
            thread::yield_now();
        }
        one
    }

    /// Whether it sleeps for longer than it may for a lock, or has ended. See proc_pid_stat(5).
    fn is_asleep(&self) -> bool {
        let before = self.sleeps();
        thread::sleep(ms(4));
        let stat = fs::read_to_string(self.task.join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, state)| state);
        state.is_none_or(|state| state.starts_with('S')) && self.sleeps() == before
    }

    /// How often it fell asleep; zero if it has ended. See proc_pid_status(5).
    fn sleeps(&self) -> usize {
        let status = fs::read_to_string(self.task.join("status")).unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.map_or(0, |count| count.trim().parse().unwrap())
    }
}

#[test]
fn connections_go_to_the_os_threads_that_came_first() {
    const THREADS: usize = 60;
    const CONNECTIONS: usize = 20;
    let listener = Arc::new(TcpListener::bind(V4).unwrap());
    let address = listener.local_addr().unwrap();
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut acceptors: Vec<_> = (0..THREADS)
        .map(|number| {
            let (listener, served) = (listener.clone(), served.clone());
            OsThread::asleep(move || {
                let accepted = listener.accept().unwrap();
                served.lock().unwrap().push(number);
                drop(accepted);
            })
        })
        .collect();
    let rest = acceptors.split_off(CONNECTIONS);
    let sleeps = || rest.iter().map(OsThread::sleeps).sum::<usize>();
    let before = sleeps();
    for count in 1..=CONNECTIONS {
        let _client = TcpStream::connect(address).unwrap();
        while served.lock().unwrap().len() < count {
            thread::sleep(ms(1));
        }
    }
    assert_eq!(*served.lock().unwrap(), (0..CONNECTIONS).collect::<Vec<_>>());
    // The first of them leads now, and the others slept on.
    let sleeps = sleeps() - before;
    assert!(sleeps < CONNECTIONS, "{sleeps} sleeps of those that {CONNECTIONS} passed by");
    // The rest at once: each leads in turn.
    let clients = rest.iter().map(|_| TcpStream::connect(address).unwrap());
    let clients = clients.collect::<Vec<_>>();
    acceptors.into_iter().chain(rest).for_each(|acceptor| acceptor.thread.join().unwrap());
    drop(clients);
}

/// The leader and a follower time out; the next follower leads, and accepts what comes.
#[test]
fn an_os_thread_that_gives_up_leaves_the_lead_to_the_next() {
    let listener = Arc::new(TcpListener::bind(V4).unwrap());
    let address = listener.local_addr().unwrap();
    let accept = |time| {
        let listener = listener.clone();
        OsThread::asleep(move || listener.accept_timeout(ms(time)).map(drop))
    };
    let hasty = [accept(400), accept(400)];
    let patient = accept(30_000);
    for one in hasty {
        let ended = one.thread.join().unwrap();
        assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
    }
    let (_client, before) = (TcpStream::connect(address).unwrap(), Instant::now());
    patient.thread.join().unwrap().unwrap();
    // It would find the connection also when its time is up.
    assert!(before.elapsed() < ms(20_000), "it was told of the connection");
}
