//! The conformance suite on this machine: what every platform must keep, the source that Linux
//! runs.
//!
//! Hart 0 runs it; hart 1 runs what a promise wants beside it.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: one promise runs at a time, and nothing of the machine of
//! the one before is in use when the next begins.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use drift_board::{Arena, Machine, Source};
use drift_core::platform::{self, Interest, Platform};
use drift_core::prim::{AtomicBool, AtomicU32, Ordering};
use drift_tests::conformance::{self, Wire, World};
use spin::Mutex;

use board::{Virt, say};

const CPUS: usize = 2;

static ARENA: Arena<{ 192 << 20 }> = Arena::new();

type Platforms = Machine<CPUS, 1>;

/// The machine of the promise that runs.
static MACHINE: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

struct Place(UnsafeCell<MaybeUninit<Platforms>>);

// SAFETY: written between promises only, when hart 1 waits for the next.
unsafe impl Sync for Place {}

#[riscv_rt::entry]
fn boot(hart: usize) -> ! {
    if hart == 0 {
        // Nobody types.
        board::start(CPUS, |_| ());
        board::listen();
        let mut count = 0;
        conformance::run(Suite::new, |name| {
            count += 1;
            say!("test {name}");
        });
        say!("test result: ok. {count} passed; 0 failed");
        board::exit(0)
    }
    board::listen();
    loop {
        let job = JOB.lock().take();
        if let Some(Job(job)) = job {
            // SAFETY: `beside` waits until it is done.
            unsafe { (*job)() };
            DONE.store(true, Ordering::Release);
        }
        core::hint::spin_loop();
    }
}

/// What hart 1 does next.
static JOB: Mutex<Option<Job>> = Mutex::new(None);
static DONE: AtomicBool = AtomicBool::new(false);

struct Job(*const (dyn Fn() + Sync));

// SAFETY: what it leads to may be called on any CPU.
unsafe impl Send for Job {}

struct Suite;

impl Suite {
    fn new() -> Self {
        // SAFETY: the promise before is over.
        unsafe { ARENA.reset() };
        let machine = Machine::new(&Virt, &ARENA, [&WIRE]);
        let place: *mut Platforms = MACHINE.0.get().cast();
        // SAFETY: the same.
        unsafe { place.write(machine) };
        SENT.store(0, Ordering::Relaxed);
        HUNG_UP.store(false, Ordering::Relaxed);
        Self
    }

    fn machine(&self) -> &'static Platforms {
        let place: *mut Platforms = MACHINE.0.get().cast();
        // SAFETY: `new` wrote it.
        unsafe { &*place }
    }
}

impl World for Suite {
    fn platform(&self) -> &'static dyn Platform {
        self.machine()
    }

    fn beside(&self, other: &(dyn Fn() + Sync), this: &mut dyn FnMut()) {
        // SAFETY: only the lifetime changes, and this call waits until the job is done.
        let job = unsafe {
            core::mem::transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(other)
        };
        DONE.store(false, Ordering::Relaxed);
        *JOB.lock() = Some(Job(job));
        this();
        while !DONE.load(Ordering::Acquire) {
            core::hint::spin_loop();
        }
    }

    fn wire(&self) -> Option<&dyn Wire> {
        Some(&WIRE)
    }
}

/// A source that is not the machine's: bytes that were sent and not received, as a number.
#[derive(Debug)]
struct Bytes;

static WIRE: Bytes = Bytes;
static SENT: AtomicU32 = AtomicU32::new(0);
static HUNG_UP: AtomicBool = AtomicBool::new(false);

impl Source for Bytes {
    fn ready(&self) -> Interest {
        let is_empty = SENT.load(Ordering::Acquire) == 0;
        let ready = if is_empty { Interest::WRITE } else { Interest::BOTH };
        match HUNG_UP.load(Ordering::Acquire) {
            true => ready.union(Interest::HANG_UP),
            false => ready,
        }
    }
}

impl Wire for Bytes {
    fn source(&self) -> platform::Source {
        platform::Source(0)
    }

    fn send(&self) {
        SENT.fetch_add(1, Ordering::Release);
        Suite.machine().raise(0);
    }

    fn receive(&self) {
        SENT.store(0, Ordering::Release);
    }

    fn hang_up(&self) {
        HUNG_UP.store(true, Ordering::Release);
        Suite.machine().raise(0);
    }
}
