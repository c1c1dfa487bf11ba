//! `sync`, but for channels.

use std::sync::Arc;

use drift::sync::{
    Barrier, Condvar, Event, LockError, Mutex, Once, OnceLock, ReentrantMutex, RwLock, Semaphore,
};
use drift::{ConcurrencyError, Duration, spawn};

use super::Row;
use super::cells::{Column, Holder, Outcome, Subject, Token, Word};

const NO_CLOSE: (Column, &str) = (Column::Close, "it has no end to close");
const NO_HOLDER: (Column, &str) = (Column::PanicInHolder, "nobody has it");
const NO_LIMIT: (Column, &str) = (Column::TimeOut, "it has no form with a time-out");
const NO_OS_LIMIT: (Column, &str) = (Column::OsTimeOut, "it has no form with a time-out");

fn outcome<G>(locked: Result<G, LockError<G>>) -> Outcome {
    locked.map(drop).map_err(ConcurrencyError::from)
}

pub fn rows() -> Vec<Row> {
    let close: &[_] = &[NO_CLOSE];
    let free: &[_] = &[NO_CLOSE, NO_HOLDER];
    let once: &[_] = &[NO_CLOSE, NO_LIMIT, NO_OS_LIMIT];
    vec![
        Row { name: "Mutex::lock", make: mutex, without: close },
        Row { name: "RwLock::read", make: read, without: close },
        Row { name: "RwLock::read_recursive", make: read_recursive, without: close },
        Row { name: "RwLock::write", make: write, without: close },
        Row { name: "RwLock::write, read", make: write_after_read, without: close },
        Row { name: "Condvar::wait", make: condvar, without: close },
        Row { name: "Condvar::wait_timeout_while", make: condvar_while, without: close },
        Row { name: "Semaphore::acquire", make: semaphore, without: close },
        Row { name: "Semaphore::acquire_many", make: semaphore_many, without: once },
        Row { name: "Barrier::wait", make: barrier, without: free },
        Row { name: "Event::wait", make: event, without: free },
        Row { name: "Once::call_once", make: once_row, without: once },
        Row { name: "Once::wait", make: once_wait, without: close },
        Row { name: "OnceLock::wait", make: once_lock_wait, without: free },
        Row { name: "ReentrantMutex::lock", make: reentrant, without: close },
    ]
}

fn mutex(token: &Token) -> Subject {
    let lock = Arc::new(Mutex::new(token.clone()));
    let (held, timed) = (lock.clone(), lock.clone());
    let holder = Holder::new(token, move |until| {
        let _guard = held.lock().unwrap();
        until();
    });
    Subject::new(move || outcome(lock.lock()), holder.release())
        .timed(move |time| outcome(timed.lock_timeout(time)))
        .panic(holder.panics(), Word::Poisoned, Word::Poisoned)
}

/// Held by a writer.
fn held_rwlock(token: &Token) -> (Arc<RwLock<Token>>, Holder) {
    let lock = Arc::new(RwLock::new(token.clone()));
    let held = lock.clone();
    let holder = Holder::new(token, move |until| {
        let _guard = held.write().unwrap();
        until();
    });
    (lock, holder)
}

fn read(token: &Token) -> Subject {
    let (lock, holder) = held_rwlock(token);
    let timed = lock.clone();
    Subject::new(move || outcome(lock.read()), holder.release())
        .timed(move |time| outcome(timed.read_timeout(time)))
        .panic(holder.panics(), Word::Poisoned, Word::Poisoned)
}

fn read_recursive(token: &Token) -> Subject {
    let (lock, holder) = held_rwlock(token);
    let timed = lock.clone();
    Subject::new(move || outcome(lock.read_recursive()), holder.release())
        .timed(move |time| outcome(timed.read_recursive_timeout(time)))
        .panic(holder.panics(), Word::Poisoned, Word::Poisoned)
}

fn write(token: &Token) -> Subject {
    let (lock, holder) = held_rwlock(token);
    let timed = lock.clone();
    Subject::new(move || outcome(lock.write()), holder.release())
        .timed(move |time| outcome(timed.write_timeout(time)))
        .panic(holder.panics(), Word::Poisoned, Word::Poisoned)
}

/// Held by a reader, which poisons nothing.
fn write_after_read(token: &Token) -> Subject {
    let lock = Arc::new(RwLock::new(token.clone()));
    let (held, timed) = (lock.clone(), lock.clone());
    let holder = Holder::new(token, move |until| {
        let _guard = held.read().unwrap();
        until();
    });
    Subject::new(move || outcome(lock.write()), holder.release())
        .timed(move |time| outcome(timed.write_timeout(time)))
        .panic(holder.panics(), Word::Fine, Word::Fine)
}

fn condvar(token: &Token) -> Subject {
    let pair = Arc::new((Mutex::new((false, token.clone())), Condvar::new()));
    let (timed, set, broken) = (pair.clone(), pair.clone(), pair.clone());
    let satisfy = move |_: Option<&_>| {
        // After the panic it is poisoned, and stays so.
        set.0.lock().or_else(LockError::into_inner).unwrap().0 = true;
        set.1.notify_all();
    };
    let panic = move || {
        let holds = broken.clone();
        let panics = spawn(move || {
            let _guard = holds.0.lock().unwrap();
            panic!("{}", crate::harness::PURPOSE);
        });
        assert!(panics.join().is_err());
        broken.1.notify_all();
    };
    Subject::new(
        move || outcome(pair.0.lock().and_then(|guard| pair.1.wait_while(guard, |set| !set.0))),
        satisfy,
    )
    .timed(move |time| {
        let guard = timed.0.lock()?;
        let (guard, is_over) = timed.1.wait_timeout(guard, time)?;
        drop(guard);
        if is_over.timed_out() { Err(ConcurrencyError::Timeout) } else { Ok(()) }
    })
    .panic(panic, Word::Poisoned, Word::Poisoned)
}

