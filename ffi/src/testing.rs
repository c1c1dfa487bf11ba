//! `drift_test_*`: descriptors for the toolchain's test suite. The runtime uses none of them.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a caller's descriptor is borrowed for one system call,
//! which fails if it is closed.
#![allow(unsafe_code)]

use core::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{BorrowedFd, IntoRawFd, RawFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// A non-blocking eventfd(2) with counter 0; 0 if there is none to be had.
///
/// C: `int64_t drift_test_eventfd_create(void);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_test_eventfd_create() -> i64 {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_or(0, |fd| i64::from(fd.into_raw_fd()))
}

/// Adds `value` to the counter of eventfd `fd`; errors are ignored.
///
/// C: `void drift_test_eventfd_write(int64_t fd, int64_t value);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_test_eventfd_write(fd: i64, value: i64) {
    if let Some(fd) = borrow(fd) {
        let _ = rustix::io::write(fd, &value.to_ne_bytes());
    }
}

/// A non-blocking timerfd_create(2) of the monotonic clock; 0 if there is none to be had.
///
/// C: `int64_t drift_test_timerfd_create(void);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_test_timerfd_create() -> i64 {
    timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
        .map_or(0, |fd| i64::from(fd.into_raw_fd()))
}

/// Arms timerfd `fd` once, `delay_ms` from now; 0 and below disarm it. Errors are ignored.
///
/// C: `void drift_test_timerfd_set(int64_t fd, int64_t delay_ms);`
#[unsafe(no_mangle)]
pub extern "C" fn drift_test_timerfd_set(fd: i64, delay_ms: i64) {
    let Some(fd) = borrow(fd) else { return };
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let delay = Duration::from_millis(delay_ms.max(0) as u64);
    let value = Timespec::try_from(delay).unwrap_or(zero);
    let once = Itimerspec { it_interval: zero, it_value: value };
    let _ = timerfd_settime(fd, TimerfdTimerFlags::empty(), &once);
}

fn borrow(fd: i64) -> Option<BorrowedFd<'static>> {
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: not -1; used for one system call, which says so if nothing is open there.
    Some(unsafe { BorrowedFd::borrow_raw(fd) })
}
