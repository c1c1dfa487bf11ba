//! Virtual threads on QEMU's riscv64 virt machine, without an operating system.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: what is spawned here has nothing in its payload but a
//! number, and panics end the machine instead of unwinding.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

use core::fmt::Write;

use drift_board::{Arena, Board, Machine};
use drift_core::platform::{Interest, Source, StackClass};
use drift_core::prim::{AtomicU32, Ordering};
use drift_core::runtime::Runtime;
use drift_core::sched::ExecutorRef;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::task::{Entry, Handle, Payload, Run};
use drift_core::time::{Instant, MILLISECOND};
use spin::Once;

use board::{Out, SERIAL, SERIAL_LINE, Virt, say};

static ARENA: Arena<{ 56 << 20 }> = Arena::new();

/// Harts that the image can use; QEMU's `-smp` says how many there are.
const CPUS: usize = 4;

/// The platform.
static MACHINE: Machine<CPUS, 1> = Machine::new(&Virt, &ARENA, [&SERIAL_LINE]);

fn runtime() -> &'static Runtime {
    Runtime::here().expect("a virtual thread runs this")
}

fn spawn(executor: ExecutorRef, run: Run, number: u32) -> Handle {
    let entry = Entry { run, discard: run, payload: Payload::of(number) };
    let runtime = RUNTIME.get().expect("`boot` made it");
    // SAFETY: every function here reads a number at most, and does not unwind.
    let handle = unsafe { runtime.spawn(entry, StackClass::K64) };
    let handle = handle.unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: nothing here keeps across a wait what belongs to its CPU.
    let submitted = unsafe { executor.submit(handle) };
    submitted.unwrap_or_else(|error| panic!("{error}"));
    handle
}

static RUNTIME: Once<&'static Runtime> = Once::new();
/// One carrier for each CPU.
static EXECUTOR: Once<ExecutorRef> = Once::new();

fn executor() -> ExecutorRef {
    *EXECUTOR.get().expect("`boot` made it")
}

#[riscv_rt::entry]
fn boot(hart: usize) -> ! {
    if hart == 0 {
        begin();
    }
    board::listen();
    MACHINE.enter()
}

/// On hart 0, before it enters.
fn begin() {
    let harts = board::harts(CPUS);
    board::start(harts, |source| MACHINE.raise(source));
    MACHINE.announce();
    while MACHINE.announced() < harts {
        core::hint::spin_loop();
    }
    // SAFETY: the machine serves this runtime only.
    let runtime = unsafe { Runtime::new(&MACHINE, 0) };
    let runtime = RUNTIME.call_once(|| runtime.unwrap_or_else(|error| panic!("{error}")));
    let cpus = MACHINE.announced() as u32;
    let policy = ExecutorPolicy {
        min_threads: cpus,
        max_threads: cpus,
        migrates: true,
        ..ExecutorPolicy::DEFAULT
    };
    let made = runtime.create_executor(policy);
    EXECUTOR.call_once(|| made.unwrap_or_else(|error| panic!("{error:?}")));
    spawn(executor(), program, 0);
}

unsafe fn program(_: *mut Payload) {
    let cpus = MACHINE.announced();
    say!(
        "drift: virtual threads on riscv64, M mode, {cpus} CPU{}",
        if cpus > 1 { "s" } else { "" }
    );
    sleepers();
    turns();
    if cpus > 1 {
        moves();
    }
    say!("type a line:");
    echo(runtime());
    board::exit(0)
}

static SLEPT: AtomicU32 = AtomicU32::new(0);
const SLEEPERS: u32 = 200;

/// Each sleeps by the hardware timer.
fn sleepers() {
    let all: [Handle; SLEEPERS as usize] =
        core::array::from_fn(|number| spawn(executor(), sleeps, number as u32));
    join(&all);
    say!("{} sleepers, none early", SLEPT.load(Ordering::Relaxed));
}

unsafe fn sleeps(payload: *mut Payload) {
    // SAFETY: `spawn` put it there.
    let number: u32 = unsafe { Payload::read(payload) };
    let runtime = runtime();
    let until = runtime.platform().now() + u64::from(number % 10 + 1) * MILLISECOND;
    runtime.park(until);
    assert!(runtime.platform().now() >= until, "it woke early");
    SLEPT.fetch_add(1, Ordering::Relaxed);
}

