//! Calls that nobody answers: time-outs and cancellation.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use drift::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use drift::{ConcurrencyError, Duration, Error};
use socket2::{Domain, Socket, Type};

use crate::{V4, connection, everywhere, is_cancelled, ms, times_out};

/// A listener whose queue is full: who connects now gets no answer. With what fills it.
fn full_listener() -> (Socket, SocketAddr, Vec<std::net::TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, ms(200));
    let queued = std::iter::repeat_with(connect).map_while(Result::ok).collect();
    (listener, address, queued)
}

/// Writes until nothing more goes.
fn fill(mut stream: impl Write) -> std::io::Error {
    let bytes = vec![0; 1 << 16];
    loop {
        if let Err(error) = stream.write(&bytes) {
            return error;
        }
    }
}

#[test]
fn reads_and_writes_time_out() {
    everywhere(|_| {
        let (one, other) = connection(V4);
        one.set_read_timeout(Some(ms(10))).unwrap();
        one.set_write_timeout(Some(ms(10))).unwrap();
        assert_eq!(one.read_timeout().unwrap(), Some(ms(10)));
        times_out(ms(10), || (&one).read(&mut [0]));
        times_out(ms(10), || one.peek(&mut [0]));
        times_out(ms(10), || Err::<(), _>(fill(&one)));
        // Time-outs are of the calls, not of the stream: it still works.
        (&other).write_all(b"x").unwrap();
        assert_eq!((&one).read(&mut [0; 8]).unwrap(), 1);
        assert_ne!((&other).read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn accepts_time_out() {
    everywhere(|_| {
        let listener = TcpListener::bind(V4).unwrap();
        times_out(ms(10), || listener.accept_timeout(ms(10)));
        times_out(ms(0), || listener.accept_timeout(Duration::ZERO));
        let _waits = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept_timeout(Duration::ZERO).unwrap();
        let negative = Duration::from_millis(-1);
        let error = listener.accept_timeout(negative).unwrap_err();
        let inner = error.get_ref().unwrap().downcast_ref::<ConcurrencyError>().unwrap();
        assert_eq!(*inner, Error::InvalidDuration(negative).into());
    });
}

#[test]
fn connects_time_out() {
    let (_listener, address, _queued) = full_listener();
    FULL.set(address).unwrap();
    everywhere(|_| {
        let address = FULL.get().unwrap();
        times_out(ms(10), || TcpStream::connect_timeout(address, ms(10)));
    });
}

static FULL: std::sync::OnceLock<SocketAddr> = std::sync::OnceLock::new();

#[test]
fn datagrams_time_out() {
    everywhere(|_| {
        let socket = UdpSocket::bind(V4).unwrap();
        socket.set_read_timeout(Some(ms(10))).unwrap();
        times_out(ms(10), || socket.recv_from(&mut [0]));
        times_out(ms(10), || socket.peek_from(&mut [0]));
        times_out(ms(10), || socket.recv(&mut [0]));
    });
}

#[test]
fn a_time_out_of_zero_is_refused_as_in_std() {
    let (one, _other) = connection(V4);
    let zero = Some(std::time::Duration::ZERO);
    for refused in [one.set_read_timeout(zero), one.set_write_timeout(zero)] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let refused = TcpStream::connect_timeout(&one.peer_addr().unwrap(), ms(0));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_full_unix_listener_is_waited_for_and_times_out() {
    let path = crate::unix::path("full");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let _queued = UnixStream::connect(&path).unwrap();
    let address = std::os::unix::net::SocketAddr::from_pathname(&path).unwrap();
    times_out(ms(10), || UnixStream::connect_timeout(&address, ms(10)));
    is_cancelled(move || UnixStream::connect_addr(&address));

    let listener = UnixListener::from_std(listener.into()).unwrap();
    let late = drift::spawn({
        let path = path.clone();
        move || UnixStream::connect(&path).map(drop)
    });
    drift::sleep(ms(2)).unwrap();
    listener.accept().unwrap();
    late.join().unwrap().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_cancel_ends_an_accept() {
    let listener = Arc::new(TcpListener::bind(V4).unwrap());
    is_cancelled(move || listener.accept());
}

#[test]
fn a_cancel_ends_a_read() {
    let (one, _other) = connection(V4);
    let one = Arc::new(one);
    is_cancelled(move || (&*one).read(&mut [0]));
}

#[test]
fn a_cancel_ends_a_write() {
    let (one, _other) = connection(V4);
    let one = Arc::new(one);
    is_cancelled(move || Err::<(), _>(fill(&*one)));
}

#[test]
fn a_cancel_ends_a_connect() {
    let (_listener, address, _queued) = full_listener();
    is_cancelled(move || TcpStream::connect(address));
}

#[test]
fn a_cancel_ends_a_receive() {
    let socket = Arc::new(UdpSocket::bind(V4).unwrap());
    is_cancelled(move || socket.recv_from(&mut [0]));
}

#[test]
fn a_cancelled_thread_may_still_do_what_needs_no_wait() {
    // One carrier: they run in turn.
    drift::run_with(drift::ExecutorPolicy::new(), || {
        let (mut one, mut other) = connection(V4);
        let thread = drift::spawn(move || {
            while !drift::is_cancelled() {
                drift::yield_now();
            }
            other.write_all(b"last words").unwrap();
        });
        drift::yield_now();
        thread.cancel();
        thread.join().unwrap();
        let mut said = String::new();
        one.read_to_string(&mut said).unwrap();
        assert_eq!(said, "last words");
    });
}

#[test]
fn uncancellable_code_may_wait_for_its_peer() {
    // One carrier: they run in turn.
    drift::run_with(drift::ExecutorPolicy::new(), || {
        let (mut one, mut other) = connection(V4);
        let (started, has_started) = drift::sync::bounded(1);
        let thread = drift::spawn(move || {
            started.send(()).unwrap();
            drift::park().unwrap_err();
            drift::uncancellable(|| other.read(&mut [0; 8]))
        });
        // One that has not started never would.
        has_started.recv().unwrap();
        thread.cancel();
        drift::sleep(ms(2)).unwrap();
        one.write_all(b"bye").unwrap();
        assert_eq!(thread.join().unwrap().unwrap(), 3);
    });
}
