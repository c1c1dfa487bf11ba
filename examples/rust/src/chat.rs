//! A chat server: every client has a reader and a writer, and one hub knows them all.
//!
//! ```text
//! reader ──► hub (a channel of events) ──► a channel for each client ──► writer
//! ```
//!
//! No lock anywhere: only the hub touches the list of clients. A client that does not read does
//! not hold up the others; its channel is bounded, and it is left out when that is full.
//!
//! `chat ADDRESS` serves there (try it with two of `nc`); without one, three clients talk.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;

use drift::Duration;
use drift::net::{TcpListener, TcpStream};
use drift::sync::{Receiver, Sender, bounded};

enum Event {
    Came { name: String, lines: Sender<String> },
    Said { name: String, text: String },
    Left { name: String },
}

fn hub(events: &Receiver<Event>) {
    let mut clients: HashMap<String, Sender<String>> = HashMap::new();
    for event in events.iter() {
        let line = match event {
            Event::Came { name, lines } => {
                clients.insert(name.clone(), lines);
                format!("* {name} is here")
            }
            Event::Said { name, text } => format!("{name}: {text}"),
            Event::Left { name } => {
                clients.remove(&name);
                format!("* {name} has left")
            }
        };
        clients.retain(|_, lines| lines.try_send(line.clone()).is_ok());
    }
}

fn serve(stream: TcpStream, events: &Sender<Event>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader).lines();
    let Some(name) = reader.next().transpose()? else { return Ok(()) };
    let (lines, to_write) = bounded::<String>(100);
    drop(drift::spawn(move || -> io::Result<()> {
        to_write.iter().try_for_each(|line| writeln!(writer, "{line}"))
    }));
    let tell = |event| events.send(event).map_err(io::Error::other);
    tell(Event::Came { name: name.clone(), lines })?;
    for text in reader {
        let Ok(text) = text else { break };
        tell(Event::Said { name: name.clone(), text })?;
    }
    tell(Event::Left { name })
}

fn accept(listener: &TcpListener) -> io::Result<()> {
    let (events, from_clients) = bounded(1000);
    drop(drift::spawn(move || hub(&from_clients)));
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let events = events.clone();
                drop(drift::spawn(move || serve(stream, &events)));
            }
            // No descriptor is left, or this client has gone: the others go on, and so does the
            // server. One that was cancelled ends here: its sleep answers so.
            Err(_) => drift::sleep(Duration::from_millis(10))?,
        }
    }
}

/// Gives its name, says its lines, and reads as many as it wrote: what it has read.
fn talk(address: SocketAddr, name: &str, lines: &[&str]) -> io::Result<Vec<String>> {
    let (reader, mut writer) = TcpStream::connect(address)?.into_split();
    let mut heard = Vec::new();
    let mut reader = BufReader::new(reader).lines();
    for line in std::iter::once(&name).chain(lines) {
        writeln!(writer, "{line}")?;
        heard.extend(reader.next().transpose()?);
    }
    Ok(heard)
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
    let heard = drift::scope(|s| {
        let people = ["ada", "bob", "eve"].map(|name| {
            s.spawn_fallible(move || talk(address, name, &["good morning", "and goodbye"]))
        });
        people.map(|person| person.join())
    });
    server.cancel();
    for (person, lines) in heard.map_err(io::Error::other)?.into_iter().enumerate() {
        println!("client {person} has read:");
        lines?.iter().for_each(|line| println!("    {line}"));
    }
    Ok(())
}