fn condvar_while(token: &Token) -> Subject {
    let pair = Arc::new((Mutex::new((false, token.clone())), Condvar::new()));
    let (timed, set, broken) = (pair.clone(), pair.clone(), pair.clone());
    let satisfy = move |_: Option<&_>| {
        set.0.lock().or_else(LockError::into_inner).unwrap().0 = true;
        set.1.notify_all();
    };
    let panic = move || {
        let holds = broken.clone();
        let panics = spawn(move || {
            let _guard = holds.0.lock().unwrap();
            panic!("{}", crate::harness::PURPOSE);
        });
        assert!(panics.join().is_err());
        broken.1.notify_all();
    };
    let wait = |pair: &(Mutex<(bool, Token)>, Condvar), time: Duration| {
        let guard = pair.0.lock()?;
        let (guard, ended) = pair.1.wait_timeout_while(guard, time, |set| !set.0)?;
        drop(guard);
        if ended.timed_out() { Err(ConcurrencyError::Timeout) } else { Ok(()) }
    };
    Subject::new(move || wait(&pair, Duration::from_secs(600)), satisfy)
        .timed(move |time| wait(&timed, time))
        .panic(panic, Word::Poisoned, Word::Poisoned)
}

fn held_semaphore(token: &Token) -> (Arc<(Semaphore, Token)>, Holder) {
    let all = Arc::new((Semaphore::new(3), token.clone()));
    let held = all.clone();
    let holder = Holder::new(token, move |until| {
        let _permits = held.0.acquire_many(3).unwrap();
        until();
        drop(_permits);
        assert!(held.0.available() <= 3);
    });
    (all, holder)
}

fn semaphore(token: &Token) -> Subject {
    let (all, holder) = held_semaphore(token);
    let timed = all.clone();
    Subject::new(move || all.0.acquire().map(drop), holder.release())
        .timed(move |time| timed.0.acquire_timeout(time).map(drop))
        .panic(holder.panics(), Word::Fine, Word::Fine)
}

fn semaphore_many(token: &Token) -> Subject {
    let (all, holder) = held_semaphore(token);
    // All three: so a lost permit would show in the next use.
    Subject::new(move || all.0.acquire_many(3).map(drop), holder.release()).panic(
        holder.panics(),
        Word::Fine,
        Word::Fine,
    )
}

fn barrier(token: &Token) -> Subject {
    let pair = Arc::new((Barrier::new(2), token.clone()));
    let (timed, other) = (pair.clone(), pair.clone());
    let satisfy = move |_: Option<&_>| {
        let other = other.clone();
        drop(spawn(move || other.0.wait()));
    };
    Subject::new(move || pair.0.wait().map(drop), satisfy)
        .timed(move |time| timed.0.wait_timeout(time).map(drop))
}

fn event(token: &Token) -> Subject {
    let event = Arc::new((Event::new(), token.clone()));
    let (timed, set) = (event.clone(), event.clone());
    Subject::new(move || event.0.wait(), move |_| set.0.set())
        .timed(move |time| timed.0.wait_timeout(time))
}

fn once_row(token: &Token) -> Subject {
    let once = Arc::new((Once::new(), token.clone()));
    let does = once.clone();
    let holder = Holder::new(token, move |until| does.0.call_once(until).unwrap());
    let panics = holder.panics();
    Subject::new(move || once.0.call_once(|| panic!("it is done")), holder.release()).panic(
        panics,
        Word::Poisoned,
        Word::Poisoned,
    )
}

fn once_wait(token: &Token) -> Subject {
    let once = Arc::new((Once::new(), token.clone()));
    let (does, timed) = (once.clone(), once.clone());
    let holder = Holder::new(token, move |until| does.0.call_once(until).unwrap());
    let panics = holder.panics();
    Subject::new(move || once.0.wait(), holder.release())
        .timed(move |time| timed.0.wait_timeout(time))
        .panic(panics, Word::Poisoned, Word::Poisoned)
}

fn once_lock_wait(token: &Token) -> Subject {
    let lock = Arc::new((OnceLock::new(), token.clone()));
    let (timed, set) = (lock.clone(), lock.clone());
    Subject::new(move || lock.0.wait().map(drop), move |_| _ = set.0.set(()))
        .timed(move |time| timed.0.wait_timeout(time).map(drop))
}

fn reentrant(token: &Token) -> Subject {
    let lock = Arc::new(ReentrantMutex::new(token.clone()));
    let (held, timed) = (lock.clone(), lock.clone());
    let holder = Holder::new(token, move |until| {
        let _outer = held.lock().unwrap();
        let _inner = held.lock().unwrap();
        until();
    });
    Subject::new(move || lock.lock().map(drop), holder.release())
        .timed(move |time| timed.lock_timeout(time).map(drop))
        .panic(holder.panics(), Word::Fine, Word::Fine)
}
