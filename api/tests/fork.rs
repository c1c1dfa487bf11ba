//! What the child of a fork does with what it inherits touches nothing of its parent's.
//!
//! Each case forks, in a process of its own with 1, 2 and 4 carriers. The child answers by its
//! status; its panics are told on standard error.

#![allow(unsafe_code)]

#[path = "harness/again.rs"]
mod again;

use std::io::{Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use drift::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use drift::sync::{Event, Mutex, bounded, unbounded};
use drift::{ConcurrencyError, Error, Executor, FutureGroup};
use drift::{park, run, sleep, spawn, spawn_future, spawn_on};

use again::on_carriers;

unsafe extern "C" {
    fn fork() -> i32;
    fn waitpid(child: i32, status: *mut i32, options: i32) -> i32;
    fn alarm(seconds: u32) -> u32;
    fn _exit(status: i32) -> !;
}

/// Forks. `f` runs in the child, and then nothing; true if it returned.
fn in_child(f: impl FnOnce()) -> bool {
    // SAFETY: the child uses what its C library and std let it use after a fork.
    let child = unsafe { fork() };
    assert!(child >= 0, "no child");
    if child == 0 {
        // SAFETY: no memory is involved. Ends the child if it hangs.
        unsafe { alarm(60) };
        let ended = panic::catch_unwind(AssertUnwindSafe(f));
        // SAFETY: the same.
        unsafe { _exit(i32::from(ended.is_err())) };
    }
    let mut status = 0;
    // SAFETY: a place for the status.
    assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
    status == 0
}

const SHORT: Duration = Duration::from_millis(20);

/// Accepts, and echoes one message, while a client of std's talks to it.
fn serves_one(listener: &TcpListener) {
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        // Later, so that the server waits by then.
        std::thread::sleep(SHORT);
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        answer
    });
    let (mut stream, _) = listener.accept().unwrap();
    let mut text = [0; 5];
    stream.read_exact(&mut text).unwrap();
    stream.write_all(&text).unwrap();
    assert_eq!(&client.join().unwrap(), b"hello");
}

/// It is dropped there, with all that was accepted, and the parent goes on as before.
#[test]
fn sockets_that_the_child_drops_are_still_the_parents() {
    on_carriers("sockets_that_the_child_drops_are_still_the_parents", ":", || {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let unix = UnixStream::pair().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let serves = listener.clone();
        run(move || serves_one(&serves));
        let kept = listener.clone();
        let mut inherited = Some((listener, unix, udp));
        assert!(in_child(|| {
            let (listener, unix, udp) = inherited.take().unwrap();
            // The last reference of the child's.
            while Arc::strong_count(&listener) > 1 {
                // SAFETY: `kept` is not used in the child any more.
                unsafe { Arc::decrement_strong_count(Arc::as_ptr(&listener)) };
            }
            drop((listener, unix, udp));
        }));
        let (listener, (mut one, mut other), udp) = inherited.take().unwrap();
        drop(listener);
        run(move || {
            serves_one(&kept);
            let reader = spawn(move || {
                let mut text = [0; 2];
                one.read_exact(&mut text).unwrap();
                text
            });
            sleep(SHORT).unwrap();
            other.write_all(b"ab").unwrap();
            assert_eq!(reader.join(), Ok(*b"ab"));
            let to = udp.local_addr().unwrap();
            let receiver = spawn(move || udp.recv_from(&mut [0; 8]).unwrap().0);
            sleep(SHORT).unwrap();
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"abc", to).unwrap();
            assert_eq!(receiver.join(), Ok(3));
        });
    });
}

