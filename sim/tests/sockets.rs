//! Sockets of worlds: connections, queues, ends, refusals and time-outs.
#![allow(missing_docs)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use drift::io::{Interest, block_on_raw};
use drift::sync::channel::{Sender, bounded};
use drift::{Instant, sleep, spawn, yield_now};
use drift_core::platform::{self, Source};
use drift_core::runtime::Runtime;
use drift_core::wait::Wait;
use drift_core::wait::readiness::ShortCount;
use drift_sim::net::{TcpListener, TcpStream};
use drift_sim::{Faults, Reason, Sim, note, seeds};

const HOUR: Duration = Duration::from_secs(3_600);
const MILLISECOND: drift::Duration = drift::Duration::from_millis(1);

fn in_worlds(program: fn()) {
    for seed in seeds(500) {
        let faults = if seed % 3 == 2 { Faults::QUIET } else { Faults::NONE };
        Sim::new(seed).carriers(1 + (seed % 4) as u32).faults(faults).run(program);
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that answers each of `count` connections with what it sends, and the address.
fn echo(count: usize) -> SocketAddr {
    let (listener, address) = listen();
    drop(spawn(move || {
        for stream in listener.incoming().take(count) {
            let stream = stream.unwrap();
            drop(spawn(move || std::io::copy(&mut &stream, &mut &stream).unwrap()));
        }
    }));
    address
}

/// Sends more than there is room for, and reads it back.
fn call(address: SocketAddr, byte: u8) {
    let stream = Arc::new(TcpStream::connect(address).unwrap());
    let sent = vec![byte; 200];
    let writes = {
        let (stream, sent) = (stream.clone(), sent.clone());
        spawn(move || {
            (&*stream).write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut got = Vec::new();
    (&*stream).read_to_end(&mut got).unwrap();
    assert_eq!(got, sent);
    writes.join().unwrap();
}

#[test]
fn each_of_many_gets_its_own_bytes_back() {
    in_worlds(|| {
        let address = echo(7);
        let clients: Vec<_> = (0..7).map(|byte| spawn(move || call(address, byte))).collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn both_ends_know_both_addresses() {
    in_worlds(|| {
        let (listener, address) = listen();
        let client = TcpStream::connect(address).unwrap();
        let (server, from) = listener.accept().unwrap();
        assert_eq!(client.peer_addr().unwrap(), address);
        assert_eq!(server.local_addr().unwrap(), address);
        assert_eq!(client.local_addr().unwrap(), from);
        assert_eq!(server.peer_addr().unwrap(), from);
        assert_ne!(from, address);
    });
}

#[test]
fn a_port_has_one_listener_while_that_is_there() {
    in_worlds(|| {
        let kind = |address: &str| TcpListener::bind(address).map_err(|error| error.kind());
        let listener = kind("10.0.0.1:80").unwrap();
        assert_eq!(kind("10.0.0.1:80").unwrap_err(), ErrorKind::AddrInUse);
        assert_eq!(kind("0.0.0.0:80").unwrap_err(), ErrorKind::AddrInUse);
        let neighbours = [kind("10.0.0.2:80").unwrap(), kind("[::1]:80").unwrap()];
        let refused = |address: &str| TcpStream::connect(address).unwrap_err().kind();
        assert_eq!(refused("10.0.0.3:80"), ErrorKind::ConnectionRefused);
        assert_eq!(refused("10.0.0.1:81"), ErrorKind::ConnectionRefused);
        drop(listener);
        assert_eq!(refused("10.0.0.1:80"), ErrorKind::ConnectionRefused);
        assert_eq!(kind("0.0.0.0:80").unwrap_err(), ErrorKind::AddrInUse, "of the neighbours");
        drop(neighbours);
        let anywhere = kind("0.0.0.0:80").unwrap();
        drop(TcpStream::connect("10.0.0.9:80").unwrap());
        drop(anywhere);
    });
}

#[test]
fn who_finds_the_queue_full_waits_for_room() {
    in_worlds(|| {
        let (listener, address) = listen();
        let queued: Vec<_> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
        let late = TcpStream::connect_timeout(&address, HOUR);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        let waits = spawn(move || TcpStream::connect(address).unwrap().local_addr().unwrap());
        yield_now();
        let mut accepted = [(); 5].map(|()| listener.accept().unwrap().1);
        let mut all: Vec<_> = queued.iter().map(|stream| stream.local_addr().unwrap()).collect();
        all.push(waits.join().unwrap());
        accepted.sort();
        all.sort();
        assert_eq!(accepted[..], all[..], "who gave up is not among them");
        let nobody = listener.accept_timeout(HOUR);
        assert_eq!(nobody.unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn who_was_not_accepted_finds_the_end_or_is_refused() {
    in_worlds(|| {
        let (listener, address) = listen();
        let mut queued: Vec<_> = (0..4).map(|_| TcpStream::connect(address).unwrap()).collect();
        let waits = spawn(move || TcpStream::connect(address).map(drop).map_err(|e| e.kind()));
        let closes = spawn(move || {
            sleep(MILLISECOND).unwrap();
            drop(listener);
        });
        assert_eq!(queued[0].read(&mut [0; 8]).unwrap(), 0);
        assert_eq!(queued[1].write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(waits.join().unwrap(), Err(ErrorKind::ConnectionRefused));
        closes.join().unwrap();
    });
}

#[test]
fn an_end_that_is_shut_or_gone_is_told_after_what_it_sent() {
    in_worlds(|| {
        let (listener, address) = listen();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"last").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut got = String::new();
        server.read_to_string(&mut got).unwrap();
        assert_eq!(got, "last");
        server.write_all(b"still").unwrap();
        drop(server);
        assert!(block_on_raw(client.as_raw_fd(), Interest::READABLE, None).unwrap().is_hung_up());
        client.read_to_string(&mut got).unwrap();
        assert_eq!(got, "laststill");
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_read_and_a_write_end_by_time() {
    in_worlds(|| {
        let (listener, address) = listen();
        let mut client = TcpStream::connect(address).unwrap();
        let begun = Instant::now();
        client.set_read_timeout(Some(HOUR)).unwrap();
        client.set_write_timeout(Some(HOUR)).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(client.write(&[0; 100]).unwrap(), 64);
        assert_eq!(client.write(&[0; 100]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(Instant::now() - begun >= HOUR);
        let zero = client.set_read_timeout(Some(Duration::ZERO));
        assert_eq!(zero.unwrap_err().kind(), ErrorKind::InvalidInput);
        let (mut server, _) = listener.accept().unwrap();
        client.set_write_timeout(None).unwrap();
        let writes = spawn(move || client.write(&[0; 100]).unwrap());
        server.read_exact(&mut [0; 64]).unwrap();
        assert_eq!(writes.join().unwrap(), 64);
    });
}

/// Waits as a socket does that the runtime owns: registered once, and edges from then on.
fn own(mut stream: TcpStream, goes_on: &Sender<()>) {
    let runtime = Runtime::here().expect("a virtual thread waits");
    let source = Source(stream.as_raw_fd().cast_unsigned());
    // What the platform refuses is tried again: that is not what this is about.
    while runtime.register(source, ShortCount::Exhausts).is_err() {}
    let owned = runtime.owned(source);
    let wait = |direction| {
        owned.wait_ready(direction, &Wait::new(runtime), &mut None).unwrap();
    };
    let [read, write] = [platform::Interest::READ, platform::Interest::WRITE];
    let fill = |mut stream: &TcpStream| {
        let seen = owned.readiness(write);
        stream.write_all(&[0; 64]).unwrap();
        owned.clear(write, seen);
    };

    owned.clear(read, owned.readiness(read));
    wait(write);
    fill(&stream);
    wait(write);
    goes_on.send(()).unwrap();
    wait(read);
    goes_on.send(()).unwrap();
    let seen = owned.readiness(read);
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
    if !seen.has_doubts() {
        owned.clear(read, seen);
        wait(read);
    }
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    let is_told = (0..1_000).any(|_| {
        sleep(MILLISECOND).unwrap();
        owned.readiness(read).has_doubts()
    });
    assert!(is_told);
    fill(&stream);
    goes_on.send(()).unwrap();
    wait(write);
    assert_eq!(stream.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    runtime.deregister(source);
}

#[test]
fn an_owner_is_told_of_room_of_data_and_of_both_ends() {
    in_worlds(|| {
        let (listener, address) = listen();
        let (goes_on, has_gone_on) = bounded(1);
        let owner = spawn(move || own(TcpStream::connect(address).unwrap(), &goes_on));
        let (mut server, _) = listener.accept().unwrap();
        // Whatever comes next would tell of what came before.
        sleep(MILLISECOND).unwrap();
        server.read_exact(&mut [0; 64]).unwrap();
        has_gone_on.recv().unwrap();
        sleep(MILLISECOND).unwrap();
        server.write_all(b"x").unwrap();
        has_gone_on.recv().unwrap();
        sleep(MILLISECOND).unwrap();
        server.shutdown(Shutdown::Write).unwrap();
        has_gone_on.recv().unwrap();
        sleep(MILLISECOND).unwrap();
        drop(server);
        owner.join().unwrap();
    });
}

#[test]
fn one_seed_is_one_log() {
    for seed in seeds(100) {
        let log = || {
            let program = || {
                let address = echo(3);
                for byte in 0..3 {
                    call(address, byte);
                    note(format!("{byte} came back to {address}"));
                }
            };
            Sim::new(seed).carriers(3).faults(Faults::QUIET).try_run(program).unwrap().log
        };
        assert_eq!(log(), log());
    }
}

#[test]
fn a_connection_that_nobody_serves_is_a_deadlock() {
    let failure = Sim::new(1)
        .try_run(|| {
            let (_listener, address) = listen();
            TcpStream::connect(address).unwrap().read(&mut [0; 8])
        })
        .map(|run| run.value.is_ok())
        .unwrap_err();
    assert!(matches!(failure.reason, Reason::Deadlock), "{failure}");
    assert!(failure.to_string().contains("waits for Readiness"), "{failure}");
}

/// Clones share what is set, and the last of them closes: the other side finds the end then.
#[test]
fn clones_are_one_end() {
    in_worlds(|| {
        let (listener, address) = listen();
        let other = listener.try_clone().unwrap();
        drop(listener);
        let client = drift::spawn(move || TcpStream::connect(address).unwrap());
        let (there, _) = other.accept().unwrap();
        let here = client.join().unwrap();
        let clone = here.try_clone().unwrap();
        here.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(Duration::from_millis(2)));
        assert_eq!((&clone).read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(here);
        let reader = drift::spawn(move || {
            let mut all = Vec::new();
            (&there).read_to_end(&mut all).map(|_| all)
        });
        (&clone).write_all(b"still here").unwrap();
        drop(clone);
        assert_eq!(reader.join().unwrap().unwrap(), b"still here");
    });
}

/// And a loop of calls that do not wait does not keep its carrier, were it the only one.
#[test]
fn a_socket_that_never_waits_answers_at_once() {
    in_worlds(|| {
        let (listener, address) = listen();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let client = drift::spawn(move || {
            let stream = TcpStream::connect(address).unwrap();
            drift::sleep(Duration::from_millis(1)).unwrap();
            (&stream).write_all(b"x").unwrap();
            stream
        });
        let there = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        there.set_nonblocking(true).unwrap();
        let read = loop {
            match (&there).read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => drift::yield_now(),
                ended => break ended.unwrap(),
            }
        };
        assert_eq!(read, 1);
        drop(client.join().unwrap());
    });
}
