//! Stacks out of the arena.
//!
//! | a stack is | and lies                                                                     |
//! |------------|------------------------------------------------------------------------------|
//! | out        | with a virtual thread, or a carrier                                          |
//! | free       | in its class's list of those that were reserved                              |
//! | spare      | in its class's list of those whose reservation was taken back                |
//!
//! A reservation has the memory: a stack that was reserved is always to be had. It takes a spare
//! one of its class, or new memory; spare ones of other classes are not cut up.

use core::alloc::Layout;
use core::ptr::NonNull;

use drift_core::platform::{PlatformError, Stack, StackClass};
use spin::Mutex;

use crate::arena::Memory;

/// Bytes of which nothing is promised, above a stack: so tops lie at different places of a cache.
const COLOUR: usize = 128;
const ALIGN: usize = 16;

/// The lists of each class.
#[derive(Debug)]
pub(crate) struct Stacks([Mutex<Lists>; StackClass::ALL.len()]);

#[derive(Debug)]
struct Lists {
    free: List,
    spare: List,
}

/// Stacks that nobody uses: the first, which leads to the next.
#[derive(Debug)]
struct List(Option<NonNull<Next>>);

/// What lies at the bottom of a free stack.
#[derive(Debug)]
struct Next(Option<NonNull<Next>>);

// SAFETY: a stack in a list is nobody's but the list's.
unsafe impl Send for List {}

impl List {
    fn push(&mut self, stack: NonNull<u8>) {
        let link = stack.cast::<Next>();
        // SAFETY: a stack, which nobody else has.
        unsafe { link.write(Next(self.0)) };
        self.0 = Some(link);
    }

    fn pop(&mut self) -> Option<NonNull<u8>> {
        let stack = self.0?;
        // SAFETY: written by `push`.
        self.0 = unsafe { stack.read() }.0;
        Some(stack.cast())
    }
}

impl Stacks {
    pub(crate) const fn new() -> Self {
        let lists = [const { Mutex::new(Lists { free: List(None), spare: List(None) }) };
            StackClass::ALL.len()];
        Self(lists)
    }

    /// One more of a class, which is free.
    pub(crate) fn reserve(&self, memory: &Memory, class: StackClass) -> Result<(), PlatformError> {
        let mut lists = self.0[class as usize].lock();
        let layout = Layout::from_size_align(class.bytes() + COLOUR, ALIGN);
        let layout = layout.expect("a class is small");
        let Some(stack) = lists.spare.pop().or_else(|| memory.take(layout)) else {
            let what = "memory of the board for one more stack (its Arena)";
            return Err(PlatformError::Limit { what, limit: memory.left() });
        };
        lists.free.push(stack);
        Ok(())
    }

    /// One less.
    pub(crate) fn unreserve(&self, class: StackClass) {
        let mut lists = self.0[class as usize].lock();
        if let Some(stack) = lists.free.pop() {
            lists.spare.push(stack);
        }
    }

    /// A free stack; as many are out at once as were reserved.
    pub(crate) fn take(&self, class: StackClass) -> Result<Stack, PlatformError> {
        let stack = self.0[class as usize].lock().free.pop().ok_or(PlatformError::Unsupported)?;
        let limit = stack.as_ptr().expose_provenance();
        Ok(Stack { limit, top: limit + class.bytes(), id: 0, class })
    }

    /// Takes one back.
    pub(crate) fn give_back(&self, stack: &Stack) {
        let start = core::ptr::with_exposed_provenance_mut(stack.limit);
        let start = NonNull::new(start).expect("no stack begins at 0");
        self.0[stack.class as usize].lock().free.push(start);
    }
}
