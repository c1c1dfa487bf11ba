//! A platform that gives only what it must.

use super::{CarrierId, Interest, Platform, PlatformError, Poll, Source};
use crate::sync::stage::EMPTY;

#[test]
fn what_a_platform_need_not_have_it_does_not_have() {
    let source = Source(0);
    assert_eq!(EMPTY.io_register(source, 1), Err(PlatformError::Unsupported));
    assert_eq!(
        EMPTY.io_poll(&mut [Poll::new(source, Interest::READ)]),
        Err(PlatformError::Unsupported)
    );
    // Nothing to take back, nobody to look for.
    EMPTY.io_deregister(source);
    // SAFETY: there is no carrier.
    #[allow(unsafe_code)]
    let is_gone = unsafe { EMPTY.carrier_is_gone(CarrierId(0)) };
    assert!(is_gone);
}
