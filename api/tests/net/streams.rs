//! What goes in comes out.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use drift::net::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream, UnixStream};
use socket2::SockRef;

use crate::{Place, V4, carriers, connection, everywhere, ms, on_carriers};

/// Sends back what comes, until the end.
fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            length => stream.write_all(&buffer[..length]).unwrap(),
        }
    }
}

fn asks_and_is_answered(place: Place, address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let server = place.spawn(move || echo(listener.accept().unwrap().0));
    let mut stream = TcpStream::connect(address).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
    for round in 0..200_u8 {
        stream.write_all(&[round; 64]).unwrap();
        let mut answer = [0; 64];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [round; 64]);
    }
    drop(stream);
    server.join();
}

#[test]
fn an_echo_answers_over_ipv4() {
    everywhere(|place| asks_and_is_answered(place, V4));
}

#[test]
fn an_echo_answers_over_ipv6() {
    everywhere(|place| asks_and_is_answered(place, "[::1]:0"));
}

const LOTS: usize = 8 << 20;

/// A byte for each place, so that a piece that is lost or doubled shows.
fn pattern(place: usize) -> u8 {
    (place ^ place >> 8 ^ place >> 16) as u8
}

fn send_lots(mut to: impl Write) {
    let bytes: Vec<u8> = (0..LOTS).map(pattern).collect();
    to.write_all(&bytes).unwrap();
}

fn check_lots(mut from: impl Read) {
    let mut buffer = [0; 10_000];
    let mut length = 0;
    while length < LOTS {
        let read = from.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the end, after {length} bytes");
        for (at, byte) in buffer[..read].iter().enumerate() {
            assert_eq!(*byte, pattern(length + at), "byte {}", length + at);
        }
        length += read;
    }
}

#[test]
fn lots_of_bytes_go_both_ways_at_once_through_small_buffers() {
    everywhere(|place| {
        let (one, other) = connection(V4);
        for socket in [&one, &other] {
            let raw = SockRef::from(socket);
            raw.set_send_buffer_size(16 << 10).unwrap();
            raw.set_recv_buffer_size(16 << 10).unwrap();
        }
        let (one, other) = (Arc::new(one), Arc::new(other));
        let threads = [&one, &other].map(|socket| {
            let (to, from) = (socket.clone(), socket.clone());
            [place.spawn(move || send_lots(&*to)), place.spawn(move || check_lots(&*from))]
        });
        threads.into_iter().flatten().for_each(crate::Running::join);
    });
}

#[test]
fn unix_streams_carry_lots_of_bytes_both_ways_at_once() {
    everywhere(|place| {
        let (one, other) = UnixStream::pair().unwrap();
        let threads = [one, other].map(|socket| {
            let (from, to) = socket.into_split();
            [place.spawn(move || send_lots(to)), place.spawn(move || check_lots(from))]
        });
        threads.into_iter().flatten().for_each(crate::Running::join);
    });
}

#[test]
fn vectored_calls_fill_and_drain_several_buffers() {
    everywhere(|_| {
        let (mut one, mut other) = connection(V4);
        let parts = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(one.write_vectored(&parts).unwrap(), 6);
        let (mut first, mut second) = ([0; 2], [0; 4]);
        let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(other.read_vectored(&mut parts).unwrap(), 6);
        assert_eq!((&first, &second), (b"on", b"etwo"));
    });
}

#[test]
fn a_peek_takes_nothing_and_waits_for_something() {
    everywhere(|place| {
        let (mut one, mut other) = connection(V4);
        let writer = place.spawn(move || {
            drift::sleep(ms(2)).unwrap();
            one.write_all(b"hello").unwrap();
            one
        });
        let mut buffer = [0; 16];
        for _ in 0..3 {
            assert_eq!(other.peek(&mut buffer).unwrap(), 5);
        }
        assert_eq!(other.read(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"hello");
        drop(writer.join());
        assert_eq!(other.peek(&mut buffer).unwrap(), 0);
    });
}

#[test]
fn a_read_into_no_room_is_over_at_once() {
    let (mut one, _other) = connection(V4);
    assert_eq!(one.read(&mut []).unwrap(), 0);
}

#[test]
fn halves_work_apart_and_find_together_again() {
    everywhere(|place| {
        let (one, mut other) = connection(V4);
        let (mut reader, mut writer): (OwnedReadHalf, OwnedWriteHalf) = one.into_split();
        let sender = place.spawn(move || {
            writer.write_all(b"to").unwrap();
            writer
        });
        let mut buffer = [0; 2];
        other.read_exact(&mut buffer).unwrap();
        other.write_all(b"fro").unwrap();
        let mut buffer = [0; 3];
        reader.read_exact(&mut buffer).unwrap();
        let writer = sender.join();

        let (strange, _keep) = connection(V4);
        let (strange, _strange_writer) = strange.into_split();
        let error = strange.reunite(writer).unwrap_err();
        let stream = reader.reunite(error.1).unwrap();
        (&stream).write_all(b"whole").unwrap();
        let mut buffer = [0; 5];
        other.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"whole");
    });
}

