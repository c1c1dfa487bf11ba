//! One end of a connection, to be read and written.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use drift_core::platform::{Interest, Source};
use drift_core::time::Instant;

use super::connection::{Connection, Progress, Side};
use super::{after, locked, nanoseconds, wait, would_block};
use crate::world::{World, current};

/// One end of a connection of a world, as `drift::net::TcpStream`; reads and writes park.
///
/// Each direction has room for 64 bytes. Shared by reference, it can be read and written at once.
/// Dropping it closes it. It does not outlive its world.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use drift_sim::Sim;
/// use drift_sim::net::{TcpListener, TcpStream};
///
/// let answer = Sim::new(1).carriers(2).run(|| {
///     let listener = TcpListener::bind("127.0.0.1:80").unwrap();
///     drift::spawn(move || {
///         let (mut stream, _) = listener.accept().unwrap();
///         let mut name = String::new();
///         stream.read_to_string(&mut name).unwrap();
///         write!(stream, "hello {name}").unwrap();
///     });
///     let mut stream = TcpStream::connect("127.0.0.1:80").unwrap();
///     stream.write_all(b"drift").unwrap();
///     stream.shutdown(std::net::Shutdown::Write).unwrap();
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).unwrap();
///     answer
/// });
/// assert_eq!(answer, "hello drift");
/// ```
pub struct TcpStream(Arc<End>);

/// What clones of a stream have in common; the last of them closes it.
struct End {
    connection: Arc<Mutex<Connection>>,
    side: Side,
    /// As std's `set_nonblocking`. Relaxed, as the two below.
    waits_never: AtomicBool,
    /// Nanoseconds that a read may wait, 0 for no bound. Relaxed: a value for itself.
    read_timeout: AtomicU64,
    /// The same of a write.
    write_timeout: AtomicU64,
}

impl TcpStream {
    /// Connects to the first of the addresses where somebody of the world listens. Waits while
    /// that one's queue is full. A host name is looked up by the machine.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there, or no more; `InvalidInput` if there is no
    /// address; `Other` if the virtual thread is cancelled.
    ///
    /// # Panics
    /// Outside of a world.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for address in address.to_socket_addrs()? {
            match Self::connect_until(address, Instant::FAR) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => last = error,
                ended => return ended,
            }
        }
        Err(last)
    }

    /// Connects, for at most `timeout`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut`.
    ///
    /// # Panics
    /// Outside of a world.
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        Self::connect_until(*address, after(nanoseconds(timeout)))
    }

    fn connect_until(address: SocketAddr, until: Instant) -> io::Result<Self> {
        let stream = super::listener::enqueue(address)?;
        stream.attempt(Interest::WRITE, until, |connection, _| match connection.progress() {
            Progress::Established => Ok(Some(())),
            Progress::Waits => Ok(None),
            Progress::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
        })?;
        Ok(stream)
    }

    /// A new connection, both ends.
    pub(super) fn pair(world: &World, client: SocketAddr, server: SocketAddr) -> [Self; 2] {
        let connection = Arc::new(Mutex::new(Connection::new(world, client, server)));
        [Side::Client, Side::Server].map(|side| {
            Self(Arc::new(End {
                connection: connection.clone(),
                side,
                waits_never: AtomicBool::new(false),
                read_timeout: AtomicU64::new(0),
                write_timeout: AtomicU64::new(0),
            }))
        })
    }

    /// The address of this side.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.locked().addresses(self.0.side)[0])
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// None.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.locked().addresses(self.0.side)[1])
    }

    /// Ends one direction, or both: who reads on the other side finds the end.
    ///
    /// # Errors
    /// None.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let world = world();
        let _calm = world.calm();
        self.locked().shut(world, self.0.side, how);
        Ok(())
    }

    /// Another handle of the same end: what is set for one holds for both, and the end is closed
    /// when both are dropped.
    ///
    /// # Errors
    /// None.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.clone()))
    }

    /// Says whether a call that would wait answers `WouldBlock` instead.
    ///
    /// # Errors
    /// None.
    pub fn set_nonblocking(&self, waits_never: bool) -> io::Result<()> {
        self.0.waits_never.store(waits_never, Ordering::Relaxed);
        Ok(())
    }

    /// Nothing: what is written is sent at once, always.
    ///
    /// # Errors
    /// None.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// How long a read may wait; none for no bound.
    ///
    /// # Errors
    /// `InvalidInput` for a time of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        set(&self.0.read_timeout, timeout)
    }

    /// How long a read may wait.
    ///
    /// # Errors
    /// None.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(get(&self.0.read_timeout))
    }

    /// How long a write may wait.
    ///
    /// # Errors
    /// None.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(get(&self.0.write_timeout))
    }

    /// How long a write may wait; none for no bound.
    ///
    /// # Errors
    /// `InvalidInput` for a time of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        set(&self.0.write_timeout, timeout)
    }

    pub(super) fn progress(&self) -> Progress {
        self.locked().progress()
    }

    pub(super) fn establish(&self, world: &'static World) {
        self.locked().establish(world);
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        locked(&self.0.connection)
    }

    fn source(&self) -> Source {
        self.locked().source(self.0.side)
    }

    /// Repeats `call` until there is an answer, and waits in between.
    fn attempt<R>(
        &self,
        interest: Interest,
        until: Instant,
        mut call: impl FnMut(&mut Connection, &'static World) -> io::Result<Option<R>>,
    ) -> io::Result<R> {
        loop {
            {
                let world = world();
                let _calm = world.calm();
                if let Some(answer) = call(&mut self.locked(), world)? {
                    return Ok(answer);
                }
            }
            if self.0.waits_never.load(Ordering::Relaxed) {
                return Err(would_block());
            }
            wait(self.source(), interest, until)?;
        }
    }
}

fn world() -> &'static World {
    current().expect("a socket belongs to a world")
}

fn set(to: &AtomicU64, timeout: Option<Duration>) -> io::Result<()> {
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a time-out of zero"));
    }
    to.store(timeout.map_or(0, nanoseconds), Ordering::Relaxed);
    Ok(())
}

fn get(timeout: &AtomicU64) -> Option<Duration> {
    Some(timeout.load(Ordering::Relaxed)).filter(|span| *span != 0).map(Duration::from_nanos)
}

/// When a wait that begins now ends.
fn until(timeout: &AtomicU64) -> Instant {
    match timeout.load(Ordering::Relaxed) {
        0 => Instant::FAR,
        nanoseconds => after(nanoseconds),
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(Interest::READ, until(&self.0.read_timeout), |connection, world| {
            Ok(connection.read(world, self.0.side, buffer))
        })
    }
}

impl Write for &TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(Interest::WRITE, until(&self.0.write_timeout), |connection, world| {
            connection.write(world, self.0.side, bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The number of the source: for `drift::io` in the same world, and for nobody else.
impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source().0.cast_signed()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [local, peer] = self.locked().addresses(self.0.side);
        f.debug_struct("TcpStream").field("local", &local).field("peer", &peer).finish()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // In another world, or in none, nobody waits for it.
        let Some(world) = current() else { return };
        let _calm = world.calm();
        locked(&self.connection).close(world, self.side);
    }
}
