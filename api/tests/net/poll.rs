//! Waiting for descriptors that are not ours.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use drift::io::{Interest, PollFd, Ready, block_on_io, block_on_raw, close, poll_many};
use drift::net::{TcpListener, TcpStream, UdpSocket};
use drift::{ConcurrencyError, Error, Instant};

use crate::{Place, V4, connection, everywhere, ms, on_carriers, the_next_sleep_is_full};

const READ: Interest = Interest::READABLE;
const WRITE: Interest = Interest::WRITABLE;

fn soon() -> Option<Instant> {
    Some(Instant::now() + ms(10))
}

fn past() -> Option<Instant> {
    Some(Instant::now())
}

/// What a look finds, as letters.
fn letters(ready: Ready) -> String {
    let facts = [
        (ready.is_readable(), 'r'),
        (ready.is_writable(), 'w'),
        (ready.is_error(), 'e'),
        (ready.is_hung_up(), 'h'),
    ];
    facts.iter().filter(|(holds, _)| *holds).map(|(_, letter)| letter).collect()
}

fn filled_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    // As much as a pipe holds (pipe(7)).
    writer.write_all(&[0; 1 << 16]).unwrap();
    (reader, writer)
}

/// A number that is no descriptor.
fn closed_number() -> RawFd {
    // High, so that no other test opens it meanwhile.
    1_000_000
}

#[test]
fn a_look_finds_what_poll_finds() {
    everywhere(|_| {
        let (empty, to_empty) = pipe().unwrap();
        let (full, to_full) = filled_pipe();
        let (orphan, writer) = pipe().unwrap();
        drop(writer);
        let (orphan_with_rest, writer) = filled_pipe();
        drop(writer);
        let (reader, to_nobody) = pipe().unwrap();
        drop(reader);
        let file = File::open("/proc/self/exe").unwrap();
        let (stream, peer) = connection(V4);
        let (told, teller) = connection(V4);
        (&teller).write_all(b"x").unwrap();
        told.peek(&mut [0]).unwrap();
        let rows: [(&dyn AsRawFd, Interest, &str); 14] = [
            (&empty, READ, ""),
            (&to_empty, WRITE, "w"),
            (&full, READ, "r"),
            (&to_full, WRITE, ""),
            (&orphan, READ, "h"),
            (&orphan_with_rest, READ, "rh"),
            (&to_nobody, WRITE, "we"),
            (&file, READ, "r"),
            (&file, Interest::BOTH, "rw"),
            (&stream, READ, ""),
            (&stream, WRITE, "w"),
            (&stream, Interest::BOTH, "w"),
            (&told, READ, "r"),
            (&told, Interest::BOTH, "rw"),
        ];
        let number = |descriptor: &dyn AsRawFd| descriptor.as_raw_fd();
        for (row, (descriptor, interest, expected)) in rows.iter().enumerate() {
            let found = block_on_raw(number(*descriptor), *interest, past());
            let found = match found {
                Ok(ready) => letters(ready),
                Err(ConcurrencyError::Timeout) => String::new(),
                Err(error) => panic!("row {row}: {error}"),
            };
            assert_eq!(found, *expected, "row {row}");
        }
        let poll =
            |(fd, interest, _): &(&dyn AsRawFd, _, _)| PollFd::from_raw(number(*fd), *interest);
        let mut all: Vec<PollFd<'_>> = rows.iter().map(poll).collect();
        assert_eq!(poll_many(&mut all, past()), Ok(11));
        for (row, (one, (.., expected))) in all.iter().zip(&rows).enumerate() {
            assert_eq!(letters(one.ready()), *expected, "row {row} of all");
        }
        drop(peer);
    });
}

#[test]
fn a_wait_ends_when_a_pipe_gets_ready_and_finds_it_ready_again() {
    everywhere(|place| {
        let (mut reader, mut writer) = pipe().unwrap();
        let number = reader.as_raw_fd();
        let waiter = place.spawn(move || {
            for _ in 0..3 {
                assert_eq!(letters(block_on_raw(number, READ, None).unwrap()), "r");
            }
            the_next_sleep_is_full();
        });
        drift::sleep(ms(2)).unwrap();
        writer.write_all(b"x").unwrap();
        waiter.join();
        reader.read_exact(&mut [0]).unwrap();
        assert_eq!(block_on_io(&reader, READ, past()), Err(ConcurrencyError::Timeout));
    });
}

