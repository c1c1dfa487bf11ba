//! Stacks out of the arena. One that comes back waits in a list of its class.
//!
//! A reservation takes the memory: a stack that was reserved is always to be had.

use core::alloc::Layout;
use core::ptr::NonNull;

use drift_core::platform::{PlatformError, Stack, StackClass};
use spin::Mutex;

use crate::arena::Memory;

/// Bytes of which nothing is promised, above a stack: so tops lie at different places of a cache.
const COLOUR: usize = 128;
const ALIGN: usize = 16;

/// Free stacks of each class: the first, whose lowest word leads to the next.
#[derive(Debug)]
pub(crate) struct Stacks([Mutex<Free>; StackClass::ALL.len()]);

#[derive(Debug)]
struct Free {
    first: Option<NonNull<Next>>,
}

/// What lies at the bottom of a free stack.
#[derive(Debug)]
struct Next(Option<NonNull<Next>>);

// SAFETY: a free stack is nobody's but the list's.
unsafe impl Send for Free {}

impl Stacks {
    pub(crate) const fn new() -> Self {
        Self([const { Mutex::new(Free { first: None }) }; StackClass::ALL.len()])
    }

    /// One stack more, which is free.
    pub(crate) fn reserve(&self, memory: &Memory, class: StackClass) -> Result<(), PlatformError> {
        let layout =
            Layout::from_size_align(class.bytes() + COLOUR, ALIGN).expect("a class is small");
        let Some(stack) = memory.take(layout) else {
            let what = "memory of the board for one more stack (its Arena)";
            return Err(PlatformError::Limit { what, limit: memory.left() });
        };
        self.put(class, stack);
        Ok(())
    }

    fn put(&self, class: StackClass, stack: NonNull<u8>) {
        let mut free = self.0[class as usize].lock();
        let link = stack.cast::<Next>();
        // SAFETY: a stack of this list's class, which nobody else has.
        unsafe { link.write(Next(free.first)) };
        free.first = Some(link);
    }

    /// A free stack; as many are out at once as were reserved.
    pub(crate) fn take(&self, class: StackClass) -> Result<Stack, PlatformError> {
        let mut free = self.0[class as usize].lock();
        let stack = free.first.ok_or(PlatformError::Unsupported)?;
        // SAFETY: written by `put`.
        free.first = unsafe { stack.read() }.0;
        let limit = stack.addr().get();
        Ok(Stack { limit, top: limit + class.bytes(), id: 0, class })
    }

    /// Takes one back.
    pub(crate) fn give_back(&self, stack: &Stack) {
        let start = core::ptr::with_exposed_provenance_mut(stack.limit);
        self.put(stack.class, NonNull::new(start).expect("no stack begins at 0"));
    }
}
