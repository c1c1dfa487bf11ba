//! The load: one thread, one poller, a message under way on each connection.
//!
//! A closed loop: a connection sends its next message when the whole reply to the last is back
//! and compared. Each message differs from every other, so that a reply to the wrong connection
//! or of the wrong round shows. Prints a JSON line each second, and one with the result.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;

/// Bytes of a message.
const MESSAGE: usize = 64;
/// Load before the measured seconds.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the last replies may take.
const DRAIN: Duration = Duration::from_secs(5);
/// Events taken at once.
const EVENTS: usize = 1_024;

/// Loads the server on `port` for `seconds` and prints what it saw.
///
/// # Errors
/// When the load cannot be made. What the server does wrong is counted, not an error.
pub fn run(port: u16, connections: u32, seconds: Duration) -> Result<()> {
    let mut client = Client::connect(port, connections)?;
    client.start()?;
    client.turn_until(Instant::now() + WARM_UP, true)?;
    say(&json!({"phase": "measuring"}));
    let begin = Instant::now();
    client.latency.clear();
    for second in 1..=seconds.as_secs() {
        let before = client.latency.len();
        client.turn_until(begin + Duration::from_secs(second), true)?;
        say(&json!({"second": second, "answered": client.latency.len() - before}));
    }
    let measured = begin.elapsed();
    say(&json!({"phase": "measured"}));
    let latency = client.latency.clone();
    client.turn_until(Instant::now() + DRAIN, false)?;
    say(&json!({
        "requests": latency.len(),
        "per_second": latency.len() as f64 / measured.as_secs_f64(),
        "unanswered": client.under_way,
        "wrong": client.wrong,
        "broken": client.broken,
        "p50_us": latency.value_at_quantile(0.5) as f64 / 1e3,
        "p99_us": latency.value_at_quantile(0.99) as f64 / 1e3,
        "p99_9_us": latency.value_at_quantile(0.999) as f64 / 1e3,
        "max_us": latency.max() as f64 / 1e3,
    }));
    Ok(())
}

fn say(line: &serde_json::Value) {
    println!("{line}");
}

struct Client {
    poller: Poll,
    connections: Vec<Connection>,
    latency: Histogram<u64>,
    under_way: u64,
    wrong: u64,
    broken: u64,
}

struct Connection {
    /// None once it broke.
    stream: Option<TcpStream>,
    number: u64,
    round: u64,
    sent: Instant,
    reply: [u8; MESSAGE],
    got: usize,
}

/// What a readable connection came to.
enum Step {
    /// Nothing more for now.
    Waits,
    /// The reply is whole, and whether it is the right one.
    Answered { right: bool },
    /// The server closed it.
    Broke,
}

impl Client {
    fn connect(port: u16, connections: u32) -> Result<Self> {
        let poller = Poll::new()?;
        let connections: Vec<_> =
            (0..connections).map(|number| Connection::open(port, number)).collect::<Result<_>>()?;
        for connection in &connections {
            let stream = connection.stream.as_ref().context("opened just now")?;
            let token = Token(usize::try_from(connection.number)?);
            let registry = poller.registry();
            registry.register(&mut SourceFd(&stream.as_raw_fd()), token, Interest::READABLE)?;
        }
        // Three digits, from a nanosecond to a minute.
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        Ok(Self { poller, connections, latency, under_way: 0, wrong: 0, broken: 0 })
    }

    /// Sends the first message of each connection.
    fn start(&mut self) -> Result<()> {
        for connection in &mut self.connections {
            connection.send()?;
            self.under_way += 1;
        }
        Ok(())
    }

