//! Records at their limit.

use super::*;
use crate::sync::stage::EMPTY;

#[test]
fn a_record_more_than_there_are_is_refused_with_the_limit() {
    let slab = Slab { used: AtomicU32::new(MAX_TASKS as u32), ..Slab::new(0) };
    match slab.extend(&EMPTY) {
        Err(PlatformError::Limit { what, limit: MAX_TASKS }) => {
            assert!(what.contains("MAX_TASKS"), "{what}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(slab.used.load(Ordering::Relaxed), MAX_TASKS as u32);
}
