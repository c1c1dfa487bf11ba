//! What AddressSanitizer, ThreadSanitizer and valgrind have to be told of stacks.
//!
//! Each function calls the tool if it is there and does nothing otherwise: the symbols are weak,
//! and valgrind's request is a few instructions that change nothing outside of it.
//!
//! Source: `sanitizer/common_interface_defs.h`, `sanitizer/tsan_interface.h`, and `valgrind.h`.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a symbol that is there has the type of its header.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::mem::transmute;

use crate::Context;

/// A tool's own pointer.
pub type Opaque = *mut c_void;

/// The function behind a weak symbol, if the tool is there.
macro_rules! tool {
    ($name:ident as $type:ty) => {{
        let address = crate::weak_symbol!($name);
        // SAFETY: the symbol is the tool's, of this type, as its header says.
        (!address.is_null()).then(|| unsafe { transmute::<*const u8, $type>(address) })
    }};
}

/// A switch, and what the tools are told just before it. It stays where it is until the next one:
/// not on a stack that AddressSanitizer may have moved elsewhere.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Departure {
    start: *const u8,
    change: *const u8,
    save: *mut Opaque,
    bottom: usize,
    size: usize,
    context: Opaque,
    from: *mut Context,
    to: Context,
}

impl Departure {
    /// Nowhere.
    pub const NONE: Self = Self {
        start: core::ptr::null(),
        change: core::ptr::null(),
        save: core::ptr::null_mut(),
        bottom: 0,
        size: 0,
        context: core::ptr::null_mut(),
        from: core::ptr::null_mut(),
        to: Context::NONE,
    };

    /// To the stack from `bottom` of `size` bytes, which ThreadSanitizer knows as `context`.
    /// AddressSanitizer's fake stack of the one that is left goes to `save`; it is gone if that
    /// is null, which is for a stack that is left for good.
    #[must_use]
    pub fn new(save: *mut Opaque, bottom: usize, size: usize, context: Opaque) -> Self {
        Self {
            start: crate::weak_symbol!(__sanitizer_start_switch_fiber),
            change: crate::weak_symbol!(__tsan_switch_to_fiber),
            save,
            bottom,
            size,
            context,
            ..Self::NONE
        }
    }

    /// As [`switch`](crate::switch), with what goes before it.
    ///
    /// # Safety
    /// As for `switch`; `place` is no local, and the stacks are as it says.
    pub unsafe fn go(place: *mut Self, from: *mut Context, to: Context) {
        // SAFETY: the caller's.
        unsafe { (*place).from = from };
        // SAFETY: the same.
        unsafe { (*place).to = to };
        // SAFETY: the same.
        unsafe { depart(place) };
    }
}

/// In assembly, because the fake stack of its caller's frame may be gone after the first call.
#[cfg(all(target_arch = "x86_64", not(any(windows, target_os = "uefi", target_vendor = "apple"))))]
#[unsafe(naked)]
unsafe extern "C" fn depart(place: *const Departure) {
    core::arch::naked_asm!(
        "push rbx",
        "mov rbx, rdi",
        "mov rax, [rbx]",
        "test rax, rax",
        "jz 2f",
        "mov rdi, [rbx + 16]",
        "mov rsi, [rbx + 24]",
        "mov rdx, [rbx + 32]",
        "call rax",
        "2:",
        "mov rax, [rbx + 8]",
        "test rax, rax",
        "jz 3f",
        "mov rdi, [rbx + 40]",
        "xor esi, esi",
        "call rax",
        "3:",
        "mov rdi, [rbx + 48]",
        "mov rsi, [rbx + 56]",
        "pop rbx",
        "jmp {switch}",
        switch = sym crate::switch,
    )
}

#[cfg(all(
    target_arch = "aarch64",
    not(any(windows, target_os = "uefi", target_vendor = "apple"))
))]
#[unsafe(naked)]
unsafe extern "C" fn depart(place: *const Departure) {
    core::arch::naked_asm!(
        "stp x19, x30, [sp, #-16]!",
        "mov x19, x0",
        "ldr x8, [x19]",
        "cbz x8, 2f",
        "ldp x0, x1, [x19, #16]",
        "ldr x2, [x19, #32]",
        "blr x8",
        "2:",
        "ldr x8, [x19, #8]",
        "cbz x8, 3f",
        "ldr x0, [x19, #40]",
        "mov w1, wzr",
        "blr x8",
        "3:",
        "ldp x0, x1, [x19, #48]",
        "ldp x19, x30, [sp], #16",
        "b {switch}",
        switch = sym crate::switch,
    )
}

