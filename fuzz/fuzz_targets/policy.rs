//! Executors of any numbers: what is refused, and what the rest is.
#![no_main]

use drift_abi::exec::{drift_exec_create, drift_exec_submit};
use drift_abi::thread::drift_thread_is_completed;
use drift_core::platform::MAX_CARRIERS;
use drift_core::runtime::shutdown::{Shutdown, ShutdownReport};
use drift_core::sched::policy::{ExecutorPolicy, Saturation};
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;
use drift_sim::Sim;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Numbers {
    min: i64,
    max: i64,
    limit: i64,
    timeout: i64,
    saturation: i64,
    /// As it is in Rust, with nothing put right.
    raw: (u32, u32, u32, u64),
}

fuzz_target!(|numbers: Numbers| {
    let (min_threads, max_threads, queue_limit, timeout) = numbers.raw;
    let raw = ExecutorPolicy {
        min_threads,
        max_threads,
        queue_limit,
        timeout,
        ..ExecutorPolicy::DEFAULT
    };
    let is_good = (1..=max_threads).contains(&min_threads) && max_threads as usize <= MAX_CARRIERS;
    assert_eq!(raw.check().is_ok(), is_good, "{raw:?}");
    if let Err(error) = raw.check() {
        assert!(error.to_string().contains(error.field), "{error}");
    }
    Sim::new(0).run(move || created(&numbers));
});

/// The table of `drift_exec_create`, once more.
fn created(numbers: &Numbers) {
    let Numbers { min, max, limit, timeout, saturation, .. } = *numbers;
    let exec = drift_exec_create(min, max, limit, timeout, saturation);
    // A world has both faces' default executors, with a carrier each.
    assert_eq!(exec != 0, max <= MAX_CARRIERS as i64 - 2, "{numbers:?}");
    assert!(drift_exec_submit(exec, 1) >= 3, "no virtual thread is 1");
    assert_eq!(drift_thread_is_completed(exec), i64::from(exec != 0), "{exec:#x} is no thread");
    let Ok(runtime) = process::runtime() else { panic!("this is a world") };
    if exec == 0 {
        return;
    }
    let policy = runtime.find_executor(exec).and_then(|exec| exec.policy()).expect("just made");
    let max = max.max(1) as u32;
    assert_eq!(policy.max_threads, max);
    assert_eq!(policy.min_threads, min.clamp(1, i64::from(max)) as u32);
    assert_eq!(policy.queue_limit, limit.clamp(0, i64::from(u32::MAX)) as u32);
    assert_eq!(policy.timeout, (timeout.max(0) as u64).saturating_mul(MILLISECOND));
    assert_eq!(policy.saturation == Saturation::Block, saturation == 0);
    let report = runtime.shutdown(exec, Shutdown::Cancel, Instant::FAR).expect("it is there");
    assert_eq!(report.timed_out, 0);
    let again = runtime.shutdown(exec, Shutdown::Cancel, Instant::FAR);
    assert_eq!(again, Ok(ShutdownReport::default()), "nothing is left to do");
}
