//! A wait is of who waits, whoever made it.
#![allow(missing_docs)]

use std::sync::Arc;

use drift_core::error::ConcurrencyError;
use drift_core::platform::CarrierId;
use drift_core::runtime::{Runtime, Standing, View};
use drift_core::sync::event::Event;
use drift_core::task::WaitsFor;
use drift_core::time::MILLISECOND;
use drift_core::wait::Wait;
use drift_sim::{Sim, seeds, thread};

fn now() -> drift_core::time::Instant {
    Runtime::here().expect("a virtual thread asks").platform().now()
}

#[test]
fn a_wait_that_another_virtual_thread_made_parks_the_one_that_waits() {
    for seed in seeds(100) {
        Sim::new(seed).carriers(2).run(|| {
            let mine = Wait::new(Runtime::here().unwrap());
            let (rings, rang) = (Arc::new(Event::new()), Arc::new(Event::new()));
            let theirs = {
                let (rings, rang) = (rings.clone(), rang.clone());
                drift::spawn(move || {
                    rang.set();
                    rings.wait(&mine)
                })
            };
            rang.wait(&mine).unwrap();
            // Both are in the same wait now, each on its own account.
            let until = now() + 5 * MILLISECOND;
            assert_eq!(Event::new().wait(&mine.until(until)), Err(ConcurrencyError::Timeout));
            assert!(now() >= until && !theirs.is_completed());
            rings.set();
            assert_eq!(theirs.join(), Ok(Ok(())));
        });
    }
}

#[test]
fn cancellation_and_a_shield_are_of_who_waits() {
    Sim::new(1).run(|| {
        let runtime = Runtime::here().unwrap();
        runtime.shield(1);
        let mine = Wait::new(runtime);
        let theirs = drift::spawn(move || Event::new().wait(&mine));
        drift::yield_now();
        theirs.cancel();
        assert_eq!(theirs.join(), Ok(Err(ConcurrencyError::Cancelled)));
        runtime.shield(-1);
    });
}

#[test]
fn a_thread_of_the_world_waits_as_itself_by_a_virtual_threads_wait() {
    for seed in seeds(100) {
        Sim::new(seed).carriers(2).run(|| {
            let mine = Wait::new(Runtime::here().unwrap());
            let rings = Arc::new(Event::new());
            let theirs = {
                let rings = rings.clone();
                thread::spawn(move || rings.wait(&mine))
            };
            drift::sleep(drift::Duration::from_millis(1)).unwrap();
            rings.set();
            theirs.join().unwrap();
        });
    }
}

#[test]
fn another_os_thread_is_told_that_it_is_not_in_the_world() {
    Sim::new(1).run(|| {
        let runtime = Runtime::here().unwrap();
        let asks: [fn(&'static Runtime); 3] = [
            |runtime| assert!(runtime.platform().now().0 > 0),
            |runtime| assert!(runtime.platform().entropy() < u64::MAX),
            |runtime| runtime.platform().carrier_wake(CarrierId(0)),
        ];
        for ask in asks {
            // Nobody else of the world can run meanwhile: this OS thread plays them.
            let asked = std::thread::spawn(move || ask(runtime)).join();
            let told = *asked.unwrap_err().downcast::<&str>().unwrap();
            assert!(told.contains("on the OS thread only"), "{told}");
        }
    });
}

fn waits_for_an_event(view: &View) -> bool {
    matches!(view.standing, Standing::Waits { on: WaitsFor::Event, .. })
}

/// More than are woken under one hold of the lock. The first to go on resets the event and cancels
/// all others, some of which were not popped yet: it was set for them as well.
#[test]
fn an_event_was_set_for_all_who_waited_whatever_ends_their_waits_first() {
    const CROWD: usize = 24;
    for seed in seeds(300) {
        Sim::new(seed).carriers(1 + (seed % 4) as u32).run(|| {
            let runtime = Runtime::here().unwrap();
            let event = Arc::new(Event::new());
            let waiter = |_| {
                let event = event.clone();
                drift::spawn(move || {
                    let waited = event.wait(&Wait::new(runtime));
                    event.reset();
                    for other in runtime.virtual_threads().filter(waits_for_an_event) {
                        runtime.cancel(other.handle);
                    }
                    waited
                })
            };
            let waiters: Vec<_> = (0..CROWD).map(waiter).collect();
            while runtime.virtual_threads().filter(waits_for_an_event).count() < CROWD {
                drift::yield_now();
            }
            event.set();
            assert!(waiters.iter().all(|waiter| waiter.join() == Ok(Ok(()))));
        });
    }
}
