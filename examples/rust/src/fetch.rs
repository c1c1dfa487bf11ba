//! Parallel fetch: many requests at once, one deadline for all, and the first failure ends it.
//!
//! Without arguments it starts a small server that answers after a while, and shows a fetch that
//! succeeds, one that comes too late and one that fails.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use drift::net::{TcpListener, TcpStream};
use drift::{Duration, ScopeError};

/// Answers `ms n` with `n` after `ms` milliseconds, and hangs up on anything else.
fn serve(mut stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    let mut request = [0; 64];
    let length = stream.read(&mut request)?;
    let request = std::str::from_utf8(&request[..length])?;
    let (wait, n) = request.split_once(' ').ok_or("two numbers, please")?;
    drift::sleep(Duration::from_millis(wait.parse()?))?;
    stream.write_all(n.as_bytes())?;
    Ok(())
}

fn fetch(address: SocketAddr, request: &str) -> io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.trim().parse().map_err(|_| io::Error::other(format!("{request:?} has no answer")))
}

/// The sum of all answers, within `time`.
fn fetch_all(address: SocketAddr, time: Duration, requests: &[String]) -> Result<u64, ScopeError> {
    let sum = AtomicU64::new(0);
    drift::scope_timeout(time, |s| {
        for request in requests {
            // Nobody keeps the handle, and so the first failure cancels the others.
            s.spawn_fallible(|| {
                fetch(address, request).map(|n| sum.fetch_add(n, Ordering::Relaxed))
            });
        }
    })?;
    Ok(sum.into_inner())
}

fn accept(listener: &TcpListener) -> Result<(), drift::ConcurrencyError> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => drop(drift::spawn(move || serve(stream).is_ok())),
            // No descriptor is left, or this client has gone: the others go on, and so does the
            // server. One that was cancelled ends here: its sleep answers so.
            Err(_) => drift::sleep(Duration::from_millis(10))?,
        }
    }
}

#[drift::main]
fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = drift::spawn(move || accept(&listener));
    let second = Duration::from_secs(1);
    let quick: Vec<_> = (1..=100).map(|n| format!("{} {n}", 1 + n % 20)).collect();
    let sum = fetch_all(address, second, &quick).map_err(io::Error::other)?;
    println!("100 at once: {sum}");
    let late = ["1 1".to_owned(), "60000 2".to_owned()];
    println!("one is late: {}", fetch_all(address, Duration::from_millis(100), &late).unwrap_err());
    let bad = ["60000 1".to_owned(), "nonsense".to_owned()];
    println!("one is bad: {}", fetch_all(address, second, &bad).unwrap_err());
    server.cancel();
    Ok(())
}
