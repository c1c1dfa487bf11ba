//! Who listens at which port of a world, and the queue of those who want to connect.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drift_core::platform::{Interest, Source};
use drift_core::time::Instant;

use super::connection::Progress;
use super::{TcpStream, after, locked, nanoseconds, wait, would_block};
use crate::world::{World, current};

/// Connections that nobody has accepted: few, so that who connects waits as well.
const BACKLOG: usize = 4;

/// Where the machine takes a port from if it may choose: ip(7), RFC 6335.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49_152..=u16::MAX;

/// Who listens where in a world.
#[derive(Debug, Default)]
pub(super) struct Ports {
    listeners: Vec<(SocketAddr, Arc<Mutex<Queue>>)>,
    /// How many ports the machine chose.
    chosen: u16,
}

impl Ports {
    fn at(&self, address: SocketAddr) -> Option<&Arc<Mutex<Queue>>> {
        let found = self.listeners.iter().find(|(listens, _)| are_one(*listens, address));
        found.map(|(_, queue)| queue)
    }

    /// `address`, with a port that nobody has if it names none.
    fn with_port(&mut self, mut address: SocketAddr) -> SocketAddr {
        while address.port() == 0 || self.at(address).is_some() {
            let count = EPHEMERAL.end() - EPHEMERAL.start();
            address.set_port(EPHEMERAL.start() + self.chosen % count);
            self.chosen = self.chosen.wrapping_add(1);
        }
        address
    }
}

fn are_one(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// The server's ends of connections, the first `BACKLOG` of them established.
#[derive(Debug)]
struct Queue {
    source: Source,
    waiting: VecDeque<TcpStream>,
}

impl Queue {
    /// Those whose client gave up leave, and others move up; that one is there to be accepted is
    /// news each time that one is established, and no other time.
    fn settle(&mut self, world: &'static World) {
        self.waiting.retain(|stream| stream.progress() != Progress::Refused);
        let mut news = Interest::NONE;
        for stream in self.waiting.iter().take(BACKLOG) {
            if stream.progress() == Progress::Waits {
                stream.establish(world);
                news = Interest::READ;
            }
        }
        let level = if self.waiting.is_empty() { Interest::NONE } else { Interest::READ };
        world.net.borrow_mut().set(self.source, level, news);
        world.wake_pollers();
    }
}

/// The client's end of a connection to who listens at `address`.
///
/// # Errors
/// `ConnectionRefused` if nobody does.
pub(super) fn enqueue(address: SocketAddr) -> io::Result<TcpStream> {
    let world = current().expect("a socket is made in a world: inside `Sim::run`");
    let _calm = world.calm();
    let (queue, client) = {
        let ports = &mut world.net.borrow_mut().ports;
        let queue = ports.at(address).cloned().ok_or(io::ErrorKind::ConnectionRefused)?;
        (queue, ports.with_port(SocketAddr::new(address.ip(), 0)))
    };
    let [client, server] = TcpStream::pair(world, client, address);
    let mut queue = locked(&queue);
    queue.waiting.push_back(server);
    queue.settle(world);
    Ok(client)
}

/// A port of a world that takes connections, as `drift::net::TcpListener`; `accept` parks.
///
/// Four may wait to be accepted; who comes then waits in `connect`. Any address will do: each is
/// one of the world's own, and no other sees it. A port of zero stands for one that is free.
///
/// # Examples
/// ```
/// use drift_sim::Sim;
/// use drift_sim::net::{TcpListener, TcpStream};
///
/// Sim::new(1).run(|| {
///     let listener = TcpListener::bind("10.0.0.1:0").unwrap();
///     let address = listener.local_addr().unwrap();
///     let client = drift::spawn(move || TcpStream::connect(address).unwrap());
///     for stream in listener.incoming().take(1) {
///         assert_eq!(stream.unwrap().local_addr().unwrap(), address);
///     }
///     client.join().unwrap();
/// });
/// ```
#[derive(Debug)]
pub struct TcpListener(Arc<Port>);

/// What clones of a listener have in common; the last of them closes it.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    queue: Arc<Mutex<Queue>>,
    /// As std's `set_nonblocking`. Relaxed: a value for itself.
    waits_never: AtomicBool,
}

