//! What goes on in a soak: jobs that are repeated side by side until the time is over.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::io::{Interest, block_on_io};
use drift::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use drift::sync::channel;
use drift::{ConcurrencyError, Duration, Executor, ExecutorPolicy, Instant, Shutdown};
use drift::{park, sleep, spawn, spawn_on, yield_now};
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::machine;
use crate::mixed;
use crate::program::{Census, Scenario, os_thread};
use crate::watch::Watch;

/// One round of a job.
pub type Job = fn(&Watch, &mut Choices);

/// Every job, by its name.
pub const ALL: [(&str, Job); 10] = [
    ("storm", storm),
    ("cancels", cancels),
    ("timers", timers),
    ("tcp", tcp),
    ("datagrams", datagrams),
    ("descriptors", descriptors),
    ("executors", executors),
    ("os threads", os_threads),
    ("scenarios", scenarios),
    ("refusals", refusals),
];

/// Random choices of one job.
pub struct Choices(Pcg64Mcg);

impl Choices {
    pub fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }
}

fn ms(millis: u32) -> Duration {
    Duration::from_millis(i64::from(millis))
}

/// Thousands at once, joined in some order, or not at all.
fn storm(_: &Watch, choices: &mut Choices) {
    let census = Census::new();
    let all: Vec<_> = (0..1_000 + choices.below(2_000))
        .map(|number| {
            let captured = census.citizen();
            spawn(move || {
                if number % 3 == 0 {
                    yield_now();
                }
                drop(captured);
                number
            })
        })
        .collect();
    for (number, one) in all.into_iter().enumerate() {
        if number % 5 != 0 {
            assert_eq!(one.join(), Ok(number as u32));
        }
    }
    while !census.is_empty() {
        sleep(ms(1)).unwrap();
    }
}

/// In every kind of wait, cancelled at any moment.
fn cancels(_: &Watch, choices: &mut Choices) {
    let census = Census::new();
    let (to, from) = channel::bounded::<u32>(1);
    let all: Vec<_> = (0..200)
        .map(|number| {
            let (captured, from) = (census.citizen(), from.clone());
            let wait = choices.below(20);
            spawn(move || {
                let _captured = captured;
                match number % 4 {
                    0 => drop(sleep(ms(wait))),
                    1 => drop(from.recv_timeout(ms(wait))),
                    2 => while park().is_ok() {},
                    _ => drop(from.recv()),
                }
            })
        })
        .collect();
    sleep(ms(choices.below(10))).unwrap_or_default();
    for one in &all {
        if choices.below(3) != 0 {
            one.cancel();
        }
    }
    drop(to);
    for one in all {
        one.cancel();
        assert!(matches!(one.join(), Ok(()) | Err(ConcurrencyError::Cancelled)));
    }
    census.check();
}

/// Never early; how late is the watch's to judge.
fn timers(watch: &Watch, choices: &mut Choices) {
    let all: Vec<_> = (0..100)
        .map(|_| {
            let span = 1 + choices.below(100);
            let late = watch.lateness();
            spawn(move || {
                let begun = std::time::Instant::now();
                sleep(ms(span)).unwrap();
                late.slept(begun.elapsed(), std::time::Duration::from_millis(u64::from(span)));
            })
        })
        .collect();
    for one in all {
        one.join().unwrap();
    }
}

