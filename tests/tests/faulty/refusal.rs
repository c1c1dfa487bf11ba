//! What a program sees of a machine that refuses.

use drift::{ConcurrencyError, Error};
use drift_core::platform::PlatformError;

/// `refusal` is one that `Faulty` makes: EAGAIN or ENOMEM.
pub fn assert_refused(refusal: &PlatformError) {
    assert!(matches!(refusal, PlatformError::Code(11 | 12)), "{refusal:?}");
}

/// A refusal of the machine's, as a program sees it.
pub fn is_refusal(error: &ConcurrencyError) -> bool {
    match error {
        ConcurrencyError::Failed(Error::Platform(refusal)) => {
            assert_refused(refusal);
            true
        }
        // Three, and EAGAIN or ENOMEM.
        ConcurrencyError::Failed(Error::ExecSubmitFailed(code)) => matches!(code, 14 | 15),
        _ => false,
    }
}
