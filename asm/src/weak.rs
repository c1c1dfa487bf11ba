//! Symbols that may be absent. Stable Rust has no weak references, so they are assembly.

/// The address of a symbol, as `*const u8`; null if nobody defines it.
///
/// For symbols of others, C's say, that this object file does not use in another way: `.weak`
/// makes every reference in the file weak, and link-time optimisation does not see this one. A
/// weak reference takes no member out of an archive. Null where the object format is not ELF.
#[macro_export]
macro_rules! weak_symbol {
    ($name:ident) => {{
        let address: *const u8;
        #[cfg(all(
            target_arch = "x86_64",
            not(any(windows, target_os = "uefi", target_vendor = "apple")),
        ))]
        // SAFETY: loads an entry of the global offset table, which the linker makes and the
        // loader fills before any of our code runs.
        #[allow(unsafe_code, unused_unsafe)]
        unsafe {
            ::core::arch::asm!(
                concat!(".weak ", stringify!($name)),
                concat!("mov {address}, [rip + ", stringify!($name), "@GOTPCREL]"),
                address = out(reg) address,
                options(nostack, preserves_flags, pure, readonly),
            );
        }
        #[cfg(all(
            target_arch = "aarch64",
            not(any(windows, target_os = "uefi", target_vendor = "apple")),
        ))]
        // SAFETY: as above.
        #[allow(unsafe_code, unused_unsafe)]
        unsafe {
            ::core::arch::asm!(
                concat!(".weak ", stringify!($name)),
                concat!("adrp {address}, :got:", stringify!($name)),
                concat!("ldr {address}, [{address}, :got_lo12:", stringify!($name), "]"),
                address = out(reg) address,
                options(nostack, preserves_flags, pure, readonly),
            );
        }
        #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
        // SAFETY: as above.
        #[allow(unsafe_code, unused_unsafe)]
        unsafe {
            ::core::arch::asm!(
                concat!(".weak ", stringify!($name)),
                concat!("lga {address}, ", stringify!($name)),
                address = out(reg) address,
                options(nostack, preserves_flags, pure, readonly),
            );
        }
        #[cfg(any(
            not(any(
                target_arch = "x86_64",
                target_arch = "aarch64",
                target_arch = "riscv32",
                target_arch = "riscv64",
            )),
            any(windows, target_os = "uefi", target_vendor = "apple"),
        ))]
        {
            address = ::core::ptr::null();
        }
        address
    }};
}
