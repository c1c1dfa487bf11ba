//! The kernel's refusals, in numbers and in words, and system calls that rustix has no name for.
//!
//! A raw system call returns its errno instead of storing it, so C's `errno` is never touched.
//!
//! # Safety
//!
//! `raw` is as safe as the call that it makes; its callers say why theirs is.
#![allow(unsafe_code)]

use drift_asm::syscall::syscall6;
use drift_core::platform::PlatformError;
use rustix::io::Errno;

/// The kernel's code, as the platform's.
pub(super) fn code(errno: Errno) -> PlatformError {
    PlatformError::Code(errno.raw_os_error().unsigned_abs())
}

/// What the runtime asks the kernel for, for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Address space for a table.
    Table(usize),
    /// Address space for a segment of stacks.
    Stacks(usize),
    /// A guard below a stack.
    Guard(usize),
    /// A carrier's signal stack.
    SignalStack(usize),
    /// An OS thread, with a stack of so many bytes.
    Thread(usize),
    /// A descriptor, by what it is for.
    Descriptor(&'static str),
}

/// Says what was refused, why, and what to do.
pub(super) fn refused(asked: Asked, errno: Errno) -> PlatformError {
    let (what, bytes) = match asked {
        Asked::Table(bytes) => ("address space for a table", bytes),
        Asked::Stacks(bytes) => ("address space for stacks", bytes),
        Asked::Guard(bytes) => ("guard below a stack", bytes),
        Asked::SignalStack(bytes) => ("memory for a carrier's signal stack", bytes),
        Asked::Thread(bytes) => ("OS thread for a carrier", bytes),
        Asked::Descriptor(what) => (what, 0),
    };
    let code = errno.raw_os_error().unsigned_abs();
    PlatformError::Refused { what, bytes, code, words: words(asked, errno) }
}

/// errno(3), with the limits of getrlimit(2), cgroups(7) and proc_sys_vm(5) that raise it.
fn words(asked: Asked, errno: Errno) -> &'static str {
    match (errno, asked) {
        (Errno::NOMEM, Asked::Guard(_)) => {
            "Cannot allocate memory; a guard needs mappings or page tables: raise the sysctl \
             vm.max_map_count, give the process more memory, or have fewer virtual threads alive"
        }
        (Errno::NOMEM, _) => {
            "Cannot allocate memory; raise the limit on address space (ulimit -v), the memory of \
             the control group or the sysctl vm.max_map_count, or have fewer virtual threads alive"
        }
        (Errno::AGAIN, Asked::Thread(_)) => {
            "Resource temporarily unavailable; raise the limit on threads (ulimit -u, pids.max of \
             the control group) or on address space (ulimit -v), or use fewer carriers"
        }
        (Errno::AGAIN, _) => "Resource temporarily unavailable; try again, or free memory",
        (Errno::MFILE, _) => {
            "Too many open files; raise the limit on descriptors (ulimit -n), or close some"
        }
        (Errno::NFILE, _) => {
            "Too many open files in the system; raise the sysctl fs.file-max, or close some"
        }
        (Errno::PERM | Errno::ACCESS, _) => {
            "Operation not permitted; a sandbox or a security policy forbids the system call"
        }
        (Errno::NOSYS, _) => {
            "Function not implemented; the kernel is too old, or a sandbox hides the system call"
        }
        _ => "the kernel refused; errno(3) has the code",
    }
}

/// Makes system call `number`, for example `libc::SYS_madvise`.
///
/// # Safety
/// As that call asks.
pub(super) unsafe fn raw(number: libc::c_long, arguments: [usize; 6]) -> Result<usize, Errno> {
    let number = usize::try_from(number).expect("system calls have positive numbers");
    // SAFETY: the caller's.
    let answer = unsafe { syscall6(number, arguments) };
    // See syscall(2): an answer from -4095 to -1 is a negated errno.
    match answer {
        -4095..=-1 => Err(Errno::from_raw_os_error(-(answer as i32))),
        _ => Ok(answer as usize),
    }
}
