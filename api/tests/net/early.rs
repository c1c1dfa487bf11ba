//! Calls that the kernel ends early, with no event afterwards: nobody waits beside what is there.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};

use drift::Instant;
use drift::net::{TcpListener, TcpStream, UnixStream};
use drift_core::platform::{Interest, Source};
use drift_pal::process;
use socket2::{Domain, MsgHdr, SockRef, Socket, Type};

use crate::{Place, V4, connection, everywhere, ms};

/// A wait for nothing ends as a failure.
const PATIENCE: u64 = 20_000;

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(ms(PATIENCE))).unwrap();
    stream.set_write_timeout(Some(ms(PATIENCE))).unwrap();
    stream
}

/// Runs `test` everywhere; no wait of it lasts its whole time, after which a last try finds what
/// was there all the while.
fn at_once(test: fn(Place)) {
    let begun = Instant::now();
    everywhere(test);
    assert!(begun.elapsed() < ms(PATIENCE), "somebody waited for what was there");
}

/// Time for what was sent to come, and for a carrier to be told.
fn let_it_come() {
    drift::sleep(ms(20)).unwrap();
}

/// Whether the reactor takes the stream for one to be read.
fn is_thought_ready(stream: &impl AsRawFd) -> bool {
    let runtime = process::runtime().unwrap();
    runtime.owned(Source(stream.as_raw_fd().cast_unsigned())).readiness(Interest::READ).is_ready()
}

/// std passes 1 024 buffers on, and those are taken whole.
#[test]
fn more_buffers_than_one_call_takes_are_written() {
    at_once(|place| {
        for (here, there) in [connection(V4), connection(V4)] {
            let (mut here, mut there) = (patient(here), patient(there));
            let writer = place.spawn(move || {
                let buffers = vec![IoSlice::new(b"xy"); 3_000];
                let mut rest = &mut buffers.into_boxed_slice()[..];
                while !rest.is_empty() {
                    let written = here.write_vectored(rest).unwrap();
                    IoSlice::advance_slices(&mut rest, written);
                }
            });
            let mut all = Vec::new();
            there.read_to_end(&mut all).unwrap();
            assert_eq!(all, b"xy".repeat(3_000));
            writer.join();
        }
    });
}

/// A read stops at an urgent byte: tcp(7). The peer decides when.
#[test]
fn what_lies_behind_an_urgent_byte_is_read() {
    at_once(|_| {
        for is_inline in [false, true] {
            let (here, there) = connection(V4);
            let (mut here, mut there) = (here, patient(there));
            SockRef::from(&there).set_out_of_band_inline(is_inline).unwrap();
            let expected: &[u8] = if is_inline { b"aaaaubbbb" } else { b"aaaabbbb" };
            for _ in 0..3 {
                here.write_all(b"aaaa").unwrap();
                SockRef::from(&here).send_out_of_band(b"u").unwrap();
                here.write_all(b"bbbb").unwrap();
                let_it_come();
                // With room for all of it.
                let (mut got, mut buffer) = (Vec::new(), [0; 64]);
                while got.len() < expected.len() {
                    let length = there.read(&mut buffer).unwrap();
                    got.extend_from_slice(&buffer[..length]);
                }
                assert_eq!(got, expected);
            }
        }
    });
}

/// A control message that hands a descriptor over: cmsg(3), unix(7), on machines of 64 bits.
fn rights(descriptor: &impl AsRawFd) -> [u8; 24] {
    let mut message = [0; 24];
    message[..8].copy_from_slice(&20_u64.to_ne_bytes());
    message[8..12].copy_from_slice(&1_i32.to_ne_bytes()); // SOL_SOCKET
    message[12..16].copy_from_slice(&1_i32.to_ne_bytes()); // SCM_RIGHTS
    message[16..20].copy_from_slice(&descriptor.as_raw_fd().to_ne_bytes());
    message
}

/// A read of a Unix stream stops behind the bytes that a descriptor came with.
#[test]
#[cfg(target_pointer_width = "64")]
fn what_comes_after_a_descriptor_is_read() {
    at_once(|_| {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        there.set_read_timeout(Some(ms(PATIENCE))).unwrap();
        let control = rights(&here);
        let bytes = [IoSlice::new(b"fd")];
        let message = MsgHdr::new().with_buffers(&bytes).with_control(&control);
        SockRef::from(&here).sendmsg(&message, 0).unwrap();
        here.write_all(b"plain").unwrap();
        let_it_come();
        let mut buffer = [0; 64];
        assert_eq!(there.read(&mut buffer).unwrap(), 2);
        assert_eq!(there.read(&mut buffer).unwrap(), 5);
    });
}

