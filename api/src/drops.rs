//! Destructors of the program's that have nobody to panic to.
//!
//! | what                                | dropped by                         | its panic is     |
//! |-------------------------------------|------------------------------------|------------------|
//! | a result that nobody takes          | the virtual thread, or who gives   | told by the hook |
//! |                                     | up its handle, if that comes later |                  |
//! | a payload that nobody takes         | the last who has the error         | told by the hook |
//! | a closure that never runs           | who cancels or refuses it          | told by the hook |
//! | each of these of a scope's child    | the same                           | also the scope's |
//! | a result that a group has looked at | who drops the group                | told by the hook |
//!
//! None of them comes out of the call that drops: who cancels or gives up has not done it.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

/// Drops `what`; what its destructor throws, if it does.
pub(crate) fn thrown_by<T>(what: T) -> Option<Box<dyn Any + Send>> {
    panic::catch_unwind(AssertUnwindSafe(|| drop(what))).err()
}

/// Drops `what`. The payload of a panic may panic again when it is dropped: then what that throws
/// is leaked.
pub(crate) fn drop_quietly<T>(what: T) {
    if let Some(thrown) = thrown_by(what)
        && let Some(again) = thrown_by(thrown)
    {
        std::mem::forget(again);
    }
}
