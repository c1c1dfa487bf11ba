//! A connection within the machine.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use drift_core::time::Instant;
use drift_core::wait::readiness::ShortCount;
use socket2::{Domain, SockAddr, Type};

use super::pauses::Pauses;
use crate::net::peek;
use crate::net::socket::{Socket, after, nanoseconds, positive};
use crate::runtime::{SETUP, SYSTEM_CALL, pay};

/// A connection within the machine; reads and writes park. As
/// [`TcpStream`](crate::net::TcpStream).
///
/// # Source
/// Drift's `std.net.UnixStream`; [`std::os::unix::net::UnixStream`].
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift::net::UnixStream;
///
/// let (mut one, mut other) = UnixStream::pair().unwrap();
/// let reader = drift::spawn(move || {
///     let mut all = String::new();
///     other.read_to_string(&mut all).map(|_| all).unwrap()
/// });
/// one.write_all(b"hello").unwrap();
/// drop(one);
/// assert_eq!(reader.join().unwrap(), "hello");
/// ```
///
/// Options are those of std:
/// ```
/// let (stream, _other) = drift::net::UnixStream::pair().unwrap();
/// assert!(stream.peer_addr().unwrap().is_unnamed());
/// assert!(stream.take_error().unwrap().is_none());
/// ```
pub struct UnixStream(pub(super) Socket<net::UnixStream>);

impl UnixStream {
    /// Two streams, connected to each other.
    ///
    /// # Errors
    /// Those of socketpair(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixStream::pair`].
    pub fn pair() -> io::Result<(Self, Self)> {
        pay(SETUP);
        let kind = Type::STREAM.nonblocking().cloexec();
        let (one, other) = socket2::Socket::pair_raw(Domain::UNIX, kind, None)?;
        let [one, other] =
            [one, other].map(|end| Socket::register(end.into(), ShortCount::Nothing));
        Ok((Self(one?), Self(other?)))
    }

    /// Connects to the listener at a path. While its queue is full it is asked again, at most
    /// 16 ms later: the kernel does not tell when there is room.
    ///
    /// # Errors
    /// Those of connect(2); `Other`, with `Cancelled`, if the virtual thread is cancelled; the
    /// reactor's if it has no room.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixStream::connect`].
    ///
    /// # Examples
    /// ```
    /// let path = std::env::temp_dir().join(format!("drift-connect-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let listener = drift::net::UnixListener::bind(&path).unwrap();
    /// drift::net::UnixStream::connect(&path).unwrap();
    /// # drop(listener);
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        pay(SYSTEM_CALL);
        let address = SocketAddr::from_pathname(path)?;
        Self::connect_until(&raw_address(&address)?, Instant::FAR)
    }

    /// Connects to an address: a path or an abstract name.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Source
    /// [`std::os::unix::net::UnixStream::connect_addr`].
    ///
    /// # Examples
    /// ```
    /// let path = std::env::temp_dir().join(format!("drift-address-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let listener = drift::net::UnixListener::bind(&path).unwrap();
    /// let address = listener.local_addr().unwrap();
    /// drift::net::UnixStream::connect_addr(&address).unwrap();
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        pay(SYSTEM_CALL);
        Self::connect_until(&raw_address(address)?, Instant::FAR)
    }

    /// Connects to an address, for at most `timeout`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut`; `InvalidInput` if the time is zero.
    ///
    /// # Source
    /// As [`TcpStream::connect_timeout`](crate::net::TcpStream::connect_timeout).
    ///
    /// # Examples
    /// ```
    /// let path = std::env::temp_dir().join(format!("drift-time-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let listener = drift::net::UnixListener::bind(&path).unwrap();
    /// let address = listener.local_addr().unwrap();
    /// let second = std::time::Duration::from_secs(1);
    /// drift::net::UnixStream::connect_timeout(&address, second).unwrap();
    /// # drop(listener);
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        pay(SYSTEM_CALL);
        let until = after(nanoseconds(positive(timeout)?))?;
        Self::connect_until(&raw_address(address)?, until)
    }

    fn connect_until(address: &SockAddr, until: Instant) -> io::Result<Self> {
        pay(SETUP);
        let kind = Type::STREAM.nonblocking().cloexec();
        let raw = socket2::Socket::new_raw(Domain::UNIX, kind, None)?;
        let mut pauses = Pauses::new();
        loop {
            match raw.connect(address) {
                Ok(()) => return Ok(Self(Socket::register(raw.into(), ShortCount::Nothing)?)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            pauses.pause(until)?;
        }
    }

    /// Looks at what would be read next, without taking it.
    ///
    /// # Errors
    /// As a read.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixStream`]'s `peek`, which is not stable yet.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    ///
    /// let (here, mut there) = drift::net::UnixStream::pair().unwrap();
    /// there.write_all(b"x").unwrap();
    /// assert_eq!(here.peek(&mut [0; 8]).unwrap(), 1);
    /// assert_eq!(here.peek(&mut [0; 8]).unwrap(), 1); // it is still there
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take(|socket| peek::peek(socket, buffer), |size| *size)
    }

    as_std! { net::UnixStream;
        /// The address of the other side.
        fn peer_addr() -> SocketAddr;
        /// The address of this side.
        fn local_addr() -> SocketAddr;
        /// Takes what went wrong since (`SO_ERROR`).
        fn take_error() -> Option<io::Error>;
    }
}

/// As socket2 has it, which takes a name that begins with a zero for an abstract one, and an empty
/// one for none. What a path may be was checked by std, as it made the address.
fn raw_address(address: &SocketAddr) -> io::Result<SockAddr> {
    let name = match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => return SockAddr::unix(path),
        (None, Some(name)) => [&[0], name].concat(),
        (None, None) => Vec::new(),
    };
    SockAddr::unix(Path::new(std::ffi::OsStr::from_bytes(&name)))
}

descriptor!(UnixStream, net::UnixStream);
stream!(UnixStream);
