//! What survives a switch, and on which stack a context runs.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]

use std::cell::Cell;
use std::ptr;

use drift_asm::{Context, init, slot, switch};

const SIZE: usize = 256 << 10;

type Body = Box<dyn FnOnce(&Coupled)>;

/// A context on a stack of its own, and the way back to who resumes it.
struct Coupled {
    stack: Vec<u128>,
    inside: Cell<Context>,
    outside: Cell<Context>,
    body: Cell<Option<Body>>,
    done: Cell<bool>,
}

impl Coupled {
    fn new(body: impl FnOnce(&Self) + 'static) -> Box<Self> {
        let coupled = Box::new(Self {
            stack: vec![0; SIZE / 16],
            inside: Cell::new(Context::NONE),
            outside: Cell::new(Context::NONE),
            body: Cell::new(Some(Box::new(body))),
            done: Cell::new(false),
        });
        let top = coupled.stack.as_ptr_range().end.cast_mut().cast();
        let own = ptr::from_ref(&*coupled).cast_mut().cast();
        // SAFETY: the vector is aligned as a `u128`, and nobody else uses it.
        coupled.inside.set(unsafe { init(top, main, own) });
        coupled
    }

    fn resume(&self) {
        assert!(!self.done.get(), "a context that ended was resumed");
        // SAFETY: `inside` was made by `init` or saved by `suspend`, and is resumed once.
        unsafe { switch(self.outside.as_ptr(), self.inside.get()) };
    }

    fn suspend(&self) {
        // SAFETY: `outside` was saved by `resume`, which waits.
        unsafe { switch(self.inside.as_ptr(), self.outside.get()) };
    }
}

unsafe extern "C" fn main(own: *mut u8) -> ! {
    // SAFETY: `new` passed the box, which outlives its context's run.
    let own = unsafe { &*own.cast::<Coupled>() };
    let body = own.body.take().expect("a context runs once");
    body(own);
    own.done.set(true);
    own.suspend();
    unreachable!("resume checks `done`")
}

#[test]
fn control_goes_in_and_out_with_its_locals() {
    let coupled = Coupled::new(|own| {
        let mut sum = 0u64;
        for turn in 1..=1000 {
            sum += turn;
            own.suspend();
        }
        assert_eq!(sum, 500_500);
    });
    let mut product = 1u64;
    for turn in 1..=1000u64 {
        product = product.wrapping_mul(turn | 1);
        coupled.resume();
    }
    coupled.resume();
    assert!(coupled.done.get());
    assert_eq!(product, (1..=1000u64).fold(1u64, |product, turn| product.wrapping_mul(turn | 1)));
}

#[test]
fn the_entry_finds_an_aligned_stack() {
    let coupled = Coupled::new(|_| {
        #[repr(align(32))]
        struct Wide([u8; 64]);
        let wide = std::hint::black_box(Wide([7; 64]));
        assert_eq!(ptr::from_ref(&wide).addr() % 32, 0);
        // Formatting floats uses the aligned vector moves that fault otherwise.
        assert_eq!(format!("{:.3}", std::hint::black_box(1.5f64)), "1.500");
        assert_eq!(wide.0[63], 7);
    });
    coupled.resume();
    assert!(coupled.done.get());
}

/// Round towards zero, as this architecture says it.
#[cfg(target_arch = "x86_64")]
mod control {
    use std::arch::asm;

    pub fn set(towards_zero: bool) {
        let mxcsr: u32 = if towards_zero { 0x7f80 } else { 0x1f80 };
        let x87: u16 = if towards_zero { 0x0f7f } else { 0x037f };
        // SAFETY: all exceptions stay masked.
        unsafe { asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) &mxcsr, in(reg) &x87) };
    }

    pub fn towards_zero() -> (bool, bool) {
        let (mut mxcsr, mut x87) = (0u32, 0u16);
        // SAFETY: stores two words.
        unsafe { asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &mut mxcsr, in(reg) &mut x87) };
        (mxcsr & 0x6000 == 0x6000, x87 & 0x0c00 == 0x0c00)
    }
}

#[cfg(target_arch = "aarch64")]
mod control {
    use std::arch::asm;

    pub fn set(towards_zero: bool) {
        let fpcr: u64 = if towards_zero { 0b11 << 22 } else { 0 };
        // SAFETY: only the rounding mode.
        unsafe { asm!("msr fpcr, {}", in(reg) fpcr) };
    }

    pub fn towards_zero() -> (bool, bool) {
        let fpcr: u64;
        // SAFETY: reads a register.
        unsafe { asm!("mrs {}, fpcr", out(reg) fpcr) };
        let both = fpcr >> 22 & 0b11 == 0b11;
        (both, both)
    }
}

