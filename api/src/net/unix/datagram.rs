//! Datagrams within the machine.

use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use drift_core::sched::budget;
use drift_core::wait::readiness::ShortCount;
use socket2::{Domain, Type};

use super::listener::std_address;
use super::pauses::Pauses;
use crate::net::peek;
use crate::net::socket::Socket;
use crate::runtime::{SETUP, SYSTEM_CALL, pay};

/// A socket for datagrams within the machine; sending and receiving park. The path that it is
/// bound to stays when it is dropped, as in std.
///
/// # Source
/// [`std::os::unix::net::UnixDatagram`].
///
/// # Examples
/// ```
/// use drift::net::UnixDatagram;
///
/// let (one, other) = UnixDatagram::pair().unwrap();
/// let echo = drift::spawn(move || {
///     let mut buffer = [0; 64];
///     let length = other.recv(&mut buffer).unwrap();
///     other.send(&buffer[..length]).unwrap();
/// });
/// one.send(b"hello").unwrap();
/// assert_eq!(one.recv(&mut [0; 64]).unwrap(), 5);
/// # echo.join().unwrap();
/// ```
///
/// Options are those of std:
/// ```
/// let (socket, other) = drift::net::UnixDatagram::pair().unwrap();
/// assert!(socket.local_addr().unwrap().is_unnamed() && socket.peer_addr().unwrap().is_unnamed());
/// assert!(socket.take_error().unwrap().is_none());
/// socket.shutdown(std::net::Shutdown::Write).unwrap();
/// assert!(socket.send(b"x").is_err());
/// # drop(other);
/// ```
pub struct UnixDatagram(Socket<net::UnixDatagram>);

