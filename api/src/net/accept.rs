//! Accepting: one system call for each connection, which comes non-blocking.

use std::ffi::c_int;
use std::io;
use std::os::fd::AsFd;

use socket2::{SockAddr, SockRef, Type};

use super::socket::{Socket, after};
use crate::runtime::{SYSTEM_CALL, pay};
use crate::time::Duration;

/// A connection, and who it is with.
pub(super) type Accepted = (socket2::Socket, SockAddr);

/// Waits as long as the socket's time-out says.
pub(super) fn accept<T: AsFd>(socket: &Socket<T>) -> io::Result<Accepted> {
    socket.take(accept_now, |_| 0)
}

/// Waits for at most `timeout`.
pub(super) fn accept_timeout<T: AsFd>(
    socket: &Socket<T>,
    timeout: Duration,
) -> io::Result<Accepted> {
    pay(SYSTEM_CALL);
    let until = after(timeout.nanoseconds()?)?;
    let (accepted, _) = socket.attempt(&socket.reads, &mut None, || until, accept_now)?;
    Ok(accepted)
}

fn accept_now<T: AsFd>(listener: &T) -> io::Result<Accepted> {
    // The flags of accept4(2) are those of socket(2).
    let flags = c_int::from(Type::from(0).nonblocking().cloexec());
    loop {
        match SockRef::from(listener).accept4(flags) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}
