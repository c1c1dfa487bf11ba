//! What the tests of executors share.
//!
//! # Safety
//! The payload of a virtual thread is a box that `spawn` has leaked, taken back once.
#![allow(unsafe_code)]

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use drift_core::error::ConcurrencyError;
use drift_core::platform::StackClass;
use drift_core::runtime::Runtime;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::{Entry, Handle, Payload};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::Host;

/// Numbers of carriers that everything is tried on.
pub const CARRIERS: [u32; 3] = [1, 2, 4];

/// A runtime whose carriers are the only ones that come and go.
pub struct World {
    pub runtime: &'static Runtime,
    /// Carriers of this runtime's default executor, and those that earlier tests left.
    baseline: usize,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl World {
    pub fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
        // SAFETY: the host is this runtime's own.
        let runtime = unsafe { Runtime::new(Host::new().unwrap(), 0) }.unwrap();
        let first = spawn(runtime, || ());
        submit(runtime.default_executor(), first).unwrap();
        assert!(runtime.join(first, Instant::FAR));
        Self { runtime, baseline: carriers(), _alone: alone }
    }

    pub fn now(&self) -> Instant {
        self.runtime.platform().now()
    }

    pub fn soon(&self, milliseconds: u64) -> Instant {
        self.now() + milliseconds * MILLISECOND
    }

    pub fn executor(&self, threads: u32) -> ExecutorRef {
        let policy = ExecutorPolicy {
            min_threads: threads,
            max_threads: threads,
            ..ExecutorPolicy::DEFAULT
        };
        self.runtime.create_executor(policy).unwrap()
    }

    pub fn start(&self, on: ExecutorRef, body: impl FnOnce() + Send + 'static) -> Handle {
        let task = spawn(self.runtime, body);
        submit(on, task).unwrap();
        task
    }

    /// Every carrier but those of the default executor is gone, to the last thread.
    #[track_caller]
    pub fn assert_at_baseline(&self) {
        let now = carriers();
        if now != self.baseline {
            std::thread::sleep(std::time::Duration::from_millis(100));
            panic!("{now} carriers, of {}; a little later {}", self.baseline, carriers());
        }
    }

    /// The same, a little later.
    pub fn wait_for_baseline(&self) {
        while carriers() != self.baseline {
            std::thread::yield_now();
        }
    }

    pub fn join_all(&self, tasks: impl IntoIterator<Item = Handle>) {
        for task in tasks {
            assert!(self.runtime.join(task, Instant::FAR));
        }
    }
}

/// OS threads of this process that run carriers: by name, for a test's harness has threads too.
fn carriers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm"));
    let names = tasks.filter_map(|task| name(task.ok()?).ok());
    names.filter(|name| name.starts_with("drift-")).count()
}

/// A box of this lies in the first word of a payload.
type Body = Box<dyn FnOnce() + Send>;

unsafe fn take(payload: *mut Payload) -> Box<Body> {
    // SAFETY: `spawn` put a leaked box there, and this is its only taker.
    let body = unsafe { Payload::read::<*mut Body>(payload) };
    // SAFETY: the same.
    unsafe { Box::from_raw(body) }
}

unsafe fn run(payload: *mut Payload) {
    // SAFETY: called once, and then `discard` is not.
    let body = unsafe { take(payload) };
    body();
}

unsafe fn discard(payload: *mut Payload) {
    // SAFETY: called once, and then `run` is not.
    drop(unsafe { take(payload) });
}

/// What runs here keeps nothing across a wait that belongs to its OS thread.
pub fn submit(executor: ExecutorRef, task: Handle) -> Result<(), ConcurrencyError> {
    // SAFETY: as said.
    unsafe { executor.submit(task) }
}

/// A new virtual thread that runs `body`, or drops it.
pub fn spawn(runtime: &'static Runtime, body: impl FnOnce() + Send + 'static) -> Handle {
    let body: Box<Body> = Box::new(Box::new(body));
    let payload = Payload::of(Box::into_raw(body));
    // SAFETY: the body is sent, and borrows nothing.
    unsafe { runtime.spawn(Entry { run, discard, payload }, StackClass::K64) }.unwrap()
}

/// Counts what is dropped.
#[derive(Clone, Default)]
pub struct Drops(Arc<AtomicUsize>);

impl Drops {
    pub fn one(&self) -> Dropped {
        Dropped(self.clone())
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

pub struct Dropped(Drops);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until `counter` has come to `value`.
pub fn wait_until(counter: &AtomicUsize, value: usize) {
    while counter.load(Ordering::SeqCst) < value {
        std::thread::yield_now();
    }
}