impl UnixDatagram {
    /// A socket at a path, which must not exist.
    ///
    /// # Errors
    /// Those of bind(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::bind`].
    ///
    /// # Examples
    /// ```
    /// use drift::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("drift-dgram-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let server = UnixDatagram::bind(&path).unwrap();
    /// UnixDatagram::unbound().unwrap().send_to(b"x", &path).unwrap();
    /// let (length, from) = server.recv_from(&mut [0; 8]).unwrap();
    /// assert!(length == 1 && from.is_unnamed());
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        pay(SETUP);
        Self::adopt(net::UnixDatagram::bind(path)?)
    }

    /// A socket at an address: a path or an abstract name.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::bind_addr`].
    ///
    /// # Examples
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    /// use drift::net::UnixDatagram;
    ///
    /// let name = format!("drift-dgram-{}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name).unwrap();
    /// let server = UnixDatagram::bind_addr(&address).unwrap();
    /// let client = UnixDatagram::unbound().unwrap();
    /// client.send_to_addr(b"x", &address).unwrap();
    /// client.connect_addr(&address).unwrap();
    /// client.send(b"xy").unwrap();
    /// assert_eq!(server.peek(&mut [0; 8]).unwrap(), 1);
    /// assert_eq!(server.recv(&mut [0; 8]).unwrap(), 1);
    /// assert_eq!(server.recv(&mut [0; 8]).unwrap(), 2);
    /// # }
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        pay(SETUP);
        Self::adopt(net::UnixDatagram::bind_addr(address)?)
    }

    /// A socket without a name, to send from.
    ///
    /// # Errors
    /// Those of socket(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::unbound`].
    pub fn unbound() -> io::Result<Self> {
        pay(SETUP);
        Self::adopt(net::UnixDatagram::unbound()?)
    }

    /// Two sockets, connected to each other.
    ///
    /// # Errors
    /// Those of socketpair(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::pair`].
    pub fn pair() -> io::Result<(Self, Self)> {
        pay(SETUP);
        let kind = Type::DGRAM.nonblocking().cloexec();
        let (one, other) = socket2::Socket::pair_raw(Domain::UNIX, kind, None)?;
        let [one, other] =
            [one, other].map(|end| Socket::register(end.into(), ShortCount::Nothing));
        Ok((Self(one?), Self(other?)))
    }

    fn adopt(socket: net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(Socket::register(socket, ShortCount::Nothing)?))
    }

    /// Names the other side by its path: `send` goes there, and `recv` takes only what comes from
    /// there.
    ///
    /// # Errors
    /// Those of connect(2).
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::connect`].
    ///
    /// # Examples
    /// ```
    /// let path = std::env::temp_dir().join(format!("drift-named-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let server = drift::net::UnixDatagram::bind(&path).unwrap();
    /// let client = drift::net::UnixDatagram::unbound().unwrap();
    /// client.connect(&path).unwrap();
    /// client.send(b"x").unwrap();
    /// assert_eq!(server.recv(&mut [0; 8]).unwrap(), 1);
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        pay(SYSTEM_CALL);
        self.0.inner().connect(path)
    }

    /// Receives a datagram, and tells who sent it. What does not fit is lost.
    ///
    /// # Errors
    /// Those of recvfrom(2); `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::recv_from`].
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.take(|socket| socket.recv_from(buffer), |(size, _)| *size)
    }

    /// As [`recv_from`](Self::recv_from), but leaves the datagram where it is. A sender whose path
    /// takes all of its 108 bytes is told without a name.
    ///
    /// # Errors
    /// As `recv_from`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram`]'s `peek_from`, which is not stable yet.
    ///
    /// # Examples
    /// ```
    /// let (one, other) = drift::net::UnixDatagram::pair().unwrap();
    /// one.send(b"x").unwrap();
    /// let (length, from) = other.peek_from(&mut [0; 8]).unwrap();
    /// assert!(length == 1 && from.is_unnamed());
    /// ```
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let peeked = self.0.take(|socket| peek::peek_from(socket, buffer), |(size, _)| *size)?;
        Ok((peeked.0, std_address(&peeked.1).or_else(|_| SocketAddr::from_pathname(""))?))
    }

    /// Receives a datagram. What does not fit is lost.
    ///
    /// # Errors
    /// Those of recv(2); `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::recv`].
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take(|socket| socket.recv(buffer), |size| *size)
    }

    /// As [`recv`](Self::recv), but leaves the datagram where it is.
    ///
    /// # Errors
    /// As `recv`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram`]'s `peek`, which is not stable yet.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take(|socket| peek::peek(socket, buffer), |size| *size)
    }

    /// Sends a datagram to the socket at a path. While its queue is full it is asked again, at most
    /// 16 ms later: to the kernel a socket that is not connected is always ready to send.
    ///
    /// # Errors
    /// Those of sendto(2); `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::send_to`].
    pub fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_by(|socket| socket.send_to(bytes, path.as_ref()))
    }

    /// As [`send_to`](Self::send_to), to an address: a path or an abstract name.
    ///
    /// # Errors
    /// As `send_to`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::send_to_addr`].
    pub fn send_to_addr(&self, bytes: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.send_by(|socket| socket.send_to_addr(bytes, address))
    }

    /// Sends a datagram to the side that [`connect`](Self::connect) named.
    ///
    /// # Errors
    /// Those of send(2), `ConnectionRefused` among them; `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::send`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(|socket| socket.send(bytes))
    }

    /// Ends one direction or both. Calls that wait in it go on.
    ///
    /// # Errors
    /// `NotConnected`, as in std.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixDatagram::shutdown`].
    pub fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        pay(SYSTEM_CALL);
        self.0.inner().shutdown(how)
    }

    /// Sends, and makes pauses while it would block: a failed try frees what it took, which is an
    /// event that says ready, so a wait for that would end at once.
    fn send_by(
        &self,
        mut send: impl FnMut(&net::UnixDatagram) -> io::Result<usize>,
    ) -> io::Result<usize> {
        pay(SYSTEM_CALL);
        let (side, mut waits) = (&self.0.writes, None);
        loop {
            match send(self.0.inner()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !side.waits_never() => {}
                ended => {
                    budget::owe(*ended.as_ref().unwrap_or(&0));
                    return ended;
                }
            }
            let (until, pauses) = match &mut waits {
                Some(waits) => waits,
                None => waits.insert((side.deadline()?, Pauses::new())),
            };
            pauses.pause(*until)?;
        }
    }

    timeouts!();

    as_std! { net::UnixDatagram;
        /// Names the other side by its address: a path or an abstract name.
        fn connect_addr(address: &SocketAddr) -> ();
        /// The address of the side that `connect` named.
        fn peer_addr() -> SocketAddr;
        /// The address of this side.
        fn local_addr() -> SocketAddr;
        /// Takes what went wrong since (`SO_ERROR`).
        fn take_error() -> Option<io::Error>;
    }
}

descriptor!(UnixDatagram, net::UnixDatagram);
