//! `drift_reactor_*`: readiness and timers as unparks.

use drift_core::platform::{Interest, Source};
use drift_core::task::Handle;
use drift_core::time::Instant;
use drift_pal::process;

use crate::{CALL, SYSTEM_CALL, pay, time};

/// Wait until readable; equals `EPOLLIN`.
pub const DRIFT_INTEREST_READ: i64 = 1;
/// Wait until writable; equals `EPOLLOUT`.
pub const DRIFT_INTEREST_WRITE: i64 = 4;

/// The reactor's handle. There is one, made on first use; 0 only if it cannot be made.
///
/// C: `int64_t drift_reactor_default_get(void);`
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn drift_reactor_default_get() -> i64 {
    process::runtime().map_or(0, |runtime| runtime.reactor_handle())
}

/// Accepted and without effect: there is one reactor.
///
/// C: `void drift_reactor_default_set(int64_t reactor);`
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn drift_reactor_default_set(reactor: i64) {
    let _ = reactor;
}

/// Unparks `vt` once when `fd` is ready for any of `interest`, or at the deadline, whichever
/// comes first; the other is then disarmed. Belongs to the present or next park of `vt`, and ends
/// with it.
///
/// `deadline_ms` 0 is none, below 0 is over already; otherwise as in `drift_time_now_ms`: below
/// `DRIFT_TIME_EPOCH_MS` a duration, from there on a point in time. Errors and hang-up count as
/// ready. What cannot be waited for (a closed descriptor, a regular file) wakes `vt` at once, so
/// that its next system call tells why. Does not park. A stale `vt`: no effect.
///
/// C: `void drift_reactor_register_io(int64_t fd, int64_t interest, int64_t vt,
/// int64_t deadline_ms);`
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn drift_reactor_register_io(fd: i64, interest: i64, vt: i64, deadline_ms: i64) {
    pay(SYSTEM_CALL);
    let Ok(runtime) = process::runtime() else { return };
    // No such descriptor: a number that cannot be armed, which wakes.
    let source = Source(u32::try_from(fd).unwrap_or(u32::MAX));
    let interest = match interest & (DRIFT_INTEREST_READ | DRIFT_INTEREST_WRITE) {
        0 => Interest::BOTH,
        bits => Interest(bits as u32),
    };
    let deadline = time::deadline(runtime.platform(), deadline_ms);
    runtime.unpark_ready(Handle(vt), source, interest, deadline);
}

/// Unparks `vt` once at `deadline_ms`, within its present or next park; at once if it is 0, below
/// 0 or past. Does not park. A stale `vt`: no effect.
///
/// C: `void drift_reactor_register_timer(int64_t deadline_ms, int64_t vt);`
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub extern "C" fn drift_reactor_register_timer(deadline_ms: i64, vt: i64) {
    pay(CALL);
    let Ok(runtime) = process::runtime() else { return };
    let deadline = match deadline_ms {
        ..=0 => Instant::ZERO,
        ms => time::instant(runtime.platform(), ms),
    };
    runtime.unpark_at(Handle(vt), deadline);
}
