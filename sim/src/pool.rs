//! Memory of worlds: stacks and tables, used again by the next world on the same OS thread, or on
//! any when that one has ended.
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
#[cfg(not(miri))]
use std::sync::OnceLock;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(not(miri))]
use drift_core::platform::Platform;
use drift_core::platform::{PlatformError, Stack, StackClass};
#[cfg(not(miri))]
use drift_pal::Host;
#[cfg(not(miri))]
use drift_pal::arena::Arena;

#[cfg(miri)]
use crate::interpreted::{Arena, new_stack};

/// Address space for the tables of one world; what a runtime asks for, several times over.
const TABLES: usize = 8 << 30;

/// What fills a process, and the way out.
const KEPT: &str = "each world that failed keeps its memory until the process ends, so stop at \
     the first failures, or run the seeds in several processes";

/// A stack of the machine's, guarded.
#[cfg(not(miri))]
fn new_stack(class: StackClass) -> Result<Stack, PlatformError> {
    static HOST: OnceLock<&'static Host> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        Host::new().unwrap_or_else(|error| panic!("no memory for stacks: {error}"))
    });
    host.stack_reserve(class)?;
    host.stack_alloc(class)
}

/// What no world has.
#[derive(Debug)]
struct Free {
    arenas: Vec<Arena>,
    stacks: [Vec<Stack>; StackClass::ALL.len()],
}

impl Free {
    const NONE: Self =
        Self { arenas: Vec::new(), stacks: [const { Vec::new() }; StackClass::ALL.len()] };
}

/// Of the whole process: what OS threads had that have ended.
static SHARED: Mutex<Free> = Mutex::new(Free::NONE);

fn shared() -> MutexGuard<'static, Free> {
    // Nothing panics with it but for want of memory, and then the lists are whole.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of one OS thread, until it ends.
struct Own(RefCell<Free>);

thread_local! {
    static OWN: Own = const { Own(RefCell::new(Free::NONE)) };
}

impl Drop for Own {
    fn drop(&mut self) {
        let own = self.0.get_mut();
        let mut shared = shared();
        shared.arenas.append(&mut own.arenas);
        for (all, own) in shared.stacks.iter_mut().zip(&mut own.stacks) {
            all.append(own);
        }
    }
}

/// One that is free, of this OS thread's or else of the process's.
fn find<T>(of: impl Fn(&mut Free) -> Option<T>) -> Option<T> {
    let own = OWN.with(|own| of(&mut own.0.borrow_mut()));
    own.or_else(|| of(&mut shared()))
}

fn keep(with: impl FnOnce(&mut Free)) {
    OWN.with(|own| with(&mut own.0.borrow_mut()));
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
        let arena = find(|free| free.arenas.pop()).unwrap_or_else(|| {
            Arena::new(TABLES).unwrap_or_else(|error| panic!("no room for tables: {error}; {KEPT}"))
        });
        Self { arena: Some(arena), out: Vec::new() }
    }

    pub(crate) fn table(&mut self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        self.arena.as_mut().expect("the world is not over").table(bytes)
    }

    /// A guarded stack.
    pub(crate) fn stack(&mut self, class: StackClass) -> Result<Stack, PlatformError> {
        let stack = match find(|free| free.stacks[class as usize].pop()) {
            Some(stack) => stack,
            None => new_stack(class)?,
        };
        self.out.push(copy(&stack));
        Ok(stack)
    }

    pub(crate) fn free(&mut self, stack: Stack) {
        let place = self.out.iter().rposition(|out| out.top == stack.top);
        self.out.swap_remove(place.expect("a stack that is freed was taken"));
        keep(|free| free.stacks[stack.class as usize].push(stack));
    }

    /// For a world that stays as it is: it gets no more tables. Those that it has, and its stacks,
    /// are kept for ever. What waits there is linked into what the program's caller may still have
    /// and use, such as a lock or a channel; values may be pointed to that were never dropped.
    pub(crate) fn abandon(&mut self) {
        if let Some(arena) = &mut self.arena {
            arena.trim();
        }
    }

    /// Takes everything back.
    ///
    /// # Safety
    /// Nothing of the world can run again or be reached.
    pub(crate) unsafe fn clear(&mut self) {
        for stack in self.out.drain(..) {
            keep(|free| free.stacks[stack.class as usize].push(stack));
        }
        let Some(mut arena) = self.arena.take() else { return };
        // SAFETY: the caller's.
        unsafe { arena.clear() };
        keep(|free| free.arenas.push(arena));
    }
}

fn copy(stack: &Stack) -> Stack {
    Stack { limit: stack.limit, top: stack.top, id: stack.id, class: stack.class }
}
