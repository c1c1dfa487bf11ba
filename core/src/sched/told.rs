//! What sanitizers and valgrind are told of stacks and switches, with feature `sanitize`.
//!
//! | where                                    | is told                                         |
//! |------------------------------------------|-------------------------------------------------|
//! | a virtual thread gets its stack          | that it lies there, and is clean                |
//! | the carrier switches into it             | `enter`                                         |
//! | the virtual thread, when it runs (again) | `entered`: also where the carrier's stack lies  |
//! | the virtual thread switches out          | `leave`; for the last time, if it ends          |
//! | the carrier, when it runs again          | `back`                                          |
//! | the stack is given back                  | that it is none any more                        |
//!
//! Without the feature all of this is a switch and nothing else.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: who calls is the carrier or the task that it says.
#![allow(unsafe_code)]

#[cfg(feature = "sanitize")]
pub(crate) use real::{OfTask, OfThread};

#[cfg(not(feature = "sanitize"))]
pub(crate) use empty::{OfTask, OfThread};

#[cfg(feature = "sanitize")]
mod real {
    use core::ptr;

    use drift_asm::Context;
    use drift_asm::sanitize::{self, Departure, Opaque};

    use crate::platform::Stack;

    /// What tools know of a virtual thread.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct OfTask {
        context: Opaque,
        fake: Opaque,
        number: usize,
        bottom: usize,
        size: usize,
        way: Departure,
    }

    impl OfTask {
        pub(crate) const NONE: Self = Self {
            context: ptr::null_mut(),
            fake: ptr::null_mut(),
            number: 0,
            bottom: 0,
            size: 0,
            way: Departure::NONE,
        };

        /// A virtual thread gets `stack`.
        pub(crate) fn begin(stack: &Stack) -> Self {
            let (bottom, size) = (stack.limit, stack.top - stack.limit);
            sanitize::unpoison(bottom, size);
            Self {
                context: sanitize::new_context(),
                fake: ptr::null_mut(),
                number: sanitize::register_stack(bottom, stack.top),
                bottom,
                size,
                way: Departure::NONE,
            }
        }

        /// It has ended, and does not run.
        pub(crate) fn end(self) {
            // SAFETY: made in `begin`, and this is the end.
            unsafe { sanitize::end_context(self.context) };
            sanitize::deregister_stack(self.number);
        }
    }

    /// What tools know of a carrier's OS thread.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct OfThread {
        context: Opaque,
        fake: Opaque,
        bottom: usize,
        size: usize,
        way: Departure,
    }

    impl OfThread {
        pub(crate) const NONE: Self = Self {
            context: ptr::null_mut(),
            fake: ptr::null_mut(),
            bottom: 0,
            size: 0,
            way: Departure::NONE,
        };

        /// The one that calls, on its own stack.
        pub(crate) fn here() -> Self {
            Self { context: sanitize::this_context(), ..Self::NONE }
        }

        /// Switches into a virtual thread.
        ///
        /// # Safety
        /// As for `switch`; `thread` is the carrier's own, and `task` the one that `to` is of.
        #[inline]
        pub(crate) unsafe fn enter(
            thread: *mut Self,
            task: &OfTask,
            from: *mut Context,
            to: Context,
        ) {
            // SAFETY: the caller's.
            let save = unsafe { &raw mut (*thread).fake };
            let way = Departure::new(save, task.bottom, task.size, task.context);
            // SAFETY: the caller's.
            let place = unsafe { &raw mut (*thread).way };
            // SAFETY: the same.
            unsafe { place.write(way) };
            // SAFETY: the same.
            unsafe { Departure::go(place, from, to) };
        }

        #[inline]
        pub(crate) fn back(&mut self) {
            // SAFETY: saved when this thread entered the one that it left now.
            unsafe { sanitize::finish_switch(self.fake) };
        }

        #[inline]
        pub(crate) fn entered(&mut self, task: &OfTask) {
            // SAFETY: saved when this task left its stack last; null at first.
            (self.bottom, self.size) = unsafe { sanitize::finish_switch(task.fake) };
        }

        /// Switches out of a virtual thread, for the last time if it `ends`.
        ///
        /// # Safety
        /// As for `enter`.
        #[inline]
        pub(crate) unsafe fn leave(
            thread: *const Self,
            task: *mut OfTask,
            ends: bool,
            from: *mut Context,
            to: Context,
        ) {
            // SAFETY: the caller's.
            let Self { context, bottom, size, .. } = unsafe { *thread };
            // SAFETY: the same.
            let fake = unsafe { &raw mut (*task).fake };
            let save = if ends { ptr::null_mut() } else { fake };
            // SAFETY: the same.
            let place = unsafe { &raw mut (*task).way };
            // SAFETY: the same.
            unsafe { place.write(Departure::new(save, bottom, size, context)) };
            // SAFETY: the same.
            unsafe { Departure::go(place, from, to) };
        }
    }
}

#[cfg(not(feature = "sanitize"))]
mod empty {
    use drift_asm::{Context, switch};

    use crate::platform::Stack;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct OfTask;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct OfThread;

    impl OfTask {
        pub(crate) const NONE: Self = Self;

        pub(crate) fn begin(_: &Stack) -> Self {
            Self
        }

        pub(crate) fn end(self) {}
    }

    impl OfThread {
        pub(crate) const NONE: Self = Self;

        pub(crate) fn here() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) unsafe fn enter(_: *mut Self, _: &OfTask, from: *mut Context, to: Context) {
            // SAFETY: the caller's.
            unsafe { switch(from, to) };
        }

        #[inline(always)]
        pub(crate) fn back(&mut self) {}

        #[inline(always)]
        pub(crate) fn entered(&mut self, _: &OfTask) {}

        #[inline(always)]
        pub(crate) unsafe fn leave(
            _: *const Self,
            _: *mut OfTask,
            _: bool,
            from: *mut Context,
            to: Context,
        ) {
            // SAFETY: the caller's.
            unsafe { switch(from, to) };
        }
    }
}