#[test]
fn the_end_of_the_writing_half_is_the_end_of_the_stream_unless_it_is_forgotten() {
    everywhere(|_| {
        let (one, mut other) = connection(V4);
        let (mut reader, writer) = one.into_split();
        drop(writer);
        assert_eq!(other.read(&mut [0]).unwrap(), 0);
        other.write_all(b"still").unwrap();
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 5);

        let (one, other) = connection(V4);
        let (_reader, writer) = one.into_split();
        writer.forget();
        other.set_read_timeout(Some(ms(5))).unwrap();
        assert_eq!((&other).read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn shutdown_ends_one_direction_and_leaves_the_other() {
    everywhere(|_| {
        let (mut one, mut other) = connection(V4);
        one.shutdown(Shutdown::Write).unwrap();
        assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
        other.write_all(b"back").unwrap();
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 4);
        assert_eq!(one.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        one.shutdown(Shutdown::Read).unwrap();
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 0);
    });
}

/// A thousand, or as many as there are descriptors for besides what the other tests have open.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).unwrap();
    let descriptors = soft.parse().unwrap_or(usize::MAX);
    1000.min(descriptors.saturating_sub(500) / 2)
}

#[test]
fn a_crowd_of_connections_lives_on_one_carrier() {
    let count = crowd();
    let place = Place::Carriers(carriers(1));
    place
        .spawn(move || {
            let listener = TcpListener::bind(V4).unwrap();
            let address = listener.local_addr().unwrap();
            let server = place.spawn(move || {
                let streams = listener.incoming().take(count).map(io::Result::unwrap);
                streams.map(|stream| place.spawn(|| echo(stream))).collect::<Vec<_>>()
            });
            let mut clients: Vec<_> =
                (0..count).map(|_| TcpStream::connect(address).unwrap()).collect();
            for round in 0..3 {
                for (number, client) in clients.iter_mut().enumerate() {
                    client.write_all(&(number + round).to_ne_bytes()).unwrap();
                }
                for (number, client) in clients.iter_mut().enumerate() {
                    let mut answer = [0; 8];
                    client.read_exact(&mut answer).unwrap();
                    assert_eq!(usize::from_ne_bytes(answer), number + round);
                }
            }
            drop(clients);
            server.join().into_iter().for_each(crate::Running::join);
        })
        .join();
}

#[test]
fn several_may_accept_at_one_listener() {
    on_carriers(|place| {
        let listener = Arc::new(TcpListener::bind(V4).unwrap());
        let address = listener.local_addr().unwrap();
        let acceptors: Vec<_> = (0..8)
            .map(|_| {
                let listener = listener.clone();
                place.spawn(move || (0..8).for_each(|_| drop(listener.accept().unwrap())))
            })
            .collect();
        let streams: Vec<_> = (0..64).map(|_| TcpStream::connect(address).unwrap()).collect();
        acceptors.into_iter().for_each(crate::Running::join);
        drop(streams);
    });
}

#[test]
fn a_stream_goes_to_std_and_back() {
    everywhere(|place| {
        let (one, mut other) = connection(V4);
        one.set_read_timeout(Some(ms(1234))).unwrap();
        let descriptor = one.as_raw_fd();
        let mut one = one.into_std().unwrap();
        assert_eq!(one.as_raw_fd(), descriptor);
        // Time-outs in the kernel are as coarse as its ticks.
        assert!(one.read_timeout().unwrap().is_some_and(|time| time >= ms(1234)));
        assert_eq!(one.write_timeout().unwrap(), None);
        // It blocks again, and its time-out is the kernel's.
        one.set_read_timeout(Some(ms(20))).unwrap();
        let before = std::time::Instant::now();
        assert_eq!(one.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(before.elapsed() >= ms(10), "it did not block");
        one.set_write_timeout(Some(ms(3000))).unwrap();

        let mut one = TcpStream::try_from(one).unwrap();
        assert!(one.write_timeout().unwrap().is_some_and(|time| time >= ms(3000)));
        one.set_read_timeout(None).unwrap();
        let writer = place.spawn(move || {
            other.write_all(b"again").unwrap();
            other
        });
        let mut buffer = [0; 5];
        one.read_exact(&mut buffer).unwrap();
        writer.join();

        let descriptor = OwnedFd::from(one);
        let one = TcpStream::try_from(descriptor).unwrap();
        assert!(one.take_error().unwrap().is_none());
    });
}

#[test]
fn what_came_before_a_conversion_is_found_after_it() {
    everywhere(|_| {
        let (one, mut other) = connection(V4);
        other.write_all(b"early").unwrap();
        let mut one = TcpStream::from_std(one.into_std().unwrap()).unwrap();
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 5);

        let listener = TcpListener::bind(V4).unwrap();
        let _waits = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let listener = TcpListener::from_std(listener.into_std().unwrap()).unwrap();
        listener.accept().unwrap();
    });
}

#[test]
fn options_are_those_of_the_socket() {
    let (one, _other) = connection(V4);
    one.set_nodelay(true).unwrap();
    assert!(one.nodelay().unwrap());
    one.set_ttl(42).unwrap();
    assert_eq!(one.ttl().unwrap(), 42);
    assert!(format!("{one:?}").contains("addr"));
}

#[test]
fn an_address_that_refuses_is_passed_over_and_a_last_one_is_told() {
    everywhere(|_| {
        let free = TcpListener::bind(V4).unwrap().local_addr().unwrap();
        let refused = TcpStream::connect(free).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let listener = TcpListener::bind(V4).unwrap();
        let both = [free, listener.local_addr().unwrap()];
        assert_eq!(TcpStream::connect(&both[..]).unwrap().peer_addr().unwrap(), both[1]);
        let none = TcpStream::connect(&[][..]).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::InvalidInput);
    });
}
