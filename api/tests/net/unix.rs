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
    let (here, there) = (path("server"), path("client"));
    let listener = UnixListener::bind(&here).unwrap();
    let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    client.bind(&socket2::SockAddr::unix(&there).unwrap()).unwrap();
    client.connect(&socket2::SockAddr::unix(&here).unwrap()).unwrap();
    let (stream, from) = listener.accept().unwrap();
    assert_eq!(from.as_pathname(), Some(&*there));
    let stream = UnixStream::from_std(stream.into_std().unwrap()).unwrap();
    assert!(stream.take_error().unwrap().is_none());
    for path in [here, there] {
        std::fs::remove_file(path).unwrap();
    }
}
