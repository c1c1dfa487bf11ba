//! Unix sockets.

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;

use drift::net::{UnixListener, UnixStream};

use crate::{everywhere, ms, times_out};

/// A path that nobody else uses.
pub fn path(name: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("drift-net-{name}-{}-{count}", std::process::id()))
}

#[test]
fn an_echo_answers_at_a_path() {
    everywhere(|place| {
        let path = path("echo");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let server = place.spawn(move || {
            let (mut stream, from) = listener.accept().unwrap();
            assert!(from.is_unnamed());
            let mut buffer = [0; 64];
            for _ in 0..100 {
                stream.read_exact(&mut buffer).unwrap();
                stream.write_all(&buffer).unwrap();
            }
            listener
        });
        let mut stream = UnixStream::connect(&path).unwrap();
        for round in 0..100 {
            stream.write_all(&[round; 64]).unwrap();
            let mut answer = [0; 64];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 64]);
        }
        let listener = server.join();
        times_out(ms(5), || listener.accept_timeout(ms(5)));
        let taken = UnixListener::bind(&path).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        std::fs::remove_file(&path).unwrap();
        let gone = UnixStream::connect(&path).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn an_abstract_name_serves_as_well() {
    everywhere(|place| {
        let name = path("abstract").into_os_string().into_encoded_bytes();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let server = place.spawn(move || {
            for stream in listener.incoming().take(2) {
                stream.unwrap().write_all(b"hello").unwrap();
            }
        });
        for stream in
            [UnixStream::connect_addr(&address), UnixStream::connect_timeout(&address, ms(1000))]
        {
            let mut stream = stream.unwrap();
            let peer = stream.peer_addr().unwrap();
            assert_eq!(peer.as_abstract_name(), Some(&*name));
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            assert_eq!(said, "hello");
        }
        server.join();
    });
}

#[test]
fn a_peer_with_a_name_is_named() {
    everywhere(|_| {
        let (here, there) = (path("server"), path("client"));
        let listener = UnixListener::bind(&here).unwrap();
        let client =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        client.bind(&socket2::SockAddr::unix(&there).unwrap()).unwrap();
        client.connect(&socket2::SockAddr::unix(&here).unwrap()).unwrap();
        let (stream, from) = listener.accept().unwrap();
        assert_eq!(from.as_pathname(), Some(&*there));
        let stream = UnixStream::from_std(stream.into_std().unwrap()).unwrap();
        assert!(stream.take_error().unwrap().is_none());
        for path in [here, there] {
            std::fs::remove_file(path).unwrap();
        }
    });
}

/// In its error: what std says of it, and the system.
fn error<T>(ended: std::io::Result<T>) -> (ErrorKind, Option<i32>) {
    let error = ended.map(drop).unwrap_err();
    (error.kind(), error.raw_os_error())
}

/// Longest: bytes of `sun_path`, with a zero at the end.
const LONGEST: usize = 107;

fn long(length: usize) -> PathBuf {
    let begin = path("long").into_os_string().into_string().unwrap();
    format!("{begin:_<length$}").into()
}

#[test]
fn paths_are_checked_as_std_checks_them() {
    everywhere(|_| {
        let prefix = path("a").into_os_string().into_string().unwrap();
        let exists = std::os::unix::net::UnixListener::bind(&prefix).unwrap();
        let refused: [PathBuf; 6] = [
            format!("{prefix}\0.x").into(),
            "\0abstract".into(),
            format!("{prefix}\0").into(),
            long(LONGEST + 1),
            long(LONGEST + 2),
            "/nowhere/at/all".into(),
        ];
        let datagrams = drift::net::UnixDatagram::unbound().unwrap();
        let stds = std::os::unix::net::UnixDatagram::unbound().unwrap();
        for path in &refused {
            use std::os::unix::net;
            let told = error(net::UnixStream::connect(path));
            assert_eq!(error(UnixStream::connect(path)), told, "{path:?}");
            assert_eq!(error(UnixListener::bind(path)), error(net::UnixListener::bind(path)));
            let bound = error(net::UnixDatagram::bind(path));
            assert_eq!(error(drift::net::UnixDatagram::bind(path)), bound, "{path:?}");
            assert_eq!(error(datagrams.connect(path)), error(stds.connect(path)), "{path:?}");
            assert_eq!(error(datagrams.send_to(b"x", path)), error(stds.send_to(b"x", path)));
        }
        assert_eq!(
            error(UnixStream::connect("")),
            error(std::os::unix::net::UnixStream::connect(""))
        );
        let unnamed = SocketAddr::from_pathname("").unwrap();
        let told = error(std::os::unix::net::UnixStream::connect_addr(&unnamed));
        assert_eq!(error(UnixStream::connect_addr(&unnamed)), told);
        drop(exists);
        std::fs::remove_file(prefix).unwrap();
    });
}

#[test]
fn the_longest_paths_and_names_serve() {
    everywhere(|_| {
        let path = long(LONGEST);
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        listener.accept().unwrap();
        std::fs::remove_file(&path).unwrap();
        let own = std::process::id();
        for name in
            [format!("drift-{own}-{:_<80}", ""), format!("{own:_<107}"), format!("{own}\0z")]
        {
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            let listener = UnixListener::bind_addr(&address).unwrap();
            let client = UnixStream::connect_addr(&address).unwrap();
            assert_eq!(client.peer_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
            listener.accept().unwrap();
        }
    });
}

/// A socket at a path of so many bytes, which may end without a zero: unix(7), "Pathname sockets".
#[allow(unsafe_code)]
fn bound_to(path: &std::path::Path, kind: socket2::Type) -> socket2::Socket {
    use std::os::unix::ffi::OsStrExt;
    let name = path.as_os_str().as_bytes();
    let fill = |storage: *mut socket2::SockAddrStorage, length: *mut u32| {
        let storage = storage.cast::<u8>();
        // SAFETY: the family, and then the path: 110 bytes of 128, all zero before.
        unsafe { storage.cast::<u16>().write(1) };
        // SAFETY: the same.
        let path = unsafe { storage.add(2) };
        // SAFETY: the same.
        unsafe { path.copy_from(name.as_ptr(), name.len()) };
        // SAFETY: room for the length.
        unsafe { length.write(2 + name.len() as u32) };
        Ok(())
    };
    // SAFETY: `fill` writes an address of the length that it gives.
    let ((), address) = unsafe { socket2::SockAddr::try_init(fill) }.unwrap();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, kind, None).unwrap();
    socket.bind(&address).unwrap();
    socket
}

#[test]
fn a_peer_whose_path_takes_every_byte_is_accepted() {
    everywhere(|_| {
        let (here, there) = (path("server"), long(LONGEST + 1));
        let listener = UnixListener::bind(&here).unwrap();
        let client = bound_to(&there, socket2::Type::STREAM);
        client.connect(&socket2::SockAddr::unix(&here).unwrap()).unwrap();
        let (mut stream, from) = listener.accept().unwrap();
        assert_eq!(from.as_pathname(), Some(&*there));
        client.send(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        drop(client);
        std::fs::remove_file(&there).unwrap();
        std::fs::remove_file(&here).unwrap();
        // Datagrams too.
        let receiver = drift::net::UnixDatagram::bind(&here).unwrap();
        let sender = bound_to(&there, socket2::Type::DGRAM);
        sender.send_to(b"xy", &socket2::SockAddr::unix(&here).unwrap()).unwrap();
        assert_eq!(receiver.peek_from(&mut [0; 8]).unwrap().0, 2);
        let (length, from) = receiver.recv_from(&mut [0; 8]).unwrap();
        assert_eq!((length, from.as_pathname()), (2, Some(&*there)));
        for path in [here, there] {
            std::fs::remove_file(path).unwrap();
        }
    });
}
