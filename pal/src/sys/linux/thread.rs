//! OS threads: carriers are pthreads, so that foreign code finds what it expects of a thread
//! (thread-locals, `errno`, cancellation state).
//!
//! Each is joined exactly once: by the next thread of the same carrier, as the last thing that it
//! does, or by `is_gone`. Not when the next one starts: the destructors of the thread's own
//! variables may still run, and may need the carrier.
//!
//! # Safety
//!
//! A carrier's thread is handed one pointer, to the `Start` at the bottom of its signal stack,
//! which nobody else has; the thread that frees that stack is the one that uses it. What a `Seat`
//! names is a thread that nobody has joined.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_int, c_void};
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::num::NonZeroU64;
use core::{ptr, slice};

use drift_core::platform::CarrierMain;
use drift_core::platform::{PlatformError, ThreadWords, UnwindGlobals};
use drift_core::prim::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use drift_core::time::MILLISECOND;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::thread::{sched_yield, set_current_timer_slack, set_name};

use super::errno::{Asked, raw, refused};
use super::fault::{self, SignalStack};
use super::stack::page_bytes;
use super::{clock, park};

/// A carrier's own stack, the program's thread-locals aside. Virtual threads never run on it, so
/// the scheduler, one poll's events and a signal handler of the program's without SA_ONSTACK must
/// fit.
const STACK_BYTES: usize = 256 << 10;

/// Where growing a carrier's stack for a program with large thread-locals ends.
const STACK_BYTES_MAX: usize = 64 << 20;

/// Turns of a wait that only yield the CPU, and nanoseconds of the first sleep after them.
const YIELDS: u32 = 8;
const SLEEP_AT_FIRST: u64 = 50_000;

/// Looks of `join` at a thread that the kernel has not quite put away: about a second.
const LOOKS: u32 = 1_000;

/// Which thread a carrier has, or had last. Changed by who starts the carrier's thread, and by who
/// asks whether it is gone: one at a time. What they read was written by the one before, whom the
/// carrier's own `life` orders; so everything is Relaxed.
pub(crate) struct Seat {
    /// Its pthread_t; 0 for none, or joined.
    thread: AtomicUsize,
    /// Its number in the kernel; it writes that itself, before it runs its carrier.
    number: AtomicU32,
    /// How often `is_gone` has found it joined, and not put away by the kernel.
    looks: AtomicU32,
}

/// A thread that nobody has joined.
#[derive(Clone, Copy)]
struct Ended {
    thread: usize,
    number: u32,
}

/// What a new thread finds.
struct Start {
    carrier: &'static dyn CarrierMain,
    signals: SignalStack,
    seat: &'static Seat,
    /// The one before, which may not have ended.
    before: Option<Ended>,
}

impl Seat {
    fn last(&self) -> Option<Ended> {
        let thread = self.thread.load(Ordering::Relaxed);
        let number = self.number.load(Ordering::Relaxed);
        (thread != 0).then_some(Ended { thread, number })
    }
}

impl Ended {
    /// pthread_join(3).
    ///
    /// # Safety
    /// Nobody else joins it, and it is not this thread.
    unsafe fn join(self) {
        let thread = self.thread as libc::pthread_t;
        // SAFETY: the caller's. There is no value to be had.
        let refused = unsafe { libc::pthread_join(thread, ptr::null_mut()) };
        debug_assert_eq!(refused, 0, "a carrier's thread is joined once, by another");
        for look in 0..LOOKS {
            if !is_counted(self.number) {
                return;
            }
            give_way(look);
        }
    }

    /// pthread_tryjoin_np(3): false if it has not ended, or is the thread that asks, at its end.
    ///
    /// # Safety
    /// As for `join`.
    unsafe fn try_join(self) -> bool {
        let thread = self.thread as libc::pthread_t;
        // SAFETY: the caller's. There is no value to be had.
        let refused = unsafe { libc::pthread_tryjoin_np(thread, ptr::null_mut()) };
        debug_assert!(matches!(refused, 0 | libc::EBUSY), "a carrier's thread is joined once");
        refused == 0
    }
}

/// Whether the kernel still counts the thread of that number: it tells who joins a moment before.
/// A number is given out again after all others were; so nobody looks for ever.
fn is_counted(number: u32) -> bool {
    // SAFETY: getpid(2) has no argument, and cannot fail.
    let process = unsafe { raw(libc::SYS_getpid, [0; 6]) }.unwrap_or(0);
    // SAFETY: tgkill(2) with signal 0 only asks.
    unsafe { raw(libc::SYS_tgkill, [process, number as usize, 0, 0, 0, 0]) }.is_ok()
}

