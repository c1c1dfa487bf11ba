//! UDP.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use drift_core::wait::readiness::ShortCount;

use super::socket::Socket;
use crate::runtime::{SETUP, SYSTEM_CALL, pay};

/// A UDP socket; sending and receiving park.
///
/// # Source
/// Drift's `std.net.UdpSocket`; [`std::net::UdpSocket`].
///
/// # Examples
/// ```
/// use drift::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0").unwrap();
/// let address = server.local_addr().unwrap();
/// let echo = drift::spawn(move || {
///     let mut buffer = [0; 1500];
///     let (length, from) = server.recv_from(&mut buffer).unwrap();
///     server.send_to(&buffer[..length], from).unwrap();
/// });
/// let client = UdpSocket::bind("127.0.0.1:0").unwrap();
/// client.connect(address).unwrap();
/// client.send(b"hello").unwrap();
/// let mut answer = [0; 8];
/// assert_eq!(client.recv(&mut answer).unwrap(), 5);
/// # echo.join().unwrap();
/// ```
///
/// Options are those of std:
/// ```
/// use std::net::{Ipv4Addr, Ipv6Addr};
///
/// let socket = drift::net::UdpSocket::bind("127.0.0.1:0").unwrap();
/// socket.set_broadcast(true).unwrap();
/// socket.set_ttl(64).unwrap();
/// socket.set_multicast_loop_v4(false).unwrap();
/// socket.set_multicast_ttl_v4(2).unwrap();
/// assert!(socket.broadcast().unwrap() && socket.ttl().unwrap() == 64);
/// assert!(!socket.multicast_loop_v4().unwrap());
/// assert_eq!(socket.multicast_ttl_v4().unwrap(), 2);
/// assert!(socket.take_error().unwrap().is_none() && socket.peer_addr().is_err());
/// // What is no group can be neither joined nor left; and this is no socket for IPv6.
/// assert!(socket.join_multicast_v4(&Ipv4Addr::LOCALHOST, &Ipv4Addr::LOCALHOST).is_err());
/// assert!(socket.leave_multicast_v4(&Ipv4Addr::LOCALHOST, &Ipv4Addr::LOCALHOST).is_err());
/// assert!(socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
/// assert!(socket.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
/// assert!(socket.set_multicast_loop_v6(true).is_err() && socket.multicast_loop_v6().is_err());
/// ```
pub struct UdpSocket(Socket<net::UdpSocket>);

impl UdpSocket {
    /// A socket at the first of the addresses that is free. A host name blocks the carrier while
    /// it is looked up.
    ///
    /// # Errors
    /// Those of bind(2); the reactor's if it has no room.
    ///
    /// # Source
    /// [`std::net::UdpSocket::bind`].
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        pay(SETUP);
        let socket = net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self(Socket::register(socket, ShortCount::Nothing)?))
    }

    /// Names the other side: `send` goes there, and `recv` takes only what comes from there. A
    /// host name blocks the carrier while it is looked up.
    ///
    /// # Errors
    /// Those of connect(2).
    ///
    /// # Source
    /// [`std::net::UdpSocket::connect`].
    pub fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        pay(SYSTEM_CALL);
        self.0.inner().connect(address)
    }

    /// Receives a datagram, and tells who sent it. What does not fit is lost.
    ///
    /// # Errors
    /// Those of recvfrom(2); `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::net::UdpSocket::recv_from`].
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.take(|socket| socket.recv_from(buffer), |(size, _)| *size)
    }

    /// As [`recv_from`](Self::recv_from), but leaves the datagram where it is.
    ///
    /// # Errors
    /// As `recv_from`.
    ///
    /// # Source
    /// [`std::net::UdpSocket::peek_from`].
    ///
    /// # Examples
    /// ```
    /// let one = drift::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    /// let other = drift::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    /// one.send_to(b"x", other.local_addr().unwrap()).unwrap();
    /// let (length, from) = other.peek_from(&mut [0; 8]).unwrap();
    /// assert_eq!((length, from), (1, one.local_addr().unwrap()));
    /// ```
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.take(|socket| socket.peek_from(buffer), |(size, _)| *size)
    }

    /// Sends a datagram to the first of the addresses. A host name blocks the carrier while it is
    /// looked up.
    ///
    /// # Errors
    /// Those of sendto(2); `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::net::UdpSocket::send_to`].
    pub fn send_to(&self, bytes: &[u8], address: impl ToSocketAddrs) -> io::Result<usize> {
        pay(SYSTEM_CALL);
        let address = address.to_socket_addrs()?.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")
        })?;
        self.0.put(|socket| socket.send_to(bytes, address))
    }

    /// Receives a datagram from the side that [`connect`](Self::connect) named.
    ///
    /// # Errors
    /// Those of recv(2), `ConnectionRefused` among them; `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::net::UdpSocket::recv`].
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take(|socket| socket.recv(buffer), |size| *size)
    }

    /// As [`recv`](Self::recv), but leaves the datagram where it is.
    ///
    /// # Errors
    /// As `recv`.
    ///
    /// # Source
    /// [`std::net::UdpSocket::peek`].
    ///
    /// # Examples
    /// ```
    /// let one = drift::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    /// let other = drift::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    /// one.send_to(b"x", other.local_addr().unwrap()).unwrap();
    /// other.connect(one.local_addr().unwrap()).unwrap();
    /// assert_eq!(other.peek(&mut [0; 8]).unwrap(), 1);
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take(|socket| socket.peek(buffer), |size| *size)
    }

    /// Sends a datagram to the side that [`connect`](Self::connect) named.
    ///
    /// # Errors
    /// Those of send(2), `ConnectionRefused` among them; `TimedOut`; `Other`, with `Cancelled`.
    ///
    /// # Source
    /// [`std::net::UdpSocket::send`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put(|socket| socket.send(bytes))
    }

    timeouts!();

    as_std! { net::UdpSocket;
        /// The address of the side that `connect` named.
        fn peer_addr() -> SocketAddr;
        /// The address of this side.
        fn local_addr() -> SocketAddr;
        /// Whether it may send to all of a network (`SO_BROADCAST`).
        fn broadcast() -> bool;
        /// Says whether it may send to all of a network.
        fn set_broadcast(is_on: bool) -> ();
        /// How many routers its packets pass (`IP_TTL`).
        fn ttl() -> u32;
        /// Says how many routers its packets pass.
        fn set_ttl(routers: u32) -> ();
        /// Whether what it sends to an IPv4 group comes back to this machine.
        fn multicast_loop_v4() -> bool;
        /// Says whether what it sends to an IPv4 group comes back to this machine.
        fn set_multicast_loop_v4(is_on: bool) -> ();
        /// How many routers its packets to IPv4 groups pass.
        fn multicast_ttl_v4() -> u32;
        /// Says how many routers its packets to IPv4 groups pass.
        fn set_multicast_ttl_v4(routers: u32) -> ();
        /// Whether what it sends to an IPv6 group comes back to this machine.
        fn multicast_loop_v6() -> bool;
        /// Says whether what it sends to an IPv6 group comes back to this machine.
        fn set_multicast_loop_v6(is_on: bool) -> ();
        /// Joins an IPv4 group, on the interface with that address.
        fn join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
        /// Joins an IPv6 group, on the interface with that index.
        fn join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
        /// Leaves an IPv4 group.
        fn leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
        /// Leaves an IPv6 group.
        fn leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
        /// Takes what went wrong since (`SO_ERROR`).
        fn take_error() -> Option<io::Error>;
    }
}

descriptor!(UdpSocket, net::UdpSocket);
