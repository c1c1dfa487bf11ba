//! The BSDs and Apple's systems: a stub that refuses at `Host::new`.
//!
//! | name of the contract     | what it will be                                               |
//! |--------------------------|---------------------------------------------------------------|
//! | `clock::now`             | clock_gettime(2), `CLOCK_MONOTONIC`; Apple: `mach_absolute_time` |
//! | `park::*`                | FreeBSD `_umtx_op`, Apple `__ulock_wait2`, OpenBSD futex(2)   |
//! | `Poller::new`, `ring`    | kqueue(2); `EVFILT_USER` with `NOTE_TRIGGER`                  |
//! | `Poller::arm`            | `EVFILT_READ` and `EVFILT_WRITE`, `EV_ADD` with `EV_ONESHOT`  |
//! | `Guards`                 | mprotect(2): these kernels count no mappings                  |
//! | `map_stacks`             | OpenBSD demands `MAP_STACK`                                   |
//!
//! One registration per direction: an `arm` for both must take the other one back when the first
//! has fired, or the event comes twice.

pub(crate) use super::unsupported::{clock, level, park, poll, stack, thread};