fn join(all: &[Handle]) {
    for handle in all {
        assert!(runtime().join(*handle, Instant::FAR), "it ends");
    }
}

/// Pairs that wake each other, each as often; on several CPUs at once if there are.
const PAIRS: usize = 8;
const TURNS: u32 = 5_000;
static TURN: [AtomicU32; PAIRS] = [const { AtomicU32::new(0) }; PAIRS];
static PLAYERS: Once<[Handle; 2 * PAIRS]> = Once::new();
/// Bit set of the CPUs on which each player was seen.
static SEEN: [AtomicU32; 2 * PAIRS] = [const { AtomicU32::new(0) }; 2 * PAIRS];

fn turns() {
    let all = core::array::from_fn(|number| spawn(executor(), plays, number as u32));
    join(PLAYERS.call_once(|| all));
    say!("{PAIRS} pairs woke each other {TURNS} times and more, none lost, on every CPU");
}

/// Whether every CPU ran some of them.
fn was_everywhere() -> bool {
    let seen = SEEN.iter().fold(0, |seen, by| seen | by.load(Ordering::Acquire));
    seen.count_ones() as usize == MACHINE.announced()
}

unsafe fn plays(payload: *mut Payload) {
    // SAFETY: `spawn` put it there.
    let number: u32 = unsafe { Payload::read(payload) };
    let (runtime, turn) = (runtime(), &TURN[number as usize / 2]);
    while PLAYERS.get().is_none() {
        runtime.yield_now();
    }
    let other = PLAYERS.get().expect("they are there")[number as usize ^ 1];
    loop {
        SEEN[number as usize].fetch_or(1 << Virt.cpu(), Ordering::Release);
        let now = turn.load(Ordering::Acquire);
        if now >= TURNS && was_everywhere() {
            return runtime.unpark(other);
        }
        if now % 2 == number % 2 {
            // A little work, so that the other's CPU has time to sleep now and then.
            (0..now % 50).for_each(|_| core::hint::spin_loop());
            turn.store(now + 1, Ordering::Release);
            runtime.unpark(other);
        } else {
            runtime.park(Instant::FAR);
        }
    }
}

/// How often one was woken by a virtual thread that keeps its CPU until that has run.
static WOKEN: AtomicU32 = AtomicU32::new(0);
static RAN: AtomicU32 = AtomicU32::new(0);

/// One is woken on a CPU that is kept, until it has run on another than before: an idle CPU takes
/// it over.
fn moves() {
    let own = runtime().current().expect("a virtual thread runs this");
    OWN.call_once(|| own);
    loop {
        let before = Virt.cpu();
        let round = WOKEN.load(Ordering::Relaxed) + 1;
        let keeper = spawn(executor(), keeps, 0);
        while WOKEN.load(Ordering::Acquire) < round {
            runtime().park(Instant::FAR);
        }
        RAN.store(round, Ordering::Release);
        let after = Virt.cpu();
        assert!(runtime().join(keeper, Instant::FAR), "it ends");
        if before != after {
            return say!("a virtual thread ran on two CPUs");
        }
    }
}

static OWN: Once<Handle> = Once::new();

/// Wakes the one, and keeps its CPU until that has run.
unsafe fn keeps(_: *mut Payload) {
    let round = WOKEN.load(Ordering::Relaxed) + 1;
    WOKEN.store(round, Ordering::Release);
    runtime().unpark(*OWN.get().expect("`moves` set it"));
    while RAN.load(Ordering::Acquire) < round {
        core::hint::spin_loop();
    }
}

/// Reads a line, each byte when it comes, and writes it back.
fn echo(runtime: &'static Runtime) {
    let own = runtime.current().expect("a virtual thread runs this");
    loop {
        let Some(byte) = SERIAL_LINE.read() else {
            runtime.unpark_ready(own, Source(SERIAL as u32), Interest::READ, Instant::FAR);
            runtime.park(Instant::FAR);
            continue;
        };
        let _ = Out.write_char(char::from(byte));
        if byte == b'\n' || byte == b'\r' {
            say!();
            return;
        }
    }
}
