//! Ends of connections, in every order, and what others get meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drift::Instant;
use drift::io::{Interest, block_on_io};
use drift::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use socket2::SockRef;

use crate::{Place, V4, carriers, connection, everywhere, ms, on_carriers};

/// The end comes as a reset.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(ms(0))).unwrap();
}

#[test]
fn an_end_that_came_before_the_read_is_found() {
    everywhere(|_| {
        let (one, mut other) = connection(V4);
        drop(one);
        for _ in 0..3 {
            assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

#[test]
fn an_end_that_came_with_the_last_bytes_is_found_after_them() {
    everywhere(|_| {
        for _ in 0..20 {
            let (mut one, mut other) = connection(V4);
            one.write_all(b"last").unwrap();
            drop(one);
            // Both are there before the first look.
            drift::sleep(ms(1)).unwrap();
            assert_eq!(other.read(&mut [0; 64]).unwrap(), 4);
            assert_eq!(other.read(&mut [0; 64]).unwrap(), 0);

            let (mut one, mut other) = UnixStream::pair().unwrap();
            one.write_all(b"last").unwrap();
            drop(one);
            assert_eq!(other.read(&mut [0; 64]).unwrap(), 4);
            assert_eq!(other.read(&mut [0; 64]).unwrap(), 0);
        }
    });
}

#[test]
fn an_end_that_comes_with_bytes_for_one_who_waits_is_found_after_them() {
    everywhere(|place| {
        for _ in 0..20 {
            let (mut one, mut other) = connection(V4);
            let reader = place.spawn(move || {
                let mut all = Vec::new();
                other.read_to_end(&mut all).unwrap();
                all
            });
            drift::yield_now();
            one.write_all(b"last").unwrap();
            drop(one);
            assert_eq!(reader.join(), b"last");
        }
    });
}

#[test]
fn an_end_ends_a_read_that_waits() {
    everywhere(|place| {
        let (one, mut other) = connection(V4);
        let reader = place.spawn(move || other.read(&mut [0; 8]).unwrap());
        drift::sleep(ms(2)).unwrap();
        drop(one);
        assert_eq!(reader.join(), 0);
    });
}

#[test]
fn a_reset_ends_reads_and_writes_that_wait_and_those_that_come() {
    everywhere(|place| {
        let (one, other) = connection(V4);
        let other = Arc::new(other);
        let reader = place.spawn({
            let other = other.clone();
            move || (&*other).read(&mut [0; 8])
        });
        let writer = place.spawn({
            let other = other.clone();
            move || (&*other).write_all(&vec![0; 64 << 20])
        });
        drift::sleep(ms(5)).unwrap();
        reset(one);
        // One of the two is told of the reset; the other finds a connection that is no more.
        let told = [reader.join().map(|_| ()).err(), writer.join().err()];
        let told = told.map(|error| error.map_or(ErrorKind::UnexpectedEof, |e| e.kind()));
        assert!(told.contains(&ErrorKind::ConnectionReset), "{told:?}");
        let gone = [ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe];
        assert!(gone.iter().any(|kind| told.contains(kind)), "{told:?}");
        assert_eq!((&*other).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!((&*other).read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_reset_that_came_before_is_told_once() {
    everywhere(|_| {
        let (one, mut other) = connection(V4);
        reset(one);
        drift::sleep(ms(1)).unwrap();
        let error = other.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_shutdown_of_ones_own_ends_the_calls_that_wait() {
    everywhere(|place| {
        let (one, _other) = connection(V4);
        let one = Arc::new(one);
        let reader = place.spawn({
            let one = one.clone();
            move || (&*one).read(&mut [0; 8]).unwrap()
        });
        let writer = place.spawn({
            let one = one.clone();
            move || (&*one).write_all(&vec![0; 64 << 20]).unwrap_err().kind()
        });
        drift::sleep(ms(5)).unwrap();
        one.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.join(), 0);
        assert_eq!(writer.join(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_shutdown_of_a_listener_ends_the_accepts() {
    everywhere(|place| {
        let listener = Arc::new(TcpListener::bind(V4).unwrap());
        let acceptors = [0, 1].map(|_| {
            let listener = listener.clone();
            place.spawn(move || listener.accept().map(drop))
        });
        drift::sleep(ms(2)).unwrap();
        SockRef::from(&*listener).shutdown(Shutdown::Both).unwrap();
        for acceptor in acceptors {
            assert_eq!(acceptor.join().unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn both_directions_may_wait_at_once_and_each_gets_its_own() {
    everywhere(|place| {
        let (one, other) = connection(V4);
        let one = Arc::new(one);
        let writer = place.spawn({
            let one = one.clone();
            move || (&*one).write_all(&vec![7; 16 << 20]).unwrap()
        });
        let reader = place.spawn({
            let one = one.clone();
            move || (&*one).read(&mut [0; 8]).unwrap()
        });
        drift::sleep(ms(2)).unwrap();
        (&other).write_all(b"hi").unwrap();
        assert_eq!(reader.join(), 2);
        let mut rest = vec![0; 16 << 20];
        (&other).read_exact(&mut rest).unwrap();
        writer.join();
    });
}

/// A number that is used anew is a new socket: nothing of the old one is left.
#[test]
fn a_descriptor_that_is_used_anew_knows_nothing_of_the_old_one() {
    on_carriers(|_| {
        for _ in 0..200 {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            one.write_all(b"unread").unwrap();
            let mut buffer = [0; 1];
            other.read_exact(&mut buffer).unwrap();
            drop((one, other));
            let (one, mut other) = UnixStream::pair().unwrap();
            other.set_read_timeout(Some(ms(1))).unwrap();
            let error = other.read(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            drop(one);
            assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

#[test]
fn a_number_that_was_a_sockets_can_be_waited_for_as_anything_else() {
    everywhere(|place| {
        for _ in 0..50 {
            drop(UnixStream::pair().unwrap());
            let (reader, mut writer) = std::io::pipe().unwrap();
            let late = Some(Instant::now() + ms(10_000));
            let waiter = place.spawn(move || block_on_io(&reader, Interest::READABLE, late));
            drift::yield_now();
            writer.write_all(b"x").unwrap();
            assert!(waiter.join().unwrap().is_readable());
        }
    });
}

/// One carrier, so that the other can only run if the busy one lets it.
#[test]
fn a_loop_that_never_waits_lets_others_run() {
    let place = Place::Carriers(carriers(1));
    let stop = Arc::new(AtomicBool::new(false));
    let busy = place.spawn({
        let stop = stop.clone();
        move || {
            let socket = UdpSocket::bind(V4).unwrap();
            let nobody = UdpSocket::bind(V4).unwrap().local_addr().unwrap();
            while !stop.load(Ordering::Relaxed) {
                socket.send_to(b"x", nobody).unwrap();
            }
        }
    });
    place.spawn(move || stop.store(true, Ordering::Relaxed)).join();
    busy.join();
}
