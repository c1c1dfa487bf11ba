//! Levels: poll(2), whose `struct pollfd` is a [`Poll`], and bells, which end it: an eventfd(2) for
//! each OS thread that sleeps here, level-triggered, emptied by the one who finds it rung.
//!
//! # Safety
//!
//! The kernel reads and writes a slice of that layout for the length of one call. A bell is a
//! descriptor that was made here, and is never closed.
#![allow(unsafe_code)]

use core::mem::offset_of;

use drift_core::platform::{Interest, PlatformError, Poll};
use drift_core::time::Instant;
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::{BorrowedFd, IntoRawFd as _};
use rustix::io::{Errno, read, write};

use super::clock;
use super::errno::{code, raw};

const _: () = assert!(
    size_of::<Poll>() == size_of::<libc::pollfd>()
        && align_of::<Poll>() == align_of::<libc::pollfd>()
        && offset_of!(libc::pollfd, fd) == 0
        && offset_of!(libc::pollfd, events) == 4
        && offset_of!(libc::pollfd, revents) == 6
);

/// What is so now; how many have an answer. `EBADF` if one of them is no descriptor.
pub(crate) fn look(polls: &mut [Poll]) -> Result<usize, Errno> {
    loop {
        match ppoll(polls, Some(clock::timespec(0))) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(answers) => {
                let is_none = |poll: &Poll| poll.ready().0 & libc::POLLNVAL as u32 != 0;
                let is_wrong = answers > 0 && polls.iter().any(is_none);
                return if is_wrong { Err(Errno::BADF) } else { Ok(answers) };
            }
        }
    }
}

/// A descriptor that ends a `wait`, for ever; close-on-exec.
pub(crate) fn new_bell() -> Result<u32, PlatformError> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(code)?;
    Ok(bell.into_raw_fd().cast_unsigned())
}

fn borrow<'a>(bell: u32) -> BorrowedFd<'a> {
    // SAFETY: `new_bell` made it, and nobody closes it.
    unsafe { BorrowedFd::borrow_raw(bell.cast_signed()) }
}

/// Ends the wait beside that bell that goes on, or the next.
pub(crate) fn ring(bell: u32) {
    match write(borrow(bell), &1_u64.to_ne_bytes()) {
        // Full: it rings already.
        Ok(_) | Err(Errno::AGAIN) => {}
        Err(errno) => panic!("somebody closed a bell of the runtime: {errno}"),
    }
}

/// Sleeps until the first of `polls`, a bell, is rung, another one is ready, or `until`; may return
/// early. Whether another one is ready.
pub(crate) fn wait(polls: &mut [Poll], until: Option<Instant>) -> Result<bool, PlatformError> {
    let until = until.filter(|until| *until != Instant::FAR);
    let span = until.map(|until| clock::timespec(until.0.saturating_sub(clock::now().0)));
    match ppoll(polls, span) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(false),
        Err(errno) => return Err(code(errno)),
    }
    let (bell, others) = polls.split_first().expect("a bell comes first");
    if bell.ready() != Interest::NONE {
        // It never blocks, and there is something.
        let _ = read(borrow(bell.source().0), &mut [0; 8]);
    }
    Ok(others.iter().any(|poll| poll.ready() != Interest::NONE))
}

/// poll(2) by its younger name, the only one that each instruction set has: for at most `span`, or
/// for ever.
fn ppoll(polls: &mut [Poll], mut span: Option<Timespec>) -> Result<usize, Errno> {
    let span = span.as_mut().map_or(0, |span| &raw mut *span as usize);
    let arguments = [polls.as_mut_ptr() as usize, polls.len(), span, 0, 0, 0];
    // SAFETY: so many entries of the kernel's layout, as the constant above has checked; `span` is
    // null or leads to the local, which the kernel may change; and there is no signal mask.
    unsafe { raw(libc::SYS_ppoll, arguments) }
}