/// Runs `carrier` on a new thread. It inherits the signal mask: which thread takes a signal is
/// the program's business.
///
/// # Safety
/// As for `Platform::carrier_start`; `seat` is that carrier's.
pub(crate) unsafe fn start(
    carrier: &'static dyn CarrierMain,
    seat: &'static Seat,
) -> Result<(), PlatformError> {
    fault::install();
    let signals = SignalStack::map()?;
    let start = signals.bottom().cast::<Start>();
    const { assert!(size_of::<Start>() <= fault::BOTTOM_BYTES) };
    let before = seat.last();
    // SAFETY: the bottom of a signal stack is ours until the thread has it, page-aligned, and
    // large enough, as asserted.
    unsafe { start.write(Start { carrier, signals, seat, before }) };
    let mut bytes = (STACK_BYTES + thread_locals()).next_multiple_of(page_bytes());
    loop {
        match create(main, start.cast(), bytes) {
            Ok(thread) => {
                seat.thread.store(thread, Ordering::Relaxed);
                return Ok(());
            }
            // What else the C library keeps there, such as room for libraries that are opened
            // later, does not fit.
            Err(libc::EINVAL) if bytes < STACK_BYTES_MAX => bytes *= 2,
            Err(errno) => {
                // SAFETY: there is no thread, so what was written comes back to us alone.
                let start = unsafe { start.read() };
                start.signals.unmap();
                return Err(refused(Asked::Thread(bytes), Errno::from_raw_os_error(errno)));
            }
        }
    }
}

/// Bytes of the thread-locals that the program began with, at most. glibc takes them out of a
/// thread's stack, and accepts one that leaves hardly more: see pthread_create(3) there,
/// allocate_stack.
///
/// Asked for once: the loader's lock may be held for ever in the child of a fork(2).
fn thread_locals() -> usize {
    /// The number plus one; 0 as long as nobody has asked. Whoever asks finds the same.
    static BYTES: AtomicUsize = AtomicUsize::new(0);
    if let Some(bytes) = BYTES.load(Ordering::Relaxed).checked_sub(1) {
        return bytes;
    }
    let mut bytes = 0_usize;
    // SAFETY: `add` gets the counter, and each object's record for as long as it is called.
    unsafe { libc::dl_iterate_phdr(Some(add_thread_locals), (&raw mut bytes).cast()) };
    BYTES.store(bytes + 1, Ordering::Relaxed);
    bytes
}

/// For dl_iterate_phdr(3): adds what one object has, as elf(5) says it in PT_TLS.
unsafe extern "C" fn add_thread_locals(
    object: *mut libc::dl_phdr_info,
    _: usize,
    bytes: *mut c_void,
) -> c_int {
    // SAFETY: the loader's record of an object that is loaded, for the time of this call.
    let object = unsafe { &*object };
    // SAFETY: the record says where its headers are, and how many.
    let headers = unsafe { slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
    for header in headers {
        if header.p_type == libc::PT_TLS {
            let wanted = header.p_memsz.saturating_add(header.p_align);
            // SAFETY: `thread_locals` gave its counter.
            unsafe { *bytes.cast::<usize>() += wanted as usize };
        }
    }
    0
}

/// Whether the thread that `seat` names is gone, and with it all before it, which it joins.
///
/// # Safety
/// As for `Platform::carrier_is_gone`.
pub(crate) unsafe fn is_gone(seat: &Seat) -> bool {
    let number = seat.number.load(Ordering::Relaxed);
    if let Some(last) = seat.last() {
        // SAFETY: still in its seat, whose only reader is the caller: another thread.
        if !unsafe { last.try_join() } {
            return false;
        }
        seat.thread.store(0, Ordering::Relaxed);
        seat.looks.store(0, Ordering::Relaxed);
    }
    let looks = seat.looks.load(Ordering::Relaxed);
    if number == 0 || looks == LOOKS || !is_counted(number) {
        seat.number.store(0, Ordering::Relaxed);
        return true;
    }
    seat.looks.store(looks + 1, Ordering::Relaxed);
    false
}

/// What a thread runs.
type Main = extern "C" fn(*mut c_void) -> *mut c_void;

/// pthread_create(3), with a stack of `bytes`. The thread, or the errno.
fn create(main: Main, start: *mut c_void, bytes: usize) -> Result<usize, i32> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: room for the attributes, which this initialises. It cannot fail on Linux, nor can
    // the other: `bytes` is above PTHREAD_STACK_MIN.
    unsafe { libc::pthread_attr_init(attributes) };
    // SAFETY: initialised.
    unsafe { libc::pthread_attr_setstacksize(attributes, bytes) };
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: `main` takes what `start` points to: both are of one caller.
    let errno = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes, main, start) };
    // SAFETY: initialised, and not used any more.
    unsafe { libc::pthread_attr_destroy(attributes) };
    match errno {
        // SAFETY: pthread_create has written it.
        0 => Ok(unsafe { thread.assume_init() } as usize),
        errno => Err(errno),
    }
}

