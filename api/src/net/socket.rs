//! A descriptor of ours: non-blocking, registered once, and the loop that every call is.
//!
//! | step                     | what                                                            |
//! |--------------------------|-----------------------------------------------------------------|
//! | the reactor knows ready  | the caller makes the system call; most calls end here           |
//! | it would block           | what was *seen* is cleared: an event that came since then stays |
//! | it moved less than asked | the same if that proves that there is no more (`short.rs`),     |
//! |                          | which saves the call that would say so                          |
//! | the reactor knows        | the caller waits, then begins again                             |
//! | nothing                  |                                                                 |
//! | others wait already      | the caller waits behind them: one event lets one caller try,    |
//! |                          | and whoever has tried passes on what is left (core's `line.rs`) |
//! | the time is over         | one last try: ready goes before the time-out                    |
//!
//! Time-outs, and whether a call waits at all, belong to the socket and not to its descriptor:
//! those of one socket share them, as they share what the kernel has of it (fcntl(2), F_DUPFD;
//! socket(7)). To the reactor each descriptor is one of its own, with its own events, and is
//! deregistered before it is closed, while the others go on. A call that does not wait asks the
//! kernel in any case: what it has may not have been told yet.
//!
//! A loop of calls that never wait would keep its carrier: each call, and each byte, is paid for
//! out of the budget of the virtual thread (`drift_core::sched::budget`).

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use drift_core::platform::{Interest, Source};
use drift_core::sched::budget;
use drift_core::time::Instant;
use drift_core::wait::Wait;
use drift_core::wait::readiness::{Readiness, ShortCount, Turn};
use socket2::SockRef;

use super::short::{Asked, short_count};
use crate::error::ConcurrencyError;
use crate::net::registration::Registration;
use crate::runtime::{SYSTEM_CALL, pay, try_runtime, wait};

/// A socket of std's kind `T`, with what the reactor has of it.
pub(super) struct Socket<T> {
    /// First, because fields are dropped in this order: the reactor forgets the descriptor
    /// before its number can be somebody else's.
    registration: Registration,
    inner: T,
    pub reads: Side,
    pub writes: Side,
}

/// What all descriptors of one socket have in common. Relaxed: each is a word of its own.
#[derive(Default)]
struct Modes {
    /// Nanoseconds that a read and a write may wait; 0 for no bound.
    timeouts: [AtomicU64; 2],
    /// As std's `set_nonblocking`.
    waits_never: AtomicBool,
}

/// One direction of a socket.
pub(super) struct Side {
    interest: Interest,
    modes: Arc<Modes>,
}

impl Side {
    fn new(interest: Interest, modes: &Arc<Modes>) -> Self {
        Self { interest, modes: modes.clone() }
    }

    fn word(&self) -> &AtomicU64 {
        &self.modes.timeouts[usize::from(self.interest == Interest::WRITE)]
    }

    /// Whether a call that would wait answers `WouldBlock` instead.
    pub fn waits_never(&self) -> bool {
        self.modes.waits_never.load(Ordering::Relaxed)
    }

    /// As std's `read_timeout` and `write_timeout`.
    pub fn timeout(&self) -> Option<Duration> {
        match self.word().load(Ordering::Relaxed) {
            0 => None,
            nanoseconds => Some(Duration::from_nanos(nanoseconds)),
        }
    }

    /// As std's `set_read_timeout` and `set_write_timeout`.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let nanoseconds = timeout.map_or(Ok(0), |timeout| positive(timeout).map(nanoseconds))?;
        self.word().store(nanoseconds, Ordering::Relaxed);
        Ok(())
    }

    /// When a wait that begins now ends.
    fn until(&self, now: impl FnOnce() -> Instant) -> Instant {
        match self.word().load(Ordering::Relaxed) {
            0 => Instant::FAR,
            nanoseconds => now() + nanoseconds,
        }
    }

    /// The same, for a call that waits by itself.
    pub fn deadline(&self) -> io::Result<Instant> {
        let runtime = try_runtime().map_err(ConcurrencyError::from)?;
        Ok(self.until(|| runtime.platform().now()))
    }
}

