//! What a child has and may leave: a closure that never runs, a result that nobody takes.

use crate::concurrent::packet;
use crate::drops::thrown_by;
use crate::error::Error;

use super::shared::Shared;

/// A value of a child's. If nobody takes it out, a panic of its destructor is the scope's failure.
#[derive(Debug)]
pub(super) struct Left<'scope, T> {
    value: Option<T>,
    shared: &'scope Shared,
}

impl<'scope, T> Left<'scope, T> {
    pub(super) fn new(shared: &'scope Shared, value: T) -> Self {
        Self { value: Some(value), shared }
    }

    pub(super) fn into_inner(mut self) -> T {
        self.value.take().expect("it is taken once, by value")
    }
}

impl<T> Drop for Left<'_, T> {
    fn drop(&mut self) {
        if let Some(thrown) = self.value.take().and_then(thrown_by) {
            self.shared.fail(Error::Panic(packet::panic_of(thrown)).into());
        }
    }
}
