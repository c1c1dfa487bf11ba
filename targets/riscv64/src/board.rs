//! QEMU's riscv64 virt machine in M mode: CLINT for time and CPUs, PLIC and a 16550 for serial.
//!
//! Addresses are those of QEMU's `hw/riscv/virt.c`; the registers those of the SiFive CLINT, of the
//! RISC-V PLIC specification 1.0, and of the 16550.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: the addresses are this machine's registers, which nobody
//! else uses.
#![no_std]
#![allow(unsafe_code)]

use core::fmt::{self, Write};
use core::num::NonZeroUsize;
use core::ptr;

use drift_board::{Board, Source};
use drift_core::platform::Interest;
use heapless::Deque;
use riscv::interrupt::Interrupt;
use riscv::register::{mcause, mepc, mhartid, mie, mip, mstatus, mtval};
use spin::{Mutex, Once};
use uart_16550::backend::MmioBackend;
use uart_16550::spec::registers::IER;
use uart_16550::{Config, Uart16550};

/// Ticks of `mtime` are of 10 MHz.
const NANOSECONDS: u64 = 100;
const MTIME: usize = 0x200_bff8;
/// Of hart 0; eight bytes each.
const MTIMECMP: usize = 0x200_4000;
/// Of hart 0; four bytes each: 1 interrupts it.
const MSIP: usize = 0x200_0000;
const PLIC: usize = 0xc00_0000;
const UART: NonZeroUsize = NonZeroUsize::new(0x1000_0000).unwrap();
/// The interrupt of the UART at the PLIC.
const UART_LINE: usize = 10;
/// QEMU's "test finisher": ends the machine.
const FINISHER: usize = 0x10_0000;

/// The serial line as a source: its place in the machine's list.
pub const SERIAL: usize = 0;

fn write<T>(address: usize, value: T) {
    // SAFETY: a register of the machine.
    unsafe { ptr::with_exposed_provenance_mut::<T>(address).write_volatile(value) };
}

fn read<T>(address: usize) -> T {
    // SAFETY: a register of the machine.
    unsafe { ptr::with_exposed_provenance::<T>(address).read_volatile() }
}

/// Writes a line to the serial port.
#[macro_export]
macro_rules! say {
    () => {
        $crate::say!("")
    };
    ($($text:tt)*) => {{
        let _ = core::fmt::Write::write_fmt(&mut $crate::Out, format_args!($($text)*));
        let _ = core::fmt::Write::write_str(&mut $crate::Out, "\n");
    }};
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
    exit(1)
}

/// The machine's functions.
#[derive(Debug)]
pub struct Virt;

// SAFETY: `mtime` only counts up; `wfi` returns beside a pending interrupt, masked or not (the
// privileged architecture, section "Wait for Interrupt").
unsafe impl Board for Virt {
    fn now(&self) -> u64 {
        read::<u64>(MTIME) * NANOSECONDS
    }

    fn set_alarm(&self, at: u64) {
        // Later than the tick that `at` lies in, so that the clock says it is over.
        write(MTIMECMP + 8 * self.cpu(), at.div_ceil(NANOSECONDS));
    }

    fn idle(&self, is_due: &dyn Fn() -> bool) {
        riscv::interrupt::disable();
        if !is_due() {
            riscv::asm::wfi();
        }
        // SAFETY: handlers share nothing with who is in `idle` but atomics.
        unsafe { riscv::interrupt::enable() };
    }

    fn kick(&self, cpu: usize) {
        // The reason is in memory before the interrupt is: a device is ordered by `fence` only.
        riscv::asm::fence();
        write(MSIP + 4 * cpu, 1_u32);
    }

    fn cpu(&self) -> usize {
        mhartid::read()
    }
}

/// Hart 0 goes on; the others wait until it interrupts them.
#[unsafe(no_mangle)]
extern "Rust" fn _mp_hook(hart: usize) -> bool {
    // Nothing runs here yet.
    drift_slot_set(core::ptr::null_mut());
    if hart == 0 {
        return true;
    }
    // SAFETY: interrupts are masked: `wfi` ends at one, and no handler runs.
    unsafe { mie::set_msoft() };
    while !mip::read().msoft() {
        riscv::asm::wfi();
    }
    // After what hart 0 wrote before it woke this one.
    riscv::asm::fence();
    false
}

/// Harts that there are, of the first `most`: the CLINT keeps what is written for these only.
pub fn harts(most: usize) -> usize {
    let is_there = |hart: &usize| {
        write(MTIMECMP + 8 * hart, u64::MAX);
        read::<u64>(MTIMECMP + 8 * hart) == u64::MAX
    };
    (0..most).take_while(is_there).count()
}