/// The span, in nanoseconds; the longest there is, if that is more.
pub(super) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The time-out, unless it is zero, which std refuses.
pub(super) fn positive(timeout: Duration) -> io::Result<Duration> {
    if timeout.is_zero() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a time-out of zero"));
    }
    Ok(timeout)
}

/// When so many nanoseconds from now are over.
pub(super) fn after(nanoseconds: u64) -> io::Result<Instant> {
    let runtime = try_runtime().map_err(ConcurrencyError::from)?;
    Ok(runtime.platform().now() + nanoseconds)
}

impl<T: AsFd> Socket<T> {
    /// Registers a socket that is in non-blocking mode already.
    ///
    /// # Errors
    /// The reactor's, which has no room or cannot wait for this descriptor.
    pub fn register(inner: T, short: ShortCount) -> io::Result<Self> {
        Self::register_as(inner, short, &Arc::default())
    }

    fn register_as(inner: T, short: ShortCount, modes: &Arc<Modes>) -> io::Result<Self> {
        let source = Source(inner.as_fd().as_raw_fd().cast_unsigned());
        Ok(Self {
            registration: Registration::new(source, short)?,
            inner,
            reads: Side::new(Interest::READ, modes),
            writes: Side::new(Interest::WRITE, modes),
        })
    }

    /// Registers any socket, and keeps the time-outs that it has.
    ///
    /// # Errors
    /// As `register`, and those of fcntl(2).
    pub fn adopt(inner: T) -> io::Result<Self> {
        let (reads, writes, short) = {
            let raw = SockRef::from(&inner);
            raw.set_nonblocking(true)?;
            (raw.read_timeout()?, raw.write_timeout()?, short_count(raw)?)
        };
        let socket = Self::register(inner, short)?;
        socket.reads.set_timeout(reads)?;
        socket.writes.set_timeout(writes)?;
        Ok(socket)
    }

    /// Another descriptor of the same socket, as std's `try_clone`.
    ///
    /// # Errors
    /// Those of fcntl(2), F_DUPFD_CLOEXEC; the reactor's if it has no room.
    pub fn try_clone(&self) -> io::Result<Self>
    where
        T: From<OwnedFd>,
    {
        let descriptor = self.inner.as_fd().try_clone_to_owned()?;
        Self::register_as(descriptor.into(), self.short_count(), &self.reads.modes)
    }

    /// As std's: whether a call that would wait answers `WouldBlock` instead.
    pub fn set_nonblocking(&self, waits_never: bool) {
        self.reads.modes.waits_never.store(waits_never, Ordering::Relaxed);
    }

