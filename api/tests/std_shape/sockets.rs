//! As std's sockets: one text for both.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const V4: &str = "127.0.0.1:0";

/// A path that nobody else uses.
fn path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("drift-shape-{}-{count}", std::process::id()))
}

/// What a time-out is: std says one or the other.
fn is_late(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

both! {
    std {
        use std::net::{TcpListener, TcpStream, UdpSocket};
        use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    }
    drift {
        use drift::net::{
            TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
        };
    }

    fn tcp_listeners_have_it() {
        let listener = TcpListener::bind(V4).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        listener.set_ttl(60).unwrap();
        assert_eq!(listener.ttl().unwrap(), 60);
        assert!(listener.take_error().unwrap().is_none());
        assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
        let client = thread::spawn(move || {
            let one = std::net::TcpStream::connect(address).unwrap();
            let other = std::net::TcpStream::connect(address).unwrap();
            (one, other)
        });
        let clone = listener.try_clone().unwrap();
        let (_first, from): (TcpStream, SocketAddr) = clone.accept().unwrap();
        assert!(from.ip().is_loopback());
        let second: TcpStream = listener.incoming().next().unwrap().unwrap();
        assert_eq!(second.local_addr().unwrap(), address);
        client.join().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let next = listener.incoming().next().unwrap();
        assert_eq!(next.unwrap_err().kind(), ErrorKind::WouldBlock);
        let many: &[SocketAddr] = &[address, "127.0.0.1:0".parse().unwrap()];
        TcpListener::bind(many).unwrap();
    }

    fn tcp_streams_have_it() {
        let listener = TcpListener::bind(V4).unwrap();
        let address = listener.local_addr().unwrap();
        let mut here = TcpStream::connect(address).unwrap();
        let (mut there, from) = listener.accept().unwrap();
        assert_eq!((here.local_addr().unwrap(), here.peer_addr().unwrap()), (from, address));
        here.set_nodelay(true).unwrap();
        here.set_ttl(61).unwrap();
        assert!(here.nodelay().unwrap() && here.ttl().unwrap() == 61);
        assert!(here.take_error().unwrap().is_none());
        assert_eq!(here.write(b"hello").unwrap(), 5);
        here.flush().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(there.peek(&mut buffer).unwrap(), 5);
        assert_eq!((&there).read(&mut buffer).unwrap(), 5);
        let all = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!((&there).write_vectored(&all).unwrap(), 4);
        let (mut one, mut other) = ([0; 1], [0; 3]);
        let mut into = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(here.read_vectored(&mut into).unwrap(), 4);
        assert_eq!((&one, &other), (b"a", b"bcd"));
        let mut clone = here.try_clone().unwrap();
        here.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        here.set_write_timeout(Some(Duration::from_secs(9))).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(Duration::from_millis(20)));
        assert_eq!(clone.write_timeout().unwrap(), Some(Duration::from_secs(9)));
        assert!(is_late(clone.read(&mut buffer).unwrap_err().kind()));
        assert_eq!(
            here.set_read_timeout(Some(Duration::ZERO)).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        clone.set_nonblocking(true).unwrap();
        assert_eq!(here.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        here.set_nonblocking(false).unwrap();
        here.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        there.read_to_end(&mut rest).unwrap();
        there.write_all(b"last").unwrap();
        drop(there);
        let mut last = String::new();
        clone.read_to_string(&mut last).unwrap();
        assert_eq!((rest.len(), &*last), (0, "last"));
        assert!(here.as_fd().as_raw_fd() != clone.as_raw_fd());
        drop(clone);
        let number = here.into_raw_fd();
        assert!(number > 2);
        drop(listener);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let timed = TcpStream::connect_timeout(&address, Duration::from_secs(9)).unwrap_err();
        assert_eq!(timed.kind(), ErrorKind::ConnectionRefused);
        let none: &[SocketAddr] = &[];
        assert_eq!(TcpStream::connect(none).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!("127.0.0.1:80".to_socket_addrs().is_ok());
    }

    fn udp_sockets_have_it() {
        let (one, other) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V4).unwrap());
        let address = other.local_addr().unwrap();
        assert_eq!(one.send_to(b"to", address).unwrap(), 2);
        let mut buffer = [0; 8];
        assert_eq!(other.peek_from(&mut buffer).unwrap(), (2, one.local_addr().unwrap()));
        assert_eq!(other.recv_from(&mut buffer).unwrap(), (2, one.local_addr().unwrap()));
        assert!(one.peer_addr().is_err());
        one.connect(address).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        assert_eq!(one.peer_addr().unwrap(), address);
        assert_eq!(one.send(b"connected").unwrap(), 9);
        assert_eq!(other.peek(&mut buffer).unwrap(), 8, "what does not fit is lost");
        assert_eq!(other.recv(&mut buffer).unwrap(), 8);
        one.set_broadcast(true).unwrap();
        one.set_ttl(62).unwrap();
        one.set_multicast_loop_v4(false).unwrap();
        one.set_multicast_ttl_v4(3).unwrap();
        assert!(one.broadcast().unwrap() && one.ttl().unwrap() == 62);
        assert!(!one.multicast_loop_v4().unwrap() && one.multicast_ttl_v4().unwrap() == 3);
        assert!(one.multicast_loop_v6().is_err() && one.set_multicast_loop_v6(true).is_err());
        let (v4, v6) = (&Ipv4Addr::LOCALHOST, &Ipv6Addr::LOCALHOST);
        assert!(one.join_multicast_v4(v4, v4).is_err() && one.leave_multicast_v4(v4, v4).is_err());
        assert!(one.join_multicast_v6(v6, 0).is_err() && one.leave_multicast_v6(v6, 0).is_err());
        assert!(one.take_error().unwrap().is_none());
        let clone = one.try_clone().unwrap();
        clone.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        clone.set_write_timeout(None).unwrap();
        assert_eq!(one.read_timeout().unwrap(), Some(Duration::from_millis(20)));
        assert_eq!(one.write_timeout().unwrap(), None);
        assert!(is_late(one.recv(&mut buffer).unwrap_err().kind()));
        one.set_nonblocking(true).unwrap();
        assert_eq!(clone.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    fn unix_streams_and_listeners_have_it() {
        let path = path();
        let listener = UnixListener::bind(&path).unwrap();
        let address: UnixAddr = listener.local_addr().unwrap();
        assert_eq!(address.as_pathname(), Some(&*path));
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        let mut here = UnixStream::connect(&path).unwrap();
        let (mut there, from) = listener.accept().unwrap();
        assert!(from.is_unnamed() && here.local_addr().unwrap().is_unnamed());
        assert_eq!(here.peer_addr().unwrap().as_pathname(), Some(&*path));
        here.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        there.read_exact(&mut buffer).unwrap();
        let clone = there.try_clone().unwrap();
        clone.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        clone.set_write_timeout(None).unwrap();
        assert_eq!(there.read_timeout().unwrap(), Some(Duration::from_millis(20)));
        assert_eq!(there.write_timeout().unwrap(), None);
        assert!(is_late(there.read(&mut buffer).unwrap_err().kind()));
        clone.set_nonblocking(true).unwrap();
        assert_eq!(there.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        clone.shutdown(Shutdown::Both).unwrap();
        assert_eq!(here.read(&mut buffer).unwrap(), 0);
        assert!(here.take_error().unwrap().is_none() && listener.take_error().unwrap().is_none());
        let other = listener.try_clone().unwrap();
        other.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(listener.incoming().next().unwrap().is_err());
        let again = UnixStream::connect_addr(&address).unwrap();
        assert!((&other).into_iter().next().unwrap().is_ok());
        let name = format!("shape-{}", path.file_name().unwrap().to_str().unwrap());
        let named = UnixAddr::from_abstract_name(name).unwrap();
        let _listener = UnixListener::bind_addr(&named).unwrap();
        UnixStream::connect_addr(&named).unwrap();
        let (one, mut two) = UnixStream::pair().unwrap();
        (&one).write_all(b"x").unwrap();
        assert_eq!(two.read(&mut buffer).unwrap(), 1);
        let owned: OwnedFd = again.into();
        assert!(owned.as_raw_fd() > 2);
        assert_eq!(UnixStream::connect("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
    }

    fn unix_datagrams_have_it() {
        let path = path();
        let server = UnixDatagram::bind(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        assert_eq!(client.send_to(b"to", &path).unwrap(), 2);
        let mut buffer = [0; 8];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        assert!(length == 2 && from.is_unnamed());
        client.connect(&path).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert_eq!(client.send(b"abc").unwrap(), 3);
        assert_eq!(server.recv(&mut buffer).unwrap(), 3);
        let address = server.local_addr().unwrap();
        client.send_to_addr(b"addr", &address).unwrap();
        client.connect_addr(&address).unwrap();
        assert_eq!(server.recv(&mut buffer).unwrap(), 4);
        let name = format!("shape-{}", path.file_name().unwrap().to_str().unwrap());
        let named = UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(name).unwrap()).unwrap();
        drop(named);
        let (one, two) = UnixDatagram::pair().unwrap();
        let clone = one.try_clone().unwrap();
        clone.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        clone.set_write_timeout(None).unwrap();
        assert_eq!(one.read_timeout().unwrap(), Some(Duration::from_millis(20)));
        assert_eq!(one.write_timeout().unwrap(), None);
        assert!(is_late(one.recv(&mut buffer).unwrap_err().kind()));
        clone.set_nonblocking(true).unwrap();
        assert_eq!(one.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        two.shutdown(Shutdown::Both).unwrap();
        assert_eq!(one.send(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(one.take_error().unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
    }

    fn sockets_come_from_numbers() {
        fn adopts<T: std::os::fd::FromRawFd + AsRawFd + IntoRawFd>(number: impl IntoRawFd) {
            let number = number.into_raw_fd();
            #[allow(unsafe_code)]
            // SAFETY: it is this test's, and a socket of that kind.
            let own = unsafe { T::from_raw_fd(number) };
            assert_eq!(own.as_raw_fd(), number);
        }
        adopts::<TcpListener>(std::net::TcpListener::bind(V4).unwrap());
        adopts::<UdpSocket>(std::net::UdpSocket::bind(V4).unwrap());
        adopts::<UnixStream>(std::os::unix::net::UnixStream::pair().unwrap().0);
        adopts::<UnixDatagram>(std::os::unix::net::UnixDatagram::unbound().unwrap());
        let path = path();
        adopts::<UnixListener>(std::os::unix::net::UnixListener::bind(&path).unwrap());
        std::fs::remove_file(path).unwrap();
        let listener = std::net::TcpListener::bind(V4).unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap());
        adopts::<TcpStream>(stream.unwrap());
    }
}
