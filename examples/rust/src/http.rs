//! A small HTTP/1.1 server: one virtual thread for each connection, keep-alive and pipelining, the
//! parser is `httparse`.
//!
//! | request         | answer                                |
//! |-----------------|---------------------------------------|
//! | `GET /`         | a greeting                            |
//! | `GET /sleep/MS` | the same, after so many milliseconds  |
//! | else            | 404                                   |
//!
//! `http ADDRESS [CARRIERS]`; try it with `curl` and `wrk`.

use std::io::{self, Read, Write};

use drift::net::{TcpListener, TcpStream};
use drift::{Duration, Executor, ExecutorPolicy};

/// The longest head of a request that is taken.
const HEAD: usize = 8 << 10;

/// What a request asks for, and how.
struct Request {
    path: String,
    /// Bytes of its head, and of its body behind it.
    length: usize,
    keeps_alive: bool,
}

enum Parsed {
    Whole(Request),
    Partial,
    Bad,
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(_) => return Parsed::Bad,
    };
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let Ok(body) = header("content-length").map_or(Ok(0), |length| length.trim().parse::<usize>())
    else {
        return Parsed::Bad;
    };
    let keeps_alive = match header("connection") {
        Some(word) if word.eq_ignore_ascii_case("close") => false,
        Some(word) if word.eq_ignore_ascii_case("keep-alive") => true,
        _ => request.version == Some(1),
    };
    // A body is skipped, but not one that never fits.
    if header("transfer-encoding").is_some() || head + body > HEAD {
        return Parsed::Bad;
    }
    if bytes.len() < head + body {
        return Parsed::Partial;
    }
    let path = request.path.unwrap_or("/").to_owned();
    Parsed::Whole(Request { path, length: head + body, keeps_alive })
}

/// The whole answer, in one buffer.
fn answer(path: &str, keeps_alive: bool, out: &mut Vec<u8>) -> io::Result<()> {
    let (status, body) = match (path, path.strip_prefix("/sleep/").map(str::parse::<i64>)) {
        ("/", _) => ("200 OK", "hello from a virtual thread\n"),
        (_, Some(Ok(ms))) if ms > 0 => {
            drift::sleep(Duration::from_millis(ms))?;
            ("200 OK", "good morning\n")
        }
        _ => ("404 Not Found", "there is / and /sleep/MS\n"),
    };
    let connection = if keeps_alive { "keep-alive" } else { "close" };
    write!(
        out,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
         connection: {connection}\r\n\r\n{body}",
        body.len()
    )
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(1024);
    let mut out = Vec::with_capacity(256);
    let mut chunk = [0; 1024];
    loop {
        out.clear();
        let goes_on = match parse(&bytes) {
            Parsed::Whole(request) => {
                answer(&request.path, request.keeps_alive, &mut out)?;
                bytes.drain(..request.length);
                request.keeps_alive
            }
            Parsed::Partial => match stream.read(&mut chunk)? {
                0 => false,
                n => {
                    bytes.extend_from_slice(&chunk[..n]);
                    true
                }
            },
            Parsed::Bad => {
                out.extend_from_slice(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n");
                out.extend_from_slice(b"connection: close\r\n\r\n");
                false
            }
        };
        stream.write_all(&out)?;
        if !goes_on {
            return stream.flush();
        }
    }
}

#[drift::main]
fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let carriers = arguments.next().map_or(Ok(1), |carriers| carriers.parse::<u32>());
    let carriers = carriers.map_err(io::Error::other)?;
    let policy = ExecutorPolicy::new().min_threads(carriers).stack_size(64 << 10);
    let connections = Executor::new(policy)?;

    let listener = TcpListener::bind(address.as_str())?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                // Refused where there is no room for one more: that client is turned away.
                if let Err(error) = drift::spawn_on(&connections, move || serve(stream)) {
                    eprintln!("no virtual thread: {error}");
                }
            }
            // Out of descriptors: those that are open go on, and this one tries again.
            Err(error) => {
                eprintln!("no connection: {error}");
                drift::sleep(Duration::from_millis(10))?;
            }
        }
    }
}