#[test]
fn room_in_a_pipe_ends_a_wait() {
    everywhere(|place| {
        let (mut reader, writer) = filled_pipe();
        let waiter = place.spawn(move || letters(block_on_io(&writer, WRITE, None).unwrap()));
        drift::sleep(ms(2)).unwrap();
        reader.read_exact(&mut [0; 1 << 16]).unwrap();
        assert_eq!(waiter.join(), "w");
    });
}

#[test]
fn hang_up_and_errors_end_waits() {
    everywhere(|place| {
        let (reader, writer) = pipe().unwrap();
        let waiter = place.spawn(move || letters(block_on_io(&reader, READ, None).unwrap()));
        drift::sleep(ms(2)).unwrap();
        drop(writer);
        assert_eq!(waiter.join(), "h");

        let (reader, writer) = filled_pipe();
        let waiter = place.spawn(move || letters(block_on_io(&writer, WRITE, None).unwrap()));
        drift::sleep(ms(2)).unwrap();
        drop(reader);
        assert!(waiter.join().contains('e'));
    });
}

#[test]
fn a_deadline_ends_a_wait_and_leaves_nothing() {
    everywhere(|_| {
        let (reader, _writer) = pipe().unwrap();
        let deadline = soon();
        assert_eq!(block_on_io(&reader, READ, deadline), Err(ConcurrencyError::Timeout));
        assert!(Instant::now() >= deadline.unwrap());
        the_next_sleep_is_full();
        let mut none: [PollFd<'_>; 0] = [];
        let deadline = soon();
        assert_eq!(poll_many(&mut none, deadline), Err(ConcurrencyError::Timeout));
        assert!(Instant::now() >= deadline.unwrap());
    });
}

#[test]
fn the_one_that_gets_ready_is_told_among_many() {
    everywhere(|place| {
        let pipes: Vec<_> = (0..50).map(|_| pipe().unwrap()).collect();
        let (readers, mut writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
        let waiter = place.spawn(move || {
            let mut all: Vec<_> = readers.iter().map(|pipe| PollFd::new(pipe, READ)).collect();
            let mut order = Vec::new();
            while order.len() < 3 {
                poll_many(&mut all, None).unwrap();
                let ready = all.iter().position(|one| one.ready().is_any()).unwrap();
                (&readers[ready]).read_exact(&mut [0]).unwrap();
                order.push(ready);
            }
            the_next_sleep_is_full();
            order
        });
        for number in [17, 3, 49] {
            drift::sleep(ms(3)).unwrap();
            writers[number].write_all(b"x").unwrap();
        }
        let mut order = waiter.join();
        order.sort_unstable();
        assert_eq!(order, [3, 17, 49]);
    });
}

#[test]
fn the_same_descriptor_may_be_there_twice() {
    everywhere(|place| {
        let (stream, peer) = connection(V4);
        let mut both = [PollFd::new(&stream, READ), PollFd::new(&stream, WRITE)];
        assert_eq!(poll_many(&mut both, None), Ok(1));
        assert_eq!(both.map(|one| letters(one.ready())), ["", "w"]);
        (&peer).write_all(b"x").unwrap();
        assert_eq!(letters(block_on_io(&stream, READ, None).unwrap()), "r");
        assert_eq!(poll_many(&mut both, None), Ok(2));

        let (reader, mut writer) = pipe().unwrap();
        let waiter = place.spawn(move || {
            let mut twice = [PollFd::new(&reader, READ); 2];
            poll_many(&mut twice, None).map(|count| (count, twice.map(|one| letters(one.ready()))))
        });
        drift::sleep(ms(2)).unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(waiter.join(), Ok((2, ["r".to_owned(), "r".to_owned()])));
    });
}

#[test]
fn one_event_ends_the_wait_of_a_crowd() {
    on_carriers(|place| {
        let (reader, mut writer) = pipe().unwrap();
        let number = reader.as_raw_fd();
        // More than are claimed under one hold of a lock.
        let crowd: Vec<_> = (0..200)
            .map(|_| place.spawn(move || block_on_raw(number, READ, None).map(letters)))
            .collect();
        drift::sleep(ms(5)).unwrap();
        writer.write_all(b"x").unwrap();
        for one in crowd {
            assert_eq!(one.join(), Ok("r".to_owned()));
        }
    });
}

#[test]
fn what_cannot_be_waited_for_fails_the_call() {
    everywhere(|_| {
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"x").unwrap();
        for number in [closed_number(), -1] {
            let single = block_on_raw(number, READ, soon());
            assert!(matches!(single, Err(ConcurrencyError::Failed(_))), "{number}: {single:?}");
            let mut both = [PollFd::new(&reader, READ), PollFd::from_raw(number, READ)];
            let failed = poll_many(&mut both, soon());
            assert!(matches!(failed, Err(ConcurrencyError::Failed(Error::Platform(_)))));
            assert!(!both.iter().any(|one| one.ready().is_any()));
        }
        the_next_sleep_is_full();
    });
}

#[test]
fn cancelled_comes_before_ready_and_ready_before_the_deadline() {
    on_carriers(|place| {
        let Place::Carriers(executor) = place else { unreachable!() };
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all(b"x").unwrap();
        assert!(block_on_io(&reader, READ, past()).is_ok());
        let (quiet, _writer) = pipe().unwrap();
        let thread = drift::spawn_on(&executor, move || {
            let waited = block_on_io(&quiet, READ, None);
            the_next_sleep_is_full();
            let ready = block_on_io(&reader, READ, None);
            let shielded = drift::uncancellable(|| block_on_io(&reader, READ, None));
            (waited, ready, shielded.is_ok())
        });
        let thread = thread.unwrap();
        drift::sleep(ms(2)).unwrap();
        thread.cancel();
        let cancelled = Err(ConcurrencyError::Cancelled);
        assert_eq!(thread.join(), Ok((cancelled.clone(), cancelled, true)));
    });
}

/// Waiters for a descriptor, alone and among others, which is closed after `pause`: whether all
/// of them were told.
fn are_told_of_a_close(place: Place, pause: impl FnOnce()) -> bool {
    let (reader, _writer) = pipe().unwrap();
    let (quiet, _quiet_writer) = pipe().unwrap();
    let number = reader.as_raw_fd();
    // One that comes too late may wait for somebody else's descriptor of that number.
    let late = Some(Instant::now() + ms(1000));
    let wait = move || block_on_raw(number, READ, late).err();
    let wait_for_many = move || {
        let mut both = [PollFd::new(&quiet, READ), PollFd::from_raw(number, READ)];
        poll_many(&mut both, late).err()
    };
    let waiters = [place.spawn(wait), place.spawn(wait), place.spawn(wait_for_many)];
    pause();
    close(reader);
    waiters.map(crate::Running::join).iter().all(|end| *end == Some(ConcurrencyError::Closed))
}

#[test]
fn a_close_ends_the_waits_for_what_is_closed() {
    let place = Place::Carriers(crate::carriers(1));
    let test = move || {
        for _ in 0..50 {
            // On one carrier that lets all three get to their waits.
            assert!(are_told_of_a_close(place, drift::yield_now));
        }
        the_next_sleep_is_full();
    };
    place.spawn(test).join();
    everywhere(|place| {
        let pause = || drift::sleep(ms(5)).unwrap();
        assert!((0..20).any(|_| are_told_of_a_close(place, pause)));
        the_next_sleep_is_full();
    });
}

#[test]
fn a_number_that_is_opened_anew_is_found_ready() {
    everywhere(|_| {
        for _ in 0..50 {
            let (reader, writer) = pipe().unwrap();
            assert!(block_on_io(&reader, READ, past()).is_err());
            drop((reader, writer));
            let (reader, mut writer) = pipe().unwrap();
            assert!(block_on_io(&reader, READ, past()).is_err());
            writer.write_all(b"x").unwrap();
            assert!(block_on_io(&reader, READ, None).unwrap().is_readable());
            close(OwnedFd::from(reader));
        }
    });
}

/// Sockets of ours can be waited for as well, and still work by themselves.
#[test]
fn sockets_of_ours_may_be_polled_beside_their_own_calls() {
    everywhere(|place| {
        let listener = TcpListener::bind(V4).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(block_on_io(&listener, READ, soon()), Err(ConcurrencyError::Timeout));
        let client = place.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            drift::sleep(ms(3)).unwrap();
            stream.write_all(b"hello").unwrap();
            stream
        });
        assert_eq!(letters(block_on_io(&listener, READ, None).unwrap()), "r");
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(letters(block_on_io(&stream, READ, None).unwrap()), "r");
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 5);
        assert_eq!(block_on_io(&stream, READ, past()), Err(ConcurrencyError::Timeout));
        drop(client.join());
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);

        let (one, other) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V4).unwrap());
        assert_eq!(block_on_io(&other, READ, past()), Err(ConcurrencyError::Timeout));
        one.send_to(b"x", other.local_addr().unwrap()).unwrap();
        assert_eq!(letters(block_on_io(&other, READ, None).unwrap()), "r");
        other.recv_from(&mut [0]).unwrap();
    });
}
