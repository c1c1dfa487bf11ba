//! What the kernel may refuse, refused by the real one: each ends as a stated error or a retry.
//!
//! | refused                                     | comes to                                       |
//! |---------------------------------------------|------------------------------------------------|
//! | descriptors                                 | no host; later there is                        |
//! | the new guard                               | the old one, and its limit                     |
//! | the new guard, in memory that is locked     | the old one there, and its limit               |
//! | memory for a guard just now                 | no stack just now                              |
//! | epoll_pwait2(2), getrandom(2), guards by    | what there was before them, whatever a sandbox |
//! | the new way, also once the program runs     | answers                                        |
//! | an epoll_ctl(2) that others overtake        | another try                                    |
//! | a bell that is full                         | it is emptied, and rings                       |
//! | poller or bell, closed by the program       | a panic that says so                           |
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: descriptors and memory of each test's own process.
#![allow(unsafe_code)]

use std::io::Write as _;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, io, thread};

use drift_core::platform::{
    Armed, CarrierId, Events, Interest, Platform, PlatformError, Poll, Source, Stack, StackClass,
};
use drift_core::prim::{AtomicU32, Ordering};
use drift_core::time::MILLISECOND;
use drift_pal::Host;
use libc::{
    EACCES, EAGAIN, EBADF, EEXIST, EFAULT, EINTR, EINVAL, EIO, EMFILE, ENOENT, ENOMEM, ENOSYS,
    EOPNOTSUPP, EPERM,
};

use super::beyond::refuse_all_but_mappings;
use super::filter::{
    alone, alone_with, answer, answers_given, every, limit, old_wait, refuse, with,
};
use super::{mapped_bytes, page_bytes, poll_now, source, take};

/// `MADV_GUARD_INSTALL`, include/uapi/asm-generic/mman-common.h.
pub const GUARD_INSTALL: u32 = 102;

pub const fn code(errno: i32) -> PlatformError {
    PlatformError::Code(errno as u32)
}

/// The kernel's number.
pub fn number(refusal: PlatformError) -> i32 {
    refusal.code().expect("the kernel's refusal") as i32
}

/// The kernel refused with `errno`, and the words say what, and what to do.
pub fn assert_told(refusal: PlatformError, errno: i32, words: &[&str]) {
    assert_eq!(number(refusal), errno, "{refusal}");
    let said = refusal.to_string();
    let system = io::Error::from_raw_os_error(errno).to_string();
    let system = system.split(" (os error").next().unwrap();
    for word in words.iter().chain([&system, &format!("(error {errno})").as_str()]) {
        assert!(said.contains(word), "no '{word}' in: {said}");
    }
}

/// The descriptors of this process that are such a file, as /proc names it.
pub fn descriptors(name: &str) -> Vec<i32> {
    let is_one = |fd: &i32| {
        fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|link| link.to_str() == Some(name))
    };
    super::open_descriptors().into_iter().filter(is_one).collect()
}

/// The only one.
pub fn descriptor(name: &str) -> OwnedFd {
    let all = descriptors(name);
    assert_eq!(all.len(), 1, "{name}");
    // SAFETY: it is open; the caller forgets this, or closes it on purpose.
    unsafe { OwnedFd::from_raw_fd(all[0]) }
}

pub fn panic_of(body: impl FnOnce()) -> String {
    let thrown = panic::catch_unwind(AssertUnwindSafe(body)).expect_err("it does not panic");
    let text = thrown.downcast::<String>().map(|text| *text);
    let text = text.or_else(|thrown| thrown.downcast::<&str>().map(|text| text.to_string()));
    text.expect("a panic with a text")
}

#[test]
fn without_a_random_word_there_is_the_clock() {
    alone("refused::without_a_random_word_there_is_the_clock", || {
        let host = Host::new().unwrap();
        refuse(&[every(libc::SYS_getrandom)], EAGAIN);
        assert_ne!(host.entropy(), host.entropy());
    });
}

