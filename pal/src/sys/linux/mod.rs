//! Linux: futex, epoll with an eventfd, mmap with guards, pthreads.
//!
//! System calls are made by rustix's `linux_raw` backend, or by `drift_asm::syscall` where rustix
//! has no name for one: never through a C function, because a program may define a `read` or
//! `close` of its own. What only the C library can do goes through it: threads (`pthread_*`, so
//! that foreign code finds its thread-locals), signal actions, `__errno_location`, `getauxval`.

pub(crate) mod clock;
mod errno;
mod fault;
mod guard;
pub(crate) mod level;
pub(crate) mod park;
pub(crate) mod poll;
pub(crate) mod stack;
pub(crate) mod thread;
mod write_protect;
