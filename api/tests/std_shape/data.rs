//! As std's locks and cells around data: one text for both.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

both! {
    std {
        use std::sync::{Condvar, LazyLock, Mutex, OnceLock, RwLock};
    }
    drift {
        use drift::sync::{Condvar, LazyLock, Mutex, OnceLock, RwLock};
    }

    fn mutexes_have_it() {
        static SHARED: Mutex<Vec<u32>> = Mutex::new(Vec::new());
        SHARED.lock().unwrap().push(1);
        assert!(!SHARED.lock().unwrap().is_empty());
        let mut mutex = Mutex::new(1);
        *mutex.lock().unwrap() += 1;
        *mutex.get_mut().unwrap() += 1;
        {
            let guard = mutex.lock().unwrap();
            assert!(mutex.try_lock().is_err());
            assert_eq!((format!("{guard}"), format!("{guard:?}")), ("3".into(), "3".into()));
            assert!(format!("{mutex:?}").contains("<locked>"));
        }
        assert_eq!(*mutex.try_lock().unwrap(), 3);
        assert_eq!(format!("{mutex:?}"), "Mutex { data: 3, poisoned: false, .. }");
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let _guard = mutex.lock().unwrap();
            resume_unwind(Box::new(()));
        }));
        assert!(broken.is_err() && mutex.is_poisoned());
        assert!(mutex.lock().is_err() && mutex.try_lock().is_err() && mutex.get_mut().is_err());
        assert_eq!(format!("{mutex:?}"), "Mutex { data: 3, poisoned: true, .. }");
        mutex.clear_poison();
        assert!(!mutex.is_poisoned());
        assert_eq!(mutex.into_inner().unwrap(), 3);
        assert_eq!(Mutex::<u8>::default().into_inner().unwrap(), 0);
        assert_eq!(Mutex::from(7).into_inner().unwrap(), 7);
        let unsized_one: Box<Mutex<[u8]>> = Box::new(Mutex::new([1, 2]));
        assert_eq!(unsized_one.lock().unwrap().len(), 2);
    }

    fn rwlocks_have_it() {
        static SHARED: RwLock<u32> = RwLock::new(1);
        *SHARED.write().unwrap() = 2;
        let mut lock = RwLock::new(1);
        {
            let (one, other) = (lock.read().unwrap(), lock.try_read().unwrap());
            assert_eq!(*one + *other, 2);
            assert!(lock.try_write().is_err());
            assert_eq!(format!("{lock:?} {one} {other:?}"),
                "RwLock { data: 1, poisoned: false, .. } 1 1");
        }
        {
            let mut writer = lock.write().unwrap();
            *writer = 2;
            assert!(lock.try_read().is_err());
            assert!(format!("{lock:?}").contains("<locked>"));
        }
        *lock.try_write().unwrap() += 1;
        *lock.get_mut().unwrap() += 1;
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let _reader = lock.read().unwrap();
            resume_unwind(Box::new(()));
        }));
        assert!(broken.is_err() && !lock.is_poisoned(), "a reader breaks nothing");
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let _writer = lock.write().unwrap();
            resume_unwind(Box::new(()));
        }));
        assert!(broken.is_err() && lock.is_poisoned());
        assert!(lock.read().is_err() && lock.write().is_err() && lock.get_mut().is_err());
        lock.clear_poison();
        assert_eq!(lock.into_inner().unwrap(), 4);
        assert_eq!(RwLock::<u8>::default().into_inner().unwrap(), 0);
        assert_eq!(RwLock::from(7).into_inner().unwrap(), 7);
    }

    fn condvars_have_it() {
        static READY: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());
        *READY.0.lock().unwrap() = 0;
        let setter = std::thread::spawn(|| {
            for _ in 0..4 {
                *READY.0.lock().unwrap() += 1;
                READY.1.notify_one();
            }
            READY.1.notify_all();
        });
        let mut guard = READY.0.lock().unwrap();
        while *guard < 2 {
            guard = READY.1.wait(guard).unwrap();
        }
        let guard = READY.1.wait_while(guard, |n| *n < 4).unwrap();
        let (guard, ended) = READY.1.wait_timeout(guard, Duration::from_millis(2)).unwrap();
        let _ = ended.timed_out();
        let time = Duration::from_millis(2);
        let (guard, ended) = READY.1.wait_timeout_while(guard, time, |n| *n == 4).unwrap();
        assert!(ended.timed_out() && *guard == 4);
        let (guard, ended) = READY.1.wait_timeout_while(guard, time, |n| *n != 4).unwrap();
        assert!(!ended.timed_out());
        drop(guard);
        setter.join().unwrap();
        assert_eq!(format!("{:?}", Condvar::default()), "Condvar { .. }");
    }

    fn cells_have_it() {
        static NAME: OnceLock<String> = OnceLock::new();
        static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| vec!["one", "two"]);
        assert_eq!(NAME.get_or_init(|| "name".to_owned()), "name");
        assert_eq!(NAME.get().map(String::as_str), Some("name"));
        assert_eq!(WORDS.len() + LazyLock::force(&WORDS).len(), 4);
        let mut cell = OnceLock::new();
        assert_eq!(format!("{cell:?}"), "OnceLock(<uninit>)");
        assert_eq!((cell.set(1), cell.set(2)), (Ok(()), Err(2)));
        *cell.get_mut().unwrap() += 1;
        assert_eq!(format!("{cell:?}"), "OnceLock(2)");
        assert_eq!((cell.clone(), cell.take()), (OnceLock::from(2), Some(2)));
        assert_eq!(cell.into_inner(), None);
        let lazy: LazyLock<u32> = LazyLock::new(|| resume_unwind(Box::new(())));
        assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
        assert!(catch_unwind(AssertUnwindSafe(|| *lazy)).is_err());
    }
}
