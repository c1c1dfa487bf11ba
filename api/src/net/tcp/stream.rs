//! A TCP connection.

use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use drift_core::time::Instant;
use socket2::{Domain, Protocol, SockRef, Type};

use crate::error::ConcurrencyError;
use crate::net::short::short_count_of_stream;
use crate::net::socket::{Socket, after, nanoseconds, positive};
use crate::runtime::{SETUP, SYSTEM_CALL, pay};

/// What connect(2) says when the rest takes time (errno(3), asm-generic/errno.h).
const EINPROGRESS: i32 = 115;

/// A TCP connection; reads and writes park.
///
/// Shared by reference it can be read and written at once, by as many as like; see also
/// [`split`](Self::split). Dropping it closes it. Options that are not here:
/// `socket2::SockRef::from(&stream)`.
///
/// # Source
/// Drift's `std.net.TcpStream`; [`std::net::TcpStream`].
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
/// let address = listener.local_addr().unwrap();
/// let server = drift::spawn(move || {
///     let (mut stream, _) = listener.accept().unwrap();
///     let mut name = String::new();
///     stream.read_to_string(&mut name).unwrap();
///     write!(stream, "hello {name}").unwrap();
/// });
/// let mut stream = TcpStream::connect(address).unwrap();
/// stream.write_all(b"drift").unwrap();
/// stream.shutdown(std::net::Shutdown::Write).unwrap();
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer).unwrap();
/// assert_eq!(answer, "hello drift");
/// # server.join().unwrap();
/// ```
///
/// Options are those of std:
/// ```
/// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
/// stream.set_nodelay(true).unwrap();
/// stream.set_ttl(64).unwrap();
/// assert!(stream.nodelay().unwrap() && stream.ttl().unwrap() == 64);
/// assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
/// assert!(stream.take_error().unwrap().is_none());
/// ```
pub struct TcpStream(pub(super) Socket<net::TcpStream>);

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// A literal address does not block the carrier. A host name does, for as long as the machine
    /// takes to look it up: std's [`ToSocketAddrs`] asks the C library, which knows no other way.
    ///
    /// # Errors
    /// Those of connect(2) for the last address; `Other`, with
    /// [`Cancelled`](ConcurrencyError::Cancelled), if the virtual thread is cancelled; the
    /// reactor's if it has no room.
    ///
    /// # Source
    /// [`std::net::TcpStream::connect`].
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        pay(SYSTEM_CALL);
        let mut last = None;
        for address in address.to_socket_addrs()? {
            match Self::connect_until(address, Instant::FAR) {
                Err(error) if !is_ours(&error) => last = Some(error),
                ended => return ended,
            }
        }
        Err(last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")
        }))
    }

    /// Connects, for at most `timeout`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut`; `InvalidInput` if the time is zero.
    ///
    /// # Source
    /// [`std::net::TcpStream::connect_timeout`].
    ///
    /// # Examples
    /// ```
    /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let address = listener.local_addr().unwrap();
    /// let second = std::time::Duration::from_secs(1);
    /// drift::net::TcpStream::connect_timeout(&address, second).unwrap();
    /// ```
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        pay(SYSTEM_CALL);
        Self::connect_until(*address, after(nanoseconds(positive(timeout)?))?)
    }

    fn connect_until(address: SocketAddr, until: Instant) -> io::Result<Self> {
        pay(SETUP);
        let kind = Type::STREAM.nonblocking().cloexec();
        let domain = Domain::for_address(address);
        let raw = socket2::Socket::new_raw(domain, kind, Some(Protocol::TCP))?;
        let begun = raw.connect(&address.into());
        let is_begun = begun.as_ref().is_err_and(|error| error.raw_os_error() == Some(EINPROGRESS));
        if !is_begun {
            begun?;
        }
        // Only now: a socket that does not even try to connect counts as hung up.
        let short = short_count_of_stream((&raw).into())?;
        let stream = Self(Socket::register(raw.into(), short)?);
        if is_begun {
            stream.0.attempt(&stream.0.writes, &mut None, || until, is_connected)?;
        }
        Ok(stream)
    }

    /// Looks at what would be read next, without taking it.
    ///
    /// # Errors
    /// As a read.
    ///
    /// # Source
    /// [`std::net::TcpStream::peek`].
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    ///
    /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    /// let (mut server, _) = listener.accept().unwrap();
    /// server.write_all(b"x").unwrap();
    /// assert_eq!(stream.peek(&mut [0; 8]).unwrap(), 1);
    /// assert_eq!(stream.peek(&mut [0; 8]).unwrap(), 1); // it is still there
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take(|socket| socket.peek(buffer), |size| *size)
    }

    /// How long closing it waits for what was written to arrive (`SO_LINGER`).
    ///
    /// # Errors
    /// Those of getsockopt(2).
    ///
    /// # Source
    /// [`std::net::TcpStream`]'s `linger`, which is not stable yet.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        pay(SYSTEM_CALL);
        SockRef::from(self.0.inner()).linger()
    }

    /// Says how long closing it waits for what was written to arrive, in whole seconds. None is the
    /// usual: the kernel sends it on its own. With zero it is thrown away, and the peer finds the
    /// connection reset. Any other time blocks the carrier when the last handle is dropped
    /// (socket(7), `SO_LINGER`): [`shutdown`](Self::shutdown), and a read until its end, parks.
    ///
    /// # Errors
    /// Those of setsockopt(2).
    ///
    /// # Source
    /// [`std::net::TcpStream`]'s `set_linger`, which is not stable yet.
    ///
    /// # Examples
    /// ```
    /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    /// stream.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    /// assert_eq!(stream.linger().unwrap(), Some(std::time::Duration::ZERO));
    /// ```
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        pay(SYSTEM_CALL);
        SockRef::from(self.0.inner()).set_linger(time)
    }

    as_std! { net::TcpStream;
        /// The address of the other side.
        fn peer_addr() -> SocketAddr;
        /// The address of this side.
        fn local_addr() -> SocketAddr;
        /// Whether small writes are sent at once (`TCP_NODELAY`).
        fn nodelay() -> bool;
        /// Says whether small writes are sent at once, instead of being gathered.
        fn set_nodelay(is_on: bool) -> ();
        /// How many routers its packets pass (`IP_TTL`).
        fn ttl() -> u32;
        /// Says how many routers its packets pass.
        fn set_ttl(routers: u32) -> ();
        /// Takes what went wrong since (`SO_ERROR`).
        fn take_error() -> Option<io::Error>;
    }
}

/// Whether the runtime ended the call: then the next address would fare no better.
fn is_ours(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<ConcurrencyError>())
}

/// What became of connect(2); `WouldBlock` while nobody knows.
fn is_connected(socket: &net::TcpStream) -> io::Result<()> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        ended => ended.map(drop),
    }
}

descriptor!(TcpStream, net::TcpStream);
stream!(TcpStream);
