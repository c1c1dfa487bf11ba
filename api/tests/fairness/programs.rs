//! Loops that keep a carrier if nobody sees to it, and those beside them.
//!
//! All carriers but one are occupied. Each loop has a bound in calls, far above what it needs: one
//! that reaches it has kept the carrier, however fast or slow the machine is.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drift::net::{TcpListener, TcpStream};
use drift::sync::unbounded;
use drift::{Duration, Executor, spawn};

use crate::harness::{self, Case, Occupied};

pub const CASES: &[Case] = cases![
    a_consumer_of_a_channel_that_never_runs_empty_lets_sleepers_and_servers_run,
    an_accept_loop_without_descriptors_lets_those_who_hold_them_run,
    a_connect_loop_lets_its_server_start,
];

/// Calls of a loop before it gives up. Some seconds of them.
const MANY: u32 = 10_000_000;

/// The same, of calls that ask the kernel.
const SYSTEM_CALLS: u32 = 200_000;

/// Keeps all carriers but one from running anything.
pub fn all_but_one() -> Occupied {
    Occupied::of(&Executor::default_get(), harness::carriers() - 1)
}

fn a_consumer_of_a_channel_that_never_runs_empty_lets_sleepers_and_servers_run() {
    let _others = all_but_one();
    let is_over = Arc::new(AtomicBool::new(false));
    let told = is_over.clone();
    let consumer = spawn(move || {
        let (to, from) = unbounded();
        let mut left = MANY;
        while !told.load(Ordering::Relaxed) && left > 0 {
            to.send(left).unwrap();
            left = from.recv().unwrap() - 1;
        }
        left
    });
    let sleeper = spawn(|| {
        for _ in 0..10 {
            drift::sleep(Duration::from_millis(10)).unwrap();
        }
    });
    let client = spawn(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() > 0 {
                stream.write_all(&byte).unwrap();
            }
        });
        let mut stream = TcpStream::connect(address).unwrap();
        for n in 0..100 {
            stream.write_all(&[n]).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [n]);
        }
        drop(stream);
        server.join().unwrap();
    });
    sleeper.join().unwrap();
    client.join().unwrap();
    is_over.store(true, Ordering::Relaxed);
    assert!(consumer.join().unwrap() > 0, "the consumer kept its carrier to the end");
}

fn a_connect_loop_lets_its_server_start() {
    let _others = all_but_one();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let client =
        spawn(move || (0..SYSTEM_CALLS).find_map(|_| TcpStream::connect(address).ok()).is_some());
    let server = spawn(move || TcpListener::bind(address).unwrap().accept().map(drop));
    assert!(client.join().unwrap(), "the client kept the carrier that its server needs");
    server.join().unwrap().unwrap();
}

/// What a process of its own is told by: how many carriers, and whether virtual threads migrate.
const CHILD: &str = "DRIFT_TEST_WITHOUT_DESCRIPTORS";

fn an_accept_loop_without_descriptors_lets_those_who_hold_them_run() {
    let own = std::env::current_exe().unwrap();
    // Descriptors are the process's, so they run out in one of its own.
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 128 && exec \"$0\""])
        .arg(own)
        .env(CHILD, format!("{} {}", harness::carriers(), harness::migrates()))
        .status()
        .unwrap();
    assert!(child.success(), "{child}");
}

/// Whether this process is that one.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

pub fn child() -> ExitCode {
    let text = std::env::var(CHILD).unwrap();
    let (carriers, migrates) = text.split_once(' ').unwrap();
    harness::set(carriers.parse().unwrap(), migrates.parse().unwrap());
    harness::prefer(Executor::new(harness::policy()).unwrap());
    drift::run(without_descriptors);
    ExitCode::SUCCESS
}

fn without_descriptors() {
    let _others = all_but_one();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The kernel completes it before anybody accepts.
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut held = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        held.push(file);
    }
    let holder = spawn(move || {
        assert!(!held.is_empty());
        for _ in 0..3 {
            drift::sleep(Duration::from_millis(1)).unwrap();
        }
    });
    let accepted = (0..SYSTEM_CALLS).find_map(|_| listener.accept().ok());
    assert!(accepted.is_some(), "the accept loop kept the carrier of who holds the descriptors");
    holder.join().unwrap();
    drop(client);
}
