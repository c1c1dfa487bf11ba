//! The memory-model door: the only place where atomics, shared cells and spin locks come from.
//!
//! | name                      | ordinary build                    | `--cfg loom`               |
//! |---------------------------|-----------------------------------|----------------------------|
//! | `Atomic*`, `fence`        | `core::sync::atomic`              | `loom::sync::atomic`       |
//! | `UnsafeCell`              | `core::cell`, with loom's methods | `loom::cell::UnsafeCell`   |
//! | `SpinLock`                | `spin::mutex::SpinMutex` within   | `loom::sync::Mutex` within |
//!
//! With feature `points` those of an ordinary build call a hook before each access, where a
//! simulator may let another carrier go on (`points.rs`). No production build has it.
//!
//! `SpinLock` spins a few rounds and then gives the CPU away through the function that
//! `set_cpu_yield` was given, because a holder may have been preempted; that function sleeps if it
//! is called again and again, because the holder may have a lower priority. Locks are short: none
//! is held across a switch, a system call or a callback; `docs/locks.md` gives their order.

cfg_if::cfg_if! {
    if #[cfg(loom)] {
        mod loom;
        pub use self::loom::*;
    } else if #[cfg(feature = "points")] {
        #[allow(unused, reason = "its atomics and lock")]
        mod native;
        mod points;
        pub use self::points::*;
    } else {
        mod native;
        pub use self::native::*;
    }
}

/// Declares a function that is const wherever this build's primitives are: not under loom.
macro_rules! const_unless_loom {
    (
        $(#[$doc:meta])*
        $vis:vis fn $name:ident($($arg:ident: $type:ty),*) -> $ret:ty $body:block
    ) => {
        #[cfg(not(loom))]
        $(#[$doc])*
        $vis const fn $name($($arg: $type),*) -> $ret $body

        #[cfg(loom)]
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) -> $ret $body
    };
}
pub(crate) use const_unless_loom;
