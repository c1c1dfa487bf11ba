//! Everything the runtime asks of the world, and the only way it asks.
//!
//! A platform is a value held as `&'static dyn Platform`; no call of it is on the switch path.
//! `drift-tests` has the conformance suite that every platform must pass.
//!
//! # Unsafe
//! Only declarations: the trait's promises are what other files rely on.
#![allow(unsafe_code)]

use core::fmt;
use core::ptr::NonNull;

use crate::prim::AtomicU32;
use crate::time::Instant;

/// What the runtime asks of the world.
///
/// # Safety
/// `stack_alloc` and `table` give memory nobody else uses, of the stated size, never unmapped,
/// and what lies below a stack is inaccessible. `now` never goes back. `thread_words` gives
/// pointers that stay valid while the calling OS thread lives. `carrier_start` calls
/// [`CarrierMain::run`] or `run_between` once for each call that succeeds, and never if it fails.
pub unsafe trait Platform: Sync + fmt::Debug {
    /// The monotonic clock.
    fn now(&self) -> Instant;

    /// A random word; need not be secret.
    fn entropy(&self) -> u64;

    /// Runs `carrier.run()` on a new OS thread or CPU.
    ///
    /// # Safety
    /// `carrier` is one of the runtime that this platform serves, and nothing runs it: it was just
    /// made, or its last `run` has returned or is about to.
    ///
    /// # Errors
    /// The platform's own code when no thread can be had.
    unsafe fn carrier_start(&self, carrier: &'static dyn CarrierMain) -> Result<(), PlatformError>;

    /// Whether nothing is left of the OS thread or CPU that ran carrier `id` and of all that ran it
    /// before; does not wait.
    ///
    /// A platform that starts carriers on threads which the process counts must look for them: the
    /// destructors of a thread's own variables may run for long.
    ///
    /// # Safety
    /// The last [`CarrierMain::run`] of it has returned or is about to. By one caller at a time,
    /// and not from that thread.
    unsafe fn carrier_is_gone(&self, id: CarrierId) -> bool {
        let _ = id;
        true
    }

    /// Sleeps until `carrier_wake(id)`, an event or `until`. A wake that came first is not lost:
    /// it ends the next sleep at once. An `until` that is over polls and returns.
    ///
    /// `ready` is given to one carrier at a time: that one polls for I/O while it sleeps, and
    /// finds what it got in `ready`, which comes in empty.
    fn carrier_sleep(&self, id: CarrierId, until: Option<Instant>, ready: Option<&mut Events>);

    /// Ends the current or the next sleep of carrier `id`. From any thread.
    fn carrier_wake(&self, id: CarrierId);

    /// Blocks the calling OS thread while `*word == value`, until `thread_wake(word)` or `until`;
    /// may return early without a cause. The futex of threads that run no virtual thread.
    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>);

    /// As `thread_wait`, and ends also when one of `sources` is ready, or is none; true if that was
    /// seen. The threads that run no virtual thread wait for sources by this, whoever runs or polls
    /// beside them. A platform without sources, or without such threads, leaves it as it is.
    fn thread_poll(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        let _ = sources;
        self.thread_wait(word, value, until);
        false
    }

    /// Wakes every thread in `thread_wait(word)` and in `thread_poll(word)`. The word may be gone
    /// already: its address is only a name.
    fn thread_wake(&self, word: *const AtomicU32);

    /// Gives the CPU to another OS thread, which the caller waits for: the call number `turn`, from
    /// 0, of one wait. Where threads have priorities, later calls sleep for a while: the other
    /// thread may have a lower one.
    fn thread_yield(&self, turn: u32);

    /// Which of those that share the calling OS thread calls, if it is no carrier; none where
    /// nobody shares one, as on any machine.
    fn thread_number(&self) -> Option<u32> {
        None
    }

    /// The words of the calling OS thread that belong to whoever runs on it.
    fn thread_words(&self) -> ThreadWords {
        ThreadWords::NONE
    }

    /// Asks for one event with `token` when `source` is ready for any of `on`; errors and
    /// hang-up always count. Replaces what was asked of `source` before, token included. A
    /// source that is ready already gives its event at once. Tells whether the kernel knew the
    /// source: a number that was closed and opened anew since is [`Armed::New`] again.
    ///
    /// # Errors
    /// [`PlatformError::NotPollable`] for a source that is always ready, such as a regular file;
    /// any other code when the source cannot be waited for.
    fn io_arm(&self, source: Source, token: u64, on: Interest) -> Result<Armed, PlatformError>;

    /// Watches `source` until `io_deregister`: an event with `token` for each time that it becomes
    /// ready in a direction, and one at once for those in which it is. Tells also that no more
    /// will come ([`Interest::READ_END`], [`Interest::HANG_UP`]), and of urgent data
    /// ([`Interest::URGENT`]). Replaces what was asked before.
    ///
    /// # Errors
    /// As for `io_arm`.
    fn io_register(&self, source: Source, token: u64) -> Result<(), PlatformError> {
        let _ = (source, token);
        Err(PlatformError::Unsupported)
    }

