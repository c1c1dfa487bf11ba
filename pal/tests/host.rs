//! The conformance suite on `Host`, and what only Linux can be asked.
//!
//! # Safety
//!
//! System calls on descriptors and memory that each test owns.
#![allow(unsafe_code)]
#![cfg(all(target_os = "linux", not(loom)))]

#[path = "host/beyond.rs"]
mod beyond;
#[path = "host/carriers.rs"]
mod carriers;
#[path = "host/filter.rs"]
mod filter;
#[path = "host/forked.rs"]
mod forked;
#[path = "host/priority.rs"]
mod priority;
#[path = "host/refused.rs"]
mod refused;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;

use drift_core::platform::{
    Armed, CarrierId, EVENTS, Events, Interest, Platform, PlatformError, Source, Stack, StackClass,
};
use drift_core::time::Instant;
use drift_pal::Host;
use drift_tests::conformance::{self, Wire, World};
use drift_tests::for_each_promise;

/// A host of its own, and a pair of connected sockets.
struct Machine {
    host: &'static Host,
    near: UnixStream,
    far: Mutex<Option<UnixStream>>,
}

impl Machine {
    fn new() -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        Self { host: Host::new().unwrap(), near, far: Mutex::new(Some(far)) }
    }
}

impl World for Machine {
    fn platform(&self) -> &'static dyn Platform {
        self.host
    }

    fn beside(&self, other: &(dyn Fn() + Sync), this: &mut dyn FnMut()) {
        thread::scope(|scope| {
            scope.spawn(other);
            this();
        });
    }

    fn wire(&self) -> Option<&dyn Wire> {
        Some(self)
    }
}

impl Wire for Machine {
    fn source(&self) -> Source {
        Source(self.near.as_raw_fd() as u32)
    }

    fn send(&self) {
        self.far.lock().unwrap().as_ref().unwrap().write_all(b"x").unwrap();
    }

    fn receive(&self) {
        let mut bytes = [0; 64];
        while (&self.near).read(&mut bytes).is_ok_and(|count| count > 0) {}
    }

    fn hang_up(&self) {
        *self.far.lock().unwrap() = None;
    }
}

macro_rules! tests {
    ($($promise:ident)*) => {
        mod promises {
            $(
                #[test]
                fn $promise() {
                    super::conformance::$promise(&super::Machine::new());
                }
            )*
        }
    };
}
for_each_promise!(tests);

fn source(file: &impl std::os::fd::AsRawFd) -> Source {
    Source(file.as_raw_fd() as u32)
}

fn poll_now(host: &Host) -> Events {
    let mut events = Events::new();
    host.carrier_sleep(CarrierId(0), Some(Instant::ZERO), Some(&mut events));
    events
}

fn take(host: &Host, class: StackClass) -> Stack {
    host.stack_reserve(class).unwrap();
    host.stack_alloc(class).unwrap()
}

#[test]
fn a_host_shows_its_poller() {
    assert!(format!("{:?}", Host::new().unwrap()).starts_with("Host { poller: "));
}

#[test]
fn a_regular_file_is_always_ready_and_said_to_be() {
    let host = Host::new().unwrap();
    let file = File::open("/proc/self/exe").unwrap();
    for _ in 0..2 {
        let answer = host.io_arm(source(&file), 1, Interest::READ);
        assert_eq!(answer, Err(PlatformError::NotPollable));
    }
}

#[test]
fn a_closed_descriptor_is_ebadf() {
    let host = Host::new().unwrap();
    for number in [u32::MAX, i32::MAX as u32] {
        let answer = host.io_arm(Source(number), 1, Interest::READ);
        assert_eq!(answer, Err(PlatformError::Code(libc::EBADF as u32)));
    }
}