/// As a server that forks several processes, which all accept at one listener.
#[test]
fn sockets_serve_the_child_and_then_the_parent() {
    on_carriers("sockets_serve_the_child_and_then_the_parent", ":", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let path = std::env::temp_dir().join(format!("drift-fork-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let unix = UnixListener::bind(&path).unwrap();
        run(|| serves_one(&listener));
        let mut inherited = Some(UnixListener::bind(path.with_extension("other")).unwrap());
        assert!(in_child(|| {
            serves_one(&listener);
            run(|| serves_one(&listener));
            let address = unix.local_addr().unwrap();
            run(|| {
                let client = spawn(move || UnixStream::connect_addr(&address).map(drop));
                unix.accept().unwrap();
                client.join().unwrap().unwrap();
            });
            // The parent's calls would block its carrier: the mode is one for both processes.
            let blocking = inherited.take().unwrap().into_std();
            assert_eq!(blocking.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
            // And its own child in turn.
            assert!(in_child(|| run(|| serves_one(&listener))));
            run(|| serves_one(&listener));
        }));
        run(|| serves_one(&listener));
        drop(inherited.unwrap().into_std().unwrap());
        std::fs::remove_file(path.with_extension("other")).unwrap();
        std::fs::remove_file(&path).unwrap();
    });
}

/// Streams too: what was connected before the fork.
#[test]
fn a_stream_is_read_in_the_child() {
    on_carriers("a_stream_is_read_in_the_child", ":", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut own = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        own.set_read_timeout(Some(SHORT)).unwrap();
        let nothing = own.read(&mut [0; 1]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::TimedOut);
        assert!(in_child(|| {
            let nothing = own.read(&mut [0; 1]).unwrap_err();
            assert_eq!(nothing.kind(), std::io::ErrorKind::TimedOut);
            own.set_read_timeout(None).unwrap();
            let writer = std::thread::spawn(move || {
                std::thread::sleep(SHORT);
                peer.write_all(b"xyz").unwrap();
            });
            let mut text = [0; 3];
            run(|| own.read_exact(&mut text)).unwrap();
            assert_eq!(&text, b"xyz");
            writer.join().unwrap();
        }));
    });
}

fn is_not_to_be_had<T: PartialEq + std::fmt::Debug>(joined: Result<T, ConcurrencyError>) {
    assert_eq!(joined, Err(Error::VtResultNotAvailable.into()));
}

/// Those of virtual threads and executors, and what they share with the child.
#[test]
fn handles_of_the_parent_are_stale_in_the_child() {
    on_carriers("handles_of_the_parent_are_stale_in_the_child", ":", || {
        let gate = Arc::new(Event::new());
        let (waits, opens) = (gate.clone(), gate.clone());
        let parked = spawn(park);
        let waiter = spawn(move || waits.wait());
        let (sender, receiver) = unbounded();
        let receives = spawn(move || receiver.recv());
        let executor = Executor::new(drift::ExecutorPolicy::new()).unwrap();
        let sleeper = spawn_on(&executor, || sleep(Duration::from_millis(1))).unwrap();
        sleeper.join().unwrap().unwrap();
        let done = spawn(|| 5);
        while !done.is_completed() {
            std::thread::yield_now();
        }
        let mut group = FutureGroup::new();
        group.add(spawn_future(park));
        // All wait by then, or do so soon; either is as good.
        std::thread::sleep(SHORT);
        let mut inherited = Some((parked, waiter, receives, done, group));
        assert!(in_child(|| {
            let (parked, waiter, receives, done, mut group) = inherited.take().unwrap();
            assert!(parked.is_completed() && waiter.is_completed());
            parked.thread().unpark();
            parked.cancel();
            is_not_to_be_had(parked.join());
            is_not_to_be_had(waiter.join_timeout(Duration::from_secs(60)));
            is_not_to_be_had(group.select().unwrap().result);
            assert_eq!(done.join(), Ok(5), "it had ended before");
            assert!(spawn_on(&executor, || 1).is_err(), "an executor of the parent's");
            // Whoever waits there is not woken by this.
            opens.set();
            sender.send(1).unwrap();
            drop((parked, waiter, receives, group));
            // Everything works afresh.
            let (to, from) = bounded(1);
            let threads: Vec<_> = (0..10).map(|n| spawn(move || n)).collect();
            assert!(threads.iter().enumerate().all(|(n, thread)| thread.join() == Ok(n)));
            to.send(Mutex::new(1)).unwrap();
            run(|| from.recv().unwrap());
        }));
        let (parked, waiter, receives, _done, mut group) = inherited.take().unwrap();
        assert!(!parked.is_completed() && !waiter.is_completed() && !receives.is_completed());
        parked.thread().unpark();
        assert_eq!(parked.join(), Ok(Ok(())));
        gate.set();
        assert_eq!(waiter.join(), Ok(Ok(())));
        sender.send(2).unwrap();
        assert_eq!(receives.join(), Ok(Ok(2)), "what the child sent is the child's");
        assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));
        let waits = group.join_any_timeout(Duration::ZERO);
        assert_eq!(waits, Err(ConcurrencyError::Timeout));
    });
}

/// How often the bells of this process's pollers were rung: nobody reads their counters.
fn rings() -> u64 {
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let counts = descriptors.filter_map(|one| {
        let text = std::fs::read_to_string(one.unwrap().path()).ok()?;
        let count = text.lines().find_map(|line| line.strip_prefix("eventfd-count:"))?;
        u64::from_str_radix(count.trim(), 16).ok()
    });
    counts.sum()
}

/// The bell of the parent's poller is one file for both.
#[test]
fn the_child_does_not_wake_the_parent() {
    on_carriers("the_child_does_not_wake_the_parent", ":", || {
        let gate = Arc::new(Event::new());
        let waits = gate.clone();
        let waiter = spawn(move || waits.wait());
        // Its carrier sleeps by then.
        std::thread::sleep(5 * SHORT);
        let (before, opens) = (rings(), gate.clone());
        assert!(in_child(move || opens.set()));
        assert_eq!(rings(), before, "the child has rung for the parent's carrier");
        gate.set();
        waiter.join().unwrap().unwrap();
    });
}