fn sleep_without_the_fine_wait(errno: i32) {
    let host = Host::new().unwrap();
    refuse(&[every(libc::SYS_epoll_pwait2)], errno);
    for span in [1, MILLISECOND / 2, 2 * MILLISECOND] {
        let until = host.now() + span;
        host.carrier_sleep(CarrierId(0), Some(until), Some(&mut Events::new()));
        assert!(host.now() >= until, "early");
    }
    host.carrier_wake(CarrierId(0));
    host.carrier_sleep(CarrierId(0), None, Some(&mut Events::new()));
}

#[test]
fn a_kernel_without_the_fine_wait_has_the_coarse_one() {
    alone("refused::a_kernel_without_the_fine_wait_has_the_coarse_one", || {
        sleep_without_the_fine_wait(ENOSYS);
    });
}

/// Calls `body`, in a process of its own each time, with what a sandbox may say.
fn with_whatever_a_sandbox_says(name: &str, body: fn(i32)) {
    const ERRNO: &str = "DRIFT_PAL_ERRNO";
    for errno in [EPERM, EACCES, EINVAL, ENOSYS, EIO, EOPNOTSUPP] {
        alone_with(&[(ERRNO, &errno.to_string())], name, || {
            body(env::var(ERRNO).unwrap().parse().unwrap());
        });
    }
}

#[test]
fn a_sandbox_without_the_fine_wait_has_the_coarse_one() {
    let name = "refused::a_sandbox_without_the_fine_wait_has_the_coarse_one";
    with_whatever_a_sandbox_says(name, sleep_without_the_fine_wait);
}

#[test]
fn a_sandbox_without_any_wait_is_named() {
    alone("refused::a_sandbox_without_any_wait_is_named", || {
        let host = Host::new().unwrap();
        let waits = [libc::SYS_epoll_pwait2, libc::SYS_epoll_pwait].map(every);
        refuse(&[&waits[..], &old_wait()].concat(), EACCES);
        let said = panic_of(|| drop(poll_now(host)));
        assert!(said.contains("a sandbox, refuses epoll_pwait(2)"), "{said}");
    });
}

/// Of a sandbox that the program enters once it runs.
#[test]
fn a_sandbox_without_guard_markers_guards_by_mappings() {
    let name = "refused::a_sandbox_without_guard_markers_guards_by_mappings";
    with_whatever_a_sandbox_says(name, |errno| {
        let host = Host::new().unwrap();
        let before = take(host, StackClass::K256);
        refuse(&[with(libc::SYS_madvise, 2, GUARD_INSTALL)], errno);
        refuse(&[every(libc::SYS_process_madvise), every(libc::SYS_pidfd_open)], errno);
        refuse(&[every(libc::SYS_getrandom)], errno);
        for class in StackClass::ALL {
            // More than one call for several guards had made ahead.
            let stacks: Vec<_> = (0..200).map(|_| take(host, class)).collect();
            for stack in stacks.iter().chain([&before]) {
                assert!(is_readable(stack.limit) && !is_readable(stack.limit - 8));
            }
        }
        assert_ne!(host.entropy(), host.entropy());
    });
}

/// Answers of epoll_ctl(2), in their order, and what comes of them.
fn arm_with(answers: &[i32]) -> Result<Armed, PlatformError> {
    let host = Host::new().unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    let answers: Vec<_> = answers.iter().map(|errno| -i64::from(*errno)).collect();
    answer(every(libc::SYS_epoll_ctl), &answers);
    let armed = host.io_arm(source(&near), 1, Interest::READ);
    assert_eq!(answers_given(), answers.len());
    armed
}

#[test]
fn an_arming_that_was_overtaken_is_tried_again() {
    alone("refused::an_arming_that_was_overtaken_is_tried_again", || {
        assert_eq!(arm_with(&[ENOENT, EEXIST, 0]), Ok(Armed::Again));
    });
}

