//! Everything at once, where every call may be refused.
//!
//! A virtual thread that was accepted runs once, or is cancelled; one that was refused never runs,
//! and its join says why. What they hold is dropped once in either case.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift::net::UnixStream;
use drift::sync::{Mutex, channel};
use drift::{ConcurrencyError, Duration, Executor, ExecutorPolicy, Instant, Saturation, Shutdown};
use drift::{VirtualThread, park_until, sleep, spawn_on, yield_now};
use drift_sim::Faults;
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::machine::os_thread;
use crate::program::Census;
use crate::refusal::is_refusal;

/// Everything is refused now and then, and nothing so often that nobody gets on.
pub const FAULTS: Faults = Faults {
    stack_reserve: 20_000,
    stack_alloc: 50_000,
    table: 10_000,
    thread_start: 300_000,
    io_arm: 30_000,
    spurious_wake: 50_000,
    late_wake: 5_000,
    clock_jump: 500,
    // Of sockets in memory.
    short_call: 0,
};

struct Choices(Pcg64Mcg);

impl Choices {
    fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }
}

fn ms(millis: u32) -> Duration {
    Duration::from_millis(i64::from(millis))
}

/// What one round shares.
#[derive(Clone)]
struct Shared {
    census: Arc<Census>,
    total: Arc<Mutex<usize>>,
    ran: Arc<AtomicUsize>,
}

pub fn round(seed: u64) {
    let mut choices = Choices(Pcg64Mcg::seed_from_u64(seed));
    for _ in 0..3 {
        let policy = ExecutorPolicy::new().min_threads(1 + choices.below(2));
        let policy = policy.max_threads(2 + choices.below(3));
        let policy = match choices.below(3) {
            0 => policy,
            1 => policy.queue_limit(20).on_saturation(Saturation::ReturnBusy),
            _ => policy.queue_limit(20).on_saturation(Saturation::Block),
        };
        let executor = loop {
            match Executor::new(policy) {
                Ok(executor) => break executor,
                Err(error) => assert!(is_refusal(&error), "{error:?}"),
            }
        };
        work(executor, &mut choices);
        end(&executor, &mut choices);
    }
}

/// An executor ends, whatever is refused meanwhile.
fn end(executor: &Executor, choices: &mut Choices) {
    let how = if choices.below(2) == 0 { Shutdown::Drain } else { Shutdown::Cancel };
    // The clock may jump past any deadline.
    while executor.shutdown(how, Instant::now() + ms(60_000)).unwrap().timed_out > 0 {}
    loop {
        match spawn_on(executor, || ()).err() {
            Some(ConcurrencyError::Closed) => break,
            // For want of a record or a stack, before the executor is asked.
            Some(error) if is_refusal(&error) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn work(executor: Executor, choices: &mut Choices) {
    let census = Census::new();
    let (total, ran) = (Arc::new(Mutex::new(0)), Arc::default());
    let shared = Shared { census: census.clone(), total, ran };
    let mut accepted = Vec::new();
    for _ in 0..60 {
        let body = body(executor, shared.clone(), choices);
        let captured = census.citizen();
        let spawned = spawn_on(&executor, move || {
            let _captured = captured;
            body();
        });
        match spawned {
            Ok(one) => accepted.push(one),
            Err(ConcurrencyError::Busy) => yield_now(),
            Err(error) => assert!(is_refusal(&error), "{error:?}"),
        }
    }
    let mut others = 0;
    let threads: Vec<_> = (0..2)
        .map(|_| {
            others += 1;
            let shared = shared.clone();
            os_thread(move || from_outside(executor, &shared))
        })
        .collect();
    let (cancelled, kept): (Vec<_>, Vec<_>) =
        accepted.into_iter().partition(|_| choices.below(4) == 0);
    cancelled.iter().for_each(VirtualThread::cancel);
    for one in kept {
        assert_eq!(join(&one, choices), Ok(()));
    }
    for one in cancelled {
        assert!(matches!(join(&one, choices), Ok(()) | Err(ConcurrencyError::Cancelled)));
    }
    threads.into_iter().for_each(|thread| thread.join());
    while !census.is_empty() {
        sleep(ms(1)).unwrap();
    }
    census.check();
    assert_eq!(*shared.total.lock().unwrap(), shared.ran.load(Ordering::SeqCst));
}

/// With or without deadlines.
fn join(one: &VirtualThread<()>, choices: &mut Choices) -> Result<(), ConcurrencyError> {
    if choices.below(2) == 0 {
        return one.join();
    }
    loop {
        match one.join_timeout(ms(1 + choices.below(10))) {
            Err(ConcurrencyError::Timeout) => {}
            ended => return ended,
        }
    }
}

/// What one virtual thread does.
fn body(executor: Executor, shared: Shared, choices: &mut Choices) -> Box<dyn FnOnce() + Send> {
    let span = 1 + choices.below(5);
    match choices.below(6) {
        0 => Box::new(move || (0..span).for_each(|_| yield_now())),
        1 => Box::new(move || drop(sleep(ms(span)))),
        2 => Box::new(move || drop(park_until(Instant::now() + ms(span)))),
        3 => Box::new(move || {
            if let Ok(mut total) = shared.total.lock() {
                *total += 1;
                shared.ran.fetch_add(1, Ordering::SeqCst);
            }
        }),
        4 => Box::new(move || nested(executor, &shared)),
        _ => Box::new(move || echo(executor)),
    }
}

/// One that starts another and waits for what it sends.
fn nested(executor: Executor, shared: &Shared) {
    let (to, from) = channel::bounded::<u8>(1);
    let captured = shared.census.citizen();
    let sent = spawn_on(&executor, move || {
        let _captured = captured;
        to.send(7).unwrap_or_default();
    });
    match (sent, from.recv()) {
        // A refused one has dropped its end of the channel, and so has a cancelled one.
        (Err(error), received) => {
            assert!(error == ConcurrencyError::Busy || is_ended(&error), "{error:?}");
            assert!(received.is_err());
        }
        (Ok(_), Ok(value)) => assert_eq!(value, 7),
        (Ok(_), Err(error)) => assert_eq!(error, ConcurrencyError::Cancelled),
    }
}

fn is_ended(error: &ConcurrencyError) -> bool {
    *error == ConcurrencyError::Cancelled || is_refusal(error)
}

/// Bytes through a pair of sockets; each call may be refused, and then both ends are dropped.
fn echo(executor: Executor) {
    let Ok((mut near, mut far)) = UnixStream::pair() else { return };
    let other = spawn_on(&executor, move || {
        let mut bytes = [0; 16];
        while let Ok(count @ 1..) = far.read(&mut bytes) {
            if far.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    });
    for round in 0..5 {
        let mut bytes = [0; 4];
        if near.write_all(&[round; 4]).is_err() || near.read_exact(&mut bytes).is_err() {
            break;
        }
        assert_eq!(bytes, [round; 4]);
    }
    drop((near, other));
}

/// From a thread that runs no virtual threads.
fn from_outside(executor: Executor, shared: &Shared) {
    for number in 0..10 {
        let captured = shared.census.citizen();
        let spawned = spawn_on(&executor, move || {
            let _captured = captured;
            yield_now();
            number
        });
        match spawned {
            Ok(one) => assert_eq!(one.join(), Ok(number)),
            Err(ConcurrencyError::Busy) => std::thread::yield_now(),
            Err(error) => assert!(is_refusal(&error), "{error:?}"),
        }
        sleep(ms(1)).unwrap();
    }
}