extern "C" fn main(start: *mut c_void) -> *mut c_void {
    // SAFETY: written by `start`, for this thread alone, and read once.
    let Start { carrier, signals, seat, before } = unsafe { start.cast::<Start>().read() };
    let number = rustix::thread::gettid().as_raw_nonzero().get();
    seat.number.store(number.unsigned_abs(), Ordering::Relaxed);
    set_up(carrier);
    signals.enter();
    // SAFETY: for the one `start` that made this thread.
    unsafe { carrier.run() };
    signals.leave();
    signals.unmap();
    if let Some(before) = before {
        // SAFETY: the last in this seat, whose carrier has left it: `start`'s caller vouches.
        unsafe { before.join() };
    }
    ptr::null_mut()
}

/// Neither of these can fail in a way that matters.
fn set_up(carrier: &'static dyn CarrierMain) {
    // The kernel may let a sleep last this much longer, to wake once for several; its default
    // is 50 us, more than everything else between a deadline and a virtual thread.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    // Fifteen characters and the zero; see prctl(2), PR_SET_NAME.
    let mut name = heapless::String::<15>::new();
    let _ = write!(name, "drift-{}", carrier.id().0);
    let mut text = [0_u8; 16];
    text[..name.len()].copy_from_slice(name.as_bytes());
    if let Ok(name) = CStr::from_bytes_until_nul(&text) {
        let _ = set_name(name);
    }
}

/// sched_yield(2), and from the turn [`YIELDS`] of a wait on a sleep, which grows: sched_yield(2)
/// runs no thread of a lower priority.
pub(crate) fn give_way(turn: u32) {
    let Some(slept) = turn.checked_sub(YIELDS) else { return sched_yield() };
    let span = (SLEEP_AT_FIRST << slept.min(5)).min(MILLISECOND);
    park::wait_while(&AtomicU32::new(0), 0, Some(clock::now() + span));
}

/// `errno`, and the C++ runtime's exception globals when the program has a C++ runtime.
pub(crate) fn words() -> ThreadWords {
    let globals = drift_asm::weak_symbol!(__cxa_get_globals);
    let unwind = if globals.is_null() {
        ptr::null_mut()
    } else {
        // SAFETY: the Itanium C++ ABI, exception handling, 2.2.2, gives the symbol this type.
        let globals = unsafe {
            core::mem::transmute::<*const u8, extern "C" fn() -> *mut UnwindGlobals>(globals)
        };
        globals()
    };
    // SAFETY: no argument, no failure; the Linux Standard Base, section 13.
    let errno = unsafe { libc::__errno_location() };
    ThreadWords { errno, unwind }
}

/// Runs `body` on a thread of its own that takes no signals, until the process ends.
pub(crate) fn start_watcher(body: fn()) -> Result<(), PlatformError> {
    let bytes = (STACK_BYTES + thread_locals()).next_multiple_of(page_bytes());
    let created = create(watcher, body as *mut c_void, bytes);
    let refused = |errno| refused(Asked::Thread(bytes), Errno::from_raw_os_error(errno));
    created.map(drop).map_err(refused)
}

extern "C" fn watcher(body: *mut c_void) -> *mut c_void {
    let all = u64::MAX;
    let block = [libc::SIG_BLOCK as usize, (&raw const all).expose_provenance(), 0, 8, 0, 0];
    // SAFETY: rt_sigprocmask(2) reads eight bytes of signals.
    let _ = unsafe { raw(libc::SYS_rt_sigprocmask, block) };
    let _ = set_name(c"drift-watch");
    // SAFETY: `start_watcher` gave it.
    let body = unsafe { core::mem::transmute::<*mut c_void, fn()>(body) };
    body();
    ptr::null_mut()
}

/// getenv(3): it is the C library that knows the environment.
pub(crate) fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: a name that ends with a zero.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: not null, so a text that ends with a zero, and stays until the program changes its
    // environment, as no program may beside threads that read it.
    Some(unsafe { CStr::from_ptr(value) }.to_bytes())
}

/// To file 2, whoever has it.
pub(crate) fn say(line: &str) {
    // SAFETY: 2 is not -1; a closed one is refused by the kernel.
    let stderr = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };
    let _ = rustix::io::write(stderr, line.as_bytes());
}

/// What [`after_fork`] was given.
static AFTER_FORK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Calls `then` in every child that this process forks, in its one thread. `then` may only do
/// what a signal handler may. See pthread_atfork(3). Once.
pub(crate) fn after_fork(then: fn()) {
    // Relaxed: a forked child has one thread, which has what its parent wrote.
    AFTER_FORK.store(then as *mut (), Ordering::Relaxed);
    // SAFETY: the C library calls it without arguments. It refuses only without memory, and then
    // only forked children suffer.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

unsafe extern "C" fn in_child() {
    let then = AFTER_FORK.load(Ordering::Relaxed);
    // SAFETY: `after_fork` is the only writer, and stores a `fn()`.
    let then = unsafe { core::mem::transmute::<*mut (), fn()>(then) };
    then();
}
