//! A connection: two ends, and the bytes that each has sent.
//!
//! As tcp(7) has it on one machine, without what a network does: nothing is lost, late or out of
//! order, and who writes to an end that is gone is told at once, with `BrokenPipe`.
//!
//! | so much is so                                  | level of an end          |
//! |------------------------------------------------|--------------------------|
//! | the listener's queue had no room for it so far | nothing                  |
//! | the other end has sent what nobody has read    | `READ`                   |
//! | the other end sends no more                    | `READ`, `READ_END`       |
//! | there is room, or a write would be refused     | `WRITE`                  |
//! | the other end is gone                          | the two above, `HANG_UP` |

use std::io;
use std::net::{Shutdown, SocketAddr};

use drift_core::platform::{Interest, Source};

use super::bytes::Bytes;
use super::moved_at_most;
use crate::world::World;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Who connected.
    Client,
    /// Who accepted.
    Server,
}

#[derive(Debug)]
struct End {
    address: SocketAddr,
    /// None once it is dropped.
    source: Option<Source>,
    /// What it sent and nobody has read.
    sent: Bytes,
    /// Whether it may send more.
    sends: bool,
    /// Whether it wants more.
    receives: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The listener's queue has no room for it yet.
    Waits,
    /// Both ends can be used.
    Established,
    /// One end went before that.
    Refused,
}

#[derive(Debug)]
pub(super) struct Connection {
    client: End,
    server: End,
    is_established: bool,
}

impl Connection {
    /// Both ends open, and not established.
    pub fn new(world: &World, client: SocketAddr, server: SocketAddr) -> Self {
        let end = |address| End {
            address,
            source: Some(world.net.borrow_mut().open(Interest::NONE)),
            sent: Bytes::default(),
            sends: true,
            receives: true,
        };
        Self { client: end(client), server: end(server), is_established: false }
    }

    pub fn progress(&self) -> Progress {
        match (self.is_established, self.client.source.is_some() && self.server.source.is_some()) {
            (true, _) => Progress::Established,
            (false, true) => Progress::Waits,
            (false, false) => Progress::Refused,
        }
    }

    /// The listener's queue has room for it.
    pub fn establish(&mut self, world: &'static World) {
        self.is_established = true;
        self.tell(world, [Interest::WRITE; 2]);
    }

    /// The addresses of that end and of the other.
    pub fn addresses(&self, side: Side) -> [SocketAddr; 2] {
        let (this, other) = self.ends(side);
        [this.address, other.address]
    }

    /// What that end is waited for by.
    pub fn source(&self, side: Side) -> Source {
        self.ends(side).0.source.expect("it is open until it is dropped")
    }

    /// Takes what was sent to that end: none if nothing was, and more may come; zero at the end.
    pub fn read(&mut self, world: &'static World, side: Side, to: &mut [u8]) -> Option<usize> {
        let (this, other) = self.ends_mut(side);
        let most = moved_at_most(world, to.len());
        let length = other.sent.take(&mut to[..most]);
        if length == 0 && other.sends && this.receives && !to.is_empty() {
            return None;
        }
        self.tell(world, side.news(Interest::NONE, Interest::WRITE));
        Some(length)
    }

    /// Sends what there is room for: none if there is no room.
    ///
    /// # Errors
    /// `BrokenPipe` if nobody will read it, or this end said that it sends no more.
    pub fn write(
        &mut self,
        world: &'static World,
        side: Side,
        bytes: &[u8],
    ) -> io::Result<Option<usize>> {
        let (this, other) = self.ends_mut(side);
        if !this.sends || other.source.is_none() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let length = this.sent.put(&bytes[..moved_at_most(world, bytes.len())]);
        if length == 0 && !bytes.is_empty() {
            return Ok(None);
        }
        self.tell(world, side.news(Interest::NONE, Interest::READ));
        Ok(Some(length))
    }

    /// That end sends no more, or wants no more.
    pub fn shut(&mut self, world: &'static World, side: Side, how: Shutdown) {
        let (this, _) = self.ends_mut(side);
        this.receives &= how == Shutdown::Write;
        this.sends &= how == Shutdown::Read;
        self.tell(world, [Interest::BOTH.union(Interest::READ_END); 2]);
    }

    /// That end is gone.
    pub fn close(&mut self, world: &'static World, side: Side) {
        let (this, _) = self.ends_mut(side);
        this.sends = false;
        let source = this.source.take().expect("an end is dropped once");
        world.net.borrow_mut().close(source);
        self.tell(world, [Interest::HANG_UP; 2]);
    }

    fn ends(&self, side: Side) -> (&End, &End) {
        match side {
            Side::Client => (&self.client, &self.server),
            Side::Server => (&self.server, &self.client),
        }
    }

    fn ends_mut(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    /// What is so now, told to the world; `news` is what became so, for client and server.
    fn tell(&self, world: &'static World, news: [Interest; 2]) {
        for (side, news) in [Side::Client, Side::Server].into_iter().zip(news) {
            if let Some(source) = self.ends(side).0.source {
                world.net.borrow_mut().set(source, self.level(side), news);
            }
        }
        world.wake_pollers();
    }

    fn level(&self, side: Side) -> Interest {
        let (this, other) = self.ends(side);
        if self.progress() == Progress::Waits {
            return Interest::NONE;
        }
        let is_gone = other.source.is_none();
        let is_ended = !other.sends || !this.receives;
        let levels = [
            (!other.sent.is_empty() || is_ended, Interest::READ),
            (is_ended, Interest::READ_END),
            (this.sent.has_room() || !this.sends || is_gone, Interest::WRITE),
            (is_gone, Interest::HANG_UP),
        ];
        let so = levels.into_iter().filter(|(is_so, _)| *is_so);
        so.fold(Interest::NONE, |level, (_, more)| level.union(more))
    }
}

impl Side {
    /// News of this end and of the other, for client and server.
    fn news(self, this: Interest, other: Interest) -> [Interest; 2] {
        match self {
            Self::Client => [this, other],
            Self::Server => [other, this],
        }
    }
}