/// An echo server, clients that send and hang up whenever they like, and time-outs.
fn tcp(_: &Watch, choices: &mut Choices) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients = 10 + choices.below(20);
    let server = spawn(move || {
        for _ in 0..clients {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = spawn(move || {
                let mut buffer = [0; 512];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let all: Vec<_> = (0..clients)
        .map(|number| {
            let rounds = choices.below(20);
            spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
                let sent = [number as u8; 300];
                for _ in 0..rounds {
                    stream.write_all(&sent).unwrap();
                    let mut back = [0; 300];
                    stream.read_exact(&mut back).unwrap();
                    assert_eq!(back, sent);
                }
                if number % 2 == 0 {
                    // Gone with an answer under way.
                    stream.write_all(&sent).unwrap();
                }
            })
        })
        .collect();
    for one in all {
        one.join().unwrap();
    }
    server.join().unwrap();
}

fn datagrams(_: &Watch, choices: &mut Choices) {
    let one = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    one.connect(other.local_addr().unwrap()).unwrap();
    other.connect(one.local_addr().unwrap()).unwrap();
    let timeout = Some(std::time::Duration::from_secs(30));
    one.set_read_timeout(timeout).unwrap();
    other.set_read_timeout(timeout).unwrap();
    let rounds = 1 + choices.below(50);
    let echo = spawn(move || {
        let mut buffer = [0; 64];
        for _ in 0..rounds {
            let length = other.recv(&mut buffer).unwrap();
            other.send(&buffer[..length]).unwrap();
        }
    });
    for round in 0..rounds {
        one.send(&round.to_ne_bytes()).unwrap();
        let mut back = [0; 64];
        assert_eq!(one.recv(&mut back).unwrap(), 4);
    }
    echo.join().unwrap();
}

/// Numbers that are opened, waited for, closed and opened again.
fn descriptors(_: &Watch, choices: &mut Choices) {
    let all: Vec<_> = (0..20)
        .map(|number| {
            let wait = choices.below(5);
            spawn(move || match number % 2 {
                0 => {
                    let (reader, mut writer) = std::io::pipe().unwrap();
                    let sender = spawn(move || {
                        sleep(ms(wait)).unwrap_or_default();
                        writer.write_all(b"x").unwrap();
                    });
                    let until = Some(Instant::now() + ms(30_000));
                    assert!(block_on_io(&reader, Interest::READABLE, until).unwrap().is_readable());
                    sender.join().unwrap();
                }
                _ => {
                    let (mut one, mut other) = UnixStream::pair().unwrap();
                    let echo = spawn(move || {
                        let mut byte = [0];
                        other.read_exact(&mut byte).unwrap();
                        other.write_all(&byte).unwrap();
                    });
                    one.write_all(b"y").unwrap();
                    let mut byte = [0];
                    one.read_exact(&mut byte).unwrap();
                    echo.join().unwrap();
                }
            })
        })
        .collect();
    for one in all {
        one.join().unwrap();
    }
}

/// Made, used, and ended in either way.
fn executors(_: &Watch, choices: &mut Choices) {
    let threads = 1 + choices.below(3);
    let policy = ExecutorPolicy::new().min_threads(threads).queue_limit(choices.below(2) * 50);
    let executor = Executor::new(policy).unwrap();
    let census = Census::new();
    let mut accepted = 0;
    for _ in 0..40 {
        let (captured, span) = (census.citizen(), choices.below(5));
        let one = spawn_on(&executor, move || {
            let _captured = captured;
            let _ = sleep(ms(span));
        });
        accepted += usize::from(one.is_ok());
    }
    let how = if choices.below(2) == 0 { Shutdown::Drain } else { Shutdown::Cancel };
    let report = executor.shutdown(how, Instant::now() + ms(60_000)).unwrap();
    assert_eq!(report.timed_out, 0);
    assert!(report.completed + report.cancelled <= accepted, "{report:?} of {accepted}");
    census.check();
}

/// OS threads that spawn, join, lock and wait.
fn os_threads(_: &Watch, _: &mut Choices) {
    let count = Arc::new(AtomicU32::new(0));
    let (done, ended) = channel::unbounded();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (count, done) = (count.clone(), done.clone());
            os_thread(move || {
                for _ in 0..20 {
                    let count = count.clone();
                    spawn(move || count.fetch_add(1, Ordering::SeqCst)).join().unwrap();
                }
                done.send(()).unwrap();
            })
        })
        .collect();
    for _ in &threads {
        ended.recv().unwrap();
    }
    for thread in threads {
        thread.join();
    }
    assert_eq!(count.load(Ordering::SeqCst), 60);
}

/// One of the simulator's programs, of those that bear a stack that comes later.
fn scenarios(_: &Watch, choices: &mut Choices) {
    let locks = [crate::locks::ALL, crate::onces::ALL].concat();
    let all = [crate::waits::ALL, crate::ends::ALL, &locks, crate::executors::ALL];
    let bear = |(_, _, faults): &&Scenario| faults.stack_alloc > 0;
    let all: Vec<_> = all.into_iter().flatten().filter(bear).collect();
    let (_, run, _) = all[choices.below(all.len() as u32) as usize];
    run();
}

/// Everything again, in the runtime where every call may be refused.
fn refusals(_: &Watch, choices: &mut Choices) {
    let seed = choices.below(u32::MAX).into();
    let thread = machine::thread(move || mixed::round(seed));
    while !thread.is_finished() {
        sleep(ms(1)).unwrap();
    }
    thread.join().unwrap();
}
