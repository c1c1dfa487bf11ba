//! Readiness in worlds: pipes waited for in every way, and a descriptor that the runtime owns.
#![allow(missing_docs)]

use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use drift::io::{Interest, PollFd, block_on_raw, poll_many};
use drift::{ConcurrencyError, Duration, Instant, sleep, spawn, yield_now};
use drift_core::error::ConcurrencyError as CoreError;
use drift_core::platform::{self, Source};
use drift_core::runtime::Runtime;
use drift_core::time::{Instant as CoreInstant, MILLISECOND};
use drift_core::wait::Wait;
use drift_core::wait::readiness::{Place, Poll, ShortCount};
use drift_sim::{Faults, PipeReader, Sim, pipe, seeds};

fn in_worlds(program: fn()) {
    for seed in seeds(500) {
        let faults = if seed % 3 == 2 { Faults::QUIET } else { Faults::NONE };
        Sim::new(seed).carriers(1 + (seed % 4) as u32).faults(faults).run(program);
    }
}

#[test]
fn bytes_come_in_order_and_to_the_end() {
    in_worlds(|| {
        let (mut reader, mut writer) = pipe();
        let sent: Vec<u8> = (0..=255).collect();
        let expected = sent.clone();
        let sender = spawn(move || writer.write_all(&sent).unwrap());
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert_eq!(got, expected);
        sender.join().unwrap();
    });
}

#[test]
fn a_wait_ends_by_data_by_the_end_or_by_time() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        let soon = Some(Instant::now() + Duration::from_millis(1));
        let nothing = block_on_raw(reader.as_raw_fd(), Interest::READABLE, soon);
        assert_eq!(nothing, Err(ConcurrencyError::Timeout));
        let sender = spawn(move || {
            sleep(Duration::from_millis(2)).unwrap();
            writer.write_all(b"x").unwrap();
            yield_now();
        });
        assert!(block_on_raw(reader.as_raw_fd(), Interest::READABLE, None).unwrap().is_readable());
        assert_eq!(reader.try_read(&mut [0; 8]), Some(1));
        assert!(block_on_raw(reader.as_raw_fd(), Interest::READABLE, None).unwrap().is_hung_up());
        sender.join().unwrap();
    });
}

#[test]
fn one_of_several_is_found() {
    in_worlds(|| {
        let pipes = [pipe(), pipe(), pipe()];
        let fds = pipes.each_ref().map(|(reader, _)| reader.as_raw_fd());
        let poller = spawn(move || {
            let mut all = fds.map(|fd| PollFd::from_raw(fd.as_raw_fd(), Interest::READABLE));
            assert_eq!(poll_many(&mut all, None), Ok(1));
            all.iter().position(|one| one.ready().is_readable())
        });
        let sender = spawn(move || {
            yield_now();
            pipes[1].1.try_write(b"x").unwrap();
            pipes
        });
        assert_eq!(poller.join().unwrap(), Some(1));
        drop(sender.join());
    });
}

/// Waits as a socket does that the runtime owns: registered once, and edges from then on.
fn read_owned(reader: &PipeReader) -> usize {
    let runtime = Runtime::here().expect("a virtual thread reads");
    let source = Source(reader.as_raw_fd().cast_unsigned());
    // What the platform refuses is tried again: that is not what this is about.
    while runtime.register(source, ShortCount::Exhausts).is_err() {}
    let (owned, read) = (runtime.owned(source), platform::Interest::READ);
    let mut total = 0;
    loop {
        let seen = owned.readiness(read);
        if seen.is_ready() {
            match reader.try_read(&mut [0; 16]) {
                Some(0) => break,
                Some(length) => {
                    total += length;
                    if length < 16 {
                        owned.clear_short(read, seen);
                    }
                }
                None => owned.clear(read, seen),
            }
        } else {
            owned.wait_ready(read, &Wait::new(runtime), &mut None).unwrap();
        }
    }
    runtime.deregister(source);
    total
}

/// The end is told once: before the registration, at it, or after it, it is found.
#[test]
fn an_end_about_the_registration_is_not_lost() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        // Somebody polls while the registration is made.
        let (idle, idle_writer) = pipe();
        let poller = spawn(move || drop(block_on_raw(idle.as_raw_fd(), Interest::READABLE, None)));
        let sender = spawn(move || writer.write_all(b"hello").unwrap());
        let got = spawn(move || read_owned(&reader));
        assert_eq!(got.join(), Ok(5));
        sender.join().unwrap();
        drop(idle_writer);
        poller.join().unwrap();
    });
}