#[test]
fn an_arming_that_is_always_overtaken_says_so() {
    alone("refused::an_arming_that_is_always_overtaken_says_so", || {
        let answers = [[ENOENT, EEXIST]; 4].concat();
        assert_eq!(arm_with(&answers), Err(code(EAGAIN)));
    });
}

#[test]
fn an_arming_without_memory_says_so() {
    alone("refused::an_arming_without_memory_says_so", || {
        assert_eq!(arm_with(&[ENOENT, ENOMEM]), Err(code(ENOMEM)));
    });
}

#[test]
fn a_look_is_repeated_after_a_signal_and_not_after_an_error() {
    alone("refused::a_look_is_repeated_after_a_signal_and_not_after_an_error", || {
        let host = Host::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        answer(every(libc::SYS_ppoll), &[EINTR, EINTR, ENOMEM].map(|errno| -i64::from(errno)));
        let mut polls = [Poll::new(source(&near), Interest::READ)];
        assert_eq!(host.io_poll(&mut polls), Err(code(ENOMEM)));
        assert_eq!(answers_given(), 3);
    });
}

#[test]
fn a_thousand_levels_are_one_call() {
    alone("refused::a_thousand_levels_are_one_call", || {
        let host = Host::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let mut polls = [Poll::new(source(&near), Interest::WRITE); 1000];
        answer(every(libc::SYS_ppoll), &[7]);
        assert_eq!(host.io_poll(&mut polls), Ok(7));
        assert_eq!(answers_given(), 1);
    });
}

/// Where a process may have fewer descriptors than it asks about, one of them several times.
#[test]
fn more_levels_than_one_call_answers_are_asked_for_in_parts() {
    alone("refused::more_levels_than_one_call_answers_are_asked_for_in_parts", || {
        let host = Host::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let mut polls = [Poll::new(source(&near), Interest::WRITE); 500];
        limit(libc::RLIMIT_NOFILE, 64);
        assert_eq!(host.io_poll(&mut polls), Ok(500));
        assert!(polls.iter().all(|poll| poll.ready() == Interest::WRITE));
        polls[400] = Poll::new(Source(1000), Interest::WRITE);
        assert_eq!(host.io_poll(&mut polls), Err(code(EBADF)));
    });
}

