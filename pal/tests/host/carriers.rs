//! Carriers and the runtime where the kernel refuses or interrupts.
//!
//! | refused                                     | comes to                                       |
//! |---------------------------------------------|------------------------------------------------|
//! | address space                               | no runtime, no virtual thread; later there is; |
//! |                                             | nothing is left of the try                     |
//! | a thread, the memory of its signal stack    | `Failed` from the submit; nothing has changed  |
//! | the end of a thread, for a while            | a wait for it                                  |
//! | any wait, by signals                        | the same wait again                            |
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use drift_core::error::ConcurrencyError;
use drift_core::platform::{
    CarrierId, Events, Interest, Platform, PlatformError, Poll, Source, StackClass,
};
use drift_core::runtime::Runtime;
use drift_core::runtime::shutdown::Shutdown;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::{Entry, Handle, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::{Host, process};
use libc::{EAGAIN, ENOMEM, ESRCH};

use super::beyond::refuse_all_but_mappings;
use super::filter::{
    Alarms, Call, alone, alone_with, answer, answers_given, every, limit, refuse, with,
};
use super::refused::{assert_told, number};
use super::{mapped_bytes, open_descriptors, page_bytes, source, take};

/// Virtual threads of these tests that ran, and that were dropped instead.
static RAN: AtomicU32 = AtomicU32::new(0);
static DROPPED: AtomicU32 = AtomicU32::new(0);

unsafe fn run(_: *mut Payload) {
    RAN.fetch_add(1, Ordering::SeqCst);
}

unsafe fn discard(_: *mut Payload) {
    DROPPED.fetch_add(1, Ordering::SeqCst);
}

fn spawn(runtime: &'static Runtime) -> Result<Handle, PlatformError> {
    let entry = Entry { run, discard, payload: Payload::EMPTY };
    // SAFETY: both only count.
    unsafe { runtime.spawn(entry, StackClass::K64) }
}

fn submit(executor: ExecutorRef, handle: Handle) -> Result<(), ConcurrencyError> {
    // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
    unsafe { executor.submit(handle) }
}

fn new_runtime() -> &'static Runtime {
    // SAFETY: the host is this runtime's own.
    unsafe { Runtime::new(Host::new().unwrap(), 0) }.unwrap()
}

#[test]
fn without_address_space_there_is_no_runtime_and_with_it_there_is() {
    alone("carriers::without_address_space_there_is_no_runtime_and_with_it_there_is", || {
        let host = Host::new().unwrap();
        let before = limit(libc::RLIMIT_AS, 1 << 20);
        let hosts = Host::new().err();
        // SAFETY: as in `new_runtime`; a runtime that failed is none.
        let runtimes = unsafe { Runtime::new(host, 0) }.err();
        let processes = process::runtime().err();
        let stacks = StackClass::ALL.map(|class| host.stack_reserve(class));
        limit(libc::RLIMIT_AS, before);
        let tables = [hosts, runtimes, processes].map(Option::unwrap);
        let stacks = stacks.map(Result::unwrap_err);
        for (refusals, what) in [(&tables[..], "for a table"), (&stacks[..], "for stacks")] {
            for refusal in refusals {
                assert_told(*refusal, ENOMEM, &["address space", what, " bytes", "ulimit -v"]);
            }
        }
        for class in StackClass::ALL {
            assert_eq!(take(host, class).class, class);
        }
        let runtime = process::runtime().unwrap();
        let task = spawn(runtime).unwrap();
        submit(runtime.default_executor(), task).unwrap();
        assert!(runtime.join(task, Instant::FAR));
    });
}

/// Refused at one table after the other, until there is room for all.
#[test]
fn a_runtime_that_cannot_be_made_leaves_nothing() {
    alone("carriers::a_runtime_that_cannot_be_made_leaves_nothing", || {
        let page = page_bytes() as u64;
        let mut room = page;
        let mut refused = 0;
        loop {
            let found = (open_descriptors(), mapped_bytes());
            let before = limit(libc::RLIMIT_AS, mapped_bytes() + room);
            let made = process::runtime();
            limit(libc::RLIMIT_AS, before);
            let Err(refusal) = made else { break };
            assert_eq!(number(refusal), ENOMEM);
            assert_eq!((open_descriptors(), mapped_bytes()), found, "with {room} bytes");
            room += (room / 32).max(page);
            refused += 1;
        }
        assert!(refused > 100, "refused {refused} times");
        spawn(process::runtime().unwrap()).unwrap();
    });
}

