//! Calls that move less than they were asked for, and what that says.
//!
//! What ends a read or a write before there is no more to read, or no more room, and raises no
//! event afterwards (Linux 6.18; seen with an edge-triggered epoll, but for those in brackets):
//!
//! | what                                            | sockets           | so               |
//! |-------------------------------------------------|-------------------|------------------|
//! | more buffers than std passes on (`IOV_MAX`), or | all               | `asked` counts   |
//! | more bytes than a call moves (`MAX_RW_COUNT`)   |                   | what is passed on|
//! | an urgent byte, also with `SO_OOBINLINE`: tcp(7)| TCP               | `EPOLLPRI` tells,|
//! |                                                 |                   | doubts from then |
//! | the end, an error, after data                   | TCP               | the same, by     |
//! |                                                 |                   | `EPOLLRDHUP`, ...|
//! | descriptors, credentials, `MSG_OOB`: unix(7)    | Unix stream       | never proof      |
//! | the end of a record or datagram; `MSG_TRUNC`    | Unix seqpacket,   | never proof      |
//! |                                                 | datagrams, (SCTP, |                  |
//! |                                                 | netlink, packets) |                  |
//! | (what subflows have not handed over)            | MPTCP             | never proof      |
//! | (packets of a stream)                           | vsock             | never proof      |
//! | (no memory for a buffer: `ENOBUFS`)             | Unix              | never proof      |
//!
//! So a short count is proof for TCP only, which a socket's domain, type and protocol say when it
//! is registered (`short_count`). There the kernel goes on until the queue is empty or the buffer
//! full (`SO_RCVLOWAT`, signals and packets that arrive meanwhile change nothing for a call that
//! does not block), and a short write has asked for the event that there is room. Pipes, terminals
//! and files do not get here: they have no time-outs, which `adopt` asks for.
//!
//! Nothing tells of three more: an upper-layer protocol (`TCP_ULP`, as kTLS) or a BPF program
//! (sockmap) that somebody puts on a TCP socket, and urgent data that its owner takes with
//! `MSG_OOB` before the poller saw it. Such a socket is to be waited for as a level, with
//! [`block_on_io`](crate::io::block_on_io).

use std::io;
use std::ops::Deref;

use drift_core::wait::readiness::ShortCount;
use socket2::{Domain, Protocol, SockRef, Type};

/// Buffers that std hands to one call: `IOV_MAX`, readv(2).
const MAX_BUFFERS: usize = 1024;

/// Bytes that the kernel moves in one call: `INT_MAX`, rounded down to pages of any size (read(2)).
const MAX_BYTES: usize = i32::MAX as usize & !0xffff;

/// How many bytes the kernel is asked for by one call, at least.
#[derive(Clone, Copy)]
pub(super) struct Asked(usize);

impl Asked {
    /// With one buffer.
    pub fn one(buffer: &[u8]) -> Self {
        Self(buffer.len().min(MAX_BYTES))
    }

    /// With several.
    pub fn several<B: Deref<Target = [u8]>>(buffers: &[B]) -> Self {
        let passed_on = buffers.iter().take(MAX_BUFFERS).map(|buffer| buffer.len());
        Self(passed_on.fold(0, usize::saturating_add).min(MAX_BYTES))
    }

    /// How many.
    pub fn bytes(self) -> usize {
        self.0
    }
}

/// What a short count means for any socket.
pub(super) fn short_count(socket: SockRef<'_>) -> io::Result<ShortCount> {
    let is_internet = [Domain::IPV4, Domain::IPV6].contains(&socket.domain()?);
    match is_internet && socket.r#type()? == Type::STREAM {
        true => short_count_of_stream(socket),
        false => Ok(ShortCount::Nothing),
    }
}

/// The same for one that was made as a stream of the internet's: a BPF program, or who wraps
/// socket(2), may have made it MPTCP.
pub(super) fn short_count_of_stream(socket: SockRef<'_>) -> io::Result<ShortCount> {
    match socket.protocol()? {
        Some(Protocol::TCP) => Ok(ShortCount::Exhausts),
        _ => Ok(ShortCount::Nothing),
    }
}
