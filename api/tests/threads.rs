//! Waits of plain OS threads while no carrier gets to run anything: each carrier is inside std's
//! join of such a thread, or computes. One process for each number of carriers, so that nobody
//! else's carrier polls.

use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use std::{env, fs, hint, io, net, os, thread};

use drift::io::{Interest, PollFd, block_on_io, block_on_raw, poll_many};
use drift::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use drift::{ConcurrencyError, Executor, ExecutorPolicy, Instant};

const CARRIERS: &str = "DRIFT_TEST_CARRIERS";

/// Longest time of one process, in seconds.
const PATIENCE: u64 = 100;

const LOCAL: &str = "127.0.0.1:0";

/// Runs `body` in a process of its own for each number of carriers.
fn alone(name: &str, body: fn(u32)) {
    if let Ok(count) = env::var(CARRIERS) {
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(PATIENCE));
            eprintln!("it does not end");
            std::process::exit(101);
        });
        return body(count.parse().unwrap());
    }
    for count in ["1", "2", "4"] {
        let mut again = Command::new(env::current_exe().unwrap());
        let output = again.args(["--exact", name, "--nocapture"]).env(CARRIERS, count).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "on {count} carriers: {}\n{said}", output.status);
    }
}

/// What an OS thread waits in, and what ends that.
struct Op {
    name: &'static str,
    waits: Box<dyn FnOnce() + Send>,
    ends: Box<dyn FnOnce() + Send>,
}

fn op(
    name: &'static str,
    waits: impl FnOnce() + Send + 'static,
    ends: impl FnOnce() + Send + 'static,
) -> Op {
    Op { name, waits: Box::new(waits), ends: Box::new(ends) }
}

fn nothing() {}

fn connected() -> (TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind(LOCAL).unwrap();
    let far = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (TcpStream::try_from(listener.accept().unwrap().0).unwrap(), far)
}

fn read() -> Op {
    let (mut near, mut far) = connected();
    let waits = move || near.read_exact(&mut [0; 3]).unwrap();
    op("read", waits, move || far.write_all(b"abc").unwrap())
}

fn write() -> Op {
    let (mut near, mut far) = connected();
    let waits = move || near.write_all(&vec![7; 20 << 20]).unwrap();
    op("write", waits, move || {
        assert_eq!(io::copy(&mut far, &mut io::sink()).unwrap(), 20 << 20);
    })
}

fn accept() -> Op {
    let listener = TcpListener::bind(LOCAL).unwrap();
    let address = listener.local_addr().unwrap();
    let waits = move || drop(listener.accept().unwrap());
    op("accept", waits, move || drop(net::TcpStream::connect(address).unwrap()))
}

fn connect() -> Op {
    let listener = net::TcpListener::bind(LOCAL).unwrap();
    let waits = move || drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    op("connect", waits, nothing)
}

fn udp() -> Op {
    let near = UdpSocket::bind(LOCAL).unwrap();
    let address = near.local_addr().unwrap();
    let waits = move || assert_eq!(near.recv_from(&mut [0; 9]).unwrap().0, 3);
    op("udp", waits, move || {
        net::UdpSocket::bind(LOCAL).unwrap().send_to(b"abc", address).unwrap();
    })
}

