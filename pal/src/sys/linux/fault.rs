//! Stack overflow of a virtual thread: one line that names it, then the default action.
//!
//! | fault                                        | what happens                                 |
//! |----------------------------------------------|----------------------------------------------|
//! | in the guard of the virtual thread that runs | one line; default action; the fault repeats  |
//! | any other, somebody had a handler            | the handler is called, as if we were not     |
//! | any other, nobody had                        | the old action is put back; the fault repeats |
//! | sent by kill(2), not ignored                 | as the row above, and it is sent again       |
//!
//! A fault repeats because the handler returns to the instruction that faulted; so the process
//! dies by its own signal, with the core and the exit status that it would have had.
//!
//! The handler is installed once, when the first carrier starts, and runs on the stack that each
//! carrier sets with sigaltstack(2). Threads without one take it on their own stack, as ever.
//!
//! # Safety
//!
//! A `Previous` is written by the thread that won `INSTALLED`: `seen` once, before the handler that
//! reads it is in place, and `replaced` once, before `settled`. A `SignalStack` has one owner, who
//! disables it before it is unmapped.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use drift_core::platform::PlatformError;
use drift_core::prim::{AtomicBool, Ordering, UnsafeCell};
use drift_core::sched::{OverflowReport, overflow_report};
use rustix::mm::{MprotectFlags, mprotect};

use super::errno::{Asked, raw, refused};
use super::stack::{self, map_table, page_bytes};
use super::thread;

/// Room for a handler, ours or the one before: the kernel's frame takes up to 11 KiB of it
/// (AT_MINSIGSTKSZ with AMX), and one that prints a backtrace needs tens.
const SIGNAL_STACK_BYTES: usize = 64 << 10;

/// Bytes at the bottom of a signal stack that its mapper may use until `enter`.
pub(super) const BOTTOM_BYTES: usize = 64;

/// Who handled a signal before.
struct Previous {
    /// As it was a moment before: good until `settled`.
    seen: Action,
    /// As it was replaced: another thread may have set one in between.
    replaced: Action,
    settled: AtomicBool,
}

type Action = UnsafeCell<MaybeUninit<libc::sigaction>>;

// SAFETY: each action is written once before anybody reads it; see the head of the file.
unsafe impl Sync for Previous {}

static INSTALLED: AtomicBool = AtomicBool::new(false);
static SEGV: Previous = Previous::new();
static BUS: Previous = Previous::new();

/// Puts the handler in place, once in a process's life; a fork's child inherits it. A second
/// caller does not wait for the first: it misses one line at worst.
pub(super) fn install() {
    // Relaxed: it only elects; `sigaction` publishes what the handler reads.
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // In this order: the handler may run at once.
        previous(signal).see(signal);
        previous(signal).replace(signal);
    }
}

impl Previous {
    const fn new() -> Self {
        Self {
            seen: UnsafeCell::new(MaybeUninit::uninit()),
            replaced: UnsafeCell::new(MaybeUninit::uninit()),
            settled: AtomicBool::new(false),
        }
    }

    fn see(&self, signal: i32) {
        self.seen.with_mut(|seen| {
            // SAFETY: writes one action to the static; cannot fail for these signals.
            unsafe { libc::sigaction(signal, ptr::null(), seen.cast()) }
        });
    }

    /// Puts the handler in place; after `see`.
    fn replace(&self, signal: i32) {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: zero is a valid action: default, no flags, empty mask.
        let action = unsafe { action.assume_init_mut() };
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        self.replaced.with_mut(|replaced| {
            // SAFETY: `on_fault` calls nothing that is not async-signal-safe; writes one action
            // to the static.
            unsafe { libc::sigaction(signal, action, replaced.cast()) }
        });
        // Release publishes `replaced`; pairs with the acquire in `action`.
        self.settled.store(true, Ordering::Release);
    }

    /// As far as it is known.
    fn action(&self) -> libc::sigaction {
        let settled = self.settled.load(Ordering::Acquire);
        let action = if settled { &self.replaced } else { &self.seen };
        action.with(|action| {
            // SAFETY: written before the handler was in place, or before `settled`.
            unsafe { action.cast::<libc::sigaction>().read() }
        })
    }
}

