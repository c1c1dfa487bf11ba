//! What ends while somebody is about to use it: executors, channels, records, meetings.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: entries have nothing in their payload.
#![allow(missing_docs, unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift::sync::{Barrier, channel};
use drift::{ConcurrencyError, spawn, yield_now};
use drift_core::error::ConcurrencyError as CoreError;
use drift_core::platform::{CarrierId, StackClass};
use drift_core::runtime::Runtime;
use drift_core::runtime::shutdown::Shutdown;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::{ExecutorPolicy, Saturation};
use drift_core::sync::semaphore::Semaphore;
use drift_core::task::{Entry, Handle, Payload, Run};
use drift_core::time::{Instant, MILLISECOND};
use drift_core::wait::Wait;
use drift_pal::process;
use drift_sim::{Sim, seeds, thread};

thread_local! {
    /// Of the world that this OS thread plays: how often the one in question ran, or was dropped.
    static ENDED: Cell<u32> = const { Cell::new(0) };
    /// Whether those that take long may end.
    static LET_GO: Cell<bool> = const { Cell::new(false) };
}

unsafe fn counts(_: *mut Payload) {
    ENDED.set(ENDED.get() + 1);
}

unsafe fn nothing(_: *mut Payload) {}

unsafe fn takes_long(_: *mut Payload) {
    while !LET_GO.get() {
        runtime().yield_now();
    }
}

unsafe fn parks(_: *mut Payload) {
    let runtime = runtime();
    while !runtime.is_cancelled() {
        runtime.park(Instant::FAR);
    }
}

fn runtime() -> &'static Runtime {
    process::runtime().unwrap()
}

fn submit(executor: ExecutorRef, handle: Handle) -> Result<(), CoreError> {
    // SAFETY: nothing here keeps across a wait what belongs to its OS thread.
    unsafe { executor.submit(handle) }
}

fn new(run: Run, discard: Run) -> Handle {
    let entry = Entry { run, discard, payload: Payload::EMPTY };
    // SAFETY: nothing is in its payload, but what the test keeps until the end.
    unsafe { runtime().spawn(entry, StackClass::K64) }.unwrap()
}

/// A carrier lets go of what has ended a little later.
fn wait_until_alone() {
    wait_until(1);
}

/// Until no more than `left` virtual threads have records.
fn wait_until(left: usize) {
    let runtime = runtime();
    for _ in 0..1_000 {
        if runtime.virtual_threads().count() == left {
            return;
        }
        runtime.park(runtime.platform().now() + MILLISECOND);
    }
    panic!("records are kept: {:?}", runtime.virtual_threads().collect::<Vec<_>>());
}

/// The executor's place in the table, which another one may get.
fn place_of(executor: ExecutorRef) -> i64 {
    runtime().executor_handle(executor) & 0xff
}

/// A submit, perhaps one that waits for a place, beside a shutdown, and beside somebody who
/// cancels the virtual thread or gives it up: it runs once or is dropped once, and its record is
/// free.
fn submit_beside_a_shutdown(seed: u64) {
    let policy = ExecutorPolicy {
        queue_limit: (seed / 3 % 2) as u32,
        saturation: Saturation::Block,
        ..ExecutorPolicy::DEFAULT
    };
    let executor = runtime().create_executor(policy).unwrap();
    let holder = new(parks, nothing);
    submit(executor, holder).unwrap();
    let one = new(counts, counts);
    ENDED.set(0);
    let answer = Rc::new(Cell::new(None));
    let place = Rc::clone(&answer);
    let submits = thread::spawn(move || place.set(Some(submit(executor, one))));
    let shuts = thread::spawn(move || {
        let handle = runtime().executor_handle(executor);
        runtime().shutdown(handle, Shutdown::Cancel, Instant::FAR).unwrap();
    });
    let meddles = thread::spawn(move || match seed % 3 {
        0 => drop(runtime().cancel(one)),
        1 => runtime().abandon(one),
        _ => {}
    });
    submits.join();
    shuts.join();
    meddles.join();
    let answer = answer.take().expect("it was submitted");
    assert!(matches!(answer, Ok(()) | Err(CoreError::Closed)), "{answer:?}");
    if answer.is_ok() && seed % 3 != 1 {
        assert!(runtime().join(one, Instant::FAR));
    } else {
        runtime().abandon(one);
    }
    assert!(runtime().join(holder, Instant::FAR));
    wait_until_alone();
    assert_eq!(ENDED.get(), 1, "ran or dropped");
    let next = runtime().create_executor(policy).unwrap();
    assert_eq!(place_of(next), place_of(executor), "somebody is counted who is gone");
}

#[test]
fn a_submit_beside_a_shutdown_is_accepted_or_refused_whole() {
    for seed in seeds(4_000) {
        Sim::new(seed).carriers(1 + (seed / 6 % 3) as u32).run(|| submit_beside_a_shutdown(seed));
    }
}

