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
//! A platform that plays carriers on stacks of its own, as the simulator does, tells of those in
//! the same way: its OS thread is then what a carrier's is here, and a carrier what a task is.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: who calls is the thread or the task that it says.
#![allow(unsafe_code)]

#[cfg(feature = "sanitize")]
mod tools;

#[cfg(feature = "sanitize")]
pub use real::{TaskStack, ThreadStack};

#[cfg(not(feature = "sanitize"))]
pub use empty::{TaskStack, ThreadStack};

#[cfg(feature = "sanitize")]
mod real {
    use core::ptr;

    use super::tools::{self, Departure, Opaque};
    use crate::Context;

    /// What tools know of a stack that can be left: a virtual thread's.
    #[derive(Clone, Copy, Debug)]
    pub struct TaskStack {
        context: Opaque,
        fake: Opaque,
        number: usize,
        bottom: usize,
        size: usize,
        way: Departure,
    }

    impl TaskStack {
        /// Nothing.
        pub const NONE: Self = Self {
            context: ptr::null_mut(),
            fake: ptr::null_mut(),
            number: 0,
            bottom: 0,
            size: 0,
            way: Departure::NONE,
        };

        /// A virtual thread gets the stack from `bottom` to `top`.
        ///
        /// # Safety
        /// Nobody else has the stack, and nothing is suspended on it.
        pub unsafe fn begin(bottom: usize, top: usize) -> Self {
            let size = top - bottom;
            tools::unpoison(bottom, size);
            Self {
                context: tools::new_context(),
                fake: ptr::null_mut(),
                number: tools::register_stack(bottom, top),
                bottom,
                size,
                way: Departure::NONE,
            }
        }

        /// It has ended, and does not run.
        ///
        /// # Safety
        /// `begin` made it, and it ends once.
        pub unsafe fn end(self) {
            // SAFETY: the caller's.
            unsafe { tools::end_context(self.context) };
            tools::deregister_stack(self.number);
        }
    }

    /// What tools know of an OS thread, which is entered from and left to: a carrier's.
    #[derive(Clone, Copy, Debug)]
    pub struct ThreadStack {
        context: Opaque,
        fake: Opaque,
        bottom: usize,
        size: usize,
        way: Departure,
    }

    impl ThreadStack {
        /// Nothing.
        pub const NONE: Self = Self {
            context: ptr::null_mut(),
            fake: ptr::null_mut(),
            bottom: 0,
            size: 0,
            way: Departure::NONE,
        };

        /// The one that calls, on its own stack.
        pub fn here() -> Self {
            Self { context: tools::this_context(), ..Self::NONE }
        }

        /// Switches into a virtual thread.
        ///
        /// # Safety
        /// As for `switch`; `thread` is the carrier's own, and `task` the one that `to` is of.
        #[inline]
        pub unsafe fn enter(thread: *mut Self, task: &TaskStack, from: *mut Context, to: Context) {
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

        /// Is here again.
        ///
        /// # Safety
        /// Once after each `enter`, on the stack that it was called on.
        #[inline]
        pub unsafe fn back(&mut self) {
            // SAFETY: saved when this thread entered the one that it left now.
            unsafe { tools::finish_switch(self.fake) };
        }

        /// `task` runs, for the first time or again, on this thread.
        ///
        /// # Safety
        /// Once after each `enter` of it, on its stack.
        #[inline]
        pub unsafe fn entered(&mut self, task: &TaskStack) {
            // SAFETY: saved when this task left its stack last; null at first.
            (self.bottom, self.size) = unsafe { tools::finish_switch(task.fake) };
        }

        /// Switches out of a virtual thread, for the last time if it `ends`.
        ///
        /// # Safety
        /// As for `enter`.
        #[inline]
        pub unsafe fn leave(
            thread: *const Self,
            task: *mut TaskStack,
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
    use crate::{Context, switch};

    /// What tools know of a stack that can be left: nothing.
    #[derive(Clone, Copy, Debug)]
    pub struct TaskStack;

    /// What tools know of an OS thread: nothing.
    #[derive(Clone, Copy, Debug)]
    pub struct ThreadStack;

    impl TaskStack {
        /// Nothing.
        pub const NONE: Self = Self;

        /// A virtual thread gets a stack.
        ///
        /// # Safety
        /// None, here.
        pub unsafe fn begin(_: usize, _: usize) -> Self {
            Self
        }

        /// It has ended.
        ///
        /// # Safety
        /// None, here.
        pub unsafe fn end(self) {}
    }

    impl ThreadStack {
        /// Nothing.
        pub const NONE: Self = Self;

        /// The one that calls.
        pub fn here() -> Self {
            Self
        }

        /// A switch.
        ///
        /// # Safety
        /// As for `switch`.
        #[inline(always)]
        pub unsafe fn enter(_: *mut Self, _: &TaskStack, from: *mut Context, to: Context) {
            // SAFETY: the caller's.
            unsafe { switch(from, to) };
        }

        /// Is here again.
        ///
        /// # Safety
        /// None, here.
        #[inline(always)]
        pub unsafe fn back(&mut self) {}

        /// A task runs.
        ///
        /// # Safety
        /// None, here.
        #[inline(always)]
        pub unsafe fn entered(&mut self, _: &TaskStack) {}

        /// A switch.
        ///
        /// # Safety
        /// As for `switch`.
        #[inline(always)]
        pub unsafe fn leave(
            _: *const Self,
            _: *mut TaskStack,
            _: bool,
            from: *mut Context,
            to: Context,
        ) {
            // SAFETY: the caller's.
            unsafe { switch(from, to) };
        }
    }
}
