//! The poller: one epoll(7) and one eventfd(2), its bell.
//!
//! Registrations are one-shot, because nobody tells us when a program closes its descriptor: an
//! entry that has fired or whose file is gone costs nothing, and `arm` finds out which by trying.
//! The bell is edge-triggered, so ringing it is one write, and nobody reads it: its counter takes
//! 2^64 - 2 of them. If it is full nevertheless, because the program wrote into a number that is
//! not its own, it is emptied first.
//!
//! # Safety
//!
//! A descriptor that a program names is borrowed for one system call; the kernel checks it. The
//! buffer of a poll lives across the call that fills it.
#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::{ptr, slice};

use drift_core::platform::{Armed, EVENTS, Event, Events, Interest, PlatformError, Poll, Source};
use drift_core::prim::{AtomicBool, Ordering};
use drift_core::time::{Instant, MILLISECOND};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, read, write};

use super::errno::{Asked, code, raw, refused};
use super::{clock, level};

/// The bell's token; `arm` refuses it.
const BELL: u64 = u64::MAX;

/// Tries of `arm`. Each that fails means that the program closed, opened or armed the descriptor
/// at that very moment; to fail four times in a row it must do nothing else.
const TRIES: usize = 4;

type Buffer = [MaybeUninit<epoll::Event>; EVENTS];

/// The kernel's poller and its bell.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
    /// Whether epoll_pwait2(2) was refused: Linux before 5.11, some sandboxes, qemu-user.
    coarse: AtomicBool,
}