/// A send that finds no room, and then nobody who would make any.
#[test]
fn a_send_beside_the_last_receiver_ends() {
    for seed in seeds(2_000) {
        Sim::new(seed).carriers(3).run(|| {
            let (to, from) = channel::bounded::<u8>(1);
            to.send(0).unwrap();
            let senders = [1, 2].map(|value| {
                let to = to.clone();
                spawn(move || to.send(value).is_err())
            });
            yield_now();
            let received = from.recv().is_ok();
            drop(from);
            let refused = senders.map(|sender| sender.join().unwrap());
            assert!(received && refused.contains(&true), "one fits, two do not");
        });
    }
}

/// Several who find an unbounded channel full at once, and each make it larger.
#[test]
fn sends_beside_each_other_lose_nothing_when_the_channel_grows() {
    for seed in seeds(1_000) {
        Sim::new(seed).carriers(3).run(|| {
            let (to, from) = channel::unbounded::<usize>();
            let senders = [0, 1, 2].map(|number| {
                let to = to.clone();
                spawn(move || (0..40).for_each(|value| to.send(3 * value + number).unwrap()))
            });
            for sender in senders {
                sender.join().unwrap();
            }
            drop(to);
            let mut all: Vec<_> = std::iter::from_fn(|| from.recv().ok()).collect();
            all.sort_unstable();
            assert_eq!(all, (0..120).collect::<Vec<_>>());
        });
    }
}

/// Cancelled just when the last one comes: it has met, or it has not, but all agree.
#[test]
fn a_cancel_beside_a_meeting_is_before_it_or_after() {
    for seed in seeds(2_000) {
        Sim::new(seed).carriers(3).run(|| {
            let barrier = Arc::new(Barrier::new(2));
            let waits = barrier.clone();
            let first = spawn(move || waits.wait());
            yield_now();
            let comes = spawn(move || barrier.wait());
            first.cancel();
            match first.join() {
                Ok(Ok(_)) => assert!(comes.join().unwrap().is_ok()),
                Ok(Err(error)) | Err(error) => {
                    assert_eq!(error, ConcurrencyError::Cancelled);
                    // Nobody else comes.
                    comes.cancel();
                    assert!(!matches!(comes.join(), Ok(Ok(_))), "a meeting of one");
                }
            }
        });
    }
}

/// Two submits of the same beside a shutdown: if one is told that it was accepted, it ends.
#[test]
fn of_two_submits_beside_a_shutdown_no_accepted_one_is_lost() {
    for seed in seeds(6_000) {
        Sim::new(seed).carriers(2).run(|| {
            let executor = runtime().create_executor(ExecutorPolicy::DEFAULT).unwrap();
            let one = new(nothing, nothing);
            let accepted = Rc::new(Cell::new(false));
            let submits = [0, 1].map(|_| {
                let accepted = Rc::clone(&accepted);
                thread::spawn(move || {
                    if submit(executor, one).is_ok() {
                        accepted.set(true);
                    }
                })
            });
            let shuts = thread::spawn(move || {
                let handle = runtime().executor_handle(executor);
                runtime().shutdown(handle, Shutdown::Cancel, Instant::FAR).unwrap();
            });
            for submit in submits {
                submit.join();
            }
            shuts.join();
            if accepted.get() {
                assert!(runtime().join(one, Instant::FAR));
            } else {
                runtime().abandon(one);
            }
            wait_until_alone();
        });
    }
}

/// The next executor may have the place of the one that is shut down.
#[test]
fn a_shutdown_does_not_touch_the_next_life_of_the_place() {
    for seed in seeds(6_000) {
        Sim::new(seed).carriers(2).run(|| {
            let executor = runtime().create_executor(ExecutorPolicy::DEFAULT).unwrap();
            let first = new(nothing, nothing);
            submit(executor, first).unwrap();
            let one = new(counts, nothing);
            ENDED.set(0);
            let next = Rc::new(Cell::new(None));
            let place = Rc::clone(&next);
            let submits = thread::spawn(move || {
                if submit(executor, one).is_err() {
                    let next = runtime().create_executor(ExecutorPolicy::DEFAULT).unwrap();
                    submit(next, one).unwrap();
                    place.set(Some(next));
                }
            });
            // Several, so that one may have ended it while another looks.
            let shutdowns = [(); 4].map(|()| {
                thread::spawn(move || {
                    let handle = runtime().executor_handle(executor);
                    runtime().shutdown(handle, Shutdown::Cancel, Instant::FAR).unwrap();
                })
            });
            submits.join();
            for shutdown in shutdowns {
                shutdown.join();
            }
            assert!(runtime().join(first, Instant::FAR));
            assert!(runtime().join(one, Instant::FAR));
            if let Some(next) = next.take() {
                assert_eq!(ENDED.get(), 1, "cancelled by the shutdown of another");
                let handle = runtime().executor_handle(next);
                runtime().shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
            }
            wait_until_alone();
        });
    }
}