/// The same with urgent data, where the kernel has that for Unix streams.
#[test]
fn what_lies_behind_an_urgent_byte_of_a_unix_stream_is_read() {
    at_once(|_| {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        there.set_read_timeout(Some(ms(PATIENCE))).unwrap();
        here.write_all(b"aaaa").unwrap();
        if SockRef::from(&here).send_out_of_band(b"u").is_err() {
            return;
        }
        here.write_all(b"bbbb").unwrap();
        let_it_come();
        let mut buffer = [0; 64];
        assert_eq!(there.read(&mut buffer).unwrap(), 4);
        assert_eq!(there.read(&mut buffer).unwrap(), 4);
    });
}

/// What is given for a stream need not be one; a read then ends with each record.
#[test]
fn records_are_read_one_after_the_other() {
    at_once(|_| {
        let records = |one: Socket, other: Socket| {
            let mut stream = UnixStream::try_from(OwnedFd::from(other)).unwrap();
            stream.set_read_timeout(Some(ms(PATIENCE))).unwrap();
            for record in [&b"one"[..], b"three", b"xy"] {
                one.send(record).unwrap();
            }
            let_it_come();
            let lengths = [(); 3].map(|()| stream.read(&mut [0; 64]).unwrap());
            assert_eq!(lengths, [3, 5, 2]);
            // Longer than the buffer: the rest is lost, and the next is not.
            one.send(b"longer").unwrap();
            one.send(b"next").unwrap();
            let_it_come();
            assert_eq!(
                [stream.read(&mut [0; 4]).unwrap(), stream.read(&mut [0; 64]).unwrap()],
                [4; 2]
            );
        };
        for kind in [Type::SEQPACKET, Type::DGRAM] {
            let (one, other) = Socket::pair(Domain::UNIX, kind, None).unwrap();
            records(one, other);
        }
        let (one, other) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V4).unwrap());
        one.connect(other.local_addr().unwrap()).unwrap();
        let mut stream = TcpStream::try_from(OwnedFd::from(other)).unwrap();
        stream.set_read_timeout(Some(ms(PATIENCE))).unwrap();
        one.send(b"first").unwrap();
        one.send(b"second").unwrap();
        let_it_come();
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 5);
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 6);
    });
}

/// A connection that a listener of another protocol accepts is none of TCP's, and is not trusted.
#[test]
fn a_listener_hands_its_kind_on() {
    at_once(|_| {
        let name = format!("drift-early-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let address = socket2::SockAddr::unix(&path).unwrap();
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(8).unwrap();
        let listener = drift::net::UnixListener::try_from(OwnedFd::from(listener)).unwrap();
        let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        client.connect(&address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(ms(PATIENCE))).unwrap();
        client.send(b"one").unwrap();
        client.send(b"two").unwrap();
        let_it_come();
        let lengths = [(); 2].map(|()| server.read(&mut [0; 64]).unwrap());
        assert_eq!(lengths, [3, 3]);
        std::fs::remove_file(&path).unwrap();
    });
}

/// A short read of plain TCP, however the stream was got, saves the call that would find nothing.
#[test]
fn a_short_count_of_tcp_is_proof() {
    at_once(|_| {
        let listener = TcpListener::bind(V4).unwrap();
        let address = listener.local_addr().unwrap();
        let own = connection(V4);
        let given = std::net::TcpStream::connect(address).unwrap();
        let accepted = listener.accept().unwrap().0;
        let pairs = [own, (TcpStream::from_std(given).unwrap(), accepted)];
        for (mut here, mut there) in pairs {
            for _ in 0..2 {
                std::mem::swap(&mut here, &mut there);
                let (writer, reader) = (&mut here, &mut there);
                writer.write_all(b"hello").unwrap();
                let_it_come();
                assert_eq!(reader.read(&mut [0; 64]).unwrap(), 5);
                assert!(!is_thought_ready(reader));
                writer.write_all(b"hello").unwrap();
                let_it_come();
                assert_eq!(reader.read(&mut [0; 5]).unwrap(), 5);
                assert!(is_thought_ready(reader), "the buffer was full");
                // Vectored, with as many buffers as a call takes.
                writer.write_all(b"hello").unwrap();
                let_it_come();
                let mut parts = [[0_u8; 4]; 4];
                let mut buffers = parts.each_mut().map(|part| std::io::IoSliceMut::new(part));
                assert_eq!(reader.read_vectored(&mut buffers).unwrap(), 5);
                assert!(!is_thought_ready(reader));
            }
        }
    });
}

/// The end, and an error, are found behind data that came before them.
#[test]
fn the_end_behind_data_is_found() {
    at_once(|_| {
        let (mut here, there) = connection(V4);
        let mut there = patient(there);
        here.write_all(b"last").unwrap();
        drop(here);
        let_it_come();
        assert_eq!(there.read(&mut [0; 64]).unwrap(), 4);
        assert_eq!(there.read(&mut [0; 64]).unwrap(), 0);
        let (mut here, there) = connection(V4);
        let mut there = patient(there);
        here.write_all(b"last").unwrap();
        let_it_come();
        SockRef::from(&here).set_linger(Some(ms(0))).unwrap();
        drop(here);
        let_it_come();
        let ended = there.read(&mut [0; 64]).and_then(|_| there.read(&mut [0; 64]));
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}
