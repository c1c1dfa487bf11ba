//! Virtual threads, and executors.

use drift::concurrent::FutureGroup;
use drift::{Duration, Executor, ExecutorPolicy, Future, Instant, Shutdown, VirtualThread};
use drift::{current, park, spawn};

use super::{Call, MANY, cancel_caller, unpark_caller};

pub const CALLS: &[Call] = calls![
    "VirtualThread::join, of one that has ended", { let mut ended = ended(); },
        ended.pop().unwrap().join();
    "VirtualThread::join, of one that was joined", { let one = spawn(|| ()); one.join().unwrap(); },
        one.join();
    "VirtualThread::join, cancelled", { let never = Never::new(); cancel_caller(); },
        never.0.join();
    "VirtualThread::join_timeout, of no time", { let never = Never::new(); },
        never.0.join_timeout(Duration::ZERO);
    "VirtualThread::join_timeout, of less", { let never = Never::new(); },
        never.0.join_timeout(Duration::from_millis(-1));
    "VirtualThread::cancel", { let never = Never::new(); }, never.0.cancel();
    "VirtualThread::is_completed", { let never = Never::new(); }, never.0.is_completed();
    "Future::join, of one that was joined", {
        let one = drift::spawn_future(|| ());
        one.join().unwrap();
    }, one.join();
    "Future::join_timeout, of no time", { let one = future(); }, one.join_timeout(Duration::ZERO);
    "Future::cancel", { let one = future(); }, one.cancel();
    "Future::is_completed", { let one = future(); }, one.is_completed();
    "FutureGroup::add", { let (mut all, mut ended) = (FutureGroup::new(), ended()); },
        all.add(Future::from(ended.pop().unwrap()));
    "FutureGroup::select, of those that have ended", { let mut all = group(); }, all.select();
    "FutureGroup::select, of none", { let mut none = none(); }, none.select();
    "FutureGroup::completions, of those that have ended", { let mut all = group(); },
        all.completions().next();
    "FutureGroup::join_any, of one that has ended", { let mut all = group(); }, all.join_any();
    "FutureGroup::join_any_timeout, of none", { let mut none = none(); },
        none.join_any_timeout(Duration::ZERO);
    "FutureGroup::join_any_timeout, of less", { let mut none = none(); },
        none.join_any_timeout(Duration::from_millis(-1));
    "FutureGroup::join_all, of none", {}, none().join_all();
    "Thread::unpark", { let caller = current().unwrap(); }, caller.unpark();
    "park, with a permit", {}, { unpark_caller(); park() };
    "park, cancelled", { cancel_caller(); }, park();
    "park_until, of the past", { let past = Instant::now(); }, drift::park_until(past);
    "park_until, cancelled", { cancel_caller(); }, drift::park_until(far());
    "sleep, of no time", {}, drift::sleep(Duration::ZERO);
    "sleep, of less", {}, drift::sleep(Duration::from_millis(-1));
    "sleep, cancelled", { cancel_caller(); }, drift::sleep(Duration::from_secs(60));
    "sleep_until, of the past", { let past = Instant::now(); }, drift::sleep_until(past);
    "sleep_until, cancelled", { cancel_caller(); }, drift::sleep_until(far());
    "yield_now", {}, drift::yield_now();
    "is_cancelled", {}, drift::is_cancelled();
    "uncancellable", {}, drift::uncancellable(|| ());
    "Executor::new, refused", {}, Executor::new(ExecutorPolicy::new().max_threads(0));
    "Executor::default_get", {}, Executor::default_get();
    "Executor::default_set", { let (one, before) = (shut_down(), Restore::new()); }, {
        let _ = &before;
        one.default_set()
    };
    "Executor::default_set_migrating", { let now = Executor::default_get(); },
        // SAFETY: it is the default already.
        unsafe { now.default_set_migrating() };
    "Executor::shutdown, of the caller's own", { let own = Executor::default_get(); },
        own.shutdown(Shutdown::Drain, far());
    "Executor::shutdown, of one that is over", { let one = shut_down(); },
        one.shutdown(Shutdown::Drain, far());
];

/// One that never ends by itself.
pub struct Never(pub VirtualThread<()>);

impl Never {
    pub fn new() -> Self {
        Self(spawn(|| while park().is_ok() {}))
    }
}

impl Drop for Never {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Sets the default executor back.
struct Restore(Executor);

impl Restore {
    fn new() -> Self {
        Self(Executor::default_get())
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        crate::harness::prefer(self.0);
    }
}

/// As many as there are calls, all of which have ended.
pub fn ended() -> Vec<VirtualThread<()>> {
    let all: Vec<_> = (0..MANY).map(|_| spawn(|| ())).collect();
    while !all.iter().all(VirtualThread::is_completed) {
        drift::yield_now();
    }
    all
}

/// One that lasts longer than the calls.
fn future() -> Future<()> {
    drift::spawn_future(|| drift::sleep(Duration::from_secs(1)).unwrap_or_default())
}

fn group() -> FutureGroup<()> {
    let mut group = FutureGroup::new();
    for one in ended() {
        group.add(one.into());
    }
    group
}

fn none() -> FutureGroup<()> {
    FutureGroup::new()
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn shut_down() -> Executor {
    let one = Executor::new(ExecutorPolicy::new()).unwrap();
    one.shutdown(Shutdown::Drain, far()).unwrap();
    one
}