#[test]
fn edges_wake_owner_and_pollers_alike() {
    in_worlds(|| {
        let (reader, writer) = pipe();
        let fd = reader.as_raw_fd();
        let owner = spawn(move || read_owned(&reader));
        let watcher = spawn(move || {
            let until = Some(Instant::now() + Duration::from_millis(50));
            // Ready, ended or too late: all of them may be, but none for ever.
            let _ = block_on_raw(fd.as_raw_fd(), Interest::READABLE, until);
        });
        for _ in 0..4 {
            while writer.try_write(&[0; 20]).unwrap().is_none() {
                block_on_raw(writer.as_raw_fd(), Interest::WRITABLE, None).unwrap();
            }
            yield_now();
        }
        drop(writer);
        let total = owner.join().unwrap();
        assert!(total > 20, "{total}");
        watcher.join().unwrap();
    });
}

/// A number that is closed and opened again, with nobody telling the runtime: who waits for the
/// old one looks anew as soon as the number is asked for again.
#[test]
fn who_waits_for_a_descriptor_of_the_past_is_woken() {
    in_worlds(|| {
        let (old, old_writer) = pipe();
        let fd = old.as_raw_fd();
        let wait = move || {
            let runtime = Runtime::here().expect("a virtual thread waits");
            let own = runtime.current().expect("the same");
            let source = Source(fd.cast_unsigned());
            runtime.unpark_ready(own, source, platform::Interest::READ, CoreInstant::FAR);
            runtime.park(CoreInstant::FAR);
        };
        let past = spawn(wait);
        sleep(Duration::from_millis(200)).unwrap();
        drop((old, old_writer));
        let (new, _new_writer) = pipe();
        assert_eq!(new.as_raw_fd(), fd);
        let present = spawn(wait);
        past.join().unwrap();
        present.cancel();
        present.join().unwrap_or_default();
    });
}

/// A raw wait on one that is owned: what is ready now is looked at, because no edge need come.
#[test]
fn a_raw_wait_on_an_owned_descriptor_is_woken() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        let source = Source(reader.as_raw_fd().cast_unsigned());
        let runtime = Runtime::here().expect("the program is a virtual thread");
        while runtime.register(source, ShortCount::Exhausts).is_err() {}
        let watch = move || {
            let own = runtime.current().expect("a virtual thread watches");
            runtime.unpark_ready(own, source, platform::Interest::READ, CoreInstant::FAR);
            runtime.park(CoreInstant::FAR);
        };
        let early = spawn(watch);
        yield_now();
        writer.write_all(b"x").unwrap();
        let late = spawn(watch);
        early.join().unwrap();
        late.join().unwrap();
        runtime.deregister(source);
        let (owned, read) = (runtime.owned(source), platform::Interest::READ);
        let gone = owned.wait_ready(read, &Wait::new(runtime), &mut None);
        assert_eq!(gone.err(), Some(drift_core::error::ConcurrencyError::Closed));
    });
}

/// The end of a pipe that nobody wrote to is a hang-up, and nothing to read: poll(2).
#[test]
fn a_raw_wait_on_an_owned_descriptor_is_woken_by_a_hang_up() {
    in_worlds(|| {
        let (reader, writer) = pipe();
        let source = Source(reader.as_raw_fd().cast_unsigned());
        let runtime = Runtime::here().expect("the program is a virtual thread");
        while runtime.register(source, ShortCount::Exhausts).is_err() {}
        let watch = move || {
            let own = runtime.current().expect("a virtual thread watches");
            runtime.unpark_ready(own, source, platform::Interest::READ, CoreInstant::FAR);
            runtime.park(CoreInstant::FAR);
        };
        let early = spawn(watch);
        yield_now();
        drop(writer);
        early.join().unwrap();
        // Long after the event.
        sleep(Duration::from_millis(1)).unwrap();
        spawn(watch).join().unwrap();
        runtime.deregister(source);
    });
}

/// Arms one registration, and parks until it is over.
fn watches(source: Source) {
    let runtime = Runtime::here().expect("a virtual thread watches");
    let own = runtime.current().expect("the same");
    runtime.unpark_ready(own, source, platform::Interest::READ, CoreInstant::FAR);
    runtime.park(CoreInstant::FAR);
}

/// Armed by one while another takes it over: neither sleeps for ever.
#[test]
fn who_arms_and_who_takes_over_are_both_served() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        let source = Source(reader.as_raw_fd().cast_unsigned());
        let raw = spawn(move || watches(source));
        // Open until both are done: no event comes of one that is closed.
        let owner = spawn(move || (read_owned(&reader), reader));
        yield_now();
        writer.write_all(b"hello").unwrap();
        drop(writer);
        let (total, reader) = owner.join().unwrap();
        assert_eq!(total, 5);
        raw.join().unwrap();
        drop(reader);
    });
}