/// What a handler tells of the serial line.
static RAISE: Once<fn(usize)> = Once::new();

/// Serial input, by interrupts of hart 0, which are told to `raise`; then harts up to `cpus` are
/// woken.
pub fn start(cpus: usize, raise: fn(usize)) {
    RAISE.call_once(|| raise);
    let mut uart = SERIAL_LINE.uart.lock();
    uart.init(Config::default()).expect("QEMU has a 16550");
    uart.enable_interrupts(IER::DATA_READY);
    write(PLIC + 4 * UART_LINE, 1_u32);
    write(PLIC + 0x2000, 1_u32 << UART_LINE);
    write(PLIC + 0x20_0000, 0_u32);
    // SAFETY: the handler is below.
    unsafe { mie::set_mext() };
    (1..cpus).for_each(|cpu| Virt.kick(cpu));
}

/// The calling hart's interrupts begin.
pub fn listen() {
    Virt.set_alarm(u64::MAX);
    // SAFETY: the handlers are below.
    unsafe { mie::set_mtimer() };
    // SAFETY: the same.
    unsafe { mie::set_msoft() };
    // SAFETY: the same.
    unsafe { mstatus::set_mie() };
}

/// Ends the machine; QEMU's exit code.
pub fn exit(code: u8) -> ! {
    write(FINISHER, if code == 0 { 0x5555 } else { u32::from(code) << 16 | 0x3333 });
    loop {
        riscv::asm::wfi();
    }
}

/// The alarm has rung: who sleeps looks at the clock.
#[riscv_rt::core_interrupt(Interrupt::MachineTimer)]
fn alarm() {
    // Not if it is of an alarm that another has replaced.
    if read::<u64>(MTIME) >= read::<u64>(MTIMECMP + 8 * Virt.cpu()) {
        Virt.set_alarm(u64::MAX);
    }
}

/// A fault: says where, and ends the machine.
#[unsafe(export_name = "ExceptionHandler")]
fn fault(_: &riscv_rt::TrapFrame) -> ! {
    let (cause, at) = (mcause::read().bits(), mepc::read());
    say!("hart {}: exception {cause} at {at:#x}, address {:#x}", Virt.cpu(), mtval::read());
    exit(1)
}

/// Somebody has a reason for this hart, which looks at it when the handler returns.
#[riscv_rt::core_interrupt(Interrupt::MachineSoft)]
fn kicked() {
    write(MSIP + 4 * Virt.cpu(), 0_u32);
    // Before the look at the reason: one that is given later interrupts again.
    riscv::asm::fence();
}

#[riscv_rt::core_interrupt(Interrupt::MachineExternal)]
fn external() {
    let line = read::<u32>(PLIC + 0x20_0004);
    SERIAL_LINE.receive();
    write(PLIC + 0x20_0004, line);
    if let Some(raise) = RAISE.get() {
        raise(SERIAL);
    }
}

/// The serial line. Its locks are held with interrupts masked: the handler takes them as well.
#[derive(Debug)]
pub struct Serial {
    uart: Mutex<Uart16550<MmioBackend>>,
    /// Bytes that came, and nobody has read; what does not fit is lost.
    input: Mutex<Deque<u8, 256>>,
}

/// The machine's only one.
pub static SERIAL_LINE: Serial = Serial {
    // SAFETY: the machine has its registers there.
    uart: Mutex::new(match unsafe { Uart16550::new_mmio_from_address(UART, 1) } {
        Ok(uart) => uart,
        Err(_) => panic!("an address that is none"),
    }),
    input: Mutex::new(Deque::new()),
};

impl Serial {
    /// Takes what the hardware has. By the interrupt handler.
    fn receive(&self) {
        let (mut uart, mut input) = (self.uart.lock(), self.input.lock());
        while let Ok(byte) = uart.try_receive_byte() {
            let _ = input.push_back(byte);
        }
    }

    /// The next byte that came.
    pub fn read(&self) -> Option<u8> {
        riscv::interrupt::free(|| self.input.lock().pop_front())
    }
}

impl Source for Serial {
    fn ready(&self) -> Interest {
        let is_empty = riscv::interrupt::free(|| self.input.lock().is_empty());
        if is_empty { Interest::WRITE } else { Interest::BOTH }
    }
}

/// What `print!` writes to.
#[derive(Debug)]
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        riscv::interrupt::free(|| SERIAL_LINE.uart.lock().send_bytes_exact(text.as_bytes()));
        Ok(())
    }
}