fn previous(signal: i32) -> &'static Previous {
    if signal == libc::SIGBUS { &BUS } else { &SEGV }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: SA_SIGINFO: the kernel gives a valid one.
    let facts = unsafe { &*info };
    // See sigaction(2): codes of kill(2) and its like are zero or negative.
    let by_kernel = facts.si_code > 0;
    // SAFETY: any bits are an address; for a fault they are the one.
    let address = unsafe { facts.si_addr() }.addr();
    match overflow_report(address).filter(|_| by_kernel) {
        Some(report) => {
            say(&report, address);
            let mut default = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: zero is a valid action, and SIG_DFL.
            restore(signal, unsafe { default.assume_init_mut() });
        }
        None => hand_over(signal, info, context, by_kernel),
    }
}

/// The one line, to file 2, whoever has it.
fn say(report: &OverflowReport, address: usize) {
    let OverflowReport { handle, limit, top } = *report;
    // The name of its class: what is above a multiple of 64 KiB is colour.
    let kib = (top - limit) / (64 << 10) * 64;
    let mut line = heapless::String::<256>::new();
    let _ = writeln!(
        line,
        "drift: stack overflow: virtual thread {handle:#x} ran out of its {kib} KiB \
         ({limit:#x}-{top:#x}, fault at {address:#x}); \
         give it a larger stack (Rust: Builder::stack_size) or less recursion"
    );
    thread::say(&line);
}

/// What would have happened without us.
fn hand_over(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void, by_kernel: bool) {
    let previous = previous(signal).action();
    match previous.sa_sigaction {
        libc::SIG_IGN if !by_kernel => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            restore(signal, &previous);
            if !by_kernel {
                send_again(signal);
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: SA_SIGINFO gives the handler this type; see sigaction(2).
            let handler = unsafe { core::mem::transmute::<usize, Handler>(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: a handler without SA_SIGINFO has this type; see sigaction(2).
            let handler = unsafe { core::mem::transmute::<usize, extern "C" fn(i32)>(handler) };
            handler(signal);
        }
    }
}

fn restore(signal: i32, action: &libc::sigaction) {
    // SAFETY: a valid action that was in force before, or the default.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
}

/// To this thread; it is blocked until the handler returns, and acts then.
fn send_again(signal: i32) {
    let thread = rustix::thread::gettid().as_raw_nonzero().get() as usize;
    // SAFETY: tkill(2) touches no memory of ours. This thread lives, so its number is its own.
    let _ = unsafe { raw(libc::SYS_tkill, [thread, signal as usize, 0, 0, 0, 0]) };
}

/// A carrier's alternate signal stack: a guard page, the bottom, the rest.
pub(super) struct SignalStack {
    guard: NonNull<u8>,
    page: usize,
}

impl SignalStack {
    pub(super) fn map() -> Result<Self, PlatformError> {
        let page = page_bytes();
        let bytes = page + SIGNAL_STACK_BYTES;
        let guard = map_table(bytes)?;
        let stack = Self { guard, page };
        // SAFETY: the first page of what was mapped just now.
        match unsafe { mprotect(guard.as_ptr().cast(), page, MprotectFlags::empty()) } {
            Ok(()) => Ok(stack),
            Err(errno) => {
                stack.unmap();
                Err(refused(Asked::SignalStack(bytes), errno))
            }
        }
    }

    /// `BOTTOM_BYTES` that no signal reaches before `enter`.
    pub(super) fn bottom(&self) -> *mut c_void {
        self.guard.as_ptr().wrapping_add(self.page).cast()
    }

    /// Signals with SA_ONSTACK that come to the calling thread run here from now on.
    pub(super) fn enter(&self) {
        self.set(0);
    }

    /// They run on the thread's own stack again.
    pub(super) fn leave(&self) {
        self.set(libc::SS_DISABLE);
    }

    fn set(&self, flags: i32) {
        let stack =
            libc::stack_t { ss_sp: self.bottom(), ss_flags: flags, ss_size: SIGNAL_STACK_BYTES };
        // SAFETY: the range is mapped until `unmap`, which comes after `leave`.
        let refused = unsafe { libc::sigaltstack(&stack, ptr::null_mut()) };
        debug_assert_eq!(refused, 0, "the stack is large enough, and is not in use");
    }

    /// Gives the memory back; not between `enter` and `leave`.
    pub(super) fn unmap(self) {
        // SAFETY: the range that `map` got; the thread that used it has left it.
        unsafe { stack::unmap(self.guard, self.page + SIGNAL_STACK_BYTES) };
    }
}

#[cfg(test)]
mod tests;