#[cfg(target_arch = "riscv64")]
mod control {
    use std::arch::asm;

    pub fn set(towards_zero: bool) {
        // SAFETY: only the rounding mode.
        unsafe { asm!("fsrm {}", in(reg) usize::from(towards_zero)) };
    }

    pub fn towards_zero() -> (bool, bool) {
        let frm: usize;
        // SAFETY: reads a register.
        unsafe { asm!("frrm {}", out(reg) frm) };
        (frm == 1, frm == 1)
    }
}

#[test]
fn each_context_has_its_own_control_words() {
    let coupled = Coupled::new(|own| {
        assert_eq!(control::towards_zero(), (false, false), "a new context has the ABI's");
        control::set(true);
        own.suspend();
        assert_eq!(control::towards_zero(), (true, true));
        own.suspend();
        assert_eq!(control::towards_zero(), (true, true));
        control::set(false);
    });
    coupled.resume();
    assert_eq!(control::towards_zero(), (false, false));
    coupled.resume();
    control::set(true);
    coupled.resume();
    let kept = control::towards_zero();
    control::set(false);
    assert_eq!(kept, (true, true));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn callee_saved_registers_survive() {
    let coupled = Coupled::new(|own| {
        loop {
            // SAFETY: the registers are given back at the end of the block, by the compiler.
            unsafe {
                std::arch::asm!(
                    "mov r12, 21", "mov r13, 22", "mov r14, 23", "mov r15, 24",
                    out("r12") _, out("r13") _, out("r14") _, out("r15") _,
                );
            }
            own.suspend();
        }
    });
    let (mut a, mut b, mut c, mut d): (u64, u64, u64, u64);
    // SAFETY: `call` is an ordinary C call; every register it may change is declared.
    unsafe {
        std::arch::asm!(
            "mov r12, 11", "mov r13, 12", "mov r14, 13", "mov r15, 14",
            "call {resume}",
            resume = sym resume,
            in("rdi") &raw const *coupled,
            out("r12") a, out("r13") b, out("r14") c, out("r15") d,
            clobber_abi("C"),
        );
    }
    assert_eq!((a, b, c, d), (11, 12, 13, 14));
    std::mem::forget(coupled);
}

#[cfg(target_arch = "x86_64")]
extern "C" fn resume(coupled: &Coupled) {
    coupled.resume();
}

#[cfg(target_arch = "aarch64")]
#[test]
fn callee_saved_registers_survive() {
    let coupled = Coupled::new(|own| {
        loop {
            // SAFETY: as declared.
            unsafe {
                std::arch::asm!(
                    "mov x20, 21", "mov x28, 22", "fmov d8, #2.0", "fmov d15, #3.0",
                    out("x20") _, out("x28") _, out("v8") _, out("v15") _,
                );
            }
            own.suspend();
        }
    });
    let (mut a, mut b): (u64, u64);
    let (mut c, mut d): (f64, f64);
    // SAFETY: an ordinary C call; every register it may change is declared.
    unsafe {
        std::arch::asm!(
            "mov x20, 11", "mov x28, 12", "fmov d8, #4.0", "fmov d15, #5.0",
            "bl {resume}",
            resume = sym resume,
            in("x0") &raw const *coupled,
            out("x20") a, out("x28") b, out("d8") c, out("d15") d,
            clobber_abi("C"),
        );
    }
    assert_eq!((a, b, c, d), (11, 12, 4.0, 5.0));
    std::mem::forget(coupled);
}

/// Sets the registers that a callee keeps: each to a number from the one in `from` on, those of
/// floating point to the same numbers.
#[cfg(target_arch = "riscv64")]
macro_rules! set_all {
    () => {
        "mv s2, {from}; addi s3, {from}, 1; addi s4, {from}, 2; addi s5, {from}, 3
         addi s6, {from}, 4; addi s7, {from}, 5; addi s8, {from}, 6; addi s9, {from}, 7
         addi s10, {from}, 8; addi s11, {from}, 9
         fcvt.d.l fs0, s2; fcvt.d.l fs1, s3; fcvt.d.l fs2, s4; fcvt.d.l fs3, s5
         fcvt.d.l fs4, s6; fcvt.d.l fs5, s7; fcvt.d.l fs6, s8; fcvt.d.l fs7, s9
         fcvt.d.l fs8, s10; fcvt.d.l fs9, s11; fcvt.d.l fs10, s2; fcvt.d.l fs11, s3"
    };
}

#[cfg(target_arch = "riscv64")]
#[test]
fn callee_saved_registers_survive() {
    let coupled = Coupled::new(|own| {
        loop {
            // SAFETY: every register that changes is declared.
            unsafe {
                std::arch::asm!(
                    set_all!(),
                    from = in(reg) 50_usize,
                    out("x18") _, out("x19") _, out("x20") _, out("x21") _, out("x22") _,
                    out("x23") _, out("x24") _, out("x25") _, out("x26") _, out("x27") _,
                    out("f8") _, out("f9") _, out("f18") _, out("f19") _, out("f20") _,
                    out("f21") _, out("f22") _, out("f23") _, out("f24") _, out("f25") _,
                    out("f26") _, out("f27") _,
                );
            }
            own.suspend();
        }
    });
    let mut whole = [0_u64; 10];
    let mut float = [0_f64; 12];
    // SAFETY: an ordinary C call; every register it may change is declared.
    unsafe {
        std::arch::asm!(
            set_all!(),
            "call {resume}",
            resume = sym resume,
            from = in(reg) 20_usize,
            in("a0") &raw const *coupled,
            out("x18") whole[0], out("x19") whole[1], out("x20") whole[2], out("x21") whole[3],
            out("x22") whole[4], out("x23") whole[5], out("x24") whole[6], out("x25") whole[7],
            out("x26") whole[8], out("x27") whole[9],
            out("f8") float[0], out("f9") float[1], out("f18") float[2], out("f19") float[3],
            out("f20") float[4], out("f21") float[5], out("f22") float[6], out("f23") float[7],
            out("f24") float[8], out("f25") float[9], out("f26") float[10], out("f27") float[11],
            clobber_abi("C"),
        );
    }
    assert_eq!(whole, std::array::from_fn(|at| 20 + at as u64));
    assert_eq!(float, std::array::from_fn(|at| (20 + at % 10) as f64));
    std::mem::forget(coupled);
}

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
extern "C" fn resume(coupled: &Coupled) {
    coupled.resume();
}

#[test]
fn deep_stacks_keep_every_frame() {
    fn descend(own: &Coupled, depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 16]);
        if depth == 0 {
            own.suspend();
            return 0;
        }
        descend(own, depth - 1) + std::hint::black_box(&frame)[7]
    }
    let coupled = Coupled::new(|own| assert_eq!(descend(own, 500), 125_250));
    coupled.resume();
    coupled.resume();
    assert!(coupled.done.get());
}

