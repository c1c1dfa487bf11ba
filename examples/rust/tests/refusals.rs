//! Servers whose accept(2) fails now and then serve everybody all the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server, which ends with this.
struct Server(Child, String);

impl Server {
    /// Starts `program` with an `accept4` that fails two times of three; it says where it listens.
    fn start(program: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals.c");
        let name = Path::new(program).file_name().unwrap().to_str().unwrap();
        let shim = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refusals-{name}.so"));
        let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let made =
            Command::new(cc).args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(source).status();
        assert!(made.unwrap().success(), "the shim does not compile");
        let mut command = Command::new(program);
        command.arg("127.0.0.1:0").env("LD_PRELOAD", shim);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("it says where it listens").unwrap();
        let address = line.rsplit(' ').next().unwrap().to_owned();
        Self(child, address)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.1).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Says `text` and reads `length` bytes, on several connections, one after the other and at once.
fn serves(program: &str, text: &str, length: usize) {
    let server = Server::start(program);
    let talk = |mut stream: TcpStream| {
        stream.write_all(text.as_bytes()).unwrap();
        stream.read_exact(&mut vec![0; length]).unwrap();
    };
    for _ in 0..5 {
        talk(server.connect());
    }
    let all: Vec<_> = (0..10).map(|_| server.connect()).collect();
    all.into_iter().for_each(talk);
}

#[test]
fn echo_goes_on() {
    serves(env!("CARGO_BIN_EXE_echo"), "hello", 5);
}

#[test]
fn chat_goes_on() {
    serves(env!("CARGO_BIN_EXE_chat"), "name\nline\n", 4);
}

#[test]
fn http_goes_on() {
    serves(env!("CARGO_BIN_EXE_http"), "GET / HTTP/1.1\r\nHost: here\r\n\r\n", 12);
}
