//! Address space for stacks and tables.
//!
//! # Safety
//!
//! Mappings made here are new, and are unmapped only by who got them, through `unmap`.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};

use drift_core::platform::PlatformError;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use super::errno::{Asked, refused};
pub(crate) use super::guard::Guards;
pub(crate) use super::write_protect::Beyond;

/// Bytes of a page here: 4 KiB on x86_64; 4, 16 or 64 KiB on aarch64.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: getauxval(3) reads what the kernel left for the process; nothing to hold.
    let bytes = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
    if bytes == 0 { 4096 } else { bytes }
}

/// `bytes` of zeros, committed as they are touched.
pub(crate) fn map_table(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    map(bytes, MapFlags::NORESERVE).map_err(|errno| refused(Asked::Table(bytes), errno))
}

/// `bytes` for stacks: never huge pages, because the first touch of each would cost 2 MiB.
pub(crate) fn map_stacks(bytes: usize) -> Result<NonNull<u8>, PlatformError> {
    let stacks = map(bytes, MapFlags::NORESERVE | MapFlags::STACK)
        .map_err(|errno| refused(Asked::Stacks(bytes), errno))?;
    // SAFETY: the range was mapped just now. EINVAL, from a kernel without huge pages, and
    // from one where MAP_STACK has said it already, is fine.
    let _ = unsafe { madvise(stacks.as_ptr().cast(), bytes, Advice::LinuxNoHugepage) };
    Ok(stacks)
}

fn map(bytes: usize, flags: MapFlags) -> Result<NonNull<u8>, Errno> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: no address is asked for, so nothing that exists is replaced.
    let start =
        unsafe { mmap_anonymous(ptr::null_mut(), bytes, access, flags | MapFlags::PRIVATE) }?;
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
