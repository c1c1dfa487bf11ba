//! A TCP port that takes connections.

use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};

use socket2::SockRef;

use super::TcpStream;
use crate::net::accept;
use crate::net::short::short_count_of_stream;
use crate::net::socket::Socket;
use crate::runtime::{SETUP, pay};
use crate::time::Duration;

/// A TCP port that takes connections; `accept` parks.
///
/// Shared by reference, several threads may accept at once: a connection wakes one virtual thread
/// and one OS thread of those that wait, each first come, first served. To end them all from
/// outside:
/// `socket2::SockRef::from(&listener).shutdown(Shutdown::Both)`, after which they answer
/// `InvalidInput`.
///
/// # Source
/// Drift's `std.net.TcpListener`; [`std::net::TcpListener`].
///
/// # Examples
/// ```
/// use drift::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("[::1]:0").unwrap();
/// let address = listener.local_addr().unwrap();
/// let client = drift::spawn(move || TcpStream::connect(address).unwrap());
/// for stream in listener.incoming().take(1) {
///     assert_eq!(stream.unwrap().local_addr().unwrap(), address);
/// }
/// # client.join().unwrap();
/// ```
///
/// Options are those of std:
/// ```
/// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// listener.set_ttl(64).unwrap();
/// assert_eq!(listener.ttl().unwrap(), 64);
/// assert!(listener.take_error().unwrap().is_none());
/// ```
pub struct TcpListener(Socket<net::TcpListener>);

/// The connections that come, without end; from [`TcpListener::incoming`].
///
/// # Examples
/// ```
/// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
/// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
/// assert!(listener.incoming().next().unwrap().is_ok());
/// # drop(stream);
/// ```
#[derive(Debug)]
pub struct TcpIncoming<'a>(&'a TcpListener);

impl TcpListener {
    /// Listens at the first of the addresses that is free, with as long a queue as the machine
    /// allows. A host name blocks the carrier while it is looked up.
    ///
    /// # Errors
    /// Those of bind(2) and listen(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::net::TcpListener::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        pay(SETUP);
        let listener = net::TcpListener::bind(address)?;
        // Again: std's queue has 128 places, and a connection that finds none tries again a second
        // later. The kernel cuts the number to what it allows (listen(2), somaxconn).
        SockRef::from(&listener).listen(i32::MAX)?;
        listener.set_nonblocking(true)?;
        let short = short_count_of_stream(SockRef::from(&listener))?;
        Ok(Self(Socket::register(listener, short)?))
    }

    /// Waits for a connection. With it comes the address of the other side.
    ///
    /// # Errors
    /// Those of accept(2), among them `ConnectionAborted`, after which the next call may go well,
    /// and `EMFILE`, after which one may once a descriptor has been closed: so a server goes on,
    /// after a short sleep. `Other`, with `Cancelled`, if the virtual thread is cancelled, which
    /// the sleep answers, too.
    ///
    /// # Source
    /// [`std::net::TcpListener::accept`].
    ///
    /// # Examples
    /// ```
    /// use drift::net::TcpListener;
    /// use drift::{ConcurrencyError, Duration};
    ///
    /// fn serve(listener: &TcpListener) -> Result<(), ConcurrencyError> {
    ///     loop {
    ///         match listener.accept() {
    ///             Ok((stream, _)) => drop(drift::spawn(move || drop(stream))),
    ///             Err(_) => drift::sleep(Duration::from_millis(10))?,
    ///         }
    ///     }
    /// }
    /// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// let server = drift::spawn(move || serve(&listener));
    /// server.cancel();
    /// ```
    /// ```
    /// let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let stream = drift::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    /// let (_server, from) = listener.accept().unwrap();
    /// assert_eq!(from, stream.local_addr().unwrap());
    /// ```
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
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
    /// use std::io::ErrorKind;
    /// use drift::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// let nobody = listener.accept_timeout(drift::Duration::from_millis(5));
    /// assert_eq!(nobody.unwrap_err().kind(), ErrorKind::TimedOut);
    /// ```
    pub fn accept_timeout(
        &self,
        timeout: impl Into<Duration>,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        self.taken(accept::accept_timeout(&self.0, timeout.into())?)
    }

    /// The connections that come, one after the other.
    #[must_use]
    pub fn incoming(&self) -> TcpIncoming<'_> {
        TcpIncoming(self)
    }

    fn taken(&self, accepted: accept::Accepted) -> io::Result<(TcpStream, SocketAddr)> {
        let (raw, address) = accepted;
        let address = address.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        Ok((TcpStream(Socket::register(raw.into(), self.0.short_count())?), address))
    }

    as_std! { net::TcpListener;
        /// The address that it listens at.
        fn local_addr() -> SocketAddr;
        /// How many routers the packets of its connections pass (`IP_TTL`).
        fn ttl() -> u32;
        /// Says how many routers the packets of its connections pass.
        fn set_ttl(routers: u32) -> ();
        /// Takes what went wrong since (`SO_ERROR`).
        fn take_error() -> Option<io::Error>;
    }
}

impl Iterator for TcpIncoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}

descriptor!(TcpListener, net::TcpListener);