/// The connections that come, without end; from [`TcpListener::incoming`].
#[derive(Debug)]
pub struct TcpIncoming<'a>(&'a TcpListener);

impl TcpListener {
    /// Listens at the first of the addresses that is free in this world.
    ///
    /// # Errors
    /// `AddrInUse`; `InvalidInput` if there is no address.
    ///
    /// # Panics
    /// Outside of a world.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let world = current().expect("a socket is made in a world: inside `Sim::run`");
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
        for address in address.to_socket_addrs()? {
            let _calm = world.calm();
            let mut net = world.net.borrow_mut();
            if net.ports.at(address).is_some() {
                last = io::ErrorKind::AddrInUse.into();
                continue;
            }
            let address = net.ports.with_port(address);
            let queue = Queue { source: net.open(Interest::NONE), waiting: VecDeque::new() };
            let queue = Arc::new(Mutex::new(queue));
            net.ports.listeners.push((address, queue.clone()));
            let waits_never = AtomicBool::new(false);
            return Ok(Self(Arc::new(Port { address, queue, waits_never })));
        }
        Err(last)
    }

    /// Waits for a connection. With it comes the address of the other side.
    ///
    /// # Errors
    /// `Other` if the virtual thread is cancelled.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept_until(Instant::FAR)
    }

    /// Waits for a connection for at most `timeout`.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); `TimedOut`.
    pub fn accept_timeout(&self, timeout: Duration) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept_until(after(nanoseconds(timeout)))
    }

    fn accept_until(&self, until: Instant) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            if let Some(stream) = self.try_accept() {
                let peer = stream.peer_addr()?;
                return Ok((stream, peer));
            }
            if self.0.waits_never.load(Ordering::Relaxed) {
                return Err(would_block());
            }
            wait(self.source(), Interest::READ, until)?;
        }
    }

    /// Takes a connection if there is one.
    ///
    /// # Panics
    /// Outside of a world.
    pub fn try_accept(&self) -> Option<TcpStream> {
        let world = current().expect("a socket belongs to a world");
        let _calm = world.calm();
        let mut queue = locked(&self.0.queue);
        queue.settle(world);
        let stream = queue.waiting.pop_front();
        queue.settle(world);
        stream
    }

    /// The connections that come, one after the other.
    #[must_use]
    pub fn incoming(&self) -> TcpIncoming<'_> {
        TcpIncoming(self)
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// None.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address)
    }

    /// Another handle of the same listener, which is closed when both are dropped.
    ///
    /// # Errors
    /// None.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.clone()))
    }

    /// Says whether an `accept` that would wait answers `WouldBlock` instead; so do its clones.
    ///
    /// # Errors
    /// None.
    pub fn set_nonblocking(&self, waits_never: bool) -> io::Result<()> {
        self.0.waits_never.store(waits_never, Ordering::Relaxed);
        Ok(())
    }

    fn source(&self) -> Source {
        locked(&self.0.queue).source
    }
}

impl Iterator for TcpIncoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.accept().map(|(stream, _)| stream))
    }
}

/// The number of the source: for `drift::io` in the same world, and for nobody else.
impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.source().0.cast_signed()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // In another world, or in none, nobody waits for it.
        let Some(world) = current() else { return };
        let _calm = world.calm();
        let waiting = {
            let mut queue = locked(&self.queue);
            let mut net = world.net.borrow_mut();
            net.close(queue.source);
            net.ports.listeners.retain(|(_, other)| !Arc::ptr_eq(other, &self.queue));
            std::mem::take(&mut queue.waiting)
        };
        // Who was not accepted finds the end, or is refused.
        drop(waiting);
    }
}
