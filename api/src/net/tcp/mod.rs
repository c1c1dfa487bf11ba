//! TCP.

mod listener;
mod stream;

pub use self::listener::{TcpIncoming, TcpListener};
pub use self::stream::TcpStream;