#[test]
fn a_spawn_without_address_space_is_refused_and_leaves_nothing() {
    alone("carriers::a_spawn_without_address_space_is_refused_and_leaves_nothing", || {
        let runtime = new_runtime();
        let before = limit(libc::RLIMIT_AS, 1 << 20);
        let refused = (0..100).map(|_| spawn(runtime)).collect::<Vec<_>>();
        limit(libc::RLIMIT_AS, before);
        assert!(refused.iter().all(|spawned| number(spawned.unwrap_err()) == ENOMEM));
        let task = spawn(runtime).unwrap();
        submit(runtime.default_executor(), task).unwrap();
        assert!(runtime.join(task, Instant::FAR));
    });
}

/// Many of one class, all ended, then as many of another, on one executor after the other: nothing
/// that is over keeps a guard from them.
#[test]
fn stacks_of_a_class_that_is_over_are_had_by_another() {
    alone("carriers::stacks_of_a_class_that_is_over_are_had_by_another", || {
        const COUNT: usize = 20_000;
        refuse_all_but_mappings();
        let runtime = *OURS.get_or_init(new_runtime);
        for carriers in [1, 2, 4] {
            let policy = ExecutorPolicy {
                min_threads: carriers,
                max_threads: carriers,
                ..ExecutorPolicy::DEFAULT
            };
            let executor = runtime.create_executor(policy).unwrap();
            for class in [StackClass::K64, StackClass::K256, StackClass::K64, StackClass::M1] {
                GO_ON.store(0, Ordering::SeqCst);
                let entry = Entry { run: wait_for_all, discard, payload: Payload::EMPTY };
                let spawn = |n| {
                    // SAFETY: both only count.
                    let spawned = unsafe { runtime.spawn(entry, class) };
                    spawned.unwrap_or_else(|why| panic!("{class:?} {n} on {carriers}: {why}"))
                };
                let all = (0..COUNT).map(spawn).collect::<Vec<_>>();
                all.iter().for_each(|task| submit(executor, *task).unwrap());
                all.iter().for_each(|task| assert!(runtime.join(*task, Instant::FAR)));
                assert_eq!(GO_ON.load(Ordering::SeqCst), COUNT, "all were alive at once");
            }
            let handle = runtime.executor_handle(executor);
            runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
        }
    });
}

/// Virtual threads that have come to their middle.
static GO_ON: AtomicUsize = AtomicUsize::new(0);
static OURS: OnceLock<&'static Runtime> = OnceLock::new();

unsafe fn wait_for_all(_: *mut Payload) {
    GO_ON.fetch_add(1, Ordering::SeqCst);
    while GO_ON.load(Ordering::SeqCst) < 20_000 {
        OURS.get().unwrap().yield_now();
    }
}

/// No carrier can be started: a submit says why, and the virtual thread is as it was.
fn submit_without_carriers(refused: &[Call], errno: i32, words: &[&str]) {
    let runtime = new_runtime();
    let others = runtime.create_executor(ExecutorPolicy::DEFAULT).unwrap();
    let task = spawn(runtime).unwrap();
    let answer = thread::scope(|scope| {
        // The filter is this thread's, and stays there.
        let submit = scope.spawn(|| {
            refuse(refused, errno);
            [runtime.default_executor(), others, others].map(|on| submit(on, task))
        });
        submit.join().unwrap()
    });
    for answer in answer {
        let Err(ConcurrencyError::Failed(refusal)) = answer else { panic!("{answer:?}") };
        assert_told(refusal, errno, words);
    }
    assert_eq!((RAN.load(Ordering::SeqCst), DROPPED.load(Ordering::SeqCst)), (0, 0));
    submit(others, task).unwrap();
    assert!(runtime.join(task, Instant::FAR));
    assert_eq!((RAN.load(Ordering::SeqCst), DROPPED.load(Ordering::SeqCst)), (1, 0));
    let dropped = spawn(runtime).unwrap();
    runtime.abandon(dropped);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
}

#[test]
fn a_submit_without_a_thread_is_refused_and_changes_nothing() {
    alone("carriers::a_submit_without_a_thread_is_refused_and_changes_nothing", || {
        let threads = [every(libc::SYS_clone), every(libc::SYS_clone3)];
        submit_without_carriers(&threads, EAGAIN, &["OS thread", " bytes", "ulimit -u"]);
    });
}

