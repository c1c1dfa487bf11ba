//! Sockets: what moves bytes and connections.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::net::{
    OwnedReadHalf, OwnedWriteHalf, Stream, TcpListener, TcpStream, UdpSocket, UnixDatagram,
    UnixListener, UnixStream,
};

use super::{Call, cancel_caller};

pub const CALLS: &[Call] = calls![
    "TcpListener::bind, taken", {
        let taken = tcp_listener();
        let address = taken.local_addr().unwrap();
    }, TcpListener::bind(address);
    "TcpListener::accept, not waiting", { let listener = tcp_listener(); }, listener.accept();
    "TcpListener::accept, cancelled", {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        cancel_caller();
    }, listener.accept();
    "TcpListener::accept_timeout, of no time", { let listener = tcp_listener(); },
        listener.accept_timeout(drift::Duration::ZERO);
    "TcpListener::accept_timeout, of less", { let listener = tcp_listener(); },
        listener.accept_timeout(drift::Duration::from_millis(-1));
    "TcpIncoming::next, not waiting", { let listener = tcp_listener(); },
        listener.incoming().next();
    "TcpStream::connect, refused", { let nobody = nobody(); }, TcpStream::connect(nobody);
    "TcpStream::connect, of no address", { let none: &[SocketAddr] = &[]; },
        TcpStream::connect(none);
    "TcpStream::connect_timeout, refused", { let nobody = nobody(); },
        TcpStream::connect_timeout(&nobody, std::time::Duration::from_secs(9));
    "TcpStream::connect_timeout, of no time", { let nobody = nobody(); },
        TcpStream::connect_timeout(&nobody, std::time::Duration::ZERO);
    "TcpStream::peek", { let stream = tcp_full(); }, stream.peek(&mut [0]);
    "TcpStream::read, of what is there", { let mut stream = tcp_full(); }, stream.read(&mut [0]);
    "TcpStream::read, at the end", { let mut stream = tcp_end(); }, stream.read(&mut [0]);
    "TcpStream::read, of nothing", { let mut stream = tcp_end(); }, stream.read(&mut []);
    "TcpStream::read, cancelled", { let (mut stream, _other) = tcp(); cancel_caller(); },
        stream.read(&mut [0]);
    "TcpStream::read_vectored", { let mut stream = tcp_end(); },
        stream.read_vectored(&mut [IoSliceMut::new(&mut [0])]);
    "TcpStream::write", { let (mut stream, _other) = tcp(); }, stream.write(&[1]);
    "TcpStream::write, refused", { let mut stream = tcp_end(); }, stream.write(&[1]);
    "TcpStream::write_vectored, refused", { let mut stream = tcp_end(); },
        stream.write_vectored(&[IoSlice::new(&[1])]);
    "TcpStream::shutdown", { let stream = tcp_end(); }, stream.shutdown(Shutdown::Both);
    "Stream::shutdown", { let stream = tcp_end(); }, Stream::shutdown(&stream, Shutdown::Both);
    "ReadHalf::read", { let stream = tcp_end(); let mut half = stream.split().0; },
        half.read(&mut [0]);
    "ReadHalf::read_vectored", { let stream = tcp_end(); let mut half = stream.split().0; },
        half.read_vectored(&mut [IoSliceMut::new(&mut [0])]);
    "WriteHalf::write", { let stream = tcp_end(); let mut half = stream.split().1; },
        half.write(&[1]);
    "WriteHalf::write_vectored", { let stream = tcp_end(); let mut half = stream.split().1; },
        half.write_vectored(&[IoSlice::new(&[1])]);
    "OwnedReadHalf::read", { let (mut half, _other) = halves(); }, half.read(&mut [0]);
    "OwnedReadHalf::read_vectored", { let (mut half, _other) = halves(); },
        half.read_vectored(&mut [IoSliceMut::new(&mut [0])]);
    "OwnedWriteHalf::write", { let (_other, mut half) = halves(); }, half.write(&[1]);
    "OwnedWriteHalf::write_vectored", { let (_other, mut half) = halves(); },
        half.write_vectored(&[IoSlice::new(&[1])]);
    "UdpSocket::bind, taken", { let taken = udp(); let address = taken.local_addr().unwrap(); },
        UdpSocket::bind(address);
    "UdpSocket::connect", { let socket = udp(); let address = socket.local_addr().unwrap(); },
        socket.connect(address);
    "UdpSocket::send_to", { let socket = udp(); let address = socket.local_addr().unwrap(); },
        socket.send_to(&[1], address);
    "UdpSocket::send_to, of no address", { let socket = udp(); let none: &[SocketAddr] = &[]; },
        socket.send_to(&[1], none);
    "UdpSocket::send, unconnected", { let socket = udp(); }, socket.send(&[1]);
    "UdpSocket::recv, not waiting", { let socket = udp(); }, socket.recv(&mut [0]);
    "UdpSocket::recv_from, not waiting", { let socket = udp(); }, socket.recv_from(&mut [0]);
    "UdpSocket::peek, not waiting", { let socket = udp(); }, socket.peek(&mut [0]);
    "UdpSocket::peek_from, not waiting", { let socket = udp(); }, socket.peek_from(&mut [0]);
    "UnixListener::bind, refused", {}, UnixListener::bind("/");
    "UnixListener::bind_addr, taken", {
        let taken = unix_listener();
        let address = taken.local_addr().unwrap();
    }, UnixListener::bind_addr(&address);
    "UnixListener::accept, not waiting", { let listener = unix_listener(); }, listener.accept();
    "UnixListener::accept_timeout, of no time", { let listener = unix_listener(); },
        listener.accept_timeout(drift::Duration::ZERO);
    "UnixIncoming::next, not waiting", { let listener = unix_listener(); },
        listener.incoming().next();
    "UnixStream::connect, refused", {}, UnixStream::connect("/");
    "UnixStream::connect, of no path", {}, UnixStream::connect("/".repeat(200));
    "UnixStream::connect_addr, refused", { let nobody = unix_nobody(); },
        UnixStream::connect_addr(&nobody);
    "UnixStream::connect_timeout, refused", { let nobody = unix_nobody(); },
        UnixStream::connect_timeout(&nobody, std::time::Duration::from_secs(9));
    "UnixStream::pair", {}, UnixStream::pair();
    "UnixStream::peek", { let stream = unix_end(); }, stream.peek(&mut [0]);
    "UnixStream::read, at the end", { let mut stream = unix_end(); }, stream.read(&mut [0]);
    "UnixStream::read_vectored", { let mut stream = unix_end(); },
        stream.read_vectored(&mut [IoSliceMut::new(&mut [0])]);
    "UnixStream::write, refused", { let mut stream = unix_end(); }, stream.write(&[1]);
    "UnixStream::write_vectored, refused", { let mut stream = unix_end(); },
        stream.write_vectored(&[IoSlice::new(&[1])]);
    "UnixStream::shutdown", { let stream = unix_end(); }, stream.shutdown(Shutdown::Both);
    "UnixDatagram::bind, refused", {}, UnixDatagram::bind("/");
    "UnixDatagram::bind_addr, taken", {
        let taken = unix_listener();
        let address = taken.local_addr().unwrap();
    }, UnixDatagram::bind_addr(&address);
    "UnixDatagram::unbound", {}, UnixDatagram::unbound();
    "UnixDatagram::pair", {}, UnixDatagram::pair();
    "UnixDatagram::connect, refused", { let socket = datagram(); }, socket.connect("/");
    "UnixDatagram::connect_addr, refused", { let (socket, nobody) = (datagram(), unix_nobody()); },
        socket.connect_addr(&nobody);
    "UnixDatagram::recv, not waiting", { let socket = datagram(); }, socket.recv(&mut [0]);
    "UnixDatagram::recv_from, not waiting", { let socket = datagram(); },
        socket.recv_from(&mut [0]);
    "UnixDatagram::peek, not waiting", { let socket = datagram(); }, socket.peek(&mut [0]);
    "UnixDatagram::peek_from, not waiting", { let socket = datagram(); },
        socket.peek_from(&mut [0]);
    "UnixDatagram::send, unconnected", { let socket = datagram(); }, socket.send(&[1]);
    "UnixDatagram::send_to, refused", { let socket = datagram(); }, socket.send_to(&[1], "/");
    "UnixDatagram::send_to_addr, refused", { let (socket, nobody) = (datagram(), unix_nobody()); },
        socket.send_to_addr(&[1], &nobody);
    "UnixDatagram::shutdown", { let socket = datagram(); }, socket.shutdown(Shutdown::Both);
];

