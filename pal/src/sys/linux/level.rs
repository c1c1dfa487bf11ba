//! Levels: poll(2), whose `struct pollfd` is a [`Poll`].
//!
//! # Safety
//!
//! The kernel reads and writes a slice of that layout for the length of one call.
#![allow(unsafe_code)]

use core::mem::offset_of;

use drift_core::platform::Poll;
use rustix::event::Timespec;
use rustix::io::Errno;

use super::clock;
use super::errno::raw;

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

/// poll(2) by its younger name, the only one that each instruction set has: for at most `span`, or
/// for ever.
fn ppoll(polls: &mut [Poll], mut span: Option<Timespec>) -> Result<usize, Errno> {
    let span = span.as_mut().map_or(0, |span| &raw mut *span as usize);
    let arguments = [polls.as_mut_ptr() as usize, polls.len(), span, 0, 0, 0];
    // SAFETY: so many entries of the kernel's layout, as the constant above has checked; `span` is
    // null or leads to the local, which the kernel may change; and there is no signal mask.
    unsafe { raw(libc::SYS_ppoll, arguments) }
}
