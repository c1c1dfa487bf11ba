//! As `std::thread`.

use std::sync::atomic::{AtomicU32, Ordering};

use drift::{Builder, Duration, Instant, current, park, park_until, scope, sleep, sleep_until};
use drift::{spawn, yield_now};

use crate::everywhere;

#[test]
fn a_builder_names_and_sizes_what_it_spawns() {
    everywhere(|| {
        let named = Builder::new().name("named".to_owned()).stack_size(64 << 10);
        let own = named.spawn(|| current().unwrap().name().map(str::to_owned));
        assert_eq!(own.thread().name(), Some("named"));
        assert_eq!(own.join(), Ok(Some("named".to_owned())));
    });
}

#[test]
fn a_builder_spawns_into_a_scope() {
    everywhere(|| {
        let mut numbers = [1, 2, 3];
        let counted = AtomicU32::new(0);
        let ended = scope(|s| {
            let children: Vec<_> = numbers
                .iter_mut()
                .enumerate()
                .map(|(index, number)| {
                    let counted = &counted;
                    let child = Builder::new().name(format!("child {index}")).stack_size(1 << 20);
                    child.spawn_scoped(s, move || {
                        // More than a virtual thread has that nobody says anything about.
                        let deep = std::hint::black_box([1_u8; 300 << 10]);
                        counted.fetch_add(u32::from(deep[7]), Ordering::Relaxed);
                        *number *= 2;
                        current().unwrap().name().map(str::to_owned)
                    })
                })
                .collect();
            let names = children.iter().enumerate().map(|(index, child)| {
                assert_eq!(child.thread().name(), Some(&*format!("child {index}")));
                child.join().unwrap()
            });
            names.collect::<Vec<_>>()
        });
        let names: Vec<_> = ended.unwrap().into_iter().map(Option::unwrap).collect();
        assert_eq!(names, ["child 0", "child 1", "child 2"]);
        assert_eq!((numbers, counted.into_inner()), ([2, 4, 6], 3));
        // It fails as any child does.
        let refused = scope(|s| drop(Builder::new().stack_size(usize::MAX).spawn_scoped(s, || ())));
        assert!(refused.unwrap_err().to_string().contains("stack"));
    });
}

#[test]
fn one_that_panics_is_joined_with_what_it_threw() {
    everywhere(|| {
        let broken = spawn(|| std::panic::resume_unwind(Box::new(7_u32)));
        let drift::ConcurrencyError::Failed(drift::Error::Panic(panic)) =
            broken.join().map(|never: ()| never).unwrap_err()
        else {
            panic!("it panicked");
        };
        let payload = panic.take_payload().expect("nobody has taken it");
        assert_eq!(payload.downcast_ref::<u32>(), Some(&7));
    });
}

#[test]
fn parks_sleeps_and_ids_are_as_std_has_them() {
    everywhere(|| {
        let parked = spawn(|| park().map(|()| current().unwrap().id()));
        parked.thread().unpark();
        assert_eq!(parked.join(), Ok(Ok(parked.thread().id())));
        let other = spawn(yield_now);
        assert_ne!(other.thread().id(), parked.thread().id());
        other.join().unwrap();
        let ends = spawn(|| ());
        while !ends.is_completed() {
            yield_now();
        }
        let begun = Instant::now();
        sleep(std::time::Duration::from_millis(2)).unwrap();
        sleep_until(begun + Duration::from_millis(4)).unwrap();
        assert!(begun.elapsed() >= std::time::Duration::from_millis(4));
        // `park_timeout`.
        let waits = spawn(|| park_until(Instant::now() + Duration::from_millis(2)));
        assert_eq!(waits.join(), Ok(Ok(())));
    });
}
