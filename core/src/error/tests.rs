use super::ConcurrencyError::{Busy, Cancelled, Closed, Failed, Timeout};
use crate::platform::PlatformError;

#[test]
fn the_precedence_is_frozen() {
    let order = [Failed(PlatformError::Code(12)), Closed, Cancelled, Timeout, Busy];
    for (rank, first) in order.iter().enumerate() {
        for second in &order[rank..] {
            assert_eq!(first.or(*second), *first);
            assert_eq!(second.or(*first), *first);
        }
    }
}