/// An OS thread that waits for sources then looks every so often, and its word still wakes it.
fn thread_poll_without_help(host: &'static Host, sources: usize) {
    let (near, mut far) = UnixStream::pair().unwrap();
    let sources = vec![Poll::new(source(&near), Interest::READ); sources];
    let word = AtomicU32::new(0);
    let until = host.now() + MILLISECOND;
    while host.now() < until {
        assert!(!host.thread_poll(&word, 0, Some(until), &sources));
    }
    let until_told = || {
        while word.load(Ordering::SeqCst) == 0 && !host.thread_poll(&word, 0, None, &sources) {}
    };
    thread::scope(|s| {
        let waits = s.spawn(until_told);
        thread::sleep(Duration::from_millis(30));
        word.store(1, Ordering::SeqCst);
        host.thread_wake(&word);
        waits.join().unwrap();
        word.store(0, Ordering::SeqCst);
        let waits = s.spawn(until_told);
        thread::sleep(Duration::from_millis(30));
        far.write_all(b"x").unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn a_thread_without_a_bell_still_waits_for_sources() {
    alone("refused::a_thread_without_a_bell_still_waits_for_sources", || {
        let host = Host::new().unwrap();
        refuse(&[every(libc::SYS_eventfd2)], EMFILE);
        thread_poll_without_help(host, 1);
    });
}

#[test]
fn a_thread_waits_for_more_sources_than_one_call_takes() {
    alone("refused::a_thread_waits_for_more_sources_than_one_call_takes", || {
        let host = Host::new().unwrap();
        limit(libc::RLIMIT_NOFILE, 64);
        thread_poll_without_help(host, 100);
    });
}

#[test]
fn a_bell_that_is_full_rings() {
    alone("refused::a_bell_that_is_full_rings", || {
        let host = Host::new().unwrap();
        let bell = descriptor("anon_inode:[eventfd]");
        let (asleep, awake) = mpsc::channel();
        let sleeper = thread::spawn(move || {
            for _ in 0..3 {
                asleep.send(()).unwrap();
                host.carrier_sleep(CarrierId(0), None, Some(&mut Events::new()));
            }
        });
        for _ in 0..3 {
            awake.recv().unwrap();
            // It is asleep by now; if not, it does not fall asleep, and the test shows less.
            thread::sleep(Duration::from_millis(20));
            let full = (u64::MAX - 1).to_ne_bytes();
            // SAFETY: eight bytes. The rest of what was rung is there, or there is room for all.
            unsafe { libc::write(bell.as_raw_fd(), full.as_ptr().cast(), 8) };
            host.carrier_wake(CarrierId(0));
        }
        sleeper.join().unwrap();
        std::mem::forget(bell);
    });
}

#[test]
fn a_poller_that_the_program_closed_is_told_in_a_panic() {
    alone("refused::a_poller_that_the_program_closed_is_told_in_a_panic", || {
        let host = Host::new().unwrap();
        drop(descriptor("anon_inode:[eventpoll]"));
        let said = panic_of(|| drop(poll_now(host)));
        assert!(said.contains("closed the runtime's poller"), "{said}");
    });
}

#[test]
fn a_bell_that_the_program_closed_is_told_in_a_panic() {
    alone("refused::a_bell_that_the_program_closed_is_told_in_a_panic", || {
        let host = Host::new().unwrap();
        let sleeper = || host.carrier_sleep(CarrierId(0), None, Some(&mut Events::new()));
        thread::spawn(sleeper);
        thread::sleep(Duration::from_millis(50));
        drop(descriptor("anon_inode:[eventfd]"));
        let said = panic_of(|| host.carrier_wake(CarrierId(0)));
        assert!(said.contains("closed the runtime's eventfd"), "{said}");
    });
}

#[test]
fn without_descriptors_there_is_no_host_and_with_them_there_is() {
    alone("refused::without_descriptors_there_is_no_host_and_with_them_there_is", || {
        // Poller, bell, and one for a moment while guards are probed.
        let free = [(); 3].map(|()| fs::File::open("/dev/null").unwrap());
        let free = free.map(|file| file.as_raw_fd() as u64);
        let open = super::open_descriptors().len();
        for number in free {
            let mapped = mapped_bytes();
            let before = limit(libc::RLIMIT_NOFILE, number);
            let refusal = Host::new().err();
            limit(libc::RLIMIT_NOFILE, before);
            // A kernel without guard markers is not probed that far.
            match refusal {
                Some(refusal) => assert_told(refusal, EMFILE, &["descriptor", "ulimit -n"]),
                None => assert_eq!(number, free[2], "{free:?}"),
            }
            assert!(super::open_descriptors().len() == open || refusal.is_none(), "left open");
            assert!(mapped_bytes() == mapped || refusal.is_none(), "left mapped");
        }
        poll_now(Host::new().unwrap());
    });
}

/// Whether write(2) can read from it.
pub fn is_readable(address: usize) -> bool {
    let (_reader, writer) = io::pipe().unwrap();
    // SAFETY: the kernel checks the address.
    let count = unsafe { libc::write(writer.as_raw_fd(), address as *const _, 8) };
    assert!(count == 8 || io::Error::last_os_error().raw_os_error() == Some(EFAULT));
    count == 8
}

#[test]
fn a_reserve_that_is_refused_is_not_counted() {
    alone("refused::a_reserve_that_is_refused_is_not_counted", || {
        refuse_all_but_mappings();
        let host = Host::new().unwrap();
        let before = limit(libc::RLIMIT_AS, 1 << 20);
        for _ in 0..100 {
            let refusal = host.stack_reserve(StackClass::K64).unwrap_err();
            assert_eq!(self::number(refusal), ENOMEM);
        }
        limit(libc::RLIMIT_AS, before);
        let mut reserved = 0;
        let limit = loop {
            match host.stack_reserve(StackClass::K64) {
                Ok(()) => reserved += 1,
                Err(PlatformError::Limit { limit, .. }) => break limit,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(reserved, limit);
    });
}

/// As mlockall(2) with MCL_FUTURE would, but for one page, which needs no privilege.
fn lock(page: usize) {
    // SAFETY: touches no memory of ours; the kernel checks the address.
    let refused = unsafe { libc::mlock2(page as *const _, 1, libc::MLOCK_ONFAULT) };
    let error = io::Error::last_os_error();
    assert_eq!(refused, 0, "one page cannot be locked, so this shows nothing: {error}");
}

/// A stack of the 64 KiB ones, whose guard will lie in locked memory; `below` is the one before it.
fn reserve_locked(host: &Host, below: &Stack) {
    host.stack_reserve(StackClass::K64).unwrap();
    lock(below.top.next_multiple_of(page_bytes()));
}

#[test]
fn in_locked_memory_guards_are_mappings() {
    alone("refused::in_locked_memory_guards_are_mappings", || {
        let host = Host::new().unwrap();
        let mut below = take(host, StackClass::K64);
        for _ in 0..3 {
            reserve_locked(host, &below);
            let stack = host.stack_alloc(StackClass::K64).unwrap();
            assert!(stack.limit > below.top, "the one that was locked");
            assert!(is_readable(stack.limit) && !is_readable(stack.limit - 8));
            below = stack;
        }
        let stack = take(host, StackClass::K64);
        assert!(is_readable(stack.limit) && !is_readable(stack.limit - 8), "not locked");
    });
}

/// Refused once, granted in name later: the stack is the same, and whole.
#[test]
fn a_stack_whose_guard_is_refused_is_had_later() {
    alone("refused::a_stack_whose_guard_is_refused_is_had_later", || {
        let host = Host::new().unwrap();
        host.stack_reserve(StackClass::M1).unwrap();
        let answers = [-i64::from(ENOMEM), -i64::from(EAGAIN), 0];
        match host.stack_alloc(StackClass::K64) {
            Err(PlatformError::Limit { limit: 0, .. }) => {}
            other => panic!("{other:?}"),
        }
        // By marker or by mapping, whichever it is here.
        answer(with(libc::SYS_madvise, 2, GUARD_INSTALL), &answers);
        for errno in [ENOMEM, EAGAIN] {
            match host.stack_alloc(StackClass::M1) {
                Err(refusal) => assert_told(refusal, errno, &["guard", "65536 bytes"]),
                Ok(_) if answers_given() == 0 => return,
                Ok(stack) => panic!("{stack:?}"),
            }
        }
        let stack = host.stack_alloc(StackClass::M1).unwrap();
        assert_eq!(stack.class, StackClass::M1);
        assert!(host.stack_alloc(StackClass::M1).is_err(), "one was reserved");
    });
}

#[test]
fn a_class_has_four_million_stacks_and_says_so() {
    alone("refused::a_class_has_four_million_stacks_and_says_so", || {
        let host = Host::new().unwrap();
        let mut reserved = 0;
        let refusal = loop {
            match host.stack_reserve(StackClass::K64) {
                Ok(()) => reserved += 1,
                Err(refusal) => break refusal,
            }
        };
        match refusal {
            PlatformError::Limit { what: "stacks of one size class", limit } => {
                assert_eq!((limit, reserved), (1 << 22, 1 << 22));
            }
            // A kernel without guard markers, or a machine with less address space.
            PlatformError::Limit { limit, .. } => assert_eq!(limit, reserved),
            other => assert_eq!(number(other), ENOMEM),
        }
    });
}
