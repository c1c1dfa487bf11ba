//! `Send`, `Sync` and the unwind traits of every public type, when this compiles.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use drift::concurrent::Completed;
use drift::sync::{
    Barrier, Condvar, Event, LazyLock, LockError, Mutex, MutexGuard, Once, OnceLock, Permits,
    Receiver, ReentrantMutex, ReentrantMutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    Semaphore, SendError, Sender,
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

/// Whether the type has the trait.
macro_rules! has {
    ($type:ty: $bound:path) => {{
        #[allow(dead_code, reason = "one of the two is asked, which depends on the type")]
        trait No {
            const HAS: bool = false;
        }
        impl<T: ?Sized> No for T {}
        #[allow(dead_code, reason = "one of the two is asked, which depends on the type")]
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "one of the two is asked, which depends on the type")]
        impl<T: ?Sized + $bound> Asked<T> {
            const HAS: bool = true;
        }
        <Asked<$type>>::HAS
    }};
}

/// The one has these traits where the other has them.
macro_rules! as_std {
    ([$($bound:ident)*] $ours:ty, $theirs:ty) => {
        const _: () = {
            $(assert!(
                has!($ours: $bound) == has!($theirs: $bound),
                concat!(stringify!($ours), ": ", stringify!($bound))
            );)*
        };
    };
}

/// With each of `what`. A handle bears any unwinding, which std's does not; an error is as
/// [`std::io::Error`].
macro_rules! all_as_std {
    ($($what:ty)*) => {
        $(
            as_std!([Send Sync UnwindSafe RefUnwindSafe] Mutex<$what>, std::sync::Mutex<$what>);
            as_std!([Send Sync UnwindSafe RefUnwindSafe]
                MutexGuard<'static, $what>, std::sync::MutexGuard<'static, $what>);
            as_std!([Send Sync UnwindSafe RefUnwindSafe] RwLock<$what>, std::sync::RwLock<$what>);
            as_std!([Send Sync UnwindSafe]
                RwLockReadGuard<'static, $what>, std::sync::RwLockReadGuard<'static, $what>);
            as_std!([Send Sync UnwindSafe RefUnwindSafe]
                RwLockWriteGuard<'static, $what>, std::sync::RwLockWriteGuard<'static, $what>);
            as_std!([Send Sync UnwindSafe RefUnwindSafe]
                OnceLock<$what>, std::sync::OnceLock<$what>);
            as_std!([Send Sync UnwindSafe RefUnwindSafe]
                LazyLock<$what>, std::sync::LazyLock<$what>);
            as_std!([Send Sync] VirtualThread<$what>, std::thread::JoinHandle<$what>);
            as_std!([Send Sync] SendError<$what>, std::sync::mpsc::SendError<$what>);
        )*
    };
}

// What is both `Send` and `Sync`, one of them, neither, and what a `catch_unwind` must not pass.
all_as_std!(u8 SendOnly Neither &'static mut u8 std::sync::MutexGuard<'static, u8>);
as_std!([Send Sync UnwindSafe RefUnwindSafe] Barrier, std::sync::Barrier);
as_std!([Send Sync UnwindSafe RefUnwindSafe] Condvar, std::sync::Condvar);
as_std!([Send Sync UnwindSafe RefUnwindSafe] Once, std::sync::Once);
as_std!([Send Sync UnwindSafe RefUnwindSafe] Thread, std::thread::Thread);

/// As in std and crossbeam: what only gives a `T` away serves as one of a shorter life. (What takes
/// one in must not: guards that give `&mut T`, the ends of a channel, handles.)
#[allow(dead_code, reason = "the compiler checks it, and nobody calls it")]
const _: () = {
    const fn shorter<'short, 'long: 'short>(
        guard: RwLockReadGuard<'long, &'long str>,
    ) -> RwLockReadGuard<'short, &'short str> {
        guard
    }
    const fn shorter_reentrant<'short, 'long: 'short>(
        guard: ReentrantMutexGuard<'long, &'long str>,
    ) -> ReentrantMutexGuard<'short, &'short str> {
        guard
    }
    const fn shorter_lock<'short, 'long: 'short>(
        lock: ReentrantMutex<&'long str>,
    ) -> ReentrantMutex<&'short str> {
        lock
    }
    const fn shorter_permits<'short, 'long: 'short>(permits: Permits<'long>) -> Permits<'short> {
        permits
    }
    const fn shorter_refusal<'short, 'long: 'short>(
        refusal: SendError<&'long str>,
    ) -> SendError<&'short str> {
        refusal
    }
    const fn shorter_end<'short, 'long: 'short>(
        end: Completed<&'long str>,
    ) -> Completed<&'short str> {
        end
    }
    const fn shorter_error<'short, 'long: 'short>(
        error: LockError<RwLockReadGuard<'long, &'long str>>,
    ) -> LockError<RwLockReadGuard<'short, &'short str>> {
        error
    }
};

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
