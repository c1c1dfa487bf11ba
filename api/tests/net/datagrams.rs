//! Datagrams within the machine.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;

use drift::net::UnixDatagram;

use crate::{everywhere, is_cancelled, ms, on_carriers, times_out, unix::path};

#[test]
fn datagrams_go_by_path_by_name_and_by_connection() {
    everywhere(|place| {
        let (here, there) = (path("one"), path("other"));
        let (one, other) =
            (UnixDatagram::bind(&here).unwrap(), UnixDatagram::bind(&there).unwrap());
        let echo = place.spawn(move || {
            let mut buffer = [0; 16];
            for _ in 0..50 {
                let (length, from) = other.recv_from(&mut buffer).unwrap();
                let from = from.as_pathname().expect("it has a name");
                assert_eq!(other.send_to(&buffer[..length], from).unwrap(), length);
            }
            other
        });
        for round in 0..50 {
            one.send_to(&[round; 3], &there).unwrap();
            let mut answer = [0; 16];
            assert_eq!(one.peek(&mut answer).unwrap(), 3);
            let (length, from) = one.peek_from(&mut answer).unwrap();
            assert_eq!((length, from.as_pathname()), (3, Some(&*there)));
            assert_eq!(one.recv(&mut answer).unwrap(), 3);
            assert_eq!(answer[..3], [round; 3]);
        }
        let other = echo.join();
        one.connect(&there).unwrap();
        assert_eq!(one.peer_addr().unwrap().as_pathname(), Some(&*there));
        one.send(b"abc").unwrap();
        assert_eq!(other.recv(&mut [0; 2]).unwrap(), 2, "what does not fit is lost");
        assert_eq!(one.local_addr().unwrap().as_pathname(), Some(&*here));

        let name = format!("drift-{}", here.file_name().unwrap().to_str().unwrap());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let named = UnixDatagram::bind_addr(&address).unwrap();
        let unbound = UnixDatagram::unbound().unwrap();
        unbound.send_to_addr(b"x", &address).unwrap();
        unbound.connect_addr(&address).unwrap();
        unbound.send(b"yz").unwrap();
        assert!(named.recv_from(&mut [0; 4]).unwrap().1.is_unnamed());
        assert_eq!(named.recv(&mut [0; 4]).unwrap(), 2);
        for path in [here, there] {
            std::fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn senders_wait_for_room() {
    const MANY: u32 = 300;
    everywhere(|place| {
        for is_connected in [false, true] {
            let path = path("room");
            let server = UnixDatagram::bind(&path).unwrap();
            let client = UnixDatagram::unbound().unwrap();
            let to = path.clone();
            let sender = place.spawn(move || {
                if is_connected {
                    client.connect(&to).unwrap();
                }
                for n in 0..MANY {
                    let sent = match is_connected {
                        true => client.send(&n.to_ne_bytes()),
                        false => client.send_to(&n.to_ne_bytes(), &to),
                    };
                    assert_eq!(sent.unwrap(), 4);
                }
            });
            for n in 0..MANY {
                if n % 50 == 0 {
                    drift::sleep(ms(1)).unwrap();
                }
                let mut buffer = [0; 4];
                server.recv(&mut buffer).unwrap();
                assert_eq!(u32::from_ne_bytes(buffer), n);
            }
            sender.join();
            std::fs::remove_file(path).unwrap();
        }
        // A pair: by the room that the sender has.
        let (one, other) = UnixDatagram::pair().unwrap();
        let sender = place.spawn(move || (0..MANY).for_each(|_| _ = one.send(&[0; 4096]).unwrap()));
        for _ in 0..MANY {
            assert_eq!(other.recv(&mut [0; 4096]).unwrap(), 4096);
        }
        sender.join();
    });
}

/// Nanoseconds of CPU that the calling OS thread has had (proc(5), schedstat).
fn cpu() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

/// The kernel calls a socket that is not connected writable, whatever the other's queue holds.
#[test]
fn who_waits_for_room_does_not_try_all_the_time() {
    on_carriers(|_| {
        let path = path("behind");
        let server = UnixDatagram::bind(&path).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        let filled = (0..).take_while(|_| filler.send_to(b"x", &path).is_ok()).count();
        let client = UnixDatagram::unbound().unwrap();
        client.set_write_timeout(Some(ms(400))).unwrap();
        let before = cpu();
        times_out(ms(400), || client.send_to(b"late", &path));
        let took = cpu() - before;
        assert!(took < 20_000_000, "{took} ns of CPU to wait 400 ms");
        (0..filled).for_each(|_| assert_eq!(server.recv(&mut [0; 4]).unwrap(), 1));
        client.send_to(b"last", &path).unwrap();
        assert_eq!(server.recv(&mut [0; 4]).unwrap(), 4);
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn waits_for_datagrams_end_in_time() {
    everywhere(|_| {
        let (one, _other) = UnixDatagram::pair().unwrap();
        one.set_read_timeout(Some(ms(5))).unwrap();
        times_out(ms(5), || one.recv(&mut [0; 8]));
        times_out(ms(5), || one.recv_from(&mut [0; 8]));
        times_out(ms(5), || one.peek(&mut [0; 8]));
        let path = path("late");
        let server = UnixDatagram::bind(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.set_nonblocking(true).unwrap();
        let full = loop {
            if let Err(full) = client.send_to(b"x", &path) {
                break full;
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
        client.set_write_timeout(Some(ms(5))).unwrap();
        times_out(ms(5), || client.send_to(b"x", &path));
        client.connect(&path).unwrap();
        times_out(ms(5), || client.send(b"x"));
        assert_eq!(client.write_timeout().unwrap(), Some(ms(5)));
        drop(server);
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn cancelled_waits_for_datagrams_end() {
    is_cancelled(|| {
        let (one, _other) = UnixDatagram::pair()?;
        one.recv(&mut [0; 8])
    });
    is_cancelled(|| {
        let path = path("cancelled");
        let _server = UnixDatagram::bind(&path)?;
        let client = UnixDatagram::unbound()?;
        let ended = loop {
            if let Err(ended) = client.send_to(b"x", &path) {
                break ended;
            }
        };
        std::fs::remove_file(path)?;
        Err::<(), _>(ended)
    });
}

#[test]
fn errors_of_datagrams_are_those_of_std() {
    let (one, other) = UnixDatagram::pair().unwrap();
    other.shutdown(Shutdown::Read).unwrap();
    assert_eq!(one.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    let nobody = path("nobody");
    let unbound = UnixDatagram::unbound().unwrap();
    assert_eq!(unbound.send(b"x").unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(unbound.send_to(b"x", &nobody).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(unbound.send_to(b"x", "a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(unbound.connect("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
    let taken = UnixDatagram::bind(&nobody).unwrap();
    assert_eq!(UnixDatagram::bind(&nobody).unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(taken);
    assert_eq!(unbound.connect(&nobody).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    std::fs::remove_file(nobody).unwrap();
    assert!(format!("{unbound:?}").starts_with("UnixDatagram"));
}
