//! Many callers of one socket: an event serves as many as it brings, first come, first served.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drift::net::{TcpListener, TcpStream};
use drift_core::platform::{Interest, Source};
use drift_core::reactor::{ShortCount, Turn};
use drift_core::sync::Wait;
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