    /// Ends what `io_register` began; before the source is closed.
    fn io_deregister(&self, source: Source) {
        let _ = source;
    }

    /// Answers each of `polls`: what of its interest is so just now, without waiting; with
    /// [`Interest::HANG_UP`] and [`Interest::ERROR`], asked for or not. How many have an answer.
    ///
    /// # Errors
    /// When there is no such source as one of them names; the answers then mean nothing.
    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        let _ = polls;
        Err(PlatformError::Unsupported)
    }

    /// Makes sure that one more stack of `class` can be in use at once, from now on.
    ///
    /// # Errors
    /// When the address space, or what guards cost, does not allow one more.
    fn stack_reserve(&self, class: StackClass) -> Result<(), PlatformError>;

    /// Takes one `stack_reserve` of `class` back, whose stack is not out: what it cost is there for
    /// another class. A platform on which stacks of one class take nothing from another's may leave
    /// this out.
    fn stack_unreserve(&self, class: StackClass) {
        let _ = class;
    }

    /// Takes a stack. At most as many are out at once as were reserved.
    ///
    /// # Errors
    /// When the kernel has no memory for the guard just now; a later try may succeed.
    fn stack_alloc(&self, class: StackClass) -> Result<Stack, PlatformError>;

    /// Gives a stack back.
    ///
    /// # Safety
    /// `stack` came from `stack_alloc` of this platform, and no context is suspended on it.
    unsafe fn stack_free(&self, stack: Stack);

    /// In the child of a fork(2): what this platform was given by the kernel is the parent's, and
    /// is neither changed nor rung from now on. `io_deregister` and `carrier_wake` do nothing, and
    /// what takes something is refused. Only stores: it is called as a signal handler is.
    fn leave_behind(&self) {}

    /// Address space of `bytes`, page-aligned, all zero, committed as it is touched, for ever. The
    /// runtime asks for it as its tables fill: from any thread, also on the stack of a virtual
    /// thread, and under no lock.
    ///
    /// # Errors
    /// When there is no such range.
    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError>;
}

/// A carrier, as its platform has it: what an OS thread or CPU runs.
pub trait CarrierMain: Sync {
    /// Its number in the runtime.
    fn id(&self) -> CarrierId;

    /// Runs the carrier on the calling OS thread until it is not needed any more.
    ///
    /// # Safety
    /// Once for each call of [`Platform::carrier_start`], where no other carrier runs.
    unsafe fn run(&'static self);

    /// The same, for a platform that decides after each turn who turns next: `between` is called
    /// there.
    ///
    /// # Safety
    /// As for [`run`](Self::run).
    unsafe fn run_between(&'static self, between: &dyn Fn());
}

impl fmt::Debug for dyn CarrierMain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CarrierMain({})", self.id().0)
    }
}

/// Names one carrier of a runtime: an index below [`MAX_CARRIERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarrierId(pub u16);

/// Carriers that one runtime can ever have.
pub const MAX_CARRIERS: usize = 1024;

/// A refusal of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformError {
    /// The kernel's own code, for example an errno, about a source that the caller named.
    Code(u32),
    /// Something that the runtime needs, and that the machine does not give.
    Refused {
        /// What was asked for, as in "there is no ...".
        what: &'static str,
        /// How much of it; 0 for one that has no size.
        bytes: usize,
        /// The kernel's own code, for example an errno.
        code: u32,
        /// What the kernel's manual says of the code, and what helps.
        words: &'static str,
    },
    /// The source is always ready and cannot be waited for.
    NotPollable,
    /// It belongs to the parent of a forked process.
    LeftBehind,
    /// A limit of ours or of the machine, by name and value.
    Limit {
        /// What ran out, and what raises it.
        what: &'static str,
        /// Its value.
        limit: usize,
    },
    /// This machine has no implementation.
    Unsupported,
}

impl PlatformError {
    /// The kernel's own code, if it was the kernel that refused.
    #[must_use]
    pub const fn code(self) -> Option<u32> {
        match self {
            Self::Code(code) | Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The same refusal, of something that the caller has a better name for.
    #[must_use]
    pub(crate) fn of(self, what: &'static str) -> Self {
        match self {
            Self::Refused { bytes, code, words, .. } => Self::Refused { what, bytes, code, words },
            other => other,
        }
    }
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "platform error {code}"),
            Self::Refused { what, bytes: 0, code, words } => {
                write!(f, "there is no {what}: {words} (error {code})")
            }
            Self::Refused { what, bytes, code, words } => {
                write!(f, "there is no {what} ({bytes} bytes): {words} (error {code})")
            }
            Self::NotPollable => write!(f, "the source is always ready and cannot be polled"),
            Self::LeftBehind => {
                write!(f, "it belongs to the parent of this forked process; make one of your own")
            }
            Self::Limit { what, limit } => write!(f, "{what}: the limit is {limit}"),
            Self::Unsupported => write!(f, "there is no drift platform for this machine yet"),
        }
    }
}

