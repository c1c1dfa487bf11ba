//! One kernel, chosen here; the constants below are what a port must give.
//!
//! A port is a folder with these modules. `docs/porting.md` walks through one.

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod linux;
        use linux as os;
    } else if #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
    ))] {
        mod kqueue;
        mod unsupported;
        use kqueue as os;
    } else if #[cfg(windows)] {
        mod iocp;
        mod unsupported;
        use iocp as os;
    } else {
        mod unsupported;
        use unsupported as os;
    }
}
pub(crate) use os::{clock, level, park, poll, stack, thread};

use core::ptr::NonNull;

use drift_core::platform::CarrierMain;
use drift_core::platform::{Armed, Events, Interest, PlatformError, Poll, Source, ThreadWords};
use drift_core::prim::AtomicU32;
use drift_core::time::Instant;

type Answer<T> = Result<T, PlatformError>;

/// The monotonic clock, and a random word.
const _: fn() -> Instant = clock::now;
const _: fn() -> u64 = clock::entropy;

/// Sleeps while the word has the value, until woken or the instant, never early; may wake for no
/// reason. What wakes takes an address that need not be mapped.
const _: fn(&AtomicU32, u32, Option<Instant>) = park::wait_while;
const _: fn(*const AtomicU32) = park::wake_one;
const _: fn(*const AtomicU32) = park::wake_all;

/// The kernel's poller and the bell that ends its `wait`. One thread waits at a time; a `wait`
/// ends for events, for a bell, at the instant, or for no reason.
const _: fn() -> Answer<poll::Poller> = poll::Poller::new;
const _: fn(&poll::Poller, Source, u64, Interest) -> Answer<Armed> = poll::Poller::arm;
const _: fn(&poll::Poller, Source, u64) -> Answer<()> = poll::Poller::register;
const _: fn(&poll::Poller, Source) = poll::Poller::deregister;
const _: fn(&poll::Poller, &mut [Poll]) -> Answer<usize> = poll::Poller::look;
const _: fn(&poll::Poller, Option<Instant>, &mut Events) = poll::Poller::wait;
const _: fn(&poll::Poller) = poll::Poller::ring;

/// A bell for an OS thread that waits for sources itself; the wait, whose first question is about
/// the bell, and which says whether any other has an answer.
const _: fn() -> Answer<u32> = level::new_bell;
const _: fn(u32) = level::ring;
const _: fn(&mut [Poll], Option<Instant>) -> Answer<bool> = level::wait;

/// Address space: for tables, and for stacks, which never become huge pages; and its end, unsafe:
/// nobody may use what lies there.
const _: fn() -> usize = stack::page_bytes;
const _: fn(usize) -> Answer<NonNull<u8>> = stack::map_table;
const _: fn(usize) -> Answer<NonNull<u8>> = stack::map_stacks;
const _: unsafe fn(NonNull<u8>, usize) = stack::unmap;

/// How pages become inaccessible here, found out once; `limit` is how many can, `instead` what to
/// try where one cannot.
const _: fn() -> Answer<stack::Guards> = stack::Guards::probe;
const _: fn() -> Option<stack::Guards> = stack::Guards::mapping;
const _: fn(&stack::Guards) -> Option<usize> = stack::Guards::limit;
const _: fn(&stack::Guards, PlatformError) -> Option<stack::Guards> = stack::Guards::instead;

/// Makes a range inaccessible; the same for many, as far as the kernel goes along; takes a guard
/// away that is a mapping; gives the memory of a range back to the kernel. All unsafe: nobody may
/// use what lies there.
const _: unsafe fn(&stack::Guards, usize, usize) -> Answer<()> = stack::Guards::install;
const _: unsafe fn(&stack::Guards, usize, usize, usize, usize) -> usize =
    stack::Guards::install_all;
const _: unsafe fn(&stack::Guards, usize, usize) -> bool = stack::Guards::remove;
const _: unsafe fn(usize, usize) = stack::give_back;

/// Guards of another kind, where those that `Guards` makes are few; none where there is no other.
/// What was adopted can have them. Unsafe as `install` above.
const _: fn() -> Option<stack::Beyond> = stack::Beyond::probe;
const _: fn(&stack::Beyond, usize, usize) -> Answer<()> = stack::Beyond::adopt;
const _: unsafe fn(&stack::Beyond, usize, usize) -> Answer<()> = stack::Beyond::install;

/// OS threads. Zeros are a seat that no thread ever had.
const _: unsafe fn(&'static dyn CarrierMain, &'static thread::Seat) -> Answer<()> = thread::start;
const _: unsafe fn(&thread::Seat) -> bool = thread::is_gone;
const _: fn(u32) = thread::give_way;
const _: fn() -> ThreadWords = thread::words;
const _: fn(fn()) = thread::after_fork;

/// A thread beside the carriers, which takes no signals; a variable of the environment; a line on
/// standard error.
const _: fn(fn()) -> Answer<()> = thread::start_watcher;
const _: fn(&core::ffi::CStr) -> Option<&'static [u8]> = thread::variable;
const _: fn(&str) = thread::say;
