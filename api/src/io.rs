//! Waiting for descriptors of any kind: pipes, terminals, devices, sockets of other libraries.
//!
//! | to do                                             | use                                     |
//! |---------------------------------------------------|-----------------------------------------|
//! | TCP, UDP, Unix sockets                            | [`net`](crate::net), which waits itself |
//! | a descriptor in non-blocking mode: try, and wait  | [`block_on_io`], or [`block_on_raw`]    |
//! |                                                   | for a number that nobody lends          |
//! | several descriptors                               | [`poll_many`]                           |
//! | close one that others may wait for                | [`close`]                               |
//!
//! Readiness is a level, as in poll(2): what is ready already is found at once, again and again.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use drift_core::platform::{self, Source};
use drift_core::sched::budget;
use drift_core::wait::readiness::{Place, Poll};

use crate::error::ConcurrencyError;
use crate::runtime::{SYSTEM_CALL, pay, try_runtime, wait};
use crate::time::Instant;

/// What to wait for. Errors and hang-up are reported in any case.
///
/// # Source
/// Drift's `std.io.Interest`; the bits are those of poll(2).
///
/// # Examples
/// ```
/// use drift::io::Interest;
///
/// assert_eq!(Interest::READABLE | Interest::WRITABLE, Interest::BOTH);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(u32);

impl Interest {
    /// There is something to read or to accept, or the end has come.
    pub const READABLE: Self = Self(platform::Interest::READ.0);
    /// There is room to write.
    pub const WRITABLE: Self = Self(platform::Interest::WRITE.0);
    /// Either.
    pub const BOTH: Self = Self(platform::Interest::BOTH.0);
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::READABLE => "READABLE",
            Self::WRITABLE => "WRITABLE",
            _ => "BOTH",
        })
    }
}

/// What a descriptor is ready for.
///
/// # Source
/// poll(2): `POLLIN`, `POLLOUT`, `POLLERR`, `POLLHUP`.
///
/// # Examples
/// ```
/// use drift::io::{Interest, block_on_io};
///
/// let (reader, writer) = std::io::pipe().unwrap();
/// drop(writer);
/// let ready = block_on_io(&reader, Interest::READABLE, None).unwrap();
/// assert!(ready.is_hung_up() && !ready.is_error());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ready(u32);

impl Ready {
    /// Whether it was asked for reading, and a read will not wait.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    /// use drift::io::{Interest, block_on_io};
    ///
    /// let (reader, mut writer) = std::io::pipe().unwrap();
    /// writer.write_all(b"x").unwrap();
    /// assert!(block_on_io(&reader, Interest::READABLE, None).unwrap().is_readable());
    /// ```
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & Interest::READABLE.0 != 0
    }

    /// Whether it was asked for writing, and a write will not wait.
    ///
    /// # Examples
    /// ```
    /// use drift::io::{Interest, block_on_io};
    ///
    /// let (_reader, writer) = std::io::pipe().unwrap();
    /// assert!(block_on_io(&writer, Interest::WRITABLE, None).unwrap().is_writable());
    /// ```
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & Interest::WRITABLE.0 != 0
    }

    /// Whether there is an error, which the next call tells.
    ///
    /// # Examples
    /// ```
    /// use drift::io::{Interest, block_on_io};
    ///
    /// let (reader, writer) = std::io::pipe().unwrap();
    /// drop(reader);
    /// // Nobody will ever read what would be written.
    /// assert!(block_on_io(&writer, Interest::WRITABLE, None).unwrap().is_error());
    /// ```
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 & platform::Interest::ERROR.0 != 0
    }

    /// Whether the other side is gone. There may still be something to read.
    ///
    /// # Examples
    /// ```
    /// use drift::io::{Interest, block_on_io};
    ///
    /// let (reader, writer) = std::io::pipe().unwrap();
    /// drop(writer);
    /// assert!(block_on_io(&reader, Interest::READABLE, None).unwrap().is_hung_up());
    /// ```
    #[must_use]
    pub const fn is_hung_up(self) -> bool {
        self.0 & platform::Interest::HANG_UP.0 != 0
    }

    /// Whether it is ready for anything at all.
    ///
    /// # Examples
    /// ```
    /// assert!(!drift::io::Ready::default().is_any());
    /// ```
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.0 != 0
    }
}