/// A shutdown that has no time, beside a submit and a cancel: the executor's carriers end without
/// a second one.
#[test]
fn an_executor_that_nobody_waits_for_ends_by_itself() {
    for seed in seeds(6_000) {
        Sim::new(seed).carriers(2).run(|| {
            let executor = runtime().create_executor(ExecutorPolicy::DEFAULT).unwrap();
            LET_GO.set(seed % 2 == 0);
            let (first, one) = (new(nothing, nothing), new(nothing, takes_long));
            submit(executor, first).unwrap();
            assert!(runtime().join(first, Instant::FAR));
            wait_until(2);
            let submits = thread::spawn(move || {
                let _ = submit(executor, one);
            });
            let shuts = thread::spawn(move || {
                let handle = runtime().executor_handle(executor);
                runtime().shutdown(handle, Shutdown::Drain, Instant::ZERO).unwrap();
            });
            let cancels = thread::spawn(move || {
                runtime().cancel(one);
            });
            submits.join();
            shuts.join();
            runtime().park(runtime().platform().now() + 20 * MILLISECOND);
            LET_GO.set(true);
            cancels.join();
            runtime().abandon(one);
            wait_until_alone();
            runtime().park(runtime().platform().now() + 20 * MILLISECOND);
            let next = runtime().create_executor(ExecutorPolicy::DEFAULT).unwrap();
            assert_eq!(place_of(next), place_of(executor), "it was left closed, with its carriers");
        });
    }
}

/// How many carriers have an OS thread.
fn alive() -> usize {
    let platform = runtime().platform();
    // SAFETY: a world only looks whether the thread is over.
    (0..16).filter(|id| unsafe { !platform.carrier_is_gone(CarrierId(*id)) }).count()
}

/// Two shutdowns at once, which have no time: one that reports no carriers does so when their OS
/// threads are gone, also while the other looks at them.
#[test]
fn of_two_shutdowns_none_says_too_early_that_the_carriers_are_gone() {
    let mut said = [0_u64; 2];
    for seed in seeds(6_000) {
        let (left, gone) = Sim::new(seed).carriers(2).run(|| {
            let before = alive();
            let policy = ExecutorPolicy { max_threads: 2, ..ExecutorPolicy::DEFAULT };
            let executor = runtime().create_executor(policy).unwrap();
            let tasks = [(); 2].map(|()| new(nothing, nothing));
            for task in tasks {
                submit(executor, task).unwrap();
            }
            for task in tasks {
                assert!(runtime().join(task, Instant::FAR));
            }
            let handle = runtime().executor_handle(executor);
            let shut = move || {
                let report = runtime().shutdown(handle, Shutdown::Drain, Instant::ZERO).unwrap();
                let is_told = report.timed_out == 0 && report.carriers == 0;
                assert!(!is_told || alive() == before, "{report:?}, and threads are left");
                is_told
            };
            let shutdowns = [(); 6].map(|()| thread::spawn(shut));
            let told = shutdowns.map(|shutdown| u64::from(shutdown.join())).iter().sum::<u64>();
            runtime().shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
            assert_eq!(alive(), before);
            (6 - told, told)
        });
        said = [said[0] + left, said[1] + gone];
    }
    assert!(said.iter().all(|times| *times > 0), "{said:?} are left and gone");
}

/// As many as are let through under one hold of the lock.
const MANY: usize = 16;

/// Waits for a permit; the last to have one ends the semaphore.
fn passes(semaphore: *mut Semaphore, left: &AtomicUsize) {
    // SAFETY: never freed, and in use until the last has left.
    unsafe { &*semaphore }.acquire(1, &Wait::new(runtime())).unwrap();
    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
        // SAFETY: all have left, and only who let them through is to be seen.
        unsafe { semaphore.cast::<u8>().write_bytes(0xff, size_of::<Semaphore>()) };
    }
}

/// The last of many to be let through ends what they waited in: nobody looks at it any more.
#[test]
fn who_is_let_through_last_may_end_the_semaphore() {
    for seed in seeds(2_000) {
        Sim::new(seed).carriers(3).run(|| {
            let semaphore: *mut Semaphore = Box::leak(Box::new(Semaphore::new(0)));
            let place = semaphore.expose_provenance();
            let left = Arc::new(AtomicUsize::new(MANY));
            let waits = || {
                let left = Arc::clone(&left);
                move || passes(ptr::with_exposed_provenance_mut(place), &left)
            };
            let of_os = [0, 8, MANY][(seed % 3) as usize];
            let threads: Vec<_> = (0..of_os).map(|_| thread::spawn(waits())).collect();
            let virtual_threads: Vec<_> = (of_os..MANY).map(|_| spawn(waits())).collect();
            (0..seed % 8).for_each(|_| yield_now());
            // SAFETY: as for those who wait.
            unsafe { &*semaphore }.release(MANY as u32);
            threads.into_iter().for_each(thread::JoinHandle::join);
            virtual_threads.into_iter().for_each(|one| one.join().unwrap());
        });
    }
}
