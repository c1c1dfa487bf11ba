//! The pages that guard stacks.
//!
//! | guards by               | since      | costs                           | how many        |
//! |-------------------------|------------|---------------------------------|-----------------|
//! | `MADV_GUARD_INSTALL`    | Linux 6.13 | page-table entries              | as stacks       |
//! | `mprotect`, `PROT_NONE` | ever       | two mappings, so a stack is two | `max_map_count` |
//!
//! Beyond the mappings there are guards by userfaultfd(2), where that is allowed; see
//! `write_protect.rs`.
//!
//! Both outlast `MADV_DONTNEED`, and both cost as many mappings for one page as for many. Which
//! one works is found out by trying: qemu-user answers 0 to the first and does nothing. Memory that
//! the program has locked, as by mlockall(2), takes the second only.
//!
//! # Safety
//!
//! A guard is made in a range that the caller has and nobody uses.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use drift_core::platform::PlatformError;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::mm::{MprotectFlags, mprotect};

use super::errno::{Asked, raw, refused};
use super::stack::{map_table, page_bytes, unmap};

/// `MADV_GUARD_INSTALL`, include/uapi/asm-generic/mman-common.h.
const GUARD_INSTALL: usize = 102;

/// Refusals of `GUARD_INSTALL` that may not last: madvise(2).
const FOR_NOW: [u32; 3] = [code_of(Errno::NOMEM), code_of(Errno::AGAIN), code_of(Errno::INTR)];

const fn code_of(errno: Errno) -> u32 {
    errno.raw_os_error().unsigned_abs()
}

/// Guards of one process_madvise(2); below so few the calls around it cost more than it saves.
const VECTOR: usize = 64;
const VECTOR_MIN: usize = 8;

/// `vm.max_map_count` where /proc is not mounted: the kernel's `DEFAULT_MAX_MAP_COUNT`.
const MAP_COUNT: usize = 65_530;

/// Stacks' worth of mappings that are left to the rest of the program.
const FOR_OTHERS: usize = 1024;

/// How pages are made inaccessible here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guards {
    /// By an entry in the page table; in locked memory by a mapping, at most so many.
    Marker(usize),
    /// By a mapping of their own, at most so many.
    Mapping(usize),
}

impl Guards {
    /// One that is a mapping.
    pub(crate) fn mapping() -> Option<Self> {
        Some(Self::Mapping(0))
    }

    /// Finds out which guard works.
    pub(crate) fn probe() -> Result<Self, PlatformError> {
        let mappings = (map_count() / 2).saturating_sub(FOR_OTHERS);
        Ok(if marker_works()? { Self::Marker(mappings) } else { Self::Mapping(mappings) })
    }

    /// How many there can be, if that is a question.
    pub(crate) fn limit(&self) -> Option<usize> {
        match *self {
            Self::Marker(_) => None,
            Self::Mapping(limit) => Some(limit),
        }
    }

    /// What works where `install` was refused for good: EINVAL says that the memory is locked, and
    /// a sandbox that came later says what it likes. For lack of memory there is a later.
    pub(crate) fn instead(&self, refusal: PlatformError) -> Option<Self> {
        match *self {
            Self::Marker(limit) if !refusal.code().is_some_and(|code| FOR_NOW.contains(&code)) => {
                Some(Self::Mapping(limit))
            }
            _ => None,
        }
    }

    /// Makes `bytes` from `start` on inaccessible, until `remove`.
    ///
    /// # Safety
    /// The pages are ours, and nobody uses what is in them.
    pub(crate) unsafe fn install(&self, start: usize, bytes: usize) -> Result<(), PlatformError> {
        match self {
            // SAFETY: the caller's.
            Self::Marker(_) => unsafe { install_marker(start, bytes) },
            Self::Mapping(_) => {
                let pages = ptr::with_exposed_provenance_mut(start);
                // SAFETY: the caller's.
                unsafe { mprotect(pages, bytes, MprotectFlags::empty()) }
            }
        }
        .map_err(|errno| refused(Asked::Guard(bytes), errno))
    }

