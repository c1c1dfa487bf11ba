//! Destructors of the program's, which may panic.
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
//! None of them comes out of the call that drops: who cancels or gives up has not done it. Of the
//! values that a channel has when its last receiver goes, and of those of a group that failed, the
//! first panic goes on, as out of any collection: after all of them were dropped (`drop_each`).

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

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
        mem::forget(again);
    }
}

/// Drops each of `values`, also those behind one whose destructor panics. The first panic goes on
/// after the last value; of the others, and of all while the caller unwinds, nothing goes on: a
/// second panic that leaves a destructor would abort the process.
pub(crate) fn drop_each<T>(values: impl Iterator<Item = T>) {
    if !mem::needs_drop::<T>() {
        return values.for_each(drop);
    }
    let mut first = None;
    for value in values {
        let Some(thrown) = thrown_by(value) else { continue };
        match first {
            None => first = Some(thrown),
            Some(_) => drop_quietly(thrown),
        }
    }
    match first {
        Some(thrown) if thread::panicking() => drop_quietly(thrown),
        Some(thrown) => panic::resume_unwind(thrown),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    struct Bomb<'a>(&'a Cell<u32>);

    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            panic!("bomb {}", self.0.get());
        }
    }

    #[test]
    fn all_are_dropped_and_the_first_panic_goes_on() {
        let dropped = Cell::new(0);
        let bombs = [Bomb(&dropped), Bomb(&dropped), Bomb(&dropped)];
        let thrown = panic::catch_unwind(AssertUnwindSafe(|| drop_each(bombs.into_iter())));
        assert_eq!(*thrown.unwrap_err().downcast::<String>().unwrap(), "bomb 1");
        assert_eq!(dropped.get(), 3);
    }

    #[test]
    fn nothing_goes_on_while_the_caller_unwinds() {
        struct Drops<'a>(&'a Cell<u32>);
        impl Drop for Drops<'_> {
            fn drop(&mut self) {
                drop_each([Bomb(self.0), Bomb(self.0)].into_iter());
            }
        }
        let dropped = Cell::new(0);
        let thrown = panic::catch_unwind(AssertUnwindSafe(|| {
            let _drops = Drops(&dropped);
            panic!("first");
        }));
        assert_eq!(*thrown.unwrap_err().downcast::<&str>().unwrap(), "first");
        assert_eq!(dropped.get(), 2);
    }
}