#[test]
fn a_number_that_is_closed_and_used_again_is_new_again() {
    let host = Host::new().unwrap();
    // A number far above what other tests get, so that it is nobody else's in between.
    const NUMBER: i32 = 900;
    let put = |stream: UnixStream| {
        // SAFETY: nobody else uses the number; the file that takes it owns it.
        unsafe { assert_eq!(libc::dup2(stream.as_raw_fd(), NUMBER), NUMBER) };
        // SAFETY: as above.
        unsafe { UnixStream::from_raw_fd(NUMBER) }
    };
    let (first, _first) = UnixStream::pair().unwrap();
    let first = put(first);
    assert_eq!(host.io_arm(source(&first), 1, Interest::READ), Ok(Armed::New));
    assert_eq!(host.io_arm(source(&first), 1, Interest::READ), Ok(Armed::Again));
    drop(first);
    let answer = host.io_arm(Source(NUMBER as u32), 1, Interest::READ);
    assert_eq!(answer, Err(PlatformError::Code(libc::EBADF as u32)));
    let (second, mut far) = UnixStream::pair().unwrap();
    let second = put(second);
    assert_eq!(host.io_arm(source(&second), 2, Interest::READ), Ok(Armed::New));
    far.write_all(b"x").unwrap();
    assert_eq!(poll_now(host)[0].token, 2);
}

#[test]
fn signals_do_not_end_a_sleep() {
    extern "C" fn nothing(_: i32) {}
    let host = Host::new().unwrap();
    // SAFETY: a handler that does nothing; nobody else here uses the signal.
    unsafe { libc::signal(libc::SIGUSR1, nothing as *const () as usize) };
    // SAFETY: names the calling thread.
    let sleeper = unsafe { libc::pthread_self() };
    for polls in [false, true] {
        let until = Instant(host.now().0 + 10_000_000);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..5 {
                    thread::sleep(std::time::Duration::from_millis(1));
                    // SAFETY: the sleeper joins this thread, so it lives.
                    unsafe { libc::pthread_kill(sleeper, libc::SIGUSR1) };
                }
            });
            let mut events = Events::new();
            host.carrier_sleep(CarrierId(0), Some(until), polls.then_some(&mut events));
            assert!(host.now() >= until, "polls: {polls}");
        });
    }
}

fn open_descriptors() -> Vec<i32> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Address space of this process; see proc_pid_statm(5).
fn mapped_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    pages * page_bytes() as u64
}

