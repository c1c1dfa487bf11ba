//! As many carriers as a runtime has, and one more.

use drift_core::platform::{MAX_CARRIERS, PlatformError};
use drift_core::runtime::ExecutorError;
use drift_core::runtime::shutdown::Shutdown;
use drift_core::sched::policy::ExecutorPolicy;
use drift_core::time::Instant;

use crate::world::World;

fn of(max_threads: usize) -> ExecutorPolicy {
    ExecutorPolicy { max_threads: max_threads as u32, ..ExecutorPolicy::DEFAULT }
}

#[test]
fn a_carrier_more_than_there_are_is_refused_with_the_limit() {
    let world = World::new();
    // One is the default executor's.
    let all = world.runtime.create_executor(of(MAX_CARRIERS - 1)).unwrap();
    match world.runtime.create_executor(of(1)) {
        Err(ExecutorError::Platform(PlatformError::Limit { what, limit: MAX_CARRIERS })) => {
            assert!(what.contains("MAX_CARRIERS"), "{what}");
        }
        other => panic!("{other:?}"),
    }
    // The place of one that was shut down is given out again, to one with as many.
    let handle = world.runtime.executor_handle(all);
    world.runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
    world.runtime.create_executor(of(MAX_CARRIERS - 1)).unwrap();
}
