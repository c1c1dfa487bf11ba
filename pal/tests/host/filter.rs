//! A process whose system calls the kernel refuses: seccomp(2).
//!
//! | refusal     | which calls                             | answered by                     |
//! |-------------|-----------------------------------------|---------------------------------|
//! | [`refuse`]  | all of that kind, from now on           | the filter                      |
//! | [`answer`]  | one after the other, as a list says     | a handler of SIGSYS             |
//! | [`limit`]   | what goes above a limit of the process  | the kernel, see setrlimit(2)    |
//!
//! A filter is for the calling thread and all that it starts, for ever: so whoever wants one is
//! [`alone`] in a process.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: system calls on memory of each function's own.
#![allow(unsafe_code)]

use std::env;
use std::ffi::c_void;
use std::mem::{offset_of, zeroed};
use std::process::Command;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// Names the test that a process is for.
const ALONE: &str = "DRIFT_PAL_ALONE";

/// Runs `body` in a process of its own: this program again, with the test `name` only.
pub fn alone(name: &str, body: impl FnOnce()) {
    alone_with(&[], name, body);
}

/// The same, with these variables in its environment.
pub fn alone_with(variables: &[(&str, &str)], name: &str, body: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return body();
    }
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]).env(ALONE, "1").envs(variables.iter().copied());
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "no such test: {name}\n{said}");
}

/// A kind of system call: its number, and the value of one argument if that matters.
#[derive(Clone, Copy)]
pub struct Call {
    number: libc::c_long,
    argument: Option<(usize, u32)>,
}

pub fn every(number: libc::c_long) -> Call {
    Call { number, argument: None }
}

/// Those with `value` as their argument `index`.
pub fn with(number: libc::c_long, index: usize, value: u32) -> Call {
    Call { number, argument: Some((index, value)) }
}

/// open(2) by whichever name the instruction set has.
pub fn opens() -> Vec<Call> {
    let mut opens = vec![every(libc::SYS_openat)];
    #[cfg(target_arch = "x86_64")]
    opens.push(every(libc::SYS_open));
    opens
}

/// epoll_wait(2), where the instruction set has it.
pub fn old_wait() -> Vec<Call> {
    #[cfg(target_arch = "x86_64")]
    return vec![every(libc::SYS_epoll_wait)];
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

/// The calling thread, and those that it starts, get `errno` from all these calls.
pub fn refuse(calls: &[Call], errno: i32) {
    calls.iter().for_each(|call| install(*call, libc::SECCOMP_RET_ERRNO | errno as u32));
}

/// Answers of the call to be given, in their order; the last is given again and again.
static ANSWERS: Mutex<Vec<i64>> = Mutex::new(Vec::new());
static GIVEN: AtomicUsize = AtomicUsize::new(0);

/// The calling thread, and those that it starts, get these answers from such calls: what the call
/// would return, or a negated errno. Nothing else happens. For one kind of call in a process.
pub fn answer(call: Call, answers: &[i64]) {
    *ANSWERS.lock().unwrap() = answers.to_vec();
    GIVEN.store(0, Ordering::SeqCst);
    // SAFETY: zeros are a valid action.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = give as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: `give` makes no system call and takes no lock that is held here.
    assert_eq!(unsafe { libc::sigaction(libc::SIGSYS, &action, ptr::null_mut()) }, 0);
    install(call, libc::SECCOMP_RET_TRAP);
}

/// How many were given.
pub fn answers_given() -> usize {
    GIVEN.load(Ordering::SeqCst)
}

extern "C" fn give(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    let given = GIVEN.fetch_add(1, Ordering::SeqCst);
    let answers = ANSWERS.lock().unwrap();
    let answer = answers[given.min(answers.len() - 1)];
    // SAFETY: SA_SIGINFO: the kernel's, which it takes back when the handler returns.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    set_answer(context, answer);
}

#[cfg(target_arch = "x86_64")]
fn set_answer(context: &mut libc::ucontext_t, answer: i64) {
    context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
}

#[cfg(target_arch = "aarch64")]
fn set_answer(context: &mut libc::ucontext_t, answer: i64) {
    context.uc_mcontext.regs[0] = answer as u64;
}

#[cfg(target_arch = "riscv64")]
fn set_answer(context: &mut libc::ucontext_t, answer: i64) {
    context.uc_mcontext.__gregs[libc::REG_A0] = answer as u64;
}

/// Adds one filter to those that are there: `action` for such calls. The strongest action of all
/// filters wins; see seccomp(2).
fn install(call: Call, action: u32) {
    const LOAD: u32 = BPF_LD | BPF_W | BPF_ABS;
    const EQUAL: u32 = BPF_JMP | BPF_JEQ | BPF_K;
    const ANSWER: u32 = BPF_RET | BPF_K;
    let step = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let (index, value) = call.argument.unwrap_or_default();
    // The lower half of an argument, on little-endian machines.
    let argument = offset_of!(libc::seccomp_data, args) + 8 * index;
    let skipped = if call.argument.is_some() { 3 } else { 1 };
    let mut filter = vec![
        step(LOAD, offset_of!(libc::seccomp_data, nr) as u32, 0),
        step(EQUAL, call.number as u32, skipped),
    ];
    if call.argument.is_some() {
        filter.extend([step(LOAD, argument as u32, 0), step(EQUAL, value, 1)]);
    }
    filter.extend([step(ANSWER, action, 0), step(ANSWER, libc::SECCOMP_RET_ALLOW, 0)]);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: sets a flag of the thread.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the kernel copies the program.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &program) }, 0);
}

/// Sets a limit of the process, and returns what it was.
pub fn limit(resource: libc::__rlimit_resource_t, value: u64) -> u64 {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for the limits.
    assert_eq!(unsafe { libc::getrlimit(resource, &mut limits) }, 0);
    let before = core::mem::replace(&mut limits.rlim_cur, value);
    // SAFETY: limits that the kernel has given, and a lower one.
    assert_eq!(unsafe { libc::setrlimit(resource, &limits) }, 0);
    before
}

/// While it lives, SIGALRM comes to some thread of the process every 100 us, and no system call
/// is begun anew for it.
pub struct Alarms(());

static ALARMED: AtomicBool = AtomicBool::new(false);

impl Alarms {
    pub fn begin() -> Self {
        extern "C" fn take(_: i32) {
            ALARMED.store(true, Ordering::SeqCst);
        }
        // SAFETY: zeros are a valid action: no SA_RESTART among its flags.
        let mut action: libc::sigaction = unsafe { zeroed() };
        action.sa_sigaction = take as *const () as usize;
        // SAFETY: a handler that only stores.
        assert_eq!(unsafe { libc::sigaction(libc::SIGALRM, &action, ptr::null_mut()) }, 0);
        Self::set(100);
        Self(())
    }

    fn set(microseconds: i64) {
        let time = libc::timeval { tv_sec: 0, tv_usec: microseconds };
        let every = libc::itimerval { it_interval: time, it_value: time };
        // SAFETY: the kernel reads the times.
        assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &every, ptr::null_mut()) }, 0);
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        Self::set(0);
        assert!(ALARMED.load(Ordering::SeqCst), "no alarm came");
    }
}