/// Something to wait for: a descriptor, or a board's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Source(pub u32);

/// What `io_arm` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// The source was not known: nobody who armed this number before waits for the same thing.
    New,
    /// The source was known.
    Again,
}

/// Directions of readiness, as a set. The bits are those of poll(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(pub u32);

impl Interest {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Readable (`POLLIN`).
    pub const READ: Self = Self(1);
    /// In an event of a registered source: urgent data is there, or on its way (`POLLPRI`).
    pub const URGENT: Self = Self(2);
    /// Writable (`POLLOUT`).
    pub const WRITE: Self = Self(4);
    /// Both, which is also what an error or a hang-up is reported as.
    pub const BOTH: Self = Self(1 | 4);
    /// In an answer: something went wrong (`POLLERR`); the next call tells what.
    pub const ERROR: Self = Self(8);
    /// In an answer: the other side is gone (`POLLHUP`).
    pub const HANG_UP: Self = Self(0x10);
    /// In an event of a registered source: nothing more will come to be read (`POLLRDHUP`).
    pub const READ_END: Self = Self(0x2000);

    /// The directions in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What an answer or an event makes ready: an error and a hang-up end a wait in either
    /// direction, the end of what can be read one for reading, asked for or not.
    #[must_use]
    pub const fn directions(self) -> Self {
        let broken = self.intersects(Self::ERROR.union(Self::HANG_UP));
        let ended = self.intersects(Self::READ_END);
        let more = if broken { Self::BOTH.0 } else { 0 } | if ended { Self::READ.0 } else { 0 };
        Self((self.0 | more) & Self::BOTH.0)
    }

    /// Whether the sets share a direction.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// One question of [`Platform::io_poll`] and its answer. Laid out as the `struct pollfd` of
/// poll(2), so that a kernel takes a slice of them as it is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Poll {
    source: Source,
    asked: u16,
    found: u16,
}

impl Poll {
    /// Whether `source` is ready for any of `interest`. Without an answer yet.
    #[must_use]
    pub const fn new(source: Source, interest: Interest) -> Self {
        Self { source, asked: (interest.0 & Interest::BOTH.0) as u16, found: 0 }
    }

    /// What is asked of.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// One direction or both.
    #[must_use]
    pub const fn interest(&self) -> Interest {
        Interest(self.asked as u32)
    }

    /// The answer: of `interest`, and `HANG_UP` and `ERROR`, asked for or not.
    #[must_use]
    pub const fn ready(&self) -> Interest {
        Interest(self.found as u32)
    }

    /// The platform's answer.
    pub const fn answer(&mut self, ready: Interest) {
        self.found = ready.0 as u16;
    }
}

/// One readiness event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// As given to `io_arm`.
    pub token: u64,
    /// Directions that are ready.
    pub ready: Interest,
}

/// Events that one poll can bring; the rest comes with the next.
pub const EVENTS: usize = 256;

/// What a poll brought.
pub type Events = heapless::Vec<Event, EVENTS>;

/// Sizes in which stacks come; the usable bytes are at least the name's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StackClass {
    /// 64 KiB.
    K64,
    /// 256 KiB.
    K256,
    /// 1 MiB.
    M1,
    /// 8 MiB.
    M8,
}

impl StackClass {
    /// All, smallest first.
    pub const ALL: [Self; 4] = [Self::K64, Self::K256, Self::M1, Self::M8];

    /// Usable bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::K64 => 64 << 10,
            Self::K256 => 256 << 10,
            Self::M1 => 1 << 20,
            Self::M8 => 8 << 20,
        }
    }
}

/// A stack that is out: from `limit`, above the guard, up to `top`, where it begins.
#[derive(Debug)]
pub struct Stack {
    /// The lowest usable address; the guard ends here.
    pub limit: usize,
    /// The first address above, 16-aligned and coloured (not all tops share a cache set).
    pub top: usize,
    /// The platform's own number for it.
    pub id: u32,
    /// Its size.
    pub class: StackClass,
}

/// Words of an OS thread that foreign code believes to own while it runs: saved at unmount and
/// restored at mount. Null where there is none.
#[derive(Clone, Copy, Debug)]
pub struct ThreadWords {
    /// C's `errno`.
    pub errno: *mut i32,
    /// The C++ runtime's `__cxa_eh_globals`.
    pub unwind: *mut UnwindGlobals,
}

/// What the C++ runtime keeps for each thread (Itanium C++ ABI, exception handling, 2.2.2).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UnwindGlobals {
    /// The exceptions being handled: a pointer.
    pub caught: usize,
    /// How many are thrown and not yet caught.
    pub uncaught: u32,
}

impl ThreadWords {
    /// A thread without such words.
    pub const NONE: Self = Self { errno: core::ptr::null_mut(), unwind: core::ptr::null_mut() };
}

#[cfg(all(test, not(loom)))]
mod tests;
