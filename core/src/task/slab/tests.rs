//! Records at their limit.

use super::*;

#[test]
fn a_record_more_than_there_are_is_refused_with_the_limit() {
    // Its table must not be touched.
    let (base, used) = (NonNull::dangling(), AtomicU32::new(MAX_TASKS as u32));
    let slab = Slab { base, used, free: SpinLock::new(List::new()), birth: 0 };
    match slab.extend() {
        Err(PlatformError::Limit { what, limit: MAX_TASKS }) => {
            assert!(what.contains("MAX_TASKS"), "{what}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(slab.used.load(Ordering::Relaxed), MAX_TASKS as u32);
}
