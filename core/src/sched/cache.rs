//! What a carrier keeps warm: stacks and records that ended a moment ago.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: a cached stack is in nobody's use.
#![allow(unsafe_code)]

use crate::platform::{PlatformError, Stack, StackClass};
use crate::prim::Ordering;
use crate::sched::here::current_carrier;
use crate::sched::parts::{Carrier, Runtime, STACKS};
use crate::task::header::Task;

impl Runtime {
    /// A free record, the caller's alone.
    ///
    /// # Errors
    /// When there is no room for one more.
    pub(super) fn take_record(&'static self) -> Result<&'static Task, PlatformError> {
        let warm = current_carrier(self).map(|carrier| &carrier.own.records);
        self.tasks.take(warm).map_or_else(|| self.tasks.extend(self.platform), Ok)
    }

    /// Ends the life of a record whose last hold was released.
    pub(crate) fn recycle(&'static self, task: &'static Task) {
        task.executor.store(core::ptr::null_mut(), Ordering::Relaxed);
        if !task.state.close() {
            // It has no next life.
            // SAFETY: nobody has a hold of it, nor will.
            return unsafe { self.unreserve(task) };
        }
        if self.tasks.is_scarce() {
            return self.give_up(task);
        }
        match current_carrier(self) {
            Some(carrier) => self.tasks.keep(&carrier.own.records, task),
            None => self.tasks.give_back(task),
        }
    }

    /// Puts a closed record back for everybody, with all that this carrier keeps, and without
    /// stacks.
    #[cold]
    fn give_up(&'static self, task: &'static Task) {
        let mut next = Some(task);
        while let Some(task) = next {
            // SAFETY: a free one is its keeper's alone.
            unsafe { self.unreserve(task) };
            self.tasks.give_back(task);
            next = current_carrier(self).and_then(|carrier| carrier.own.records.pop());
        }
        current_carrier(self).map(Carrier::give_up_stacks);
    }

    /// Reserves a stack of `class` for `record`, instead of what was reserved before.
    ///
    /// # Safety
    /// The record is the caller's alone.
    #[cold]
    pub(super) unsafe fn reserve_anew(
        &'static self,
        task: &Task,
        class: StackClass,
    ) -> Result<(), PlatformError> {
        let platform = self.platform();
        // SAFETY: the caller's.
        unsafe { self.unreserve(task) };
        platform.stack_reserve(class).or_else(|refusal| {
            self.tasks.set_scarce();
            // What this carrier keeps warm, it keeps from somebody now.
            let gave = current_carrier(self).map(Carrier::give_up_stacks);
            if gave == Some(true) { platform.stack_reserve(class) } else { Err(refusal) }
        })?;
        // SAFETY: the caller's.
        task.reserved.with_mut(|reserved| unsafe { *reserved = Some(class) });
        Ok(())
    }

    /// Takes back the stack that was reserved for a record.
    ///
    /// # Safety
    /// The record is the caller's alone.
    unsafe fn unreserve(&self, task: &Task) {
        // SAFETY: the caller's.
        let reserved = task.reserved.with_mut(|reserved| unsafe { (*reserved).take() });
        if let Some(class) = reserved {
            self.platform.stack_unreserve(class);
        }
    }
}

impl Carrier {
    /// A stack for a task that starts: a warm one, or one of the platform's.
    pub(super) fn take_stack(&self, class: StackClass) -> Option<Stack> {
        self.own.stacks[class as usize]
            .pop()
            .or_else(|| self.executor.runtime.platform().stack_alloc(class).ok())
    }

    /// Keeps the stack of a task that ended, if it has reserved a place for it.
    #[inline]
    pub(super) fn put_stack(&self, stack: Stack) {
        let class = stack.class as usize;
        let is_scarce = self.executor.runtime.tasks.is_scarce();
        let (stacks, reserved) = (&self.own.stacks[class], self.own.reserved[class].get());
        let left = match stacks.len() < reserved {
            true if !is_scarce => stacks.push(stack).err(),
            _ => Some(stack),
        };
        if let Some(stack) = left {
            self.put_unreserved(stack, is_scarce);
        }
    }

    /// Reserves a place for the stack, which stays there for the next ones, or frees it.
    #[cold]
    fn put_unreserved(&self, stack: Stack, is_scarce: bool) {
        let platform = self.executor.runtime.platform();
        let class = stack.class as usize;
        let kept = self.own.stacks[class].len();
        if is_scarce || kept == STACKS || platform.stack_reserve(stack.class).is_err() {
            // SAFETY: it came from `stack_alloc`, and its task has ended.
            return unsafe { platform.stack_free(stack) };
        }
        self.own.reserved[class].set(kept + 1);
        let kept = self.own.stacks[class].push(stack);
        assert!(kept.is_ok(), "there is room for a reserved one");
    }

    /// Gives the warm stacks back, and what was reserved for them; false if nothing was.
    pub(crate) fn give_up_stacks(&self) -> bool {
        let platform = self.executor.runtime.platform();
        let mut gave = false;
        for class in StackClass::ALL {
            while let Some(stack) = self.own.stacks[class as usize].pop() {
                // SAFETY: a cached stack has no task.
                unsafe { platform.stack_free(stack) };
            }
            let reserved = self.own.reserved[class as usize].replace(0);
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
        while let Some(task) = self.own.records.pop() {
            runtime.tasks.give_back(task);
        }
    }
}
