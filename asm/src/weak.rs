//! Symbols that may be absent. Stable Rust has no weak references, so they are assembly.

/// The address of a symbol, as `*const u8`; null if nobody defines it.
#[macro_export]
macro_rules! weak_symbol {
    ($name:ident) => {{
        let address: *const u8;
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        // SAFETY: loads an entry of the global offset table, which the linker makes.
        #[allow(unsafe_code, unused_unsafe)]
        unsafe {
            ::core::arch::asm!(
                concat!(".weak ", stringify!($name)),
                concat!("mov {address}, [rip + ", stringify!($name), "@GOTPCREL]"),
                address = out(reg) address,
                options(nostack, preserves_flags, pure, readonly),
            );
        }
        #[cfg(all(target_arch = "aarch64", target_os = "linux"))]
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
        #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_os = "linux")))]
        {
            address = ::core::ptr::null();
        }
        address
    }};
}