#[cfg(any(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    any(windows, target_os = "uefi", target_vendor = "apple"),
))]
unsafe fn depart(place: *const Departure) {
    // SAFETY: the caller's; there are no tools here.
    unsafe { crate::switch((*place).from, (*place).to) };
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(core::mem::offset_of!(Departure, to) == 56);

/// AddressSanitizer, after a switch, on the new stack, with what was saved when that was left;
/// where the old stack lies, as `(bottom, size)`.
///
/// # Safety
/// `saved` was saved by the [`Departure`] from this stack, or is null for a new one.
pub unsafe fn finish_switch(saved: Opaque) -> (usize, usize) {
    type Finish = unsafe extern "C" fn(Opaque, *mut *const c_void, *mut usize);
    let (mut bottom, mut size) = (core::ptr::null(), 0);
    if let Some(finish) = tool!(__sanitizer_finish_switch_fiber as Finish) {
        // SAFETY: the caller's; the locals are there.
        unsafe { finish(saved, &raw mut bottom, &raw mut size) };
    }
    (bottom.expose_provenance(), size)
}

/// AddressSanitizer: a stack is somebody else's now, and what the last one forbade is over.
pub fn unpoison(bottom: usize, size: usize) {
    type Unpoison = unsafe extern "C" fn(*const c_void, usize);
    if let Some(unpoison) = tool!(__asan_unpoison_memory_region as Unpoison) {
        // SAFETY: the caller's stack is as it says.
        unsafe { unpoison(core::ptr::with_exposed_provenance(bottom), size) };
    }
}

/// ThreadSanitizer: what runs here now; null without it.
pub fn this_context() -> Opaque {
    type Current = unsafe extern "C" fn() -> Opaque;
    match tool!(__tsan_get_current_fiber as Current) {
        // SAFETY: it only answers.
        Some(current) => unsafe { current() },
        None => core::ptr::null_mut(),
    }
}

/// ThreadSanitizer: one more that can be switched to; null without it.
pub fn new_context() -> Opaque {
    type Create = unsafe extern "C" fn(u32) -> Opaque;
    match tool!(__tsan_create_fiber as Create) {
        // SAFETY: no flags.
        Some(create) => unsafe { create(0) },
        None => core::ptr::null_mut(),
    }
}

/// ThreadSanitizer: `context` is over, and does not run.
///
/// # Safety
/// It was made by [`new_context`], and ends once.
pub unsafe fn end_context(context: Opaque) {
    type Destroy = unsafe extern "C" fn(Opaque);
    if let Some(destroy) = tool!(__tsan_destroy_fiber as Destroy) {
        // SAFETY: the caller's.
        unsafe { destroy(context) };
    }
}

/// `VG_USERREQ__STACK_REGISTER` and `..._DEREGISTER`, valgrind.h.
const STACK_REGISTER: usize = 0x1501;
const STACK_DEREGISTER: usize = 0x1502;

/// Valgrind: a stack lies here; its number, 0 outside of valgrind.
pub fn register_stack(bottom: usize, top: usize) -> usize {
    request([STACK_REGISTER, bottom, top, 0, 0, 0])
}

/// Valgrind: that stack is none any more.
pub fn deregister_stack(number: usize) {
    request([STACK_DEREGISTER, number, 0, 0, 0, 0]);
}

#[cfg(all(target_arch = "x86_64", not(any(windows, target_os = "uefi", target_vendor = "apple"))))]
fn request(arguments: [usize; 6]) -> usize {
    let mut answer = 0_usize;
    // SAFETY: four rotations that add up to nothing and an exchange of a register with itself;
    // valgrind knows them, reads the six words and writes the answer.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inout("rdx") answer,
            in("rax") arguments.as_ptr(),
            options(nostack),
        );
    }
    answer
}

#[cfg(not(all(
    target_arch = "x86_64",
    not(any(windows, target_os = "uefi", target_vendor = "apple"))
)))]
fn request(_: [usize; 6]) -> usize {
    0
}
