//! A path that takes connections.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use drift_core::wait::readiness::ShortCount;
use socket2::SockAddr;

use super::stream::UnixStream;
use crate::net::accept;
use crate::net::socket::Socket;
use crate::runtime::{SETUP, pay};
use crate::time::Duration;

/// A path, or an abstract name, that takes connections; `accept` parks. The path stays when the
/// listener is dropped, as in std.
///
/// # Source
/// Drift's `std.net.UnixListener`; [`std::os::unix::net::UnixListener`].
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift::net::{UnixListener, UnixStream};
///
/// let path = std::env::temp_dir().join(format!("drift-{}.sock", std::process::id()));
/// let listener = UnixListener::bind(&path).unwrap();
/// let server = drift::spawn(move || {
///     let (mut stream, _) = listener.accept().unwrap();
///     stream.write_all(b"hello").unwrap();
/// });
/// let mut said = String::new();
/// UnixStream::connect(&path).unwrap().read_to_string(&mut said).unwrap();
/// assert_eq!(said, "hello");
/// # server.join().unwrap();
/// # std::fs::remove_file(path).unwrap();
/// ```
///
/// Options are those of std:
/// ```
/// # let path = std::env::temp_dir().join(format!("drift-options-{}", std::process::id()));
/// let listener = drift::net::UnixListener::bind(&path).unwrap();
/// assert!(listener.take_error().unwrap().is_none());
/// # std::fs::remove_file(&path).unwrap();
/// ```
pub struct UnixListener(Socket<net::UnixListener>);

/// The connections that come, without end; from [`UnixListener::incoming`].
///
/// # Examples
/// ```
/// let path = std::env::temp_dir().join(format!("drift-incoming-{}", std::process::id()));
/// # let _ = std::fs::remove_file(&path);
/// let listener = drift::net::UnixListener::bind(&path).unwrap();
/// let client = drift::net::UnixStream::connect(&path).unwrap();
/// assert!(listener.incoming().next().unwrap().is_ok());
/// # drop(client);
/// # std::fs::remove_file(&path).unwrap();
/// ```
#[derive(Debug)]
pub struct UnixIncoming<'a>(&'a UnixListener);

impl UnixListener {
    /// Listens at a path, which must not exist.
    ///
    /// # Errors
    /// Those of bind(2) and listen(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixListener::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        pay(SETUP);
        Self::listen(net::UnixListener::bind(path)?)
    }

    /// Listens at an address: a path or an abstract name.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Source
    /// [`std::os::unix::net::UnixListener::bind_addr`].
    ///
    /// # Examples
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::os::linux::net::SocketAddrExt;
    /// use std::os::unix::net::SocketAddr;
    ///
    /// let name = format!("drift-bind-{}", std::process::id());
    /// let address = SocketAddr::from_abstract_name(name).unwrap();
    /// let _listener = drift::net::UnixListener::bind_addr(&address).unwrap();
    /// # }
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        pay(SETUP);
        Self::listen(net::UnixListener::bind_addr(address)?)
    }

    fn listen(listener: net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(Socket::register(listener, ShortCount::Nothing)?))
    }

    /// Waits for a connection. With it comes the address of the other side, mostly without a
    /// name.
    ///
    /// # Errors
    /// Those of accept(2); `Other`, with `Cancelled`, if the virtual thread is cancelled.
    ///
    /// # Source
    /// [`std::os::unix::net::UnixListener::accept`].
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.taken(accept::accept(&self.0)?)
    }

    /// Waits for a connection for at most `timeout`.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); `TimedOut`, with a zero at once if there is no connection;
    /// `Other`, with `Failed(InvalidDuration)`, for a negative one.
    ///
    /// # Source
    /// Drift's `std.net`: every wait has a form with a time-out.
    ///
    /// # Examples
    /// ```
    /// let path = std::env::temp_dir().join(format!("drift-accept-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let listener = drift::net::UnixListener::bind(&path).unwrap();
    /// let nobody = listener.accept_timeout(std::time::Duration::from_millis(2));
    /// assert_eq!(nobody.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    pub fn accept_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> io::Result<(UnixStream, SocketAddr)> {
        self.taken(accept::accept_timeout(&self.0, timeout.into())?)
    }

    /// The connections that come, one after the other.
    ///
    /// # Examples
    /// ```
    /// let path = std::env::temp_dir().join(format!("drift-next-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// let listener = drift::net::UnixListener::bind(&path).unwrap();
    /// let client = drift::net::UnixStream::connect(&path).unwrap();
    /// for stream in listener.incoming().take(1) {
    ///     stream.unwrap();
    /// }
    /// # drop(client);
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    #[must_use]
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming(self)
    }

    fn taken(&self, accepted: accept::Accepted) -> io::Result<(UnixStream, SocketAddr)> {
        let (raw, address) = accepted;
        let stream = UnixStream(Socket::register(raw.into(), self.0.short_count())?);
        // A path of 108 bytes, which std takes from the kernel and from nobody else.
        let address = std_address(&address).or_else(|_| stream.peer_addr())?;
        Ok((stream, address))
    }

    as_std! { net::UnixListener;
        /// The address that it listens at.
        fn local_addr() -> SocketAddr;
        /// Takes what went wrong since (`SO_ERROR`).
        fn take_error() -> Option<io::Error>;
    }
}

/// As std has it. Most that connect have no name.
pub(super) fn std_address(address: &SockAddr) -> io::Result<SocketAddr> {
    match address.as_abstract_namespace() {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(address.as_pathname().unwrap_or(Path::new(""))),
    }
}

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = UnixIncoming<'a>;

    fn into_iter(self) -> UnixIncoming<'a> {
        self.incoming()
    }
}

descriptor!(UnixListener, net::UnixListener);
