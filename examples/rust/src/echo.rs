//! An echo server: one virtual thread for each connection, and plain reads and writes.
//!
//! `echo ADDRESS` serves there; without an address it serves a few clients of its own and ends.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use drift::Duration;
use drift::net::{TcpListener, TcpStream};

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let connection = drift::Builder::new().name(peer.to_string());
                // Detached: it ends with its connection.
                drop(connection.spawn(move || serve(stream)));
            }
            // No descriptor is left, or this client has gone: the others go on, and so does the
            // server. One that was cancelled ends here: its sleep answers so.
            Err(_) => drift::sleep(Duration::from_millis(10))?,
        }
    }
}

fn client(address: SocketAddr, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[drift::main]
fn main() -> io::Result<()> {
    if let Some(address) = std::env::args().nth(1) {
        let listener = TcpListener::bind(address.as_str())?;
        println!("listening on {}", listener.local_addr()?);
        return accept(&listener);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = drift::spawn(move || accept(&listener));
    let answers = drift::scope(|s| {
        let clients: Vec<_> = (0..200)
            .map(|n| s.spawn_fallible(move || client(address, &format!("hello from client {n}"))))
            .collect();
        clients.iter().map(|client| client.join()).collect::<Result<Vec<_>, _>>()
    });
    server.cancel();
    println!("{} clients had their words back", answers.map_err(io::Error::other)??.len());
    Ok(())
}
