//! A WebSocket echo: `tungstenite`, which is made for blocking sockets, unchanged.

use std::net::SocketAddr;

use drift::Duration;
use drift::net::{TcpListener, TcpStream};
use tungstenite::Message;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CLIENTS: usize = 100;

fn serve(socket: TcpStream) -> Result<()> {
    let mut messages = tungstenite::accept(socket)?;
    loop {
        match messages.read()? {
            message @ (Message::Text(_) | Message::Binary(_)) => messages.send(message)?,
            Message::Close(_) => return Ok(messages.flush()?),
            _ => {}
        }
    }
}

fn client(address: SocketAddr, text: &str) -> Result<String> {
    let socket = TcpStream::connect(address)?;
    let (mut messages, _) = tungstenite::client(format!("ws://{address}/"), socket)?;
    messages.send(Message::text(text))?;
    let answer = messages.read()?.into_text()?.to_string();
    messages.close(None)?;
    Ok(answer)
}

fn accept(listener: &TcpListener) -> std::result::Result<(), drift::ConcurrencyError> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => drop(drift::spawn(move || serve(socket))),
            // No descriptor is left, or this client has gone: the others go on, and so does the
            // server. One that was cancelled ends here: its sleep answers so.
            Err(_) => drift::sleep(Duration::from_millis(10))?,
        }
    }
}

#[drift::main]
fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = drift::spawn(move || accept(&listener));
    let answers = drift::scope(|s| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| s.spawn_fallible(move || client(address, &format!("message {n}"))))
            .collect();
        clients.iter().map(|client| client.join()).collect::<std::result::Result<Vec<_>, _>>()
    })??;
    server.cancel();
    assert!(answers.iter().enumerate().all(|(n, answer)| *answer == format!("message {n}")));
    println!("{} clients had their messages back", answers.len());
    Ok(())
}
