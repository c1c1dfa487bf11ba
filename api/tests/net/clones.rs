//! Several descriptors of one socket, sockets that never wait, and numbers that become sockets.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use drift::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};

use crate::{
    Running, V4, connection, everywhere, is_cancelled, ms, on_carriers, times_out, unix::path,
};

fn would_block<T>(ended: io::Result<T>) {
    assert_eq!(ended.err().expect("nothing is there").kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_clone_reads_and_writes_the_same_stream() {
    everywhere(|place| {
        let (here, there) = connection(V4);
        let (clone, mut answers) = (here.try_clone().unwrap(), there.try_clone().unwrap());
        assert_ne!(here.as_raw_fd(), clone.as_raw_fd());
        assert_eq!(here.local_addr().unwrap(), clone.local_addr().unwrap());
        // One to read and one to write, on threads of their own, as with std.
        let reader = place.spawn(move || {
            let mut all = Vec::new();
            (&clone).read_to_end(&mut all).unwrap();
            all
        });
        let echo = place.spawn(move || {
            let mut buffer = [0; 8];
            for _ in 0..100 {
                (&there).read_exact(&mut buffer).unwrap();
                answers.write_all(&buffer).unwrap();
            }
        });
        for round in 0..100 {
            (&here).write_all(&[round; 8]).unwrap();
        }
        echo.join();
        let all = reader.join();
        assert_eq!(all.len(), 800);
        assert!(all.chunks(8).enumerate().all(|(round, chunk)| chunk == [round as u8; 8]));
    });
}

/// In every order of closing: the one that stays is still told of what comes, and the peer sees
/// the end when both are closed and not before.
#[test]
fn a_clone_outlives_what_it_was_cloned_from() {
    everywhere(|place| {
        for first_goes in [true, false] {
            let (here, mut there) = connection(V4);
            let clone = here.try_clone().unwrap();
            let (mut stays, goes) = if first_goes { (clone, here) } else { (here, clone) };
            // Both have waited, so that both are armed.
            stays.set_read_timeout(Some(ms(2))).unwrap();
            times_out(ms(2), || (&goes).read(&mut [0]));
            times_out(ms(2), || (&stays).read(&mut [0]));
            stays.set_read_timeout(None).unwrap();
            drop(goes);
            // Its number is somebody else's now.
            let (other, mut to_other) = connection(V4);
            let reader = place.spawn(move || {
                let mut buffer = [0; 4];
                stays.read_exact(&mut buffer).unwrap();
                stays.write_all(b"seen").unwrap();
                buffer
            });
            to_other.write_all(b"else").unwrap();
            drift::sleep(ms(2)).unwrap();
            there.write_all(b"here").unwrap();
            assert_eq!(&reader.join(), b"here");
            let mut rest = Vec::new();
            there.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"seen", "then the end: all descriptors are closed");
            let mut buffer = [0; 4];
            (&other).read_exact(&mut buffer).unwrap();
            assert_eq!(&buffer, b"else");
        }
    });
}

#[test]
fn every_kind_of_socket_has_clones() {
    everywhere(|place| {
        let listener = TcpListener::bind(V4).unwrap();
        let address = listener.local_addr().unwrap();
        let other = listener.try_clone().unwrap();
        let accepts = place.spawn(move || other.accept().map(drop).unwrap());
        TcpStream::connect(address).unwrap();
        accepts.join();

        let path = path("clones");
        let listener = UnixListener::bind(&path).unwrap();
        let other = listener.try_clone().unwrap();
        drop(listener);
        let accepts = place.spawn(move || other.accept().unwrap().0);
        let here = UnixStream::connect(&path).unwrap();
        let there = accepts.join();
        (&here.try_clone().unwrap()).write_all(b"x").unwrap();
        assert_eq!((&there.try_clone().unwrap()).read(&mut [0; 8]).unwrap(), 1);
        std::fs::remove_file(&path).unwrap();

        let (one, other) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V4).unwrap());
        let address = other.local_addr().unwrap();
        let clone = other.try_clone().unwrap();
        let receives = place.spawn(move || clone.recv_from(&mut [0; 8]).unwrap().0);
        one.try_clone().unwrap().send_to(b"xy", address).unwrap();
        assert_eq!(receives.join(), 2);

        let (one, other) = UnixDatagram::pair().unwrap();
        one.try_clone().unwrap().send(b"xyz").unwrap();
        assert_eq!(other.try_clone().unwrap().recv(&mut [0; 8]).unwrap(), 3);
    });
}

