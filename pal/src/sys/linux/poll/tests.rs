//! The bell, and the two ways to wait.

extern crate std;

use super::*;

fn is_silent(poller: &Poller) -> bool {
    let until = clock::now() + 2 * MILLISECOND;
    let mut ready = Events::new();
    poller.wait(Some(until), &mut ready);
    ready.is_empty() && clock::now() >= until
}

#[test]
fn a_bell_ends_one_wait_and_is_no_event() {
    let poller = Poller::new().unwrap();
    for _ in 0..3 {
        poller.ring();
        let mut ready = Events::new();
        poller.wait(None, &mut ready);
        assert!(ready.is_empty());
        assert!(is_silent(&poller), "one bell rang twice");
    }
}

#[test]
fn bells_before_a_wait_are_one() {
    let poller = Poller::new().unwrap();
    poller.ring();
    poller.ring();
    poller.wait(None, &mut Events::new());
    assert!(is_silent(&poller));
}

#[test]
fn a_kernel_without_the_fine_wait_gets_the_coarse_one_and_never_early() {
    let poller = Poller::new().unwrap();
    poller.coarse.store(true, Ordering::Relaxed);
    for span in [0, 1, MILLISECOND - 1, MILLISECOND + 1] {
        let until = clock::now() + span;
        poller.wait(Some(until), &mut Events::new());
        assert!(clock::now() >= until);
    }
    poller.ring();
    for until in [None, Some(Instant::FAR), Some(Instant(u64::MAX - 1))] {
        poller.wait(until, &mut Events::new());
        poller.ring();
    }
}

#[test]
fn the_pollers_own_descriptors_are_nobodys_to_arm() {
    let poller = Poller::new().unwrap();
    for fd in [&poller.bell, &poller.epoll] {
        let source = Source(fd.as_raw_fd() as u32);
        let answer = poller.arm(source, 1, Interest::READ);
        assert_eq!(answer, Err(code(Errno::BADF)));
    }
    poller.ring();
    let mut ready = Events::new();
    poller.wait(None, &mut ready);
    assert!(ready.is_empty());
}