/// The one edge may come before the watcher has linked itself: then it sees the level.
#[test]
fn an_edge_before_the_link_is_not_lost() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        let fd = reader.as_raw_fd();
        let source = Source(fd.cast_unsigned());
        let runtime = Runtime::here().expect("the program is a virtual thread");
        while runtime.register(source, ShortCount::Exhausts).is_err() {}
        let watcher = spawn(move || block_on_raw(fd.as_raw_fd(), Interest::READABLE, None));
        let sender = spawn(move || {
            writer.write_all(b"x").unwrap();
            writer
        });
        assert!(watcher.join().unwrap().unwrap().is_readable());
        drop(sender.join().unwrap());
        runtime.deregister(source);
    });
}

/// The registration of a descriptor that was given up does not replace the next one.
#[test]
fn who_arms_beside_one_owner_after_another_is_in_nobodys_way() {
    in_worlds(|| {
        let (reader, mut writer) = pipe();
        let source = Source(reader.as_raw_fd().cast_unsigned());
        let raw = spawn(move || watches(source));
        let owner = spawn(move || {
            let runtime = Runtime::here().expect("a virtual thread reads");
            while runtime.register(source, ShortCount::Exhausts).is_err() {}
            runtime.deregister(source);
            (read_owned(&reader), reader)
        });
        yield_now();
        writer.write_all(b"hello").unwrap();
        drop(writer);
        let (total, reader) = owner.join().unwrap();
        assert_eq!(total, 5);
        raw.join().unwrap();
        drop(reader);
    });
}

/// Who asks while somebody else's registration is refused is served all the same.
#[test]
fn a_registration_that_is_refused_leaves_nobody_behind() {
    for seed in seeds(500) {
        let faults = Faults { io_arm: 300_000, ..Faults::NONE };
        Sim::new(seed).carriers(2 + (seed % 2) as u32).faults(faults).run(|| {
            let (reader, mut writer) = pipe();
            let fd = reader.as_raw_fd();
            let asker = spawn(move || block_on_raw(fd.as_raw_fd(), Interest::READABLE, None));
            let owner = spawn(move || {
                let runtime = Runtime::here().expect("a virtual thread registers");
                let source = Source(fd.cast_unsigned());
                if runtime.register(source, ShortCount::Exhausts).is_ok() {
                    runtime.deregister(source);
                }
            });
            owner.join().unwrap();
            writer.write_all(b"x").unwrap();
            let answer = asker.join().unwrap();
            assert!(matches!(answer, Ok(_) | Err(ConcurrencyError::Closed)), "{answer:?}");
            drop(reader);
        });
    }
}

/// However many pipes there are, none has the number of a descriptor of the machine.
#[test]
fn descriptors_of_the_machine_are_refused() {
    Sim::new(1).run(|| {
        let (readers, writers): (Vec<_>, Vec<_>) = (0..100).map(|_| pipe()).unzip();
        let takers: Vec<_> = readers
            .into_iter()
            .map(|mut reader| spawn(move || reader.read(&mut [0; 8]).unwrap()))
            .collect();
        sleep(Duration::from_millis(1)).unwrap();
        let bad = drift::net::TcpListener::bind("127.0.0.1:0").unwrap_err();
        assert_eq!(bad.raw_os_error(), Some(9));
        let real = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let soon = Some(Instant::now() + Duration::from_millis(1));
        let answer = block_on_raw(real.as_raw_fd(), Interest::READABLE, soon);
        assert!(matches!(answer, Err(ConcurrencyError::Failed(_))), "{answer:?}");
        drop(real);
        for mut writer in writers {
            writer.write_all(b"x").unwrap();
        }
        for taker in takers {
            assert_eq!(taker.join().unwrap(), 1);
        }
    });
}

/// It is ready for what nobody asks.
#[test]
fn a_look_for_no_direction_sleeps_until_its_time() {
    let run = Sim::new(1).limit(200).try_run(|| {
        let (_reader, writer) = pipe();
        let runtime = Runtime::here().unwrap();
        let until = runtime.platform().now() + 5 * MILLISECOND;
        let source = Source(writer.as_raw_fd().cast_unsigned());
        let mut polls = [Poll::new(source, platform::Interest::NONE)];
        let wait = Wait::new(runtime).until(until);
        let ready = runtime.poll_many(&mut polls, &mut [Place::default()], &wait);
        assert_eq!(ready, Err(CoreError::Timeout));
        assert!(runtime.platform().now() >= until);
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
}