    /// Takes replies until `end`, and answers each with the next message if `again`; else until
    /// nothing is under way.
    fn turn_until(&mut self, end: Instant, again: bool) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while again || self.under_way > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match self.poller.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    return Err(error).context("the poller");
                }
                _ => {}
            }
            for event in &events {
                self.step(event.token().0, again)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, number: usize, again: bool) -> Result<()> {
        let connection = &mut self.connections[number];
        match connection.receive() {
            Step::Waits => {}
            Step::Broke => {
                // Closed here too, which takes it out of the poller. Its message stays under way.
                connection.stream = None;
                self.broken += 1;
                ensure!(self.broken < self.connections.len() as u64, "every connection broke");
            }
            Step::Answered { right } => {
                self.under_way -= 1;
                self.wrong += u64::from(!right);
                let taken = connection.sent.elapsed();
                self.latency.saturating_record(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX));
                if again {
                    connection.send()?;
                    self.under_way += 1;
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    fn open(port: u16, number: u32) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("connection {number}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: Some(stream),
            number: number.into(),
            round: 0,
            sent: Instant::now(),
            reply: [0; MESSAGE],
            got: 0,
        })
    }

    /// Sends the next message. A broken stream is found by the next receive.
    fn send(&mut self) -> Result<()> {
        self.round += 1;
        self.got = 0;
        self.sent = Instant::now();
        let message = message(self.number, self.round);
        let Some(stream) = &mut self.stream else { return Ok(()) };
        match stream.write(&message) {
            // The one message under way always fits into an empty socket buffer.
            Ok(length) => ensure!(length == MESSAGE, "a socket took {length} bytes of {MESSAGE}"),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory) =>
            {
                return Err(error).context("an empty socket takes no message");
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn receive(&mut self) -> Step {
        let Some(stream) = &mut self.stream else { return Step::Waits };
        if self.got == MESSAGE {
            // Nothing is under way: what comes now is the end, or a byte nobody asked for.
            return match stream.read(&mut [0]) {
                Err(error) if again(&error) => Step::Waits,
                _ => Step::Broke,
            };
        }
        // To the end of what is there: the poller tells of each arrival once.
        while self.got < MESSAGE {
            match stream.read(&mut self.reply[self.got..]) {
                Ok(0) => return Step::Broke,
                Ok(length) => self.got += length,
                Err(error) if again(&error) => return Step::Waits,
                Err(_) => return Step::Broke,
            }
        }
        Step::Answered { right: self.reply == message(self.number, self.round) }
    }
}

fn again(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The message of one connection in one round: no two are the same.
fn message(number: u64, round: u64) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let mut word = number << 40 | round;
    for bytes in message.chunks_exact_mut(8) {
        bytes.copy_from_slice(&word.to_le_bytes());
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::TcpListener;

    /// A server that answers each message with what `change` makes of it.
    fn server(change: fn(&mut [u8])) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut message = [0; MESSAGE];
            while stream.read_exact(&mut message).is_ok() {
                change(&mut message);
                stream.write_all(&message).unwrap();
            }
        });
        port
    }

    fn one_round(change: fn(&mut [u8])) -> Client {
        let mut client = Client::connect(server(change), 1).unwrap();
        client.start().unwrap();
        client.turn_until(Instant::now() + Duration::from_secs(60), false).unwrap();
        client
    }

    #[test]
    fn an_echo_is_right_and_nothing_stays_under_way() {
        let client = one_round(|_| {});
        assert_eq!((client.latency.len(), client.under_way, client.wrong), (1, 0, 0));
    }

    #[test]
    fn a_closed_connection_is_broken_and_its_message_unanswered() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap().port(), 2).unwrap();
        let (closed, _) = listener.accept().unwrap();
        let _silent = listener.accept().unwrap();
        client.start().unwrap();
        drop(closed);
        while client.broken == 0 {
            client.turn_until(Instant::now() + Duration::from_millis(10), false).unwrap();
        }
        assert_eq!((client.broken, client.under_way, client.wrong), (1, 2, 0));
    }

    #[test]
    fn one_wrong_byte_is_seen() {
        assert_eq!(one_round(|message| message[MESSAGE - 1] ^= 1).wrong, 1);
    }
}
