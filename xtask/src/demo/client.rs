//! The load: one thread, one poller, a message under way on each connection.
//!
//! A closed loop: a connection sends its next message when the whole reply to the last is back
//! and compared. Each message differs from every other, so that a reply to the wrong connection
//! or of the wrong round shows. Over HTTP all replies are alike, and at the end each connection
//! asks for one that takes its time, all of them at once. Prints a JSON line each second, and one
//! with the result.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use super::talk::Talk;

/// Load before the measured seconds.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long the last replies may take.
const DRAIN: Duration = Duration::from_secs(5);
/// Events taken at once.
const EVENTS: usize = 1_024;
/// The time that a reply is asked to take at the end: long enough that the last of many connections
/// asks before the first has its reply.
pub const SLEEP: Duration = Duration::from_secs(2);

/// Loads the server on `port` for `seconds`, over HTTP or with an echo, and prints what it saw.
///
/// # Errors
/// When the load cannot be made. What the server does wrong is counted, not an error.
pub fn run(port: u16, connections: u32, seconds: Duration, http: bool) -> Result<()> {
    let talk = if http { Talk::get("/") } else { Talk::Echo };
    let mut client = Client::connect(port, connections, talk)?;
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
    // Only after no loss: what is missing already would be counted again.
    let sleep = match http && client.broken + client.wrong + client.under_way == 0 {
        true => client.sleep_all(SLEEP)?,
        false => Value::Null,
    };
    say(&json!({
        "sleep": sleep,
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

fn say(line: &Value) {
    println!("{line}");
}

struct Client {
    poller: Poll,
    talk: Talk,
    connections: Vec<Connection>,
    /// What a reply took beyond `asked_time`.
    latency: Histogram<u64>,
    asked_time: Duration,
    early: u64,
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
    /// Whether a message is under way.
    asked: bool,
    message: Vec<u8>,
    reply: Box<[u8]>,
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
    fn connect(port: u16, connections: u32, talk: Talk) -> Result<Self> {
        let poller = Poll::new()?;
        let open = |number| Connection::open(port, number, talk.room());
        let connections: Vec<_> = (0..connections).map(open).collect::<Result<_>>()?;
        for connection in &connections {
            let stream = connection.stream.as_ref().context("opened just now")?;
            let token = Token(usize::try_from(connection.number)?);
            let registry = poller.registry();
            registry.register(&mut SourceFd(&stream.as_raw_fd()), token, Interest::READABLE)?;
        }
        // Three digits, from a nanosecond to a minute.
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        Ok(Self {
            poller,
            talk,
            connections,
            latency,
            asked_time: Duration::ZERO,
            early: 0,
            under_way: 0,
            wrong: 0,
            broken: 0,
        })
    }

    /// Sends the first message of each connection.
    fn start(&mut self) -> Result<()> {
        for connection in &mut self.connections {
            connection.send(&self.talk)?;
            self.under_way += 1;
        }
        Ok(())
    }

    /// Each connection asks for a reply after `time`, all of them at once; what came of it.
    fn sleep_all(&mut self, time: Duration) -> Result<Value> {
        self.latency.clear();
        self.asked_time = time;
        self.talk = Talk::get(&format!("/sleep/{}", time.as_millis()));
        let begin = Instant::now();
        self.start()?;
        self.turn_until(begin + time / 2, false)?;
        let at_once = self.under_way;
        say(&json!({"phase": "asleep"}));
        self.turn_until(begin + time + DRAIN, false)?;
        Ok(json!({
            "at_once": at_once,
            "early": self.early,
            "late_p50_us": self.latency.value_at_quantile(0.5) as f64 / 1e3,
            "late_p99_us": self.latency.value_at_quantile(0.99) as f64 / 1e3,
            "late_max_us": self.latency.max() as f64 / 1e3,
        }))
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
        match connection.receive(&self.talk) {
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
                self.early += u64::from(taken < self.asked_time);
                let late = taken.saturating_sub(self.asked_time);
                self.latency.saturating_record(u64::try_from(late.as_nanos()).unwrap_or(u64::MAX));
                if again {
                    connection.send(&self.talk)?;
                    self.under_way += 1;
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    fn open(port: u16, number: u32, room: usize) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("connection {number}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: Some(stream),
            number: number.into(),
            round: 0,
            sent: Instant::now(),
            asked: false,
            message: Vec::new(),
            reply: vec![0; room].into(),
            got: 0,
        })
    }

    /// Sends the next message. A broken stream is found by the next receive.
    fn send(&mut self, talk: &Talk) -> Result<()> {
        self.round += 1;
        self.got = 0;
        self.asked = true;
        self.sent = Instant::now();
        talk.say(self.number, self.round, &mut self.message);
        let Some(stream) = &mut self.stream else { return Ok(()) };
        match stream.write(&self.message) {
            // The one message under way always fits into an empty socket buffer.
            Ok(length) => ensure!(length == self.message.len(), "a socket took {length} bytes"),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory) =>
            {
                return Err(error).context("an empty socket takes no message");
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn receive(&mut self, talk: &Talk) -> Step {
        let Some(stream) = &mut self.stream else { return Step::Waits };
        if !self.asked {
            // Nothing is under way: what comes now is the end, or a byte nobody asked for.
            return match stream.read(&mut [0]) {
                Err(error) if again(&error) => Step::Waits,
                _ => Step::Broke,
            };
        }
        // To the end of what is there: the poller tells of each arrival once.
        while self.got < self.reply.len() {
            match stream.read(&mut self.reply[self.got..]) {
                Ok(0) => return Step::Broke,
                Ok(length) => self.got += length,
                Err(error) if again(&error) => return Step::Waits,
                Err(_) => return Step::Broke,
            }
            if let Some(right) = talk.judge(&self.reply[..self.got], self.number, self.round) {
                self.asked = false;
                return Step::Answered { right };
            }
        }
        Step::Broke
    }
}

fn again(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use crate::demo::talk::MESSAGE;

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
        let mut client = Client::connect(server(change), 1, Talk::Echo).unwrap();
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
        let port = listener.local_addr().unwrap().port();
        let mut client = Client::connect(port, 2, Talk::Echo).unwrap();
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

    /// A connection whose every request is answered as soon as it is there.
    fn hasty() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for _ in lines.map_while(|line| line.ok()).filter(String::is_empty) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
            }
        });
        port
    }

    #[test]
    fn a_reply_before_its_time_is_early() {
        let mut client = Client::connect(hasty(), 1, Talk::get("/")).unwrap();
        client.start().unwrap();
        client.turn_until(Instant::now() + Duration::from_secs(60), false).unwrap();
        assert_eq!((client.latency.len(), client.wrong, client.early), (1, 0, 0));
        let said = client.sleep_all(Duration::from_secs(120)).unwrap();
        assert_eq!((said["early"].as_u64(), said["at_once"].as_u64()), (Some(1), Some(0)));
    }
}