impl Poller {
    /// Two descriptors, both close-on-exec.
    pub(crate) fn new() -> Result<Self, PlatformError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| refused(Asked::Descriptor("descriptor for the poller"), errno))?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|errno| {
            refused(Asked::Descriptor("descriptor for the poller's bell"), errno)
        })?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), flags).map_err(|errno| {
            refused(Asked::Descriptor("place in the poller for its bell"), errno)
        })?;
        Ok(Self { epoll, bell, coarse: AtomicBool::new(false) })
    }

    /// Asks for one event; see `Platform::io_arm`. From any thread.
    ///
    /// The asked directions and no more: `EPOLLRDHUP` is left out because a peer's half-close is
    /// readable anyway (tcp_poll reports both), and poll(2) with POLLIN would not know more.
    pub(crate) fn arm(
        &self,
        source: Source,
        token: u64,
        on: Interest,
    ) -> Result<Armed, PlatformError> {
        let source = self.borrow(&source)?;
        assert!(token != BELL, "the token of the bell belongs to the poller");
        let data = epoll::EventData::new_u64(token);
        let asked = on.0 & Interest::BOTH.0;
        let flags = epoll::EventFlags::from_bits_retain(asked) | epoll::EventFlags::ONESHOT;
        for _ in 0..TRIES {
            match epoll::modify(&self.epoll, source, data, flags) {
                Ok(()) => return Ok(Armed::Again),
                // Never registered, or closed since: the kernel drops an entry with its file.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(refusal(errno)),
            }
            match epoll::add(&self.epoll, source, data, flags) {
                Ok(()) => return Ok(Armed::New),
                // Somebody registered it between our two tries.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(refusal(errno)),
            }
        }
        Err(code(Errno::AGAIN))
    }

    /// Watches for edges of both directions; see `Platform::io_register`. From any thread.
    pub(crate) fn register(&self, source: Source, token: u64) -> Result<(), PlatformError> {
        let source = self.borrow(&source)?;
        assert!(token != BELL, "the token of the bell belongs to the poller");
        let data = epoll::EventData::new_u64(token);
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::PRI
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        match epoll::add(&self.epoll, source, data, flags) {
            // Asked for before, as a descriptor of nobody's.
            Err(Errno::EXIST) => epoll::modify(&self.epoll, source, data, flags),
            other => other,
        }
        .map_err(refusal)
    }

    /// Forgets a source; see `Platform::io_deregister`. From any thread.
    pub(crate) fn deregister(&self, source: Source) {
        if let Ok(source) = self.borrow(&source) {
            // Not registered any more, or closed: there is nothing to forget.
            let _ = epoll::delete(&self.epoll, source);
        }
    }

    /// Answers all questions at once; see `Platform::io_poll`. Takes longer than one call only if
    /// more are asked than the process may have descriptors, which poll(2) refuses.
    pub(crate) fn look(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        // The kernel passes negative numbers over, and our own are nobody's to ask about.
        for poll in polls.iter() {
            self.borrow(&poll.source())?;
        }
        self.look_at(polls)
    }

    fn look_at(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        match level::look(polls) {
            Err(Errno::INVAL) if polls.len() > 1 => {
                let (first, second) = polls.split_at_mut(polls.len() / 2);
                Ok(self.look_at(first)? + self.look_at(second)?)
            }
            Err(errno) => Err(code(errno)),
            Ok(answers) => Ok(answers),
        }
    }

    /// Sleeps until there are events, the bell rings, or `until`, which is over when the caller
    /// says so with `Instant::ZERO`; may return early. Never misses a bell: a ring between two
    /// waits ends the second.
    pub(crate) fn wait(&self, until: Option<Instant>, ready: &mut Events) {
        let mut buffer: Buffer = [MaybeUninit::uninit(); EVENTS];
        let span = match until {
            None | Some(Instant::FAR) => None,
            Some(Instant::ZERO) => Some(0),
            Some(until) => Some(until.0.saturating_sub(clock::now().0)),
        };
        match self.wait_for(span, &mut buffer) {
            Ok(events) => collect(events, ready),
            Err(Errno::INTR) => {}
            // EINVAL: the number is another file's by now.
            Err(errno @ (Errno::BADF | Errno::INVAL)) => {
                panic!("somebody closed the runtime's poller: {errno}")
            }
            Err(errno) => panic!(
                "the kernel, or a sandbox, refuses epoll_pwait(2), without which the drift runtime \
                 cannot wait: {errno}"
            ),
        }
    }

    /// Ends the wait that goes on, or the next.
    pub(crate) fn ring(&self) {
        loop {
            match write(&self.bell, &1_u64.to_ne_bytes()) {
                Ok(8) => return,
                // Full. Another who rings may empty it at the same time: it never blocks.
                Err(Errno::AGAIN) => drop(read(&self.bell, &mut [0; 8])),
                other => panic!("somebody closed the runtime's eventfd: {other:?}"),
            }
        }
    }

    /// The program's descriptor, for one call. The poller's own two are nobody's to arm: a new
    /// token on the bell would silence it.
    fn borrow<'a>(&self, source: &'a Source) -> Result<BorrowedFd<'a>, PlatformError> {
        let refusal = Err(code(Errno::BADF));
        let Ok(fd) = i32::try_from(source.0) else { return refusal };
        if fd == self.bell.as_raw_fd() || fd == self.epoll.as_raw_fd() {
            return refusal;
        }
        // SAFETY: it is not -1. Whether it is open is for epoll_ctl(2) to say: the entry is
        // keyed by the file behind it, so a stale number arms a stranger's file at worst, whose
        // event then carries a token that the reactor finds outdated.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Waits for `span` nanoseconds, or for ever.
    fn wait_for<'a>(
        &self,
        span: Option<u64>,
        buffer: &'a mut Buffer,
    ) -> Result<&'a [epoll::Event], Errno> {
        // Relaxed: it only saves a system call, and is set once.
        if !self.coarse.load(Ordering::Relaxed) {
            match self.wait_finely(span, buffer) {
                Err(Errno::INTR) => return Err(Errno::INTR),
                // Sandboxes refuse what they do not know with whatever they like. What is wrong
                // indeed the old call says again.
                Err(_) => self.coarse.store(true, Ordering::Relaxed),
                Ok(events) => {
                    let first = buffer.as_ptr().cast();
                    // SAFETY: the kernel has written that many, from the first.
                    return Ok(unsafe { slice::from_raw_parts(first, events) });
                }
            }
        }
        // Rounded up to milliseconds, and cut to what the old call takes: the caller comes back.
        let span = span.map(|span| span.div_ceil(MILLISECOND).min(i32::MAX as u64) * MILLISECOND);
        let span = span.map(clock::timespec);
        let (events, _) = epoll::wait(&self.epoll, &mut buffer[..], span.as_ref())?;
        Ok(events)
    }

    /// epoll_pwait2(2): the span is in nanoseconds. How many events it wrote.
    fn wait_finely(&self, span: Option<u64>, buffer: &mut Buffer) -> Result<usize, Errno> {
        let span = span.map(clock::timespec);
        let span = span.as_ref().map_or(ptr::null(), ptr::from_ref);
        let epoll = self.epoll.as_fd().as_raw_fd() as usize;
        let arguments = [epoll, buffer.as_mut_ptr() as usize, EVENTS, span as usize, 0, 0];
        // SAFETY: `buffer` has room for EVENTS events of the kernel's layout, `span` points to
        // the local or is null, and there is no signal mask.
        unsafe { raw(libc::SYS_epoll_pwait2, arguments) }
    }
}

/// Why epoll_ctl(2) would not take a descriptor.
fn refusal(errno: Errno) -> PlatformError {
    match errno {
        Errno::PERM => PlatformError::NotPollable,
        other => code(other),
    }
}

/// The kernel's events, as the platform's.
fn collect(events: &[epoll::Event], ready: &mut Events) {
    let broken = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
    let told = Interest::BOTH.union(Interest::READ_END).union(Interest::URGENT);
    for event in events {
        let (flags, data) = (event.flags, event.data);
        if data.u64() == BELL {
            continue;
        }
        let directions = match flags.intersects(broken) {
            true => Interest::BOTH.union(Interest::HANG_UP),
            false => Interest(flags.bits() & told.0),
        };
        ready
            .push(Event { token: data.u64(), ready: directions })
            .expect("it came in empty, and the buffer is as long");
    }
}

#[cfg(test)]
mod tests;
