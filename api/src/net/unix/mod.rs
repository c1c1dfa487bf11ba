//! Unix sockets: streams and datagrams within the machine.

mod datagram;
mod listener;
mod pauses;
mod stream;

pub use self::datagram::UnixDatagram;
pub use self::listener::{UnixIncoming, UnixListener};
pub use self::stream::UnixStream;
