//! OS threads: carriers are detached pthreads, so that foreign code finds what it expects of a
//! thread (thread-locals, `errno`, cancellation state).
//!
//! # Safety
//!
//! A carrier's thread is handed one pointer, to the `Start` at the bottom of its signal stack,
//! which nobody else has; the thread that frees that stack is the one that uses it.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::num::NonZeroU64;
use core::ptr;

use drift_core::platform::{PlatformError, ThreadWords, UnwindGlobals};
use drift_core::prim::{AtomicPtr, Ordering};
use drift_core::sched::Carrier;
use rustix::thread::{sched_yield, set_current_timer_slack, set_name};

use super::fault::{self, SignalStack};

/// A carrier's own stack. Virtual threads never run on it, so the scheduler, one poll's events
/// and a signal handler of the program's without SA_ONSTACK must fit; glibc takes the program's
/// thread-locals out of it as well.
const STACK_BYTES: usize = 256 << 10;

/// Where growing a carrier's stack for a program with large thread-locals ends.
const STACK_BYTES_MAX: usize = 64 << 20;

/// What a new thread finds.
struct Start {
    carrier: &'static Carrier,
    signals: SignalStack,
}

/// Runs `carrier` on a new thread. It inherits the signal mask: which thread takes a signal is
/// the program's business.
pub(crate) fn start(carrier: &'static Carrier) -> Result<(), PlatformError> {
    fault::install();
    let signals = SignalStack::map()?;
    let start = signals.bottom().cast::<Start>();
    const { assert!(size_of::<Start>() <= fault::BOTTOM_BYTES) };
    // SAFETY: the bottom of a signal stack is ours until the thread has it, page-aligned, and
    // large enough, as asserted.
    unsafe { start.write(Start { carrier, signals }) };
    let mut bytes = STACK_BYTES;
    loop {
        match create(start.cast(), bytes) {
            0 => return Ok(()),
            // The thread-locals do not fit: see pthread_create(3) on glibc, allocate_stack.
            libc::EINVAL if bytes < STACK_BYTES_MAX => bytes *= 2,
            errno => {
                // SAFETY: there is no thread, so what was written comes back to us alone.
                let start = unsafe { start.read() };
                start.signals.unmap();
                return Err(PlatformError::Code(errno.unsigned_abs()));
            }
        }
    }
}

/// pthread_create(3), detached, with a stack of `bytes`. The errno, 0 for success.
fn create(start: *mut c_void, bytes: usize) -> i32 {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: room for the attributes, which this initialises. It cannot fail on Linux, nor can
    // the others: `bytes` is above PTHREAD_STACK_MIN, and detached is a state.
    unsafe { libc::pthread_attr_init(attributes) };
    // SAFETY: initialised.
    unsafe { libc::pthread_attr_setstacksize(attributes, bytes) };
    // SAFETY: initialised.
    unsafe { libc::pthread_attr_setdetachstate(attributes, libc::PTHREAD_CREATE_DETACHED) };
    let mut thread = MaybeUninit::uninit();
    // SAFETY: `main` takes what `start` points to, which `start` above has written.
    let errno = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes, main, start) };
    // SAFETY: initialised, and not used any more.
    unsafe { libc::pthread_attr_destroy(attributes) };
    errno
}

extern "C" fn main(start: *mut c_void) -> *mut c_void {
    // SAFETY: written by `start`, for this thread alone, and read once.
    let Start { carrier, signals } = unsafe { start.cast::<Start>().read() };
    set_up(carrier);
    signals.enter();
    carrier.run();
    signals.leave();
    signals.unmap();
    ptr::null_mut()
}

/// Neither of these can fail in a way that matters.
fn set_up(carrier: &'static Carrier) {
    // The kernel may let a sleep last this much longer, to wake once for several; its default
    // is 50 us, more than everything else between a deadline and a virtual thread.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    // Fifteen characters and the zero; see prctl(2), PR_SET_NAME.
    let mut name = heapless::String::<15>::new();
    let _ = write!(name, "drift-{}", carrier.id().0);
    let mut text = [0_u8; 16];
    text[..name.len()].copy_from_slice(name.as_bytes());
    if let Ok(name) = core::ffi::CStr::from_bytes_until_nul(&text) {
        let _ = set_name(name);
    }
}

/// sched_yield(2).
pub(crate) fn yield_now() {
    sched_yield();
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
