//! Threads of a world that run no virtual threads wait for sources by themselves, whatever the
//! carriers do.
#![allow(missing_docs)]

use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;

use drift::io::{Interest, PollFd, block_on_raw, poll_many};
use drift::{ConcurrencyError, Duration, Instant, spawn};
use drift_core::error::ConcurrencyError as CoreError;
use drift_core::platform::{self, Source};
use drift_core::runtime::Runtime;
use drift_core::wait::Wait;
use drift_core::wait::readiness::ShortCount;
use drift_pal::process;
use drift_sim::{Faults, PipeReader, Sim, pipe, seeds, thread};

fn in_worlds(program: fn()) {
    for seed in seeds(500) {
        let faults = if seed % 3 == 2 { Faults::QUIET } else { Faults::NONE };
        Sim::new(seed).carriers(1 + (seed % 4) as u32).faults(faults).run(program);
    }
}

fn runtime() -> &'static Runtime {
    process::runtime().expect("the world's")
}

/// The join blocks the carrier, and where it is the only one nobody polls.
#[test]
fn a_thread_reads_while_a_carrier_joins_it() {
    in_worlds(|| {
        let (mut reader, mut writer) = pipe();
        let reads = thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            got
        });
        let writes = thread::spawn(move || {
            for byte in 0..20 {
                writer.write_all(&[byte; 9]).unwrap();
                drift::sleep(Duration::from_millis(1)).unwrap();
            }
        });
        assert_eq!(reads.join().len(), 180);
        writes.join();
    });
}

/// Reads to the end as a socket does that the runtime owns.
fn read_owned(reader: &PipeReader, source: Source) -> usize {
    let read = platform::Interest::READ;
    let owned = runtime().owned(source);
    let (mut total, mut turn) = (0, None);
    let mut seen = owned.readiness(read);
    loop {
        if !seen.is_ready() {
            let wait = Wait::new(runtime());
            seen = owned.wait_ready(read, &wait, &mut turn).unwrap();
            continue;
        }
        match reader.try_read(&mut [0; 16]) {
            Some(0) => return total,
            Some(length) => total += length,
            None => {
                owned.clear(read, seen);
                seen = owned.readiness(read);
            }
        }
    }
}

/// Two threads and a virtual one share a descriptor that the runtime owns. Each byte goes to one
/// of them, and each sees the end.
#[test]
fn threads_and_virtual_threads_wait_for_one_owned_descriptor() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        let source = Source(reader.as_raw_fd().cast_unsigned());
        while runtime().register(source, ShortCount::Exhausts).is_err() {}
        let reader = std::sync::Arc::new(reader);
        let threads = [0, 1].map(|_| {
            let reader = reader.clone();
            thread::spawn(move || read_owned(&reader, source))
        });
        let virtual_one = {
            let reader = reader.clone();
            spawn(move || read_owned(&reader, source))
        };
        for _ in 0..6 {
            writer.write_all(&[7; 20]).unwrap();
            drift::yield_now();
        }
        drop(writer);
        let total: usize = threads.map(thread::JoinHandle::join).iter().sum();
        assert_eq!(total + virtual_one.join().unwrap(), 120);
        runtime().deregister(source);
    });
}

/// Whoever closes tells the threads too, be it before they sleep, while they do, or after.
#[test]
fn a_close_ends_the_waits_of_threads() {
    in_worlds(|| {
        let (reader, _writer) = pipe();
        let (other, _other_writer) = pipe();
        let (fd, raw) = (reader.as_raw_fd(), other.as_raw_fd());
        let source = Source(fd.cast_unsigned());
        while runtime().register(source, ShortCount::Exhausts).is_err() {}
        let waits = [(); 3].map(|()| {
            thread::spawn(move || {
                let wait = Wait::new(runtime());
                // It counts as ready at first.
                let (owned, read) = (runtime().owned(source), platform::Interest::READ);
                owned.clear(read, owned.readiness(read));
                owned.wait_ready(read, &wait, &mut None).map(drop)
            })
        });
        let polls = thread::spawn(move || {
            let mut both =
                [&fd, &raw].map(|fd| PollFd::from_raw(fd.as_raw_fd(), Interest::READABLE));
            poll_many(&mut both, None)
        });
        let ends = thread::spawn(move || {
            let late = Some(Instant::now() + Duration::from_millis(500));
            block_on_raw(raw.as_raw_fd(), Interest::READABLE, late)
        });
        // Time for all of them to have begun: who comes too late for the close is not told.
        drift::sleep(Duration::from_millis(300)).unwrap();
        runtime().deregister(source);
        assert_eq!(waits.map(thread::JoinHandle::join), [Err(CoreError::Closed); 3]);
        assert_eq!(polls.join(), Err(ConcurrencyError::Closed));
        assert_eq!(ends.join(), Err(ConcurrencyError::Timeout));
    });
}