#[test]
fn a_submit_without_a_signal_stack_is_refused_and_changes_nothing() {
    alone("carriers::a_submit_without_a_signal_stack_is_refused_and_changes_nothing", || {
        let guards = with(libc::SYS_mprotect, 2, libc::PROT_NONE as u32);
        submit_without_carriers(&[guards], ENOMEM, &["signal stack", " bytes"]);
    });
}

/// What glibc keeps for libraries that are opened later comes out of a thread's stack too.
#[test]
fn a_stack_that_the_c_library_finds_too_small_is_larger() {
    let tunables = [("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=1000000")];
    let name = "carriers::a_stack_that_the_c_library_finds_too_small_is_larger";
    alone_with(&tunables, name, || {
        let runtime = new_runtime();
        let task = spawn(runtime).unwrap();
        submit(runtime.default_executor(), task).unwrap();
        assert!(runtime.join(task, Instant::FAR));
    });
}

#[test]
fn a_thread_that_is_slow_to_go_is_waited_for() {
    alone("carriers::a_thread_that_is_slow_to_go_is_waited_for", || {
        let runtime = new_runtime();
        let executor = runtime.create_executor(ExecutorPolicy::DEFAULT).unwrap();
        let task = spawn(runtime).unwrap();
        submit(executor, task).unwrap();
        // There for 150 looks, and then gone.
        let answers = [vec![0; 150], vec![-i64::from(ESRCH)]].concat();
        answer(every(libc::SYS_tgkill), &answers);
        let handle = runtime.executor_handle(executor);
        runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
        assert_eq!(answers_given(), 151);
        assert!(runtime.join(task, Instant::FAR));
    });
}

/// Ten times, since one may miss a race.
#[test]
fn the_first_callers_get_one_runtime() {
    (0..10).for_each(|_| {
        alone("carriers::the_first_callers_get_one_runtime", first_callers_get_one_runtime);
    });
}

fn first_callers_get_one_runtime() {
    // Those on a CPU go on within nanoseconds; a barrier wakes one after the other.
    let arrived = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 8 {
                    thread::yield_now();
                }
                let runtime = process::runtime().unwrap();
                found.lock().unwrap().push(std::ptr::from_ref(runtime).addr());
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.dedup();
    assert_eq!(found.len(), 1);
}

/// Every wait of the runtime, under a storm of signals that interrupt it.
#[test]
fn signals_that_restart_nothing_end_no_wait() {
    alone("carriers::signals_that_restart_nothing_end_no_wait", || {
        let runtime = new_runtime();
        let host = runtime.platform();
        let policy = ExecutorPolicy { min_threads: 2, max_threads: 2, ..ExecutorPolicy::DEFAULT };
        let executor = runtime.create_executor(policy).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let _alarms = Alarms::begin();
        for _ in 0..200 {
            let task = spawn(runtime).unwrap();
            submit(executor, task).unwrap();
            assert!(runtime.join(task, Instant::FAR));
            let until = host.now() + MILLISECOND / 2;
            // Parks nobody, as this is no virtual thread: it blocks.
            let word = drift_core::prim::AtomicU32::new(0);
            while host.now() < until {
                host.thread_wait(&word, 0, Some(until));
            }
        }
        let other = Host::new().unwrap();
        for token in 0..50 {
            let until = other.now() + MILLISECOND;
            other.carrier_sleep(CarrierId(0), Some(until), None);
            assert!(other.now() >= until, "early on the futex");
            let until = other.now() + MILLISECOND;
            other.carrier_sleep(CarrierId(0), Some(until), Some(&mut Events::new()));
            assert!(other.now() >= until, "early in the poller");
            other.io_arm(Source(near.as_raw_fd() as u32), token, Interest::WRITE).unwrap();
            let mut events = Events::new();
            other.carrier_sleep(CarrierId(0), None, Some(&mut events));
            assert_eq!(events[0].token, token);
            let mut polls = [Poll::new(source(&far), Interest::WRITE)];
            assert!(other.io_poll(&mut polls).is_ok());
            let until = other.now() + MILLISECOND;
            let quiet = [Poll::new(source(&far), Interest::READ)];
            let word = drift_core::prim::AtomicU32::new(0);
            while other.now() < until {
                assert!(!other.thread_poll(&word, 0, Some(until), &quiet), "nobody writes");
            }
        }
        let handle = runtime.executor_handle(executor);
        runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
        assert_eq!(RAN.load(Ordering::SeqCst), 200);
    });
}
