//! Executors, and time.

use drift::{ConcurrencyError, Duration, Error, Executor, ExecutorPolicy, Instant, Saturation};
use drift::{sleep, spawn, spawn_on};

use crate::harness::{Case, Occupied, carriers, policy, prefer};

pub const CASES: &[Case] = cases![
    executor_build,
    spawn_on_executes,
    queue_limit_enforced,
    default_executor_override,
    spawn_default_exec_busy,
    spawn_on_busy_timeout,
    sleep_nonzero_ok,
    sleep_zero_timeout,
    negative_duration,
    builder_chain,
];

/// As many places as carriers, all of them taken.
fn full(policy: ExecutorPolicy) -> (Executor, Occupied) {
    let executor = Executor::new(policy.queue_limit(carriers())).unwrap();
    (executor, Occupied::of(&executor, carriers()))
}

fn executor_build() {
    let executor = Executor::new(policy()).unwrap();
    // Never joined: it is detached.
    let _ = spawn_on(&executor, || 1).unwrap();
    assert!(Executor::new(ExecutorPolicy::new().max_threads(0)).is_err());
}

fn spawn_on_executes() {
    let executor = Executor::default_get();
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));
}

fn queue_limit_enforced() {
    let (executor, occupied) = full(policy());
    let refused = spawn_on(&executor, || 1);
    assert_eq!(refused.unwrap_err(), ConcurrencyError::Busy);
    drop(occupied);
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));
}

fn default_executor_override() {
    let before = Executor::default_get();
    let (executor, occupied) = full(policy());
    prefer(executor);
    assert_eq!(Executor::default_get(), executor);
    let refused = spawn(|| 1);
    prefer(before);
    let failed = Error::ExecSubmitFailed(1).into();
    assert_eq!(refused.join(), Err(failed));
    drop(occupied);
    assert_eq!(spawn(|| 1).join(), Ok(1));
}

fn spawn_default_exec_busy() {
    let before = Executor::default_get();
    let (executor, _occupied) = full(policy());
    prefer(executor);
    let (refused, future) = (spawn(|| 1), drift::spawn_future(|| 1));
    prefer(before);
    let failed: ConcurrencyError = Error::ExecSubmitFailed(1).into();
    assert!(refused.is_completed());
    assert_eq!(refused.join_timeout(Duration::ZERO), Err(failed.clone()));
    assert_eq!(future.join(), Err(failed));
}

fn spawn_on_busy_timeout() {
    let (executor, occupied) = full(policy());
    assert_eq!(spawn_on(&executor, || 1).unwrap_err(), ConcurrencyError::Busy);
    drop(occupied);
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));

    let blocks = policy().on_saturation(Saturation::Block).timeout(Duration::from_millis(3));
    let (executor, occupied) = full(blocks);
    let began = Instant::now();
    assert_eq!(spawn_on(&executor, || 1).unwrap_err(), ConcurrencyError::Timeout);
    assert!(began.elapsed() >= std::time::Duration::from_millis(3), "never early");
    drop(occupied);
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));
}

/// On an OS thread and on a virtual one.
fn on_both(check: fn()) {
    check();
    spawn(check).join().unwrap();
}

fn sleep_nonzero_ok() {
    on_both(|| {
        let began = Instant::now();
        sleep(Duration::from_millis(5)).unwrap();
        assert!(began.elapsed() >= std::time::Duration::from_millis(5));
    });
}

fn sleep_zero_timeout() {
    on_both(|| assert_eq!(sleep(Duration::ZERO), Err(ConcurrencyError::Timeout)));
}

fn negative_duration() {
    on_both(|| {
        let negative = Duration::from_millis(-1);
        let invalid: ConcurrencyError = Error::InvalidDuration(negative).into();
        assert_eq!(sleep(negative), Err(invalid.clone()));
        assert_eq!(spawn(|| 1).join_timeout(negative), Err(invalid.clone()));
        let ended = drift::spawn_future(|| 1);
        while !ended.is_completed() {
            drift::yield_now();
        }
        assert_eq!(ended.join_timeout(negative), Err(invalid.clone()));
        let policy = ExecutorPolicy::new().timeout(negative);
        assert_eq!(Executor::new(policy), Err(invalid));
    });
}

fn builder_chain() {
    let policy = ExecutorPolicy::new()
        .min_threads(1)
        .max_threads(carriers())
        .queue_limit(10)
        .timeout(Duration::from_millis(1))
        .on_saturation(Saturation::ReturnBusy)
        .stack_size(64 << 10);
    let executor = Executor::new(policy).unwrap();
    assert_eq!(spawn_on(&executor, || 1).unwrap().join(), Ok(1));
    let thread = drift::Builder::new().name("chained").stack_size(1 << 20).spawn(|| 2);
    assert_eq!(thread.thread().name(), Some("chained"));
    assert_eq!(thread.join(), Ok(2));
}
