//! System calls that `rustix` does not offer, without the C library.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: the caller's, of the call it makes.
#![allow(unsafe_code)]

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
use core::arch::asm;

/// Makes system call `number`; a negative result is an errno (syscall(2)).
///
/// # Safety
/// Whatever that call asks of its arguments.
pub unsafe fn syscall6(number: usize, arguments: [usize; 6]) -> isize {
    let result: isize;
    let [a, b, c, d, e, f] = arguments;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise; the kernel changes rax, rcx and r11 (psABI, section A.2.1).
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's promise; the kernel changes x0 only (syscall(2)).
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: the caller's promise; the kernel changes a0, and vector registers (Linux,
    // Documentation/arch/riscv/vector.rst), which are among those that a call may change.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") a => result,
            in("a1") b, in("a2") c, in("a3") d, in("a4") e, in("a5") f,
            clobber_abi("C"),
            options(nostack),
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    {
        // ENOSYS; there is no platform for this instruction set either.
        let _ = (number, a, b, c, d, e, f);
        result = -38;
    }
    result
}
