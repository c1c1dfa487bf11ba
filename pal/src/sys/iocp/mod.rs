//! Windows: a stub that refuses at `Host::new`.
//!
//! | name of the contract     | what it will be                                               |
//! |--------------------------|---------------------------------------------------------------|
//! | `clock::now`             | `QueryPerformanceCounter`                                     |
//! | `park::*`                | `WaitOnAddress`, `WakeByAddressSingle`, `WakeByAddressAll`    |
//! | `Poller::new`, `ring`    | a completion port; `PostQueuedCompletionStatus`               |
//! | `Poller::arm`            | `\Device\Afd`, `IOCTL_AFD_POLL`: readiness as a completion    |
//! | `Poller::wait`           | `GetQueuedCompletionStatusEx`                                 |
//! | `map_stacks`, `Guards`   | `VirtualAlloc`: reserve, commit, `PAGE_NOACCESS`              |
//!
//! A switch must also swap `StackBase`, `StackLimit` and `DeallocationStack` of the thread
//! environment block; that belongs to `asm`.

pub(crate) use super::unsupported::{clock, level, park, poll, stack, thread};