/// A descriptor in a [`poll_many`], which is borrowed for as long as this is there.
///
/// # Source
/// poll(2): `struct pollfd`.
///
/// # Examples
/// ```
/// use drift::io::{Interest, PollFd};
///
/// let (reader, _writer) = std::io::pipe().unwrap();
/// let one = PollFd::new(&reader, Interest::READABLE);
/// assert!(!one.ready().is_any()); // nobody has looked
/// ```
///
/// ```compile_fail,E0505
/// use drift::io::{Interest, PollFd, poll_many};
///
/// let (reader, _writer) = std::io::pipe().unwrap();
/// let mut one = [PollFd::new(&reader, Interest::READABLE)];
/// drop(reader); // its number may be another file's from now on
/// poll_many(&mut one, None);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PollFd<'fd> {
    descriptor: RawFd,
    interest: Interest,
    ready: Ready,
    borrowed: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> PollFd<'fd> {
    /// A descriptor, and what to wait for.
    ///
    /// # Examples
    /// ```
    /// use drift::io::{Interest, PollFd};
    ///
    /// let (reader, _writer) = std::io::pipe().unwrap();
    /// let one = PollFd::new(&reader, Interest::READABLE);
    /// assert_eq!(one.interest(), Interest::READABLE);
    /// ```
    pub fn new(descriptor: &'fd impl AsFd, interest: Interest) -> Self {
        Self::from_raw(descriptor.as_fd().as_raw_fd(), interest)
    }

    /// A descriptor by its number, which nobody keeps open: if it is closed, another file may have
    /// that number, and is waited for instead. Nothing is done to it.
    ///
    /// # Examples
    /// ```
    /// use drift::Instant;
    /// use drift::io::{Interest, PollFd, poll_many};
    ///
    /// let mut none = [PollFd::from_raw(-1, Interest::READABLE)];
    /// assert!(poll_many(&mut none, Some(Instant::now())).is_err());
    /// ```
    #[must_use]
    pub const fn from_raw(descriptor: RawFd, interest: Interest) -> Self {
        Self { descriptor, interest, ready: Ready(0), borrowed: PhantomData }
    }

    /// What it is waited for.
    ///
    /// # Examples
    /// ```
    /// use drift::io::{Interest, PollFd};
    ///
    /// let (reader, _writer) = std::io::pipe().unwrap();
    /// let one = PollFd::new(&reader, Interest::READABLE);
    /// assert_eq!(one.interest(), Interest::READABLE);
    /// ```
    #[must_use]
    pub const fn interest(&self) -> Interest {
        self.interest
    }

    /// What the last call found it ready for; nothing if that failed or timed out.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    /// use drift::io::{Interest, PollFd, poll_many};
    ///
    /// let (reader, mut writer) = std::io::pipe().unwrap();
    /// writer.write_all(b"x").unwrap();
    /// let mut one = [PollFd::new(&reader, Interest::READABLE)];
    /// poll_many(&mut one, None).unwrap();
    /// assert!(one[0].ready().is_readable());
    /// ```
    #[must_use]
    pub const fn ready(&self) -> Ready {
        self.ready
    }

    fn core(&self) -> Poll {
        Poll::new(source(self.descriptor), platform::Interest(self.interest.0))
    }
}

impl AsRawFd for PollFd<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor
    }
}

fn source(descriptor: RawFd) -> Source {
    // A negative one is beyond all tables, and refused as what it is.
    Source(descriptor.cast_unsigned())
}

/// Waits until a descriptor is ready for any of `interest`, or until `deadline`; an OS thread
/// blocks. This is how foreign code waits on a virtual thread: keep its descriptor in non-blocking
/// mode, and come here when a call says `WouldBlock`.
///
/// A regular file, which is always ready, is. For a number that nobody lends, [`block_on_raw`].
///
/// # Errors
/// `Failed(Platform)` if it cannot be waited for: it is closed, or its number is out of bounds.
/// `Closed` if it is [closed](close) meanwhile. `Cancelled`, also if it is ready; `Timeout` only if
/// it is not.
///
/// # Source
/// Drift's `std.concurrent.block_on_io`.
///
/// # Examples
/// ```
/// use std::io::Write;
/// use drift::io::{Interest, block_on_io};
/// use drift::{ConcurrencyError, Duration, Instant};
///
/// let (reader, mut writer) = std::io::pipe().unwrap();
/// let soon = Instant::now() + Duration::from_millis(2);
/// let nothing = block_on_io(&reader, Interest::READABLE, Some(soon));
/// assert_eq!(nothing, Err(ConcurrencyError::Timeout));
///
/// drift::spawn(move || writer.write_all(b"x"));
/// assert!(block_on_io(&reader, Interest::READABLE, None).unwrap().is_readable());
/// ```
pub fn block_on_io(
    descriptor: &impl AsFd,
    interest: Interest,
    deadline: Option<Instant>,
) -> Result<Ready, ConcurrencyError> {
    block_on_raw(descriptor.as_fd().as_raw_fd(), interest, deadline)
}

