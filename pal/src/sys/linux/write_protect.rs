//! Guards that take no mapping before Linux 6.13: pages that userfaultfd(2) protects from writes.
//!
//! For the stacks for which there are no mappings left (`guard.rs`), from Linux 5.11 on, without
//! privileges; a container may forbid the system call, and then there are no more stacks. A write
//! to such a page is a SIGBUS, and EFAULT if the kernel does it. What these guards do not outlast:
//!
//! | event                       | the guard            | what is done about it                   |
//! |-----------------------------|----------------------|-----------------------------------------|
//! | a read                      | lets it pass: zero   | nothing: a call is a write              |
//! | `MADV_DONTNEED` over it     | is gone              | memory goes back beside guards          |
//! | fork(2)                     | is gone in the child | the child makes the one of the stack on |
//! |                             |                      | which it goes on                        |
//! | the program closes our      | all are gone         | the next guard panics, as the poller    |
//! | descriptor                  |                      | does when it was closed                 |
//!
//! # Safety
//!
//! The structures are those of include/uapi/linux/userfaultfd.h, for the length of a call. Ranges
//! are the caller's, and unused.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use drift_core::platform::PlatformError;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use rustix::io::Errno;

use super::errno::{Asked, raw, refused};
use super::stack::{map_table, page_bytes, unmap};

/// `UFFD_USER_MODE_ONLY`: who may not ask for the kernel's faults may ask for these.
const USER_MODE_ONLY: usize = 1;
/// `UFFD_API`, and features of it: writes can be protected; a fault is a signal, not a message.
const API: u64 = 0xAA;
const FEATURE_WRITE_PROTECT: u64 = 1 << 0;
const FEATURE_SIGBUS: u64 = 1 << 7;
/// Of `UFFDIO_REGISTER`, and of `UFFDIO_WRITEPROTECT`.
const MODE_REGISTER_WRITE_PROTECT: u64 = 1 << 1;
const MODE_WRITE_PROTECT: u64 = 1 << 0;

/// `_IOWR(0xAA, number, T)`: see include/uapi/asm-generic/ioctl.h.
const fn request<T>(number: usize) -> usize {
    3 << 30 | size_of::<T>() << 16 | 0xAA << 8 | number
}

/// `struct uffdio_api`: API, features, what is possible.
type Api = [u64; 3];
/// `struct uffdio_register`: start, length, mode, what is possible.
type Register = [u64; 4];
/// `struct uffdio_writeprotect`: start, length, mode.
type Protect = [u64; 3];

/// Guards beyond those that are mappings.
#[derive(Debug)]
pub(crate) struct Beyond {
    descriptor: OwnedFd,
}

impl Beyond {
    /// One that works here; none if the kernel or a sandbox has none.
    pub(crate) fn probe() -> Option<Self> {
        let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as usize | USER_MODE_ONLY;
        // SAFETY: touches no memory of ours.
        let number = unsafe { raw(libc::SYS_userfaultfd, [flags, 0, 0, 0, 0, 0]) }.ok()?;
        // SAFETY: just made, and nobody else has it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number as i32) };
        let beyond = Self { descriptor };
        let wanted = FEATURE_WRITE_PROTECT | FEATURE_SIGBUS;
        beyond.ask(request::<Api>(0x3F), [API, wanted, 0]).ok()?;
        beyond.works().then_some(beyond)
    }

    /// Lets guards be made in a range that was mapped just now, and that has no other.
    pub(crate) fn adopt(&self, start: usize, bytes: usize) -> Result<(), PlatformError> {
        let register = [start as u64, bytes as u64, MODE_REGISTER_WRITE_PROTECT, 0];
        self.ask::<Register>(request::<Register>(0x00), register)
            .map_err(|errno| refused(Asked::Stacks(bytes), errno))
    }

    /// Makes a guard of `bytes` from `start` on.
    ///
    /// # Panics
    /// If the program has closed the descriptor: then the guards that there were are gone.
    ///
    /// # Safety
    /// The pages are ours, were adopted, and nobody uses what is in them.
    pub(crate) unsafe fn install(&self, start: usize, bytes: usize) -> Result<(), PlatformError> {
        // What is not there is not protected.
        for page in (start..start + bytes).step_by(page_bytes()) {
            // SAFETY: the caller's.
            unsafe { ptr::with_exposed_provenance::<u8>(page).read_volatile() };
        }
        let protect = [start as u64, bytes as u64, MODE_WRITE_PROTECT];
        self.ask::<Protect>(request::<Protect>(0x06), protect).map_err(|errno| match errno {
            Errno::BADF | Errno::NOTTY => {
                panic!("somebody closed the runtime's userfaultfd: stacks have lost their guards")
            }
            errno => refused(Asked::Guard(bytes), errno),
        })
    }

    fn ask<T>(&self, request: usize, mut with: T) -> Result<(), Errno> {
        let descriptor = self.descriptor.as_raw_fd() as usize;
        let with = (&raw mut with).expose_provenance();
        // SAFETY: the kernel reads and writes the structure of that request, which is this one.
        unsafe { raw(libc::SYS_ioctl, [descriptor, request, with, 0, 0, 0]) }.map(drop)
    }

    /// Whether read(2) cannot write to a page that has a guard.
    fn works(&self) -> bool {
        let bytes = page_bytes();
        let Ok(page) = map_table(bytes) else { return false };
        let start = page.as_ptr().expose_provenance();
        // SAFETY: the page is ours and unused.
        let made =
            || self.adopt(start, bytes).is_ok() && unsafe { self.install(start, bytes) }.is_ok();
        let works = made() && faults(page);
        // SAFETY: mapped above, and out of use.
        unsafe { unmap(page, bytes) };
        works
    }
}

fn faults(page: NonNull<u8>) -> bool {
    let Ok(source) = eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) else {
        return false;
    };
    let read = [source.as_raw_fd() as usize, page.as_ptr().expose_provenance(), 8, 0, 0, 0];
    // SAFETY: eight bytes of a page of ours.
    let refused = unsafe { raw(libc::SYS_read, read) };
    refused == Err(Errno::FAULT)
}
