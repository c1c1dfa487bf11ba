//! What may be used on both sides of `catch_unwind`, as in std: a panic is told by poison where
//! it can leave something half done, and the rest has no state of the user's.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::{
    Barrier, Condvar, Event, Mutex, Once, Receiver, ReentrantMutex, RwLock, RwLockReadGuard,
    Semaphore, Sender,
};
use crate::concurrent::{ScopedVirtualThread, Thread, VirtualThread};

macro_rules! unwind_safe {
    ($({$($of:tt)*} $type:ty,)*) => {
        $(
            impl<$($of)*> UnwindSafe for $type {}
            impl<$($of)*> RefUnwindSafe for $type {}
        )*
    };
}

unwind_safe!(
    {} Barrier,
    {} Condvar,
    {} Event,
    {T: ?Sized} Mutex<T>,
    {} Once,
    {T} Receiver<T>,
    {T: ?Sized} RwLock<T>,
    {} Semaphore,
    {T} ScopedVirtualThread<'_, T>,
    {T} Sender<T>,
    {} Thread,
    {T} VirtualThread<T>,
);

// It gives `&T`, and leaves nothing half done itself.
impl<T: RefUnwindSafe + ?Sized> UnwindSafe for RwLockReadGuard<'_, T> {}

impl<T: UnwindSafe + ?Sized> UnwindSafe for ReentrantMutex<T> {}
// It is not poisoned: what is in it must bear to be seen half done.
impl<T: RefUnwindSafe + ?Sized> RefUnwindSafe for ReentrantMutex<T> {}