    /// The same for `count` ranges, each `stride` behind the one before: for so many of them, from
    /// the first on.
    ///
    /// # Safety
    /// As `install`.
    pub(crate) unsafe fn install_all(
        &self,
        start: usize,
        stride: usize,
        count: usize,
        bytes: usize,
    ) -> usize {
        let mut made = 0;
        if count >= VECTOR_MIN && matches!(self, Self::Marker(_)) {
            // SAFETY: the caller's.
            made = unsafe { install_markers(start, stride, count, bytes) }.unwrap_or(0);
        }
        // What one call for all did not do: each by itself, up to the first that is refused.
        // SAFETY: the caller's.
        while made < count && unsafe { self.install(start + made * stride, bytes) }.is_ok() {
            made += 1;
        }
        made
    }

    /// Makes what is a mapping of its own accessible again; false if the kernel refuses.
    ///
    /// # Safety
    /// The range had a guard by `install`, and is nobody else's.
    pub(crate) unsafe fn remove(&self, start: usize, bytes: usize) -> bool {
        let pages = ptr::with_exposed_provenance_mut(start);
        // SAFETY: the caller's.
        unsafe { mprotect(pages, bytes, MprotectFlags::READ | MprotectFlags::WRITE) }.is_ok()
    }
}

/// As `Guards::install_all`, with one process_madvise(2) for many.
///
/// # Safety
/// As `Guards::install`.
unsafe fn install_markers(
    start: usize,
    stride: usize,
    count: usize,
    bytes: usize,
) -> Result<usize, Errno> {
    let range = |index| [start + index * stride, bytes];
    let ranges: heapless::Vec<[usize; 2], VECTOR> = (0..count.min(VECTOR)).map(range).collect();
    // SAFETY: getpid(2) has no argument, and cannot fail.
    let process = unsafe { raw(libc::SYS_getpid, [0; 6]) }?;
    // SAFETY: gives a new descriptor, which is close-on-exec.
    let itself = unsafe { raw(libc::SYS_pidfd_open, [process, 0, 0, 0, 0, 0]) }?;
    let vector = [itself, ranges.as_ptr().expose_provenance(), ranges.len(), GUARD_INSTALL, 0, 0];
    // SAFETY: the ranges are the caller's, and laid out as iovec(3type): address and length.
    let advised = unsafe { raw(libc::SYS_process_madvise, vector) };
    // SAFETY: ours, and nobody else knows it.
    let _ = unsafe { raw(libc::SYS_close, [itself, 0, 0, 0, 0, 0]) };
    // It tells how many bytes it has come through.
    advised.map(|advised| advised / bytes)
}

/// # Safety
/// As `Guards::install`.
unsafe fn install_marker(start: usize, bytes: usize) -> Result<(), Errno> {
    // SAFETY: the caller's.
    unsafe { raw(libc::SYS_madvise, [start, bytes, GUARD_INSTALL, 0, 0, 0]) }.map(drop)
}

/// Whether `MADV_GUARD_INSTALL` gives a page that faults.
fn marker_works() -> Result<bool, PlatformError> {
    let bytes = page_bytes();
    let page = map_table(bytes)?;
    // SAFETY: the page is ours and unused.
    let installed = unsafe { install_marker(page.as_ptr().expose_provenance(), bytes) }.is_ok();
    let works = if installed { faults(page) } else { Ok(false) };
    // SAFETY: mapped above, and out of use.
    unsafe { unmap(page, bytes) };
    works
}

/// Whether write(2) cannot read from a page of ours. An eventfd takes eight bytes and keeps
/// nothing that matters.
fn faults(page: NonNull<u8>) -> Result<bool, PlatformError> {
    let sink = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|errno| refused(Asked::Descriptor("descriptor to try a guard with"), errno))?;
    // SAFETY: the page is mapped, and `u8` takes any bits. Only the kernel reads it, and answers
    // EFAULT where we would fault.
    let bytes = unsafe { core::slice::from_raw_parts(page.as_ptr(), 8) };
    Ok(write(&sink, bytes) == Err(Errno::FAULT))
}

/// `vm.max_map_count`: mappings that the process may have. See proc_sys_vm(5).
fn map_count() -> usize {
    let mut text = [0_u8; 20];
    let path = c"/proc/sys/vm/max_map_count";
    let Ok(file) = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return MAP_COUNT;
    };
    let length = read(&file, &mut text).unwrap_or(0);
    let digits = text[..length].trim_ascii_end();
    core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(MAP_COUNT)
}
