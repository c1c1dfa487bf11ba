//! Sockets, and waiting for descriptors: on 1, 2 and 4 carriers, and on plain OS threads.

mod clones;
mod datagrams;
mod early;
mod ends;
mod lines;
mod poll;
mod streams;
mod timeouts;
mod udp;
mod unix;

use std::io;
use std::io::ErrorKind;
use std::time::Duration;

use drift::net::{TcpListener, TcpStream};
use drift::{ConcurrencyError, Executor, ExecutorPolicy, Instant, VirtualThread};

/// Where the threads of a test run.
#[derive(Clone, Copy)]
enum Place {
    Carriers(Executor),
    Threads,
}

/// A thread of a test.
enum Running<T> {
    Virtual(VirtualThread<T>),
    Thread(std::thread::JoinHandle<T>),
}

impl Place {
    fn spawn<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        match self {
            Self::Carriers(executor) => {
                Running::Virtual(drift::spawn_on(&executor, f).expect("it has no limit"))
            }
            Self::Threads => Running::Thread(std::thread::spawn(f)),
        }
    }
}

impl<T> Running<T> {
    fn join(self) -> T {
        match self {
            Self::Virtual(thread) => thread.join().expect("it did not panic"),
            Self::Thread(thread) => thread.join().expect("it did not panic"),
        }
    }
}

fn carriers(count: u32) -> Executor {
    let policy = ExecutorPolicy::new().min_threads(count).max_threads(count);
    Executor::new(policy).unwrap()
}

/// Runs `test` on virtual threads of 1, 2 and 4 carriers.
fn on_carriers(test: fn(Place)) {
    for count in [1, 2, 4] {
        let place = Place::Carriers(carriers(count));
        place.spawn(move || test(place)).join();
    }
}

/// The same, and on OS threads.
fn everywhere(test: fn(Place)) {
    on_carriers(test);
    Place::Threads.spawn(move || test(Place::Threads)).join();
}

/// Two ends of a connection: the one that connected, and the one that accepted.
fn connection(address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, from) = listener.accept().unwrap();
    assert_eq!(from, here.local_addr().unwrap());
    (here, there)
}

const V4: &str = "127.0.0.1:0";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Nothing that was left over from a wait shortens the next sleep.
fn the_next_sleep_is_full() {
    let before = Instant::now();
    drift::uncancellable(|| drift::sleep(ms(20))).unwrap();
    assert!(before.elapsed() >= ms(20), "a sleep of 20 ms took {:?}", before.elapsed());
}

/// `call` ends with `TimedOut`, not before `time`.
fn times_out<T>(time: Duration, call: impl FnOnce() -> io::Result<T>) {
    let before = Instant::now();
    let error = call().err().expect("nobody can have answered");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
    assert!(before.elapsed() >= time, "{:?} instead of {time:?}", before.elapsed());
    the_next_sleep_is_full();
}

/// Cancels a virtual thread that waits in `call`, and one that is about to.
fn is_cancelled<T: Send + 'static>(call: impl Fn() -> io::Result<T> + Clone + Send + 'static) {
    for count in [1, 2] {
        for pause in [0, 5] {
            let call = call.clone();
            let (started, has_started) = drift::sync::bounded(1);
            let executor = carriers(count);
            let thread = drift::spawn_on(&executor, move || {
                started.send(()).unwrap();
                let ended = call().map(drop);
                the_next_sleep_is_full();
                ended
            });
            let thread = thread.unwrap();
            has_started.recv().unwrap();
            if pause > 0 {
                drift::sleep(ms(pause)).unwrap();
            }
            thread.cancel();
            let error = thread.join().unwrap().expect_err("nobody answers it");
            assert!(was_cancelled(&error), "{error:?}");
        }
    }
}

fn was_cancelled(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ConcurrencyError>());
    error.kind() == ErrorKind::Other && inner == Some(&ConcurrencyError::Cancelled)
}