fn page_bytes() -> usize {
    // SAFETY: asks for a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

#[test]
fn descriptors_of_a_host_are_close_on_exec() {
    let _host = Host::new().unwrap();
    for fd in open_descriptors() {
        let name = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        let name = name.to_string_lossy();
        if name == "anon_inode:[eventpoll]" || name == "anon_inode:[eventfd]" {
            // SAFETY: asks for a flag; the descriptor may be gone, which is an error.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            assert!(flags < 0 || flags & libc::FD_CLOEXEC != 0, "{fd}: {name}");
        }
    }
}

#[test]
fn more_events_than_fit_come_with_the_next_poll() {
    let host = Host::new().unwrap();
    let wires: Vec<_> = (0..EVENTS + 50).map(|_| UnixStream::pair().unwrap()).collect();
    for (token, (near, _)) in (0..).zip(&wires) {
        host.io_arm(source(near), token, Interest::WRITE).unwrap();
    }
    let mut tokens = Vec::new();
    while tokens.len() < wires.len() {
        let events = poll_now(host);
        assert!(!events.is_empty(), "{} of {} came", tokens.len(), wires.len());
        tokens.extend(events.iter().map(|event| event.token));
    }
    tokens.sort_unstable();
    assert!((0..).zip(&tokens).all(|(expected, token)| expected == *token));
}

#[test]
fn a_half_close_is_readable_and_a_refused_connection_is_an_error() {
    let host = Host::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    host.io_arm(source(&near), 1, Interest::READ).unwrap();
    assert!(poll_now(host).is_empty());
    far.shutdown(std::net::Shutdown::Write).unwrap();
    let mut events = Events::new();
    host.carrier_sleep(CarrierId(0), None, Some(&mut events));
    assert_eq!((events[0].token, events[0].ready), (1, Interest::READ));
}

#[test]
fn the_guard_of_a_stack_cannot_be_read_and_its_lowest_bytes_can() {
    let host = Host::new().unwrap();
    let (reader, writer) = io::pipe().unwrap();
    let write = |address: usize| {
        // SAFETY: the kernel checks the address, and answers EFAULT for what we cannot read.
        let count = unsafe { libc::write(writer.as_raw_fd(), address as *const _, 8) };
        if count == 8 { Ok(()) } else { Err(io::Error::last_os_error().raw_os_error().unwrap()) }
    };
    for class in StackClass::ALL {
        for stack in [(); 3].map(|()| take(host, class)) {
            assert_eq!(write(stack.limit), Ok(()));
            assert_eq!(write(stack.limit - 8), Err(libc::EFAULT), "{class:?}");
            assert_eq!(write(stack.limit - 4096), Err(libc::EFAULT), "{class:?}");
        }
    }
    drop(reader);
}

#[test]
fn guards_outlast_use_and_reuse() {
    let host = Host::new().unwrap();
    let (_reader, writer) = io::pipe().unwrap();
    for _ in 0..2 {
        // Above the high water of the class, so that memory is given back in between.
        let out: Vec<_> = (0..400).map(|_| take(host, StackClass::M8)).collect();
        for stack in out {
            let guard = (stack.limit - 8) as *const _;
            // SAFETY: as above.
            assert_eq!(unsafe { libc::write(writer.as_raw_fd(), guard, 8) }, -1);
            // SAFETY: taken above; nothing runs on it.
            unsafe { host.stack_free(stack) };
        }
    }
}

#[test]
fn a_hundred_thousand_stacks_are_a_few_mappings() {
    let host = Host::new().unwrap();
    let mappings = || fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let before = mappings();
    let count = 100_000;
    for taken in 0..count {
        match host.stack_reserve(StackClass::K64) {
            Ok(()) => drop(host.stack_alloc(StackClass::K64).unwrap()),
            Err(PlatformError::Limit { what, limit }) => {
                // A kernel without guard markers: the limit is the one that the error states.
                assert_eq!(taken, limit, "{what}");
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let after = mappings();
    // Other tests map as well; each stack must not, but for those that a kernel before 6.13 guards
    // by mappings, before it makes others.
    let most = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let most = most.trim().parse::<usize>().unwrap() - 1024;
    assert!(after < before + 500 || (50_000..most).contains(&after), "{before} became {after}");
}

/// While it is held no other test forks: a child has the files of all tests until it ends.
fn lone_fork() -> std::sync::MutexGuard<'static, ()> {
    static FORKS: Mutex<()> = Mutex::new(());
    FORKS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn errno_is_the_words_errno() {
    let host = Host::new().unwrap();
    // SAFETY: the calling thread's own.
    unsafe { host.thread_words().errno.write(libc::ENOTTY) };
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOTTY));
    let _ = host.io_arm(Source(u32::MAX - 1), 1, Interest::READ);
    let _ = host.now();
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOTTY), "kept by the host");
}

#[test]
fn a_forks_child_makes_a_host_of_its_own() {
    let _forks = lone_fork();
    let ours = Host::new().unwrap();
    // SAFETY: the child calls nothing that takes a lock of the parent's threads, and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let Ok(host) = Host::new() else {
            // SAFETY: ends the process.
            unsafe { libc::_exit(1) }
        };
        host.carrier_wake(CarrierId(0));
        host.carrier_sleep(CarrierId(0), None, Some(&mut Events::new()));
        let stack = host.stack_reserve(StackClass::K64).and(host.stack_alloc(StackClass::K64));
        // SAFETY: ends the process.
        unsafe { libc::_exit(if stack.is_ok() { 0 } else { 2 }) }
    }
    let mut status = -1;
    // SAFETY: writes the status of our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert!(poll_now(ours).is_empty(), "the child's wake was its own");
}

#[test]
fn a_file_that_is_closed_while_armed_is_forgotten() {
    let _forks = lone_fork();
    let host = Host::new().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    host.io_arm(source(&near), 1, Interest::WRITE).unwrap();
    // SAFETY: ours, and closed once.
    unsafe { libc::close(near.into_raw_fd()) };
    drop(far);
    assert!(poll_now(host).is_empty());
}
