//! Faults that are not ours end as they did before. Each test's child does one, and the parent
//! sees how it ended.

extern crate std;

use super::*;

/// How a child that runs `body` and then leaves with status 0 ends, as wait(2) says.
fn end_of(body: fn()) -> i32 {
    // SAFETY: the child makes system calls only, and leaves.
    let child = unsafe { libc::fork() };
    if child == 0 {
        body();
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our child, and room for its status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

fn assert_killed_by(signal: i32, status: i32) {
    assert!(libc::WIFSIGNALED(status), "{status:#x}");
    assert_eq!(libc::WTERMSIG(status), signal);
}

fn set(signal: i32, handler: usize, flags: i32) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zero is a valid action.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    restore(signal, action);
}

fn wild_store() {
    let nowhere: *mut u8 = core::hint::black_box(ptr::without_provenance_mut(64));
    // SAFETY: none; it is what the tests are about, in a child that dies of it. Volatile, so that
    // it is done.
    unsafe { nowhere.write_volatile(1) };
}

extern "C" fn leave_with_signal(signal: i32) {
    // SAFETY: ends the child.
    unsafe { libc::_exit(signal) };
}

extern "C" fn leave_with_address(_: i32, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's.
    let info = unsafe { &*info };
    // SAFETY: it is a fault's.
    let address = unsafe { info.si_addr() };
    // SAFETY: ends the child.
    unsafe { libc::_exit(address.addr() as i32) };
}

#[test]
fn a_wild_store_dies_by_its_signal() {
    let status = end_of(|| {
        set(libc::SIGSEGV, libc::SIG_DFL, 0);
        install();
        wild_store();
    });
    assert_killed_by(libc::SIGSEGV, status);
}

#[test]
fn an_ignored_fault_dies_by_its_signal() {
    let status = end_of(|| {
        set(libc::SIGSEGV, libc::SIG_IGN, 0);
        install();
        wild_store();
    });
    assert_killed_by(libc::SIGSEGV, status);
}

#[test]
fn a_handler_from_before_gets_the_fault() {
    let status = end_of(|| {
        set(libc::SIGSEGV, leave_with_signal as *const () as usize, 0);
        install();
        wild_store();
    });
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == libc::SIGSEGV);
}

#[test]
fn a_handler_from_before_gets_what_it_asked_for() {
    let status = end_of(|| {
        set(libc::SIGSEGV, leave_with_address as *const () as usize, libc::SA_SIGINFO);
        install();
        wild_store();
    });
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 64);
}

#[test]
fn a_handler_set_at_the_last_moment_gets_the_fault() {
    let status = end_of(|| {
        set(libc::SIGSEGV, libc::SIG_DFL, 0);
        SEGV.see(libc::SIGSEGV);
        set(libc::SIGSEGV, leave_with_signal as *const () as usize, 0);
        SEGV.replace(libc::SIGSEGV);
        wild_store();
    });
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == libc::SIGSEGV, "{status:#x}");
}

/// The moment in which the handler is in place and what it replaced is not settled.
#[test]
fn a_fault_at_the_last_moment_ends_as_before() {
    let status = end_of(|| {
        set(libc::SIGSEGV, leave_with_signal as *const () as usize, 0);
        SEGV.see(libc::SIGSEGV);
        set(libc::SIGSEGV, on_fault as *const () as usize, libc::SA_SIGINFO);
        wild_store();
    });
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == libc::SIGSEGV, "{status:#x}");
}

#[test]
fn a_signal_that_was_sent_kills_as_before() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        let send: fn() = match signal {
            libc::SIGSEGV => || {
                set(libc::SIGSEGV, libc::SIG_DFL, 0);
                install();
                send_again(libc::SIGSEGV);
            },
            _ => || {
                set(libc::SIGBUS, libc::SIG_DFL, 0);
                install();
                send_again(libc::SIGBUS);
            },
        };
        assert_killed_by(signal, end_of(send));
    }
}

#[test]
fn a_signal_that_was_sent_and_ignored_stays_ignored() {
    let status = end_of(|| {
        set(libc::SIGBUS, libc::SIG_IGN, 0);
        install();
        send_again(libc::SIGBUS);
        let mut now = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: room for an action.
        unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), now.as_mut_ptr()) };
        // SAFETY: zero was valid, and the kernel's is.
        let now = unsafe { now.assume_init() };
        if now.sa_sigaction != on_fault as *const () as usize {
            // SAFETY: ends the child: we are not in place any more.
            unsafe { libc::_exit(1) };
        }
    });
    assert_eq!(status, 0);
}

#[test]
fn a_signal_stack_is_used_and_left() {
    let status = end_of(|| {
        set(libc::SIGSEGV, libc::SIG_DFL, 0);
        let stack = SignalStack::map().unwrap();
        stack.enter();
        install();
        stack.leave();
        stack.unmap();
        // On the thread's own stack again.
        wild_store();
    });
    assert_killed_by(libc::SIGSEGV, status);
}