#[test]
fn many_contexts_take_turns() {
    let contexts: Vec<_> = (0..100u64)
        .map(|number| {
            Coupled::new(move |own| {
                for turn in 0..10 {
                    let kept = std::hint::black_box(number * 10 + turn);
                    own.suspend();
                    assert_eq!(kept, number * 10 + turn);
                }
            })
        })
        .collect();
    for _ in 0..11 {
        contexts.iter().for_each(|context| context.resume());
    }
    assert!(contexts.iter().all(|context| context.done.get()));
}

#[test]
fn the_slot_is_one_word_for_each_thread() {
    assert!(slot::get().is_null());
    let mut word = 7u8;
    // SAFETY: nobody reads it but this test.
    unsafe { slot::set(&raw mut word) };
    std::thread::spawn(|| assert!(slot::get().is_null())).join().expect("a thread of its own");
    assert_eq!(slot::get(), &raw mut word);
    // SAFETY: nobody reads it but this test.
    unsafe { slot::set(ptr::null_mut()) };
}

#[test]
fn the_slot_is_read_again_after_a_switch_to_another_thread() {
    let coupled = Coupled::new(|own| {
        let first = slot::get();
        own.suspend();
        assert_ne!(slot::get(), first, "it runs on another thread now");
    });
    let mut word = 1u8;
    // SAFETY: nobody reads it but this test.
    unsafe { slot::set(&raw mut word) };
    coupled.resume();
    // SAFETY: nobody reads it but this test.
    unsafe { slot::set(ptr::null_mut()) };
    let moved = Moved(Box::into_raw(coupled));
    std::thread::spawn(move || {
        let moved = moved;
        let mut other = 2u8;
        // SAFETY: nobody reads it but this test.
        unsafe { slot::set(&raw mut other) };
        // SAFETY: from `into_raw`, and given to this thread alone.
        let coupled = unsafe { Box::from_raw(moved.0) };
        coupled.resume();
        assert!(coupled.done.get());
        // SAFETY: nobody reads it but this test.
        unsafe { slot::set(ptr::null_mut()) };
    })
    .join()
    .expect("the context runs on");
}

/// A context that changes its thread.
struct Moved(*mut Coupled);

// SAFETY: the test hands it over, and does not look back.
unsafe impl Send for Moved {}

#[test]
fn a_weak_symbol_is_null_unless_somebody_defines_it() {
    assert!(drift_asm::weak_symbol!(drift_nobody_defines_this).is_null());
    assert!(!drift_asm::weak_symbol!(malloc).is_null());
}
