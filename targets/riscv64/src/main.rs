//! Virtual threads on QEMU's riscv64 virt machine, without an operating system.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: what is spawned here has nothing in its payload but a
//! number, and panics end the machine instead of unwinding.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

mod board;

use core::fmt::Write;
use drift_core::prim::{AtomicU32, Ordering};

use drift_board::{Arena, Machine};
use drift_core::platform::{Interest, Source, StackClass};
use drift_core::runtime::Runtime;
use drift_core::task::{Entry, Handle, Payload, Run};
use drift_core::time::{Instant, MILLISECOND};

use crate::board::{Out, SERIAL, SERIAL_LINE, Virt};

static ARENA: Arena<{ 56 << 20 }> = Arena::new();

/// The platform.
static MACHINE: Machine<1, 1> = Machine::new(&Virt, &ARENA, [&SERIAL_LINE]);

macro_rules! say {
    ($($text:tt)*) => { let _ = writeln!(Out, $($text)*); };
}

/// The carrier word: `tp`, which nothing else uses in an image without thread-locals.
#[unsafe(no_mangle)]
extern "C" fn drift_slot_get() -> *mut u8 {
    let word;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mv {}, tp", out(reg) word, options(nomem, nostack)) };
    word
}

#[unsafe(no_mangle)]
extern "C" fn drift_slot_set(word: *mut u8) {
    // SAFETY: nothing else uses the register.
    unsafe { core::arch::asm!("mv tp, {}", in(reg) word, options(nostack)) };
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    say!("{info}");
    board::exit(1)
}

fn runtime() -> &'static Runtime {
    Runtime::here().expect("a virtual thread runs this")
}

fn spawn(runtime: &'static Runtime, run: Run, number: u32) -> Handle {
    let entry = Entry { run, discard: run, payload: Payload::of(number) };
    // SAFETY: every function here reads a number at most, and does not unwind.
    let handle = unsafe { runtime.spawn(entry, StackClass::K64) };
    let handle = handle.unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: the default executor has one carrier.
    let submitted = unsafe { runtime.default_executor().submit(handle) };
    submitted.unwrap_or_else(|error| panic!("{error}"));
    handle
}

#[riscv_rt::entry]
fn boot() -> ! {
    board::start();
    // SAFETY: the machine serves this runtime only.
    let runtime = unsafe { Runtime::new(&MACHINE, 0) };
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    spawn(runtime, program, 0);
    MACHINE.enter()
}

static SLEPT: AtomicU32 = AtomicU32::new(0);
const SLEEPERS: u32 = 100;

unsafe fn sleeps(payload: *mut Payload) {
    // SAFETY: `spawn` put it there.
    let number: u32 = unsafe { Payload::read(payload) };
    let runtime = runtime();
    let until = runtime.platform().now() + u64::from(number % 10 + 1) * MILLISECOND;
    runtime.park(until);
    assert!(runtime.platform().now() >= until, "it woke early");
    SLEPT.fetch_add(1, Ordering::Relaxed);
}

unsafe fn program(_: *mut Payload) {
    let runtime = runtime();
    say!("drift: virtual threads on riscv64, M mode, {} CPU", 1);
    let sleepers: [Handle; SLEEPERS as usize] =
        core::array::from_fn(|number| spawn(runtime, sleeps, number as u32));
    for handle in sleepers {
        assert!(runtime.join(handle, Instant::FAR));
    }
    say!("{} sleepers, none early", SLEPT.load(Ordering::Relaxed));
    say!("type a line:");
    echo(runtime);
    board::exit(0)
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
