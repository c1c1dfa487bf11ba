//! Sockets: what asks the kernel about one, or makes one out of another.

use std::net::{self, Ipv4Addr, Ipv6Addr};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix;

use drift::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};

use super::Call;
use super::net::{datagram, tcp_end, tcp_listener, udp, unix_end, unix_listener};

/// What each kind of socket can.
macro_rules! options {
    ($($kind:literal $make:ident { $($name:literal => |$socket:ident| $call:expr;)* })*) => {
        &[$($((concat!($kind, "::", $name), |more| {
            let $socket = $make();
            while more() {
                let _ = $call;
            }
        })),*),*]
    };
}

pub const CALLS: &[Call] = options![
    "TcpListener" tcp_listener {
        "local_addr" => |socket| socket.local_addr();
        "ttl" => |socket| socket.ttl();
        "set_ttl" => |socket| socket.set_ttl(64);
        "take_error" => |socket| socket.take_error();
        "try_clone" => |socket| socket.try_clone();
    }
    "TcpListener" std_listener {
        "from_std" => |socket| TcpListener::from_std(socket.try_clone().unwrap());
        "into_std" => |socket| tcp(&socket).into_std();
        "try_from" => |socket| TcpListener::try_from(OwnedFd::from(socket.try_clone().unwrap()));
        // SAFETY: a descriptor of its own, which is a listener.
        "from_raw_fd" => |socket| unsafe { TcpListener::from_raw_fd(raw(&socket)) };
    }
    "TcpStream" tcp_end {
        "peer_addr" => |socket| socket.peer_addr();
        "local_addr" => |socket| socket.local_addr();
        "nodelay" => |socket| socket.nodelay();
        "set_nodelay" => |socket| socket.set_nodelay(true);
        "ttl" => |socket| socket.ttl();
        "set_ttl" => |socket| socket.set_ttl(64);
        "linger" => |socket| socket.linger();
        "set_linger" => |socket| socket.set_linger(None);
        "take_error" => |socket| socket.take_error();
        "try_clone" => |socket| socket.try_clone();
    }
    "TcpStream" std_stream {
        "from_std" => |socket| TcpStream::from_std(socket.try_clone().unwrap());
        "into_std" => |socket| TcpStream::from_std(socket.try_clone().unwrap()).unwrap().into_std();
        "try_from" => |socket| TcpStream::try_from(OwnedFd::from(socket.try_clone().unwrap()));
        "from_raw_fd" => |socket| {
            let raw = socket.try_clone().unwrap().into_raw_fd();
            // SAFETY: a descriptor of its own, which is a stream.
            unsafe { TcpStream::from_raw_fd(raw) }
        };
    }
    "UdpSocket" udp {
        "peer_addr" => |socket| socket.peer_addr();
        "local_addr" => |socket| socket.local_addr();
        "broadcast" => |socket| socket.broadcast();
        "set_broadcast" => |socket| socket.set_broadcast(true);
        "ttl" => |socket| socket.ttl();
        "set_ttl" => |socket| socket.set_ttl(64);
        "multicast_loop_v4" => |socket| socket.multicast_loop_v4();
        "set_multicast_loop_v4" => |socket| socket.set_multicast_loop_v4(true);
        "multicast_ttl_v4" => |socket| socket.multicast_ttl_v4();
        "set_multicast_ttl_v4" => |socket| socket.set_multicast_ttl_v4(1);
        "multicast_loop_v6" => |socket| socket.multicast_loop_v6();
        "set_multicast_loop_v6" => |socket| socket.set_multicast_loop_v6(true);
        "join_multicast_v4" => |socket| socket.join_multicast_v4(&V4, &V4);
        "join_multicast_v6" => |socket| socket.join_multicast_v6(&V6, 0);
        "leave_multicast_v4" => |socket| socket.leave_multicast_v4(&V4, &V4);
        "leave_multicast_v6" => |socket| socket.leave_multicast_v6(&V6, 0);
        "take_error" => |socket| socket.take_error();
        "try_clone" => |socket| socket.try_clone();
    }
    "UdpSocket" std_udp {
        "from_std" => |socket| UdpSocket::from_std(socket.try_clone().unwrap());
        "into_std" => |socket| UdpSocket::from_std(socket.try_clone().unwrap()).unwrap().into_std();
        "try_from" => |socket| UdpSocket::try_from(OwnedFd::from(socket.try_clone().unwrap()));
        "from_raw_fd" => |socket| {
            let raw = socket.try_clone().unwrap().into_raw_fd();
            // SAFETY: a descriptor of its own, which is a socket of this kind.
            unsafe { UdpSocket::from_raw_fd(raw) }
        };
    }
    "UnixListener" unix_listener {
        "local_addr" => |socket| socket.local_addr();
        "take_error" => |socket| socket.take_error();
        "try_clone" => |socket| socket.try_clone();
    }
    "UnixListener" std_unix_listener {
        "from_std" => |socket| UnixListener::from_std(socket.try_clone().unwrap());
        "into_std" => |socket| {
            UnixListener::from_std(socket.try_clone().unwrap()).unwrap().into_std()
        };
        "try_from" => |socket| UnixListener::try_from(OwnedFd::from(socket.try_clone().unwrap()));
        "from_raw_fd" => |socket| {
            let raw = socket.try_clone().unwrap().into_raw_fd();
            // SAFETY: a descriptor of its own, which is a listener.
            unsafe { UnixListener::from_raw_fd(raw) }
        };
    }
    "UnixStream" unix_end {
        "peer_addr" => |socket| socket.peer_addr();
        "local_addr" => |socket| socket.local_addr();
        "take_error" => |socket| socket.take_error();
        "try_clone" => |socket| socket.try_clone();
    }
    "UnixStream" std_unix {
        "from_std" => |socket| UnixStream::from_std(socket.try_clone().unwrap());
        "into_std" => |socket| {
            UnixStream::from_std(socket.try_clone().unwrap()).unwrap().into_std()
        };
        "try_from" => |socket| UnixStream::try_from(OwnedFd::from(socket.try_clone().unwrap()));
        "from_raw_fd" => |socket| {
            let raw = socket.try_clone().unwrap().into_raw_fd();
            // SAFETY: a descriptor of its own, which is a stream.
            unsafe { UnixStream::from_raw_fd(raw) }
        };
    }
    "UnixDatagram" datagram {
        "peer_addr" => |socket| socket.peer_addr();
        "local_addr" => |socket| socket.local_addr();
        "take_error" => |socket| socket.take_error();
        "try_clone" => |socket| socket.try_clone();
    }
    "UnixDatagram" std_datagram {
        "from_std" => |socket| UnixDatagram::from_std(socket.try_clone().unwrap());
        "into_std" => |socket| {
            UnixDatagram::from_std(socket.try_clone().unwrap()).unwrap().into_std()
        };
        "try_from" => |socket| UnixDatagram::try_from(OwnedFd::from(socket.try_clone().unwrap()));
        "from_raw_fd" => |socket| {
            let raw = socket.try_clone().unwrap().into_raw_fd();
            // SAFETY: a descriptor of its own, which is a socket of this kind.
            unsafe { UnixDatagram::from_raw_fd(raw) }
        };
    }
];

/// What is no group.
const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;
const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;

fn std_listener() -> net::TcpListener {
    net::TcpListener::bind("127.0.0.1:0").unwrap()
}

fn std_stream() -> net::TcpStream {
    net::TcpStream::connect(std_listener().local_addr().unwrap()).unwrap()
}

fn std_udp() -> net::UdpSocket {
    net::UdpSocket::bind("127.0.0.1:0").unwrap()
}

fn std_unix_listener() -> unix::net::UnixListener {
    unix_listener().into_std().unwrap()
}

fn std_unix() -> unix::net::UnixStream {
    unix::net::UnixStream::pair().unwrap().0
}

fn std_datagram() -> unix::net::UnixDatagram {
    unix::net::UnixDatagram::unbound().unwrap()
}

fn tcp(of: &net::TcpListener) -> TcpListener {
    TcpListener::from_std(of.try_clone().unwrap()).unwrap()
}

fn raw(of: &net::TcpListener) -> i32 {
    of.try_clone().unwrap().into_raw_fd()
}