/// Each descriptor has events of its own, and all are told of what only one of them gets.
#[test]
fn callers_at_several_clones_lose_nothing() {
    const MANY: usize = 60;
    everywhere(|place| {
        let listener = TcpListener::bind(V4).unwrap();
        let address = listener.local_addr().unwrap();
        let clones: Vec<_> = (0..3).map(|_| Arc::new(listener.try_clone().unwrap())).collect();
        let servers: Vec<_> = (0..6)
            .map(|n| {
                let clone = clones[n % 3].clone();
                place.spawn(move || {
                    for served in 0.. {
                        let (mut stream, _) = clone.accept().unwrap();
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        if byte == [0] {
                            return served;
                        }
                        stream.write_all(&byte).unwrap();
                    }
                    unreachable!("it is told to end")
                })
            })
            .collect();
        let clients: Vec<_> = (0..MANY)
            .map(|_| {
                place.spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    stream.write_all(&[1]).unwrap();
                    stream.read_exact(&mut [0]).unwrap();
                })
            })
            .collect();
        clients.into_iter().for_each(Running::join);
        let ends: Vec<_> = servers
            .iter()
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&[0]).unwrap();
                stream
            })
            .collect();
        let served: i32 = servers.into_iter().map(Running::join).sum();
        assert_eq!(served as usize, MANY);
        drop(ends);

        let (here, mut there) = connection(V4);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let clone = here.try_clone().unwrap();
                place.spawn(move || {
                    let mut byte = [0];
                    let mut sum = 0;
                    while (&clone).read(&mut byte).unwrap() > 0 {
                        sum += usize::from(byte[0]);
                    }
                    sum
                })
            })
            .collect();
        for n in 0..MANY {
            there.write_all(&[1]).unwrap();
            if n % 8 == 0 {
                drift::sleep(ms(1)).unwrap();
            }
        }
        drop(there);
        assert_eq!(readers.into_iter().map(Running::join).sum::<usize>(), MANY);
    });
}

#[test]
fn clones_share_time_outs_and_whether_they_wait() {
    everywhere(|_| {
        let (here, _there) = connection(V4);
        let clone = here.try_clone().unwrap();
        here.set_read_timeout(Some(ms(3))).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(ms(3)));
        times_out(ms(3), || (&clone).read(&mut [0]));
        clone.set_write_timeout(Some(ms(4))).unwrap();
        assert_eq!(here.write_timeout().unwrap(), Some(ms(4)));
        clone.set_nonblocking(true).unwrap();
        would_block((&here).read(&mut [0]));
        would_block((&here.try_clone().unwrap()).read(&mut [0]));
        here.set_nonblocking(false).unwrap();
        times_out(ms(3), || (&clone).read(&mut [0]));
    });
}

#[test]
fn a_cancelled_reader_of_a_clone_goes_on() {
    let (here, _there) = connection(V4);
    let here = Arc::new(here.try_clone().unwrap());
    is_cancelled(move || (&*here).read(&mut [0; 8]));
}

