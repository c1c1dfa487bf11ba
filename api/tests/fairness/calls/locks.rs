//! Waiting for each other: locks, conditions, channels, `select!`.

use drift::sync::{
    Barrier, Condvar, Event, LazyLock, Mutex, Once, OnceLock, Receiver, ReentrantMutex, RwLock,
    RwLockWriteGuard, Semaphore, Sender, bounded, unbounded,
};
use drift::{Duration, select};

use super::{Call, MANY, cancel_caller};

pub const CALLS: &[Call] = calls![
    "Mutex::lock", { let free = Mutex::new(()); }, free.lock();
    "Mutex::lock, cancelled", { let (held, _guard) = held(); cancel_caller(); }, held.lock();
    "Mutex::try_lock", { let free = Mutex::new(()); }, free.try_lock();
    "Mutex::try_lock, held", { let (held, _guard) = held(); }, held.try_lock();
    "Mutex::lock_timeout, of no time", { let (held, _guard) = held(); }, held.lock_timeout(NONE);
    "Mutex::lock_timeout, of less", { let (held, _guard) = held(); }, held.lock_timeout(LESS);
    "Mutex::is_locked", { let (held, _guard) = held(); }, held.is_locked();
    "Mutex::is_poisoned", { let free = Mutex::new(()); }, free.is_poisoned();
    "Mutex::clear_poison", { let free = Mutex::new(()); }, free.clear_poison();
    "RwLock::read", { let free = RwLock::new(()); }, free.read();
    "RwLock::write", { let free = RwLock::new(()); }, free.write();
    "RwLock::read, cancelled", { let (held, _guard) = written(); cancel_caller(); }, held.read();
    "RwLock::write, cancelled", { let (held, _guard) = written(); cancel_caller(); }, held.write();
    "RwLock::try_read, held", { let (held, _guard) = written(); }, held.try_read();
    "RwLock::try_write, held", { let (held, _guard) = written(); }, held.try_write();
    "RwLock::read_timeout, of no time", { let (held, _guard) = written(); },
        held.read_timeout(NONE);
    "RwLock::write_timeout, of no time", { let (held, _guard) = written(); },
        held.write_timeout(NONE);
    "RwLock::read_recursive", { let free = RwLock::new(()); let _other = free.read(); },
        free.read_recursive();
    "RwLock::try_read_recursive, held", { let (held, _guard) = written(); },
        held.try_read_recursive();
    "RwLock::read_recursive_timeout, of no time", { let (held, _guard) = written(); },
        held.read_recursive_timeout(NONE);
    "RwLock::is_locked", { let (held, _guard) = written(); }, held.is_locked();
    "RwLock::is_locked_exclusive", { let (held, _guard) = written(); }, held.is_locked_exclusive();
    "RwLockWriteGuard::downgrade", { let free = RwLock::new(()); },
        RwLockWriteGuard::downgrade(free.write().unwrap());
    "RwLock::is_poisoned", { let free = RwLock::new(()); }, free.is_poisoned();
    "RwLock::clear_poison", { let free = RwLock::new(()); }, free.clear_poison();
    "ReentrantMutex::lock", { let own = ReentrantMutex::new(()); let _guard = own.lock(); },
        own.lock();
    "ReentrantMutex::try_lock", { let free = ReentrantMutex::new(()); }, free.try_lock();
    "ReentrantMutex::lock_timeout, of no time", { let free = ReentrantMutex::new(()); },
        free.lock_timeout(NONE);
    "ReentrantMutex::is_locked", { let free = ReentrantMutex::new(()); }, free.is_locked();
    "ReentrantMutex::depth", { let free = ReentrantMutex::new(()); }, free.depth();
    "Condvar::wait, cancelled", {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        cancel_caller();
    }, condvar.wait(mutex.lock().unwrap());
    "Condvar::wait_while, of what holds", {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut guard = mutex.lock().ok();
    }, guard = condvar.wait_while(guard.take().unwrap(), |()| false).ok();
    "Condvar::wait_timeout, of no time", {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut guard = mutex.lock().ok();
    }, guard = condvar.wait_timeout(guard.take().unwrap(), NONE).ok().map(|(guard, _)| guard);
    "Condvar::wait_timeout_while, of what holds", {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut guard = mutex.lock().ok();
    }, guard = {
        let ended = condvar.wait_timeout_while(guard.take().unwrap(), NONE, |()| false);
        ended.ok().map(|(guard, _)| guard)
    };
    "Condvar::wait_timeout_while, of no time", {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut guard = mutex.lock().ok();
    }, guard = {
        let ended = condvar.wait_timeout_while(guard.take().unwrap(), NONE, |()| true);
        ended.ok().map(|(guard, _)| guard)
    };
    "Condvar::notify_one", { let condvar = Condvar::new(); }, condvar.notify_one();
    "Condvar::notify_all", { let condvar = Condvar::new(); }, condvar.notify_all();
    "Barrier::wait, of one", { let alone = Barrier::new(1); }, alone.wait();
    "Barrier::wait_timeout, of no time", { let two = Barrier::new(2); }, two.wait_timeout(NONE);
    "Semaphore::acquire", { let many = Semaphore::new(1); }, many.acquire();
    "Semaphore::acquire, cancelled", { let none = Semaphore::new(0); cancel_caller(); },
        none.acquire();
    "Semaphore::acquire_many", { let many = Semaphore::new(2); }, many.acquire_many(2);
    "Semaphore::try_acquire, of none", { let none = Semaphore::new(0); }, none.try_acquire();
    "Semaphore::acquire_timeout, of no time", { let none = Semaphore::new(0); },
        none.acquire_timeout(NONE);
    "Semaphore::release", { let many = Semaphore::new(0); }, many.release(1);
    "Semaphore::available", { let many = Semaphore::new(0); }, many.available();
    "Once::call_once, done", { let done = done(); }, done.call_once(|| ());
    "Once::call_once_force, done", { let done = done(); }, done.call_once_force(|_| ());
    "Once::wait, done", { let done = done(); }, done.wait();
    "Once::wait, cancelled", { let once = Once::new(); cancel_caller(); }, once.wait();
    "Once::wait_force, done", { let done = done(); }, done.wait_force();
    "Once::wait_timeout, of no time", { let once = Once::new(); }, once.wait_timeout(NONE);
    "Once::wait_timeout, of less", { let once = Once::new(); }, once.wait_timeout(LESS);
    "OnceLock::get, of none", { let empty = OnceLock::<u8>::new(); }, empty.get();
    "OnceLock::set, refused", { let full = OnceLock::from(1); }, full.set(2);
    "OnceLock::get_or_init", { let full = OnceLock::from(1); }, full.get_or_init(|| 2);
    "OnceLock::get_or_try_init, failing", { let empty = OnceLock::<u8>::new(); },
        empty.get_or_try_init(|| Err(1));
    "OnceLock::wait", { let full = OnceLock::from(1); }, full.wait();
    "OnceLock::wait, cancelled", { let empty = OnceLock::<u8>::new(); cancel_caller(); },
        empty.wait();
    "OnceLock::wait_timeout, of no time", { let empty = OnceLock::<u8>::new(); },
        empty.wait_timeout(NONE);
    "OnceLock::wait_timeout, of less", { let empty = OnceLock::<u8>::new(); },
        empty.wait_timeout(LESS);
    "LazyLock::force", { let lazy = LazyLock::new(|| 1); }, LazyLock::force(&lazy);
    "Once::is_completed", { let once = Once::new(); }, once.is_completed();
    "Event::wait, set", { let event = Event::new(); event.set(); }, event.wait();
    "Event::wait, cancelled", { let event = Event::new(); cancel_caller(); }, event.wait();
    "Event::wait_timeout, of no time", { let event = Event::new(); }, event.wait_timeout(NONE);
    "Event::set", { let event = Event::new(); }, event.set();
    "Event::reset", { let event = Event::new(); }, event.reset();
    "Event::is_set", { let event = Event::new(); }, event.is_set();
    "Sender::send", { let (to, _from) = unbounded(); }, to.send(1);
    "Sender::send, closed", { let to = closed().0; }, to.send(1);
    "Sender::send, cancelled", { let (to, _from) = bounded(0); cancel_caller(); }, to.send(1);
    "Sender::try_send", { let (to, _from) = unbounded(); }, to.try_send(1);
    "Sender::try_send, full", { let (to, _from) = bounded(0); }, to.try_send(1);
    "Sender::send_timeout, of no time", { let (to, _from) = bounded(0); }, to.send_timeout(1, NONE);
    "Sender::send_timeout, of less", { let (to, _from) = unbounded(); }, to.send_timeout(1, LESS);
    "Sender::close", { let to = closed().0; }, to.close();
    "Sender::is_closed", { let (to, _from) = unbounded::<u8>(); }, to.is_closed();
    "Sender::len", { let (to, _from) = unbounded::<u8>(); }, to.len();
    "Sender::is_full", { let (to, _from) = unbounded::<u8>(); }, to.is_full();
    "Sender::is_empty", { let (to, _from) = unbounded::<u8>(); }, to.is_empty();
    "Receiver::recv", { let from = filled(); }, from.recv();
    "Receiver::recv, closed", { let from = closed().1; }, from.recv();
    "Receiver::recv, cancelled", { let (_to, from) = unbounded::<u8>(); cancel_caller(); },
        from.recv();
    "Receiver::try_recv", { let from = filled(); }, from.try_recv();
    "Receiver::try_recv, empty", { let (_to, from) = unbounded::<u8>(); }, from.try_recv();
    "Receiver::recv_timeout, of no time", { let (_to, from) = unbounded::<u8>(); },
        from.recv_timeout(NONE);
    "Receiver::recv_timeout, of less", { let from = filled(); }, from.recv_timeout(LESS);
    "Iter::next", { let from = filled(); let mut iter = from.iter(); }, iter.next();
    "TryIter::next", { let from = filled(); let mut iter = from.try_iter(); }, iter.next();
    "TryIter::next, of none", { let (_to, from) = unbounded::<u8>(); }, from.try_iter().next();
    "Received::next", { let mut iter = filled().into_iter(); }, iter.next();
    "Receiver::close", { let from = closed().1; }, from.close();
    "Receiver::is_closed", { let from = filled(); }, from.is_closed();
    "Receiver::len", { let from = filled(); }, from.len();
    "Receiver::is_full", { let from = filled(); }, from.is_full();
    "Receiver::is_empty", { let from = filled(); }, from.is_empty();
    "select!, ready", { let from = filled(); }, select! { recv(from) -> value => drop(value) };
    "select!, default", { let (_to, from) = unbounded::<u8>(); }, select! {
        recv(from) -> value => drop(value),
        default => (),
    };
    "select!, over", { let (_to, from) = unbounded::<u8>(); let past = drift::Instant::now(); },
        select! {
            recv(from) -> value => drop(value),
            until(past) => (),
        };
    "select!, cancelled", { let (_to, from) = unbounded::<u8>(); cancel_caller(); },
        select! { recv(from) -> value => drop(value) };
];

const NONE: Duration = Duration::ZERO;
const LESS: Duration = Duration::from_millis(-1);

/// A mutex that stays held.
fn held() -> (&'static Mutex<()>, drift::sync::MutexGuard<'static, ()>) {
    let mutex = Box::leak(Box::new(Mutex::new(())));
    (mutex, mutex.lock().unwrap())
}

/// A lock that stays written.
fn written() -> (&'static RwLock<()>, drift::sync::RwLockWriteGuard<'static, ()>) {
    let lock = Box::leak(Box::new(RwLock::new(())));
    (lock, lock.write().unwrap())
}

fn done() -> Once {
    let once = Once::new();
    once.call_once(|| ()).unwrap();
    once
}

fn closed() -> (Sender<u8>, Receiver<u8>) {
    let ends = unbounded();
    ends.0.close();
    ends
}

/// With a value for each call; its sender is gone.
fn filled() -> Receiver<usize> {
    let (to, from) = unbounded();
    (0..=MANY).for_each(|n| to.send(n).unwrap());
    from
}
