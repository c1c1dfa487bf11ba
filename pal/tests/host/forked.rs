//! What is left of a runtime in the child of a fork(2).
#![allow(unsafe_code)]

use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::{panic, ptr};

use drift_core::error::ConcurrencyError;
use drift_core::platform::{CarrierId, Events, Interest, Platform, PlatformError, Poll, Source};
use drift_core::sync::Wait;
use drift_core::time::MILLISECOND;
use drift_core::wait::readiness::{Place, ShortCount};
use drift_pal::process::runtime;

use crate::filter;

/// The child's answer is its status.
fn in_child(f: impl FnOnce()) {
    let _forks = super::lone_fork();
    // SAFETY: the caller is alone in its process, but for threads that hold nothing.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child");
    if child == 0 {
        let ended = panic::catch_unwind(panic::AssertUnwindSafe(f));
        // SAFETY: no memory is involved.
        unsafe { libc::_exit(i32::from(ended.is_err())) };
    }
    let mut status = 0;
    // SAFETY: a place for the status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child has failed");
}

fn events(platform: &dyn Platform) -> Events {
    let mut events = Events::new();
    let until = platform.now() + 5_000 * MILLISECOND;
    // A carrier that nobody has.
    platform.carrier_sleep(CarrierId(77), Some(until), Some(&mut events));
    events
}

#[test]
fn a_child_leaves_what_its_parent_has_registered() {
    filter::alone("forked::a_child_leaves_what_its_parent_has_registered", || {
        let (near, mut far) = UnixStream::pair().unwrap();
        let source = Source(near.as_raw_fd().cast_unsigned());
        let parents = runtime().unwrap();
        parents.register(source, ShortCount::Nothing).unwrap();
        let parents_own = parents.owned(source);
        assert_eq!(events(parents.platform()).len(), 1, "it can be written to");
        in_child(move || {
            assert!(parents.is_left_behind());
            parents.deregister(source);
            let platform = parents.platform();
            platform.io_deregister(source);
            let refused = Err(PlatformError::LeftBehind);
            assert_eq!(parents.register(source, ShortCount::Nothing), refused);
            assert_eq!(platform.io_register(source, 1), refused);
            assert_eq!(platform.io_arm(source, 1, Interest::READ).map(drop), refused);
            let wait = Wait::of_thread(platform);
            let waited = parents_own.wait_ready(Interest::READ, &wait, &mut None).map(drop);
            assert_eq!(waited, Err(ConcurrencyError::from(PlatformError::LeftBehind)));
            let mut polls = [Poll::new(source, Interest::WRITE)];
            let polled = parents.poll_many(&mut polls, &mut [Place::default()], &wait);
            assert_eq!(polled, Err(ConcurrencyError::from(PlatformError::LeftBehind)));
            assert_eq!(PlatformError::LeftBehind.code(), None);
            let said = PlatformError::LeftBehind.to_string();
            assert!(said.contains("parent of this forked process"), "{said}");
            let own = runtime().unwrap();
            assert!(!ptr::eq(own, parents) && !own.is_left_behind());
            own.register(source, ShortCount::Nothing).unwrap();
            assert_eq!(events(own.platform()).len(), 1);
            own.deregister(source);
        });
        assert!(!parents.is_left_behind());
        far.write_all(b"x").unwrap();
        let events = events(parents.platform());
        assert!(events.iter().any(|event| event.ready.intersects(Interest::READ)), "{events:?}");
    });
}
