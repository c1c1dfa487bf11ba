//! How large the stack of a virtual thread is.

use drift_core::platform::{PlatformError, StackClass};

use crate::error::Error;

/// The stack of a virtual thread, if nobody says otherwise.
pub(super) const STACK: StackClass = StackClass::K256;

/// The smallest that has as many bytes.
pub(super) fn stack_class(bytes: usize) -> Result<StackClass, Error> {
    let class = StackClass::ALL.into_iter().find(|class| class.bytes() >= bytes);
    class.ok_or(Error::Platform(PlatformError::Limit {
        what: "bytes of a virtual thread's stack (Builder::stack_size)",
        limit: StackClass::M8.bytes(),
    }))
}
