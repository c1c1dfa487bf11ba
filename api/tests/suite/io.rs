//! Waiting for descriptors. Drift's tests make eventfds and timerfds; pipes and sockets are ready
//! in the same way, and every machine has them.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use drift::io::{Interest, Ready, block_on_io, block_on_raw};
use drift::{ConcurrencyError, Duration, Instant, VirtualThread, sleep, spawn};

use crate::harness::Case;

pub const CASES: &[Case] = cases![
    reactor_eventfd_unpark,
    reactor_timerfd_unpark,
    block_on_io_eventfd,
    block_on_io_multiple_waits,
    block_on_io_deadline_timeout,
    block_on_io_deadline_then_signal,
    std_io_block_on_read_eventfd,
    std_io_block_on_write_eventfd,
    std_net_block_on_read_eventfd,
    std_net_block_on_write_eventfd,
    std_net_block_on_accept_eventfd,
];

type Answer = Result<Ready, ConcurrencyError>;

fn after(ms: i64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(ms))
}

/// A virtual thread that waits for a pipe, and both its ends.
fn reader(deadline: Option<Instant>) -> (VirtualThread<Answer>, PipeReader, PipeWriter) {
    let (read, write) = pipe().unwrap();
    let fd = read.as_raw_fd();
    (spawn(move || block_on_raw(fd, Interest::READABLE, deadline)), read, write)
}

fn assert_readable(answer: Result<Answer, ConcurrencyError>) {
    assert!(answer.unwrap().unwrap().is_readable());
}

fn reactor_eventfd_unpark() {
    let (thread, _read, mut write) = reader(None);
    sleep(Duration::from_millis(5)).unwrap();
    write.write_all(b"x").unwrap();
    assert_readable(thread.join());
}

fn reactor_timerfd_unpark() {
    let (thread, _read, mut write) = reader(None);
    let timer = spawn(move || {
        sleep(Duration::from_millis(10)).unwrap();
        write.write_all(b"x").unwrap();
    });
    assert_readable(thread.join());
    assert_eq!(timer.join(), Ok(()));
}

fn block_on_io_eventfd() {
    let (thread, mut read, mut write) = reader(None);
    write.write_all(b"x").unwrap();
    assert_readable(thread.join());
    let mut byte = [0];
    read.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
}

fn block_on_io_multiple_waits() {
    let (read, mut write) = pipe().unwrap();
    let thread = spawn(move || {
        // Nobody reads it: the second wait is over at once.
        let first = block_on_io(&read, Interest::READABLE, None);
        (first, block_on_io(&read, Interest::READABLE, None))
    });
    write.write_all(b"x").unwrap();
    let (first, second) = thread.join().unwrap();
    assert!(first.unwrap().is_readable() && second.unwrap().is_readable());
}

fn block_on_io_deadline_timeout() {
    let start = Instant::now();
    let (thread, _read, _write) = reader(after(3));
    assert_eq!(thread.join().unwrap(), Err(ConcurrencyError::Timeout));
    assert!(start.elapsed() >= std::time::Duration::from_millis(3));
}

fn block_on_io_deadline_then_signal() {
    let (thread, _read, mut write) = reader(after(60_000));
    sleep(Duration::from_millis(5)).unwrap();
    write.write_all(b"x").unwrap();
    assert_readable(thread.join());
}

fn std_io_block_on_read_eventfd() {
    block_on_io_eventfd();
}

fn std_io_block_on_write_eventfd() {
    let (_read, write) = pipe().unwrap();
    let thread = spawn(move || block_on_io(&write, Interest::WRITABLE, None));
    assert!(thread.join().unwrap().unwrap().is_writable());
}

/// Two ends of a connection, of std's kind.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn std_net_block_on_read_eventfd() {
    let (near, mut far) = connection();
    let thread = spawn(move || block_on_io(&near, Interest::READABLE, None));
    far.write_all(b"x").unwrap();
    assert_readable(thread.join());
}

fn std_net_block_on_write_eventfd() {
    let (near, _far) = connection();
    let thread = spawn(move || block_on_io(&near, Interest::WRITABLE, None));
    assert!(thread.join().unwrap().unwrap().is_writable());
}

fn std_net_block_on_accept_eventfd() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = spawn(move || {
        let ready = block_on_io(&listener, Interest::READABLE, None);
        ready.map(|_| listener.accept().is_ok())
    });
    let _client = TcpStream::connect(address).unwrap();
    assert_eq!(thread.join(), Ok(Ok(true)));
}
