//! Unix sockets: streams within the machine.

mod listener;
mod stream;

pub use self::listener::{UnixIncoming, UnixListener};
pub use self::stream::UnixStream;