/// One that does not wait.
pub fn tcp_listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// Where nobody listens.
fn nobody() -> SocketAddr {
    tcp_listener().local_addr().unwrap()
}

/// Two ends.
pub fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

/// With something to read for each call.
fn tcp_full() -> TcpStream {
    let (one, mut other) = tcp();
    other.write_all(&[1; 16 << 10]).unwrap();
    one
}

/// With nothing to read any more, and nobody to write to.
pub fn tcp_end() -> TcpStream {
    let (one, _) = tcp();
    one.shutdown(Shutdown::Write).unwrap();
    one
}

fn halves() -> (OwnedReadHalf, OwnedWriteHalf) {
    tcp_end().into_split()
}

/// One that does not wait.
pub fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

pub fn unix_end() -> UnixStream {
    let (one, _) = UnixStream::pair().unwrap();
    one.shutdown(Shutdown::Write).unwrap();
    one
}

/// One that does not wait.
pub fn unix_listener() -> UnixListener {
    let listener = UnixListener::bind_addr(&unix_nobody()).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// One that does not wait.
pub fn datagram() -> UnixDatagram {
    let socket = UnixDatagram::unbound().unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Where nobody listens: a name that leaves nothing in the file system.
fn unix_nobody() -> net::SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("drift-fairness-{}-{number}", std::process::id());
    net::SocketAddr::from_abstract_name(name).unwrap()
}