/// As [`block_on_io`], for a descriptor by its number, such as a C library gives. Nobody keeps it
/// open: if it is closed, another file may have that number, and is waited for instead. Nothing is
/// done to it.
///
/// # Errors
/// As [`block_on_io`].
///
/// # Source
/// Drift's `std.concurrent.block_on_io`, which takes a number.
///
/// # Examples
/// ```
/// use std::os::fd::AsRawFd;
/// use drift::io::{Interest, block_on_raw};
///
/// let (_reader, writer) = std::io::pipe().unwrap();
/// assert!(block_on_raw(writer.as_raw_fd(), Interest::WRITABLE, None).unwrap().is_writable());
/// ```
pub fn block_on_raw(
    descriptor: RawFd,
    interest: Interest,
    deadline: Option<Instant>,
) -> Result<Ready, ConcurrencyError> {
    let mut one = [PollFd::from_raw(descriptor, interest).core()];
    poll(&mut one, &mut [Place::default()], deadline)?;
    Ok(Ready(one[0].ready().0))
}

/// Waits until one of several descriptors is ready, or until `deadline`; how many are. A deadline
/// that is over looks once. The same descriptor may be there several times.
///
/// # Errors
/// When several hold, the first listed. `Failed(Platform)` if one of them cannot be waited for;
/// `Closed` if one is [closed](close) meanwhile; `Cancelled`, also if one is ready; `Timeout` if
/// none is.
///
/// # Source
/// Drift's `std.io.poll_many`; poll(2).
///
/// # Examples
/// ```
/// use std::io::Write;
/// use drift::io::{Interest, PollFd, poll_many};
///
/// let (one, _quiet) = std::io::pipe().unwrap();
/// let (other, mut writer) = std::io::pipe().unwrap();
/// writer.write_all(b"x").unwrap();
/// let mut both = [&one, &other].map(|pipe| PollFd::new(pipe, Interest::READABLE));
/// assert_eq!(poll_many(&mut both, None), Ok(1));
/// assert!(!both[0].ready().is_any() && both[1].ready().is_readable());
/// ```
pub fn poll_many(
    descriptors: &mut [PollFd<'_>],
    deadline: Option<Instant>,
) -> Result<usize, ConcurrencyError> {
    for one in descriptors.iter_mut() {
        one.ready = Ready::default();
    }
    let mut polls: Vec<Poll> = descriptors.iter().map(PollFd::core).collect();
    let mut places: Vec<Place> = descriptors.iter().map(|_| Place::default()).collect();
    let ready = poll(&mut polls, &mut places, deadline)?;
    for (one, poll) in descriptors.iter_mut().zip(&polls) {
        one.ready = Ready(poll.ready().0);
    }
    Ok(ready)
}

fn poll(
    polls: &mut [Poll],
    places: &mut [Place],
    deadline: Option<Instant>,
) -> Result<usize, ConcurrencyError> {
    pay(budget::of_descriptors(polls.len()));
    let waits = match deadline {
        None => wait()?,
        Some(deadline) => wait()?.until(deadline.core()),
    };
    Ok(try_runtime()?.poll_many(polls, places, &waits)?)
}

/// Closes a descriptor, and ends the waits for it with `Closed`. One that is closed in any other
/// way may leave who waits for it waiting until their deadline.
///
/// # Source
/// Beyond Drift's `std.io`; Go's `os.File.Close`.
///
/// # Examples
/// ```
/// use std::os::fd::AsRawFd;
/// use drift::io::{Interest, block_on_raw, close};
///
/// // One carrier: they run in turn.
/// drift::run_with(drift::ExecutorPolicy::new(), || {
///     let (reader, _writer) = std::io::pipe().unwrap();
///     let number = reader.as_raw_fd();
///     let waiter = drift::spawn(move || block_on_raw(number, Interest::READABLE, None));
///     drift::yield_now();
///     close(reader);
///     assert!(waiter.join().unwrap().is_err());
/// });
/// ```
pub fn close(descriptor: impl Into<OwnedFd>) {
    pay(SYSTEM_CALL);
    let descriptor = descriptor.into();
    if let Ok(runtime) = try_runtime() {
        runtime.closing(source(descriptor.as_raw_fd()));
    }
    drop(descriptor);
}
