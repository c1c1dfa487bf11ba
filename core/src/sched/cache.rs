//! What a carrier keeps warm: stacks and records that ended a moment ago.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a cached stack is in nobody's use.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::platform::{Stack, StackClass};
use crate::sched::carrier::{Carrier, STACKS};
use crate::task::header::Task;
use crate::task::slab;

impl Carrier {
    /// The carrier's free records, in use as long as `with` runs.
    pub(crate) fn with_records<R>(
        &self,
        with: impl FnOnce(&mut heapless::Vec<NonNull<Task>, { 2 * slab::BATCH }>) -> R,
    ) -> R {
        self.own(|own| with(&mut own.records))
    }

    /// A stack for a task that starts: a warm one, or one of the platform's.
    pub(super) fn take_stack(&self, class: StackClass) -> Option<Stack> {
        self.own(|own| own.stacks[class as usize].pop())
            .or_else(|| self.executor.runtime.platform().stack_alloc(class).ok())
    }

    /// Keeps the stack of a task that ended, if it has reserved a place for it.
    #[inline]
    pub(super) fn put_stack(&self, stack: Stack) {
        let class = stack.class as usize;
        let is_scarce = self.executor.runtime.tasks.is_scarce();
        let left = self.own(|own| match own.stacks[class].len() < own.reserved[class] {
            true if !is_scarce => own.stacks[class].push(stack).err(),
            _ => Some(stack),
        });
        if let Some(stack) = left {
            self.put_unreserved(stack, is_scarce);
        }
    }

    /// Reserves a place for the stack, which stays there for the next ones, or frees it.
    #[cold]
    fn put_unreserved(&self, stack: Stack, is_scarce: bool) {
        let platform = self.executor.runtime.platform();
        let class = stack.class as usize;
        let kept = self.own(|own| own.stacks[class].len());
        if is_scarce || kept == STACKS || platform.stack_reserve(stack.class).is_err() {
            // SAFETY: it came from `stack_alloc`, and its task has ended.
            return unsafe { platform.stack_free(stack) };
        }
        self.own(|own| {
            own.reserved[class] = kept + 1;
            own.stacks[class].push(stack).expect("there is room for a reserved one");
        });
    }

    /// Gives the warm stacks back, and what was reserved for them; false if nothing was.
    pub(crate) fn give_up_stacks(&self) -> bool {
        let platform = self.executor.runtime.platform();
        let mut gave = false;
        for class in StackClass::ALL {
            while let Some(stack) = self.own(|own| own.stacks[class as usize].pop()) {
                // SAFETY: a cached stack has no task.
                unsafe { platform.stack_free(stack) };
            }
            let reserved = self.own(|own| core::mem::take(&mut own.reserved[class as usize]));
            for _ in 0..reserved {
                platform.stack_unreserve(class);
            }
            gave |= reserved > 0;
        }
        gave
    }

    /// Gives back what an idle carrier keeps, before it ends.
    pub(super) fn empty_caches(&self) {
        let runtime = self.executor.runtime;
        self.give_up_stacks();
        while let Some(task) = self.own(|own| own.records.pop()) {
            runtime.tasks.give_back(task);
        }
    }
}