    /// The socket as it was, blocking unless `set_nonblocking` says otherwise, and with the
    /// time-outs that it has here.
    ///
    /// # Errors
    /// `ResourceBusy` if it has another descriptor here, or the parent of this forked process has
    /// it, for which it must stay as it is; those of fcntl(2) and setsockopt(2).
    pub fn release(self) -> io::Result<T> {
        let (reads, writes) = (self.reads.timeout(), self.writes.timeout());
        let waits_never = self.reads.waits_never();
        // The two sides of this descriptor have it; nobody but them can clone it.
        if Arc::strong_count(&self.reads.modes) > 2 {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the socket has a clone, which would block its carrier if this one left \
                 non-blocking mode; drop the clone first",
            ));
        }
        if self.registration.is_inherited() {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the parent of this forked process has the socket, too, whose carrier would be \
                 blocked if it left non-blocking mode; take it as an `OwnedFd`, which stays in \
                 that mode",
            ));
        }
        let inner = self.into_inner();
        {
            let raw = SockRef::from(&inner);
            raw.set_nonblocking(waits_never)?;
            raw.set_read_timeout(reads)?;
            raw.set_write_timeout(writes)?;
        }
        Ok(inner)
    }

    /// The socket, registered no more.
    pub fn into_inner(self) -> T {
        let Self { registration, inner, .. } = self;
        drop(registration);
        inner
    }

    /// std's socket, for what does not wait.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// What a short count means for this socket, and for those that it accepts.
    pub fn short_count(&self) -> ShortCount {
        self.registration.short
    }

    /// Reads what is asked from a stream.
    ///
    /// # Errors
    /// Those of `read`, and of the wait.
    pub fn receive(
        &self,
        asked: Asked,
        read: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if asked.bytes() == 0 {
            pay(SYSTEM_CALL);
            return Ok(0);
        }
        self.stream(&self.reads, asked, read)
    }

    /// Writes what is asked to a stream.
    ///
    /// # Errors
    /// Those of `write`, and of the wait.
    pub fn transmit(
        &self,
        asked: Asked,
        write: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.stream(&self.writes, asked, write)
    }

    fn stream(
        &self,
        side: &Side,
        asked: Asked,
        call: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut turn = None;
        let until = || side.until(|| self.registration.now());
        let (moved, seen) = self.attempt(side, &mut turn, until, call)?;
        if 0 < moved && moved < asked.bytes() {
            self.registration.owned()?.clear_short(side.interest, seen);
        }
        budget::owe(moved);
        Ok(moved)
    }

    /// Receives what comes in one piece, or looks at it; `size` says how much it was.
    ///
    /// # Errors
    /// Those of `call`, and of the wait.
    pub fn take<R>(
        &self,
        call: impl FnMut(&T) -> io::Result<R>,
        size: impl FnOnce(&R) -> usize,
    ) -> io::Result<R> {
        self.whole(&self.reads, call, size)
    }

    /// Sends what goes in one piece.
    ///
    /// # Errors
    /// Those of `call`, and of the wait.
    pub fn put(&self, call: impl FnMut(&T) -> io::Result<usize>) -> io::Result<usize> {
        self.whole(&self.writes, call, |sent| *sent)
    }

    fn whole<R>(
        &self,
        side: &Side,
        call: impl FnMut(&T) -> io::Result<R>,
        size: impl FnOnce(&R) -> usize,
    ) -> io::Result<R> {
        let until = || side.until(|| self.registration.now());
        let (moved, _) = self.attempt(side, &mut None, until, call)?;
        budget::owe(size(&moved));
        Ok(moved)
    }

    /// Repeats `call` until it does not say `WouldBlock`, and waits in between until `until` at
    /// the latest. With what was known before the last try. If it had to wait, `turn` has the
    /// caller's turn afterwards: what the call has left is the next caller's when that is dropped.
    ///
    /// # Errors
    /// Those of `call`, and of the wait.
    pub fn attempt<R>(
        &self,
        side: &Side,
        turn: &mut Option<Turn<'static>>,
        until: impl Fn() -> Instant,
        mut call: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<(R, Readiness)> {
        pay(SYSTEM_CALL);
        let owned = self.registration.owned()?;
        let mut waits: Option<Wait> = None;
        let mut seen = owned.readiness(side.interest);
        loop {
            if seen.is_ready() {
                match call(&self.inner) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        owned.clear(side.interest, seen);
                    }
                    ended => return ended.map(|value| (value, seen)),
                }
            }
            if side.waits_never() {
                // The poller may not have told what the kernel knows.
                return call(&self.inner).map(|value| (value, seen));
            }
            let waits = match &waits {
                Some(waits) => waits,
                None => match wait() {
                    Ok(wait) => waits.insert(wait.until(until())),
                    // While it unwinds it may not wait, not even for others that were first.
                    Err(ended) => return self.last_try(ended, call).map(|value| (value, seen)),
                },
            };
            seen = match owned.wait_ready(side.interest, waits, turn) {
                Ok(seen) => seen,
                Err(ended) => {
                    return self.last_try(ended.into(), call).map(|value| (value, seen));
                }
            };
        }
    }

    /// A time-out is one only if there is still nothing: the timer may have been quicker than an
    /// event that was there.
    #[cold]
    fn last_try<R>(
        &self,
        ended: ConcurrencyError,
        call: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let told = match ended {
            ConcurrencyError::Closed | ConcurrencyError::Cancelled => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            _ => call(&self.inner),
        };
        told.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ended.into(),
            _ => error,
        })
    }
}

impl<T: AsFd> AsFd for Socket<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd> AsRawFd for Socket<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

/// As std's.
impl<T: fmt::Debug> fmt::Debug for Socket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
