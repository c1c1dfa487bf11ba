//! Address space for stacks and tables, and the pages that guard stacks.
//!
//! | guards by               | since      | costs                           | how many        |
//! |-------------------------|------------|---------------------------------|-----------------|
//! | `MADV_GUARD_INSTALL`    | Linux 6.13 | a page-table entry              | as stacks       |
//! | `mprotect`, `PROT_NONE` | ever       | two mappings, so a stack is two | `max_map_count` |
//!
//! Both outlast `MADV_DONTNEED`. Which one works is found out by trying: qemu-user answers 0 to
//! the first and does nothing. Memory that the program has locked, as by mlockall(2), takes the
//! second only.
//!
//! # Safety
//!
//! Mappings made here are new, and are unmapped only by who got them, through `unmap`.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use drift_core::platform::PlatformError;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap,
};

use super::errno::{code, raw};

/// `MADV_GUARD_INSTALL`, include/uapi/asm-generic/mman-common.h.
const GUARD_INSTALL: usize = 102;

/// `vm.max_map_count` where /proc is not mounted: the kernel's `DEFAULT_MAX_MAP_COUNT`.
const MAP_COUNT: usize = 65_530;

/// Stacks' worth of mappings that are left to the rest of the program.
const FOR_OTHERS: usize = 1024;

/// Bytes of a page here: 4 KiB on x86_64; 4, 16 or 64 KiB on aarch64.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: getauxval(3) reads what the kernel left for the process; nothing to hold.
    let bytes = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
    if bytes == 0 { 4096 } else { bytes }
}

/// `bytes` of zeros, committed as they are touched.
pub(crate) fn map_table(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    map(bytes, MapFlags::NORESERVE)
}

/// `bytes` for stacks: never huge pages, because the first touch of each would cost 2 MiB.
pub(crate) fn map_stacks(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    let stacks = map(bytes, MapFlags::NORESERVE | MapFlags::STACK)?;
    // SAFETY: the range was mapped just now. EINVAL, from a kernel without huge pages, and
    // from one where MAP_STACK has said it already, is fine.
    let _ = unsafe { madvise(stacks.as_ptr().cast(), bytes, Advice::LinuxNoHugepage) };
    Ok(stacks)
}

fn map(bytes: usize, flags: MapFlags) -> Result<NonNull<u8>, PlatformError> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: no address is asked for, so nothing that exists is replaced.
    let start =
        unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, flags | MapFlags::PRIVATE) }
            .map_err(code)?;
    Ok(NonNull::new(start.cast()).expect("the kernel never maps page zero unasked"))
}

/// Ends what `map_table` or its like began.
///
/// # Safety
/// They gave these `bytes` at `start`, and nobody uses what lies there any more.
pub(crate) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's.
    let unmapped = unsafe { munmap(start.as_ptr().cast(), bytes) };
    debug_assert!(unmapped.is_ok(), "it was mapped");
}

/// Gives the memory of a range back; it reads as zero when touched again. Guards in it stay.
///
/// # Safety
/// The range is ours and page-aligned, and nobody uses what is in it.
pub(crate) unsafe fn give_back(start: usize, bytes: usize) {
    // SAFETY: the caller's. A refusal (locked memory) costs memory and nothing else.
    let _ =
        unsafe { madvise(ptr::with_exposed_provenance_mut(start), bytes, Advice::LinuxDontNeed) };
}

/// How pages are made inaccessible here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guards {
    /// By an entry in the page table; in locked memory by a mapping, at most so many.
    Marker(usize),
    /// By a mapping of their own, at most so many.
    Mapping(usize),
}

impl Guards {
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

    /// What works where `install` was refused for good: EINVAL says that the memory is locked.
    pub(crate) fn instead(&self, refusal: PlatformError) -> Option<Self> {
        match *self {
            Self::Marker(limit) if refusal == code(Errno::INVAL) => Some(Self::Mapping(limit)),
            _ => None,
        }
    }

    /// Makes the page at `start` inaccessible, for ever.
    ///
    /// # Safety
    /// The page is ours, and nobody uses what is in it.
    pub(crate) unsafe fn install(&self, start: usize) -> Result<(), PlatformError> {
        let bytes = page_bytes();
        match self {
            // SAFETY: the caller's.
            Self::Marker(_) => unsafe { install_marker(start, bytes) },
            Self::Mapping(_) => {
                let page = ptr::with_exposed_provenance_mut(start);
                // SAFETY: the caller's.
                unsafe { mprotect(page, bytes, MprotectFlags::empty()) }
            }
        }
        .map_err(code)
    }
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
    let page = map(bytes, MapFlags::NORESERVE)?;
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
    let sink = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(code)?;
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
