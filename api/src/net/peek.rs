//! Looking at what would be received next, where std has no stable name for it.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: bytes that are initialised are lent to socket2 as some
//! that may not be, and it only ever writes what the kernel gave.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use socket2::{SockAddr, SockRef};

/// By recv(2), MSG_PEEK.
///
/// # Errors
/// Those of recv(2).
pub(super) fn peek(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    SockRef::from(socket).peek(lent(buffer))
}

/// By recvfrom(2), MSG_PEEK, with who sent it.
///
/// # Errors
/// Those of recvfrom(2).
pub(super) fn peek_from(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    SockRef::from(socket).peek_from(lent(buffer))
}

fn lent(buffer: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    let (start, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: the same memory for the same time; its layout is that of bytes, and socket2 writes
    // nothing there that is not initialised, as it says of both calls above.
    unsafe { std::slice::from_raw_parts_mut(start, length) }
}