fn unix_accept() -> Op {
    let path = env::temp_dir().join(format!("drift-threads-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let waits = move || drop(listener.accept().unwrap());
    op("unix accept", waits, move || {
        drop(os::unix::net::UnixStream::connect(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
    })
}

fn unix_read() -> Op {
    let (near, mut far) = os::unix::net::UnixStream::pair().unwrap();
    let mut near = UnixStream::try_from(near).unwrap();
    let waits = move || near.read_exact(&mut [0; 3]).unwrap();
    op("unix read", waits, move || far.write_all(b"abc").unwrap())
}

fn pipe() -> Op {
    let (reader, mut writer) = io::pipe().unwrap();
    let waits =
        move || assert!(block_on_io(&reader, Interest::READABLE, None).unwrap().is_readable());
    op("pipe", waits, move || writer.write_all(b"x").unwrap())
}

fn block_on_owned() -> Op {
    let (near, mut far) = connected();
    let waits =
        move || assert!(block_on_io(&near, Interest::READABLE, None).unwrap().is_readable());
    op("block_on_io", waits, move || far.write_all(b"x").unwrap())
}

/// Of so many descriptors, half of them owned, that no small array holds them.
fn many() -> Op {
    let pipes: Vec<_> = (0..20).map(|_| io::pipe().unwrap()).collect();
    let (nears, mut fars): (Vec<_>, Vec<_>) = (0..20).map(|_| connected()).unzip();
    let waits = move || {
        let pipes = pipes.iter().map(|(reader, _)| PollFd::new(reader, Interest::READABLE));
        let sockets = nears.iter().map(|near| PollFd::new(near, Interest::READABLE));
        let mut all: Vec<_> = pipes.chain(sockets).collect();
        assert_eq!(poll_many(&mut all, None), Ok(1));
        assert!(all[39].ready().is_readable());
    };
    op("poll_many", waits, move || {
        fars[19].write_all(b"x").unwrap();
        // One that is closed is ready, too.
        std::mem::forget(fars);
    })
}

fn close() -> Op {
    let (reader, writer) = io::pipe().unwrap();
    let number = reader.as_raw_fd();
    let waits = move || {
        let closed = block_on_raw(number, Interest::READABLE, None);
        assert_eq!(closed, Err(ConcurrencyError::Closed));
        drop(writer);
    };
    op("close", waits, move || drift::io::close(reader))
}

fn close_of_owned() -> Op {
    let (near, far) = connected();
    let number = near.as_raw_fd();
    let waits = move || {
        let mut both = [number, far.as_raw_fd()].map(|fd| PollFd::from_raw(fd, Interest::READABLE));
        assert_eq!(poll_many(&mut both, None), Err(ConcurrencyError::Closed));
        drop(far);
    };
    op("close of a socket", waits, move || drop(near))
}

fn timeout() -> Op {
    let (mut near, far) = connected();
    near.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    let waits = move || {
        let before = Instant::now();
        assert_eq!(near.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(before.elapsed() >= Duration::from_millis(30));
        drop(far);
    };
    op("time-out", waits, nothing)
}

fn sleep() -> Op {
    op("sleep", || drift::sleep(Duration::from_millis(30)).unwrap(), nothing)
}

fn ops() -> Vec<Op> {
    vec![
        read(),
        write(),
        accept(),
        connect(),
        udp(),
        unix_accept(),
        unix_read(),
        pipe(),
        block_on_owned(),
        many(),
        close(),
        close_of_owned(),
        timeout(),
        sleep(),
    ]
}

fn executor(count: u32) -> Executor {
    let policy = ExecutorPolicy::new().min_threads(count).max_threads(count);
    Executor::new(policy).unwrap()
}

/// Starts an OS thread that runs `waits`; returns it with its folder in `/proc`.
fn start(waits: Box<dyn FnOnce() + Send>) -> (thread::JoinHandle<()>, PathBuf) {
    let (says, is_said) = mpsc::channel();
    let thread = thread::spawn(move || {
        says.send(fs::canonicalize("/proc/thread-self").unwrap()).unwrap();
        waits();
    });
    (thread, is_said.recv().unwrap())
}

/// Polls the thread's state in `/proc` until the thread sleeps or has ended. A caller that closes a
/// descriptor before the thread waits for it would test a stale number instead of a close.
fn until_it_waits(thread: &Path) {
    let state = || {
        let stat = fs::read_to_string(thread.join("stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    while state().is_some_and(|state| state != 'S') {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_carrier_that_joins_an_os_thread_does_not_keep_it_from_its_bytes() {
    let name = "a_carrier_that_joins_an_os_thread_does_not_keep_it_from_its_bytes";
    alone(name, |count| {
        let executor = executor(count);
        for Op { name, waits, ends } in ops() {
            eprintln!("{name}");
            let all = Arc::new(Barrier::new(count as usize + 1));
            let joins = all.clone();
            let (tells, told) = mpsc::channel();
            let first = drift::spawn_on(&executor, move || {
                let (thread, which) = start(waits);
                tells.send(which).unwrap();
                joins.wait();
                thread.join().unwrap();
            });
            let (over, is_over) = mpsc::channel::<()>();
            let is_over = Arc::new(std::sync::Mutex::new(is_over));
            let others = (1..count).map(|_| {
                let (all, is_over) = (all.clone(), is_over.clone());
                let waits = move || {
                    all.wait();
                    let _ = is_over.lock().unwrap().recv();
                };
                drift::spawn_on(&executor, waits).unwrap()
            });
            let others: Vec<_> = others.collect();
            all.wait();
            until_it_waits(&told.recv().unwrap());
            ends();
            first.unwrap().join().unwrap();
            drop(over);
            others.iter().for_each(|other| other.join().unwrap());
        }
    });
}

#[test]
fn a_carrier_that_computes_does_not_keep_an_os_thread_from_its_bytes() {
    let name = "a_carrier_that_computes_does_not_keep_an_os_thread_from_its_bytes";
    alone(name, |count| {
        let executor = executor(count);
        for Op { name, waits, ends } in ops() {
            eprintln!("{name}");
            let over = Arc::new(AtomicBool::new(false));
            let all = Arc::new(Barrier::new(count as usize + 1));
            let busy = (0..count).map(|_| {
                let (all, over) = (all.clone(), over.clone());
                let computes = move || {
                    all.wait();
                    while !over.load(Ordering::Relaxed) {
                        hint::spin_loop();
                    }
                };
                drift::spawn_on(&executor, computes).unwrap()
            });
            let busy: Vec<_> = busy.collect();
            all.wait();
            let (thread, which) = start(waits);
            until_it_waits(&which);
            ends();
            let ended = thread.join();
            over.store(true, Ordering::Relaxed);
            busy.iter().for_each(|busy| busy.join().unwrap());
            ended.unwrap();
        }
    });
}

/// Not one carrier is started for what an OS thread waits for.
#[test]
fn an_os_thread_waits_without_any_carrier() {
    let name = "an_os_thread_waits_without_any_carrier";
    alone(name, |_| {
        let before = threads();
        for Op { name, waits, ends } in ops() {
            eprintln!("{name}");
            let (thread, which) = start(waits);
            until_it_waits(&which);
            ends();
            thread.join().unwrap();
        }
        assert!(threads() <= before, "{} threads more", threads() - before);
    });
}

/// Threads of this process; one that was joined may be there for a moment yet.
fn threads() -> usize {
    thread::sleep(Duration::from_millis(10));
    fs::read_dir("/proc/self/task").unwrap().count()
}
