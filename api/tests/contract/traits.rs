//! `Send`, `Sync` and the unwind traits of every public type, when this compiles.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use drift::concurrent::Completed;
use drift::sync::{
    Barrier, Condvar, Event, LockError, Mutex, MutexGuard, Once, Permits, Receiver, ReentrantMutex,
    ReentrantMutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SendError, Sender,
};
use drift::{
    Builder, ConcurrencyError, Duration, Error, Executor, ExecutorPolicy, Future, FutureGroup,
    Instant, Panic, Saturation, Scope, ScopeError, ScopedVirtualThread, Shutdown, ShutdownReport,
    Thread, VirtualThread,
};

/// May be sent, but not shared.
type SendOnly = Cell<u8>;
/// Neither.
type Neither = Rc<u8>;

macro_rules! both {
    ($($type:ty),* $(,)?) => {
        const _: () = {
            const fn both<T: Send + Sync + ?Sized>() {}
            $(both::<$type>();)*
        };
    };
}

/// Fails to compile if the type has the trait: then the call is ambiguous.
macro_rules! not {
    ($bound:ident: $($type:ty),* $(,)?) => {
        const _: () = {
            trait Ambiguous<A> {
                fn f() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $bound> Ambiguous<u8> for T {}
            $(let _ = <$type as Ambiguous<_>>::f;)*
        };
    };
}

both!(
    Barrier,
    Builder,
    Completed<u8>,
    ConcurrencyError,
    Condvar,
    Duration,
    Error,
    Event,
    Executor,
    ExecutorPolicy,
    Future<SendOnly>,
    FutureGroup<u8>,
    Instant,
    LockError<u8>,
    Mutex<SendOnly>,
    Once,
    Panic,
    Permits<'static>,
    Receiver<SendOnly>,
    ReentrantMutex<SendOnly>,
    RwLock<u8>,
    Saturation,
    Scope<'static, 'static>,
    ScopeError,
    ScopedVirtualThread<'static, SendOnly>,
    Semaphore,
    SendError<u8>,
    Sender<SendOnly>,
    Shutdown,
    ShutdownReport,
    Thread,
    VirtualThread<SendOnly>,
);

/// As in std, what may be used on both sides of a `catch_unwind`.
const _: () = {
    const fn safe<T: UnwindSafe + RefUnwindSafe + ?Sized>() {}
    safe::<Barrier>();
    safe::<Condvar>();
    safe::<Event>();
    safe::<Mutex<SendOnly>>();
    safe::<Once>();
    safe::<Receiver<SendOnly>>();
    safe::<RwLock<SendOnly>>();
    safe::<Semaphore>();
    safe::<Sender<SendOnly>>();
    safe::<ReentrantMutex<u8>>();
    safe::<Thread>();
    safe::<Future<SendOnly>>();
    safe::<ScopedVirtualThread<'static, SendOnly>>();
};

not!(Send:
    Mutex<Neither>,
    MutexGuard<'static, u8>,
    Receiver<Neither>,
    ReentrantMutex<Neither>,
    ReentrantMutexGuard<'static, u8>,
    RwLock<Neither>,
    RwLockReadGuard<'static, u8>,
    RwLockWriteGuard<'static, u8>,
    Sender<Neither>,
    Completed<Neither>,
    FutureGroup<Neither>,
);

not!(Sync:
    Mutex<Neither>,
    MutexGuard<'static, SendOnly>,
    Receiver<Neither>,
    ReentrantMutex<Neither>,
    ReentrantMutexGuard<'static, SendOnly>,
    RwLock<SendOnly>,
    RwLockReadGuard<'static, SendOnly>,
    RwLockWriteGuard<'static, SendOnly>,
    Sender<Neither>,
    FutureGroup<SendOnly>,
);
