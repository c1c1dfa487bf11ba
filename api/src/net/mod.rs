//! TCP, UDP and Unix sockets as std has them, which park virtual threads.
//!
//! The names, signatures and errors are std's, so that blocking code and blocking libraries run
//! unchanged; on plain OS threads the calls block, as std's do.
//!
//! | differs from std             | how                                                         |
//! |------------------------------|-------------------------------------------------------------|
//! | a time-out                   | is [`TimedOut`](std::io::ErrorKind::TimedOut) in every call |
//! | a cancelled virtual thread   | a call that would have to wait answers                      |
//! |                              | [`Other`](std::io::ErrorKind::Other), with                  |
//! |                              | [`ConcurrencyError::Cancelled`](crate::ConcurrencyError)    |
//! | `try_clone`, `into_std`      | a socket with a clone is not given back to std: it answers  |
//! |                              | [`ResourceBusy`](std::io::ErrorKind::ResourceBusy)          |
//! | host names                   | block the carrier while they are looked up                  |
//! | a fork without an exec       | what the child inherits is registered anew at its first     |
//! |                              | use, and not given back to std                              |
//! | kTLS (`TCP_ULP`), a BPF      | are not noticed: such a TCP socket may sleep beside data    |
//! | sockmap, `MSG_OOB` by hand   | that is there. Wait for it with                             |
//! |                              | [`block_on_io`](crate::io::block_on_io)                     |
//!
//! | to wait for something else   | [`io`](crate::io)                                           |
//! |------------------------------|-------------------------------------------------------------|

#[macro_use]
mod as_std;
mod accept;
mod peek;
mod registration;
mod short;
mod socket;
mod split;
mod tcp;
mod udp;
mod unix;

pub use self::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, Stream, WriteHalf};
pub use self::tcp::{TcpIncoming, TcpListener, TcpStream};
pub use self::udp::UdpSocket;
pub use self::unix::{UnixDatagram, UnixIncoming, UnixListener, UnixStream};
