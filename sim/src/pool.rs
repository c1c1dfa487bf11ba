//! Memory of worlds: stacks and tables, used again by the next world on the same OS thread.
//!
//! A million short worlds must not cost a million mappings. Stacks keep what was written on them,
//! which no correct program reads; tables are zero again.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: whoever gives memory back here says that nothing of its
//! world can run again or be reached.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::OnceLock;

use drift_core::platform::{Platform, PlatformError, Stack, StackClass};
use drift_pal::Host;
use drift_pal::arena::Arena;

/// Address space for the tables of one world; what a runtime asks for, several times over.
const TABLES: usize = 8 << 30;

/// The machine, for guarded stacks.
fn host() -> &'static Host {
    static HOST: OnceLock<&'static Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new().unwrap_or_else(|error| panic!("no memory for stacks: {error}")))
}

thread_local! {
    static ARENAS: RefCell<Vec<Arena>> = const { RefCell::new(Vec::new()) };
    static STACKS: RefCell<[Vec<Stack>; StackClass::ALL.len()]> =
        const { RefCell::new([const { Vec::new() }; StackClass::ALL.len()]) };
}

/// What one world has of it.
#[derive(Debug)]
pub(crate) struct Pool {
    arena: Option<Arena>,
    /// Every stack that was ever handed out here, and is not free.
    out: Vec<Stack>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        let arena = ARENAS.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Arena::new(TABLES).unwrap_or_else(|error| panic!("no room for tables: {error}"))
        });
        Self { arena: Some(arena), out: Vec::new() }
    }

    pub(crate) fn table(&mut self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        self.arena.as_mut().expect("the world is not over").table(bytes)
    }

    /// A guarded stack.
    pub(crate) fn stack(&mut self, class: StackClass) -> Result<Stack, PlatformError> {
        let free = STACKS.with_borrow_mut(|stacks| stacks[class as usize].pop());
        let stack = match free {
            Some(stack) => stack,
            None => {
                host().stack_reserve(class)?;
                host().stack_alloc(class)?
            }
        };
        self.out.push(copy(&stack));
        Ok(stack)
    }

    pub(crate) fn free(&mut self, stack: Stack) {
        let place = self.out.iter().rposition(|out| out.top == stack.top);
        self.out.swap_remove(place.expect("a stack that is freed was taken"));
        STACKS.with_borrow_mut(|stacks| stacks[stack.class as usize].push(stack));
    }

    /// Takes everything back.
    ///
    /// # Safety
    /// Nothing of the world can run again or be reached.
    pub(crate) unsafe fn clear(&mut self) {
        for stack in self.out.drain(..) {
            STACKS.with_borrow_mut(|stacks| stacks[stack.class as usize].push(stack));
        }
        let Some(mut arena) = self.arena.take() else { return };
        // SAFETY: the caller's.
        unsafe { arena.clear() };
        ARENAS.with_borrow_mut(|arenas| arenas.push(arena));
    }
}

fn copy(stack: &Stack) -> Stack {
    Stack { limit: stack.limit, top: stack.top, id: stack.id, class: stack.class }
}
