use super::{ExecutorPolicy, PolicyError, Saturation, Terms};
use crate::platform::{MAX_CARRIERS, StackClass};
use std::string::ToString;

const GOOD: ExecutorPolicy = ExecutorPolicy::DEFAULT;

fn refusal(policy: ExecutorPolicy) -> PolicyError {
    policy.check().expect_err("the policy makes no sense")
}

#[test]
fn the_default_policy_is_good() {
    assert_eq!(GOOD.check(), Ok(()));
}

#[test]
fn an_executor_has_a_carrier() {
    assert_eq!(refusal(ExecutorPolicy { min_threads: 0, ..GOOD }).field, "min_threads");
}

#[test]
fn min_is_not_above_max() {
    let error = refusal(ExecutorPolicy { min_threads: 3, max_threads: 2, ..GOOD });
    assert_eq!((error.field, error.value), ("max_threads", 2));
}

#[test]
fn a_refusal_names_field_value_and_way_out() {
    let many = MAX_CARRIERS as u32 + 1;
    let error = refusal(ExecutorPolicy { max_threads: many, ..GOOD });
    assert_eq!(error.to_string(), "executor policy: max_threads is 1025, and must be at most 1024");
}

#[test]
fn terms_give_the_policy_back() {
    let terms = Terms::new(&GOOD);
    assert_eq!(terms.policy(GOOD.max_threads, GOOD.queue_limit), GOOD);
    for stack in StackClass::ALL {
        let policy = ExecutorPolicy {
            min_threads: 2,
            max_threads: 7,
            queue_limit: 3,
            timeout: 5,
            saturation: Saturation::Block,
            stack: Some(stack),
            migrates: false,
        };
        terms.set(&policy);
        assert_eq!(terms.policy(7, 3), policy);
    }
}