/// What would wait answers `WouldBlock`, and what is there is had at once, told or not.
#[test]
fn a_socket_that_never_waits_answers_at_once() {
    everywhere(|place| {
        let listener = TcpListener::bind(V4).unwrap();
        listener.set_nonblocking(true).unwrap();
        would_block(listener.accept());
        would_block(listener.accept_timeout(Duration::from_secs(600)));
        let mut there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The connection is established, so it is in the queue.
        let (here, _) = listener.accept().unwrap();
        would_block(listener.accept());
        assert_eq!(here.read_timeout().unwrap(), None);
        here.set_nonblocking(true).unwrap();
        would_block((&here).read(&mut [0; 8]));
        would_block(here.peek(&mut [0; 8]));
        for _ in 0..20 {
            // Over the loopback interface what was written is there.
            there.write_all(b"x").unwrap();
            assert_eq!(here.peek(&mut [0; 8]).unwrap(), 1);
            assert_eq!((&here).read(&mut [0; 8]).unwrap(), 1);
            would_block((&here).read(&mut [0; 8]));
        }
        let full = loop {
            if let Err(full) = (&here).write(&[0; 1 << 16]) {
                break full;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        drop(there);

        let (one, other) = UnixStream::pair().unwrap();
        other.set_nonblocking(true).unwrap();
        would_block((&other).read(&mut [0; 8]));
        (&one).write_all(b"x").unwrap();
        assert_eq!((&other).read(&mut [0; 8]).unwrap(), 1);
        let udp = UdpSocket::bind(V4).unwrap();
        udp.set_nonblocking(true).unwrap();
        would_block(udp.recv_from(&mut [0; 8]));
        udp.send_to(b"x", udp.local_addr().unwrap()).unwrap();
        assert_eq!(udp.recv(&mut [0; 8]).unwrap(), 1);
        let (_one, other) = UnixDatagram::pair().unwrap();
        other.set_nonblocking(true).unwrap();
        would_block(other.recv(&mut [0; 8]));
        let path = path("never");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        would_block(listener.accept());
        std::fs::remove_file(&path).unwrap();

        // It waits again.
        here.set_nonblocking(false).unwrap();
        udp.set_nonblocking(false).unwrap();
        let address = udp.local_addr().unwrap();
        let receives = place.spawn(move || udp.recv(&mut [0; 8]).unwrap());
        drift::sleep(ms(2)).unwrap();
        UdpSocket::bind(V4).unwrap().send_to(b"xy", address).unwrap();
        assert_eq!(receives.join(), 2);
    });
}

/// A loop that polls, as programs for non-blocking sockets have it, does not keep its carrier.
#[test]
fn who_asks_again_and_again_lets_others_run() {
    on_carriers(|place| {
        let (here, mut there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let polls = place.spawn(move || {
            let mut tries = 0_u64;
            loop {
                match (&here).read(&mut [0; 8]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => tries += 1,
                    ended => return ended.map(|length| (length, tries)),
                }
            }
        });
        let others = place.spawn(move || {
            drift::sleep(ms(5)).unwrap();
            there.write_all(b"x").unwrap();
        });
        others.join();
        let (length, tries) = polls.join().unwrap();
        assert!(length == 1 && tries > 0);
    });
}

#[test]
fn what_has_a_clone_is_not_given_back_to_std() {
    everywhere(|_| {
        let (here, _there) = connection(V4);
        let clone = here.try_clone().unwrap();
        let refused = here.into_std().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
        assert!(refused.to_string().contains("clone"), "{refused}");
        // That one is closed now, so the other is alone.
        clone.set_read_timeout(Some(ms(7))).unwrap();
        let std = clone.into_std().unwrap();
        assert_eq!(std.read_timeout().unwrap().map(|time| time.as_millis() >= 7), Some(true));
        let own = TcpStream::from_std(std).unwrap();
        own.set_nonblocking(true).unwrap();
        let std = own.into_std().unwrap();
        would_block((&std).read(&mut [0]));
    });
}

#[test]
#[allow(unsafe_code)]
fn numbers_become_sockets_and_sockets_numbers() {
    everywhere(|_| {
        let (here, mut there) = connection(V4);
        let number = here.into_raw_fd();
        // SAFETY: it is this test's, and a socket of that kind.
        let mut here = unsafe { TcpStream::from_raw_fd(number) };
        assert_eq!(here.as_raw_fd(), number);
        there.write_all(b"x").unwrap();
        assert_eq!(here.read(&mut [0; 8]).unwrap(), 1);
        // A listener that was inherited: blocking, from elsewhere.
        let std = std::net::TcpListener::bind(V4).unwrap();
        // SAFETY: the same.
        let listener = unsafe { TcpListener::from_raw_fd(std.into_raw_fd()) };
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap();
        let owned = OwnedFd::from(client);
        let again = TcpStream::try_from(owned).unwrap();
        assert_eq!(again.peer_addr().unwrap(), listener.local_addr().unwrap());
        let (one, other) = UnixDatagram::pair().unwrap();
        // SAFETY: the same.
        let other = unsafe { UnixDatagram::from_raw_fd(other.into_raw_fd()) };
        one.send(b"x").unwrap();
        assert_eq!(other.recv(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
#[allow(unsafe_code)]
fn a_number_that_is_no_socket_says_so() {
    let file = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
    // SAFETY: it is this test's; no socket, which is what is tested.
    let refused = std::panic::catch_unwind(|| unsafe { TcpStream::from_raw_fd(file) });
    let told = refused.unwrap_err().downcast::<String>().unwrap();
    assert!(told.contains(&format!("descriptor {file} is no socket")), "{told}");
}

#[test]
fn what_lingers_is_thrown_away() {
    everywhere(|_| {
        let (here, mut there) = connection(V4);
        assert_eq!(here.linger().unwrap(), None);
        here.set_linger(Some(Duration::from_secs(3))).unwrap();
        assert_eq!(here.linger().unwrap(), Some(Duration::from_secs(3)));
        here.set_linger(Some(Duration::ZERO)).unwrap();
        drop(here);
        let reset = there.read(&mut [0; 8]).unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    });
}
