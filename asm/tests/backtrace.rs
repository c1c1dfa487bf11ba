//! A walk up the stack of a context ends at its entry, and unwinding works inside.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::catch_unwind;

use drift_asm::{Context, init, switch};

thread_local! {
    static CONTEXTS: RefCell<[Context; 2]> = const { RefCell::new([Context::NONE; 2]) };
    static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `entry` on a stack of its own until it leaves for good.
fn run(entry: drift_asm::Entry) {
    let stack = vec![0u128; (512 << 10) / 16];
    let top = stack.as_ptr_range().end.cast_mut().cast();
    // SAFETY: the vector is aligned as a `u128`, and nobody else uses it.
    let inside = unsafe { init(top, entry, std::ptr::null_mut()) };
    let outside = CONTEXTS.with_borrow_mut(|contexts| &raw mut contexts[0]);
    // SAFETY: just made, and the stack lives until it has left.
    unsafe { switch(outside, inside) };
}

fn leave() -> ! {
    let (inside, outside) =
        CONTEXTS.with_borrow_mut(|contexts| (&raw mut contexts[1], contexts[0]));
    // SAFETY: saved by `run`, which waits.
    unsafe { switch(inside, outside) };
    unreachable!("nobody resumes it")
}

#[inline(never)]
unsafe extern "C" fn walks(_: *mut u8) -> ! {
    let trace = Backtrace::force_capture().to_string();
    SEEN.with_borrow_mut(|seen| *seen = trace);
    leave()
}

#[test]
fn a_backtrace_ends_at_the_entry() {
    run(walks);
    let trace = SEEN.take();
    assert!(trace.contains("walks"), "the entry is missing:\n{trace}");
    assert!(!trace.contains("a_backtrace_ends"), "it went on to the resumer:\n{trace}");
    let frames = trace.lines().filter(|line| !line.trim_start().starts_with("at ")).count();
    assert!(frames < 40, "it did not end:\n{trace}");
}

unsafe extern "C" fn catches(_: *mut u8) -> ! {
    let caught = catch_unwind(|| std::panic::resume_unwind(Box::new(7)));
    let number = *caught.expect_err("it unwound").downcast::<i32>().expect("the same payload");
    SEEN.with_borrow_mut(|seen| *seen = number.to_string());
    leave()
}

#[test]
fn unwinding_inside_a_context_is_caught_inside() {
    run(catches);
    assert_eq!(SEEN.take(), "7");
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
unsafe extern "C" fn follows(_: *mut u8) -> ! {
    let mut frame: *const usize;
    // SAFETY: reads a register.
    unsafe { std::arch::asm!("mov {}, rbp", out(reg) frame) };
    // A debug build keeps frame pointers: each points at the one before.
    let mut steps = 0;
    while cfg!(debug_assertions) && !frame.is_null() && steps < 100 {
        // SAFETY: a saved frame pointer of this stack.
        frame = unsafe { *frame } as *const usize;
        steps += 1;
    }
    SEEN.with_borrow_mut(|seen| *seen = steps.to_string());
    leave()
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_chain_of_frame_pointers_ends() {
    run(follows);
    let steps: usize = SEEN.take().parse().expect("a number");
    assert!(steps < 100, "the chain did not end");
}
