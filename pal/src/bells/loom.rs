//! A wake of a word is never lost on a thread that sleeps beside sources.
//!
//! The kernel's bells are flags and a condition variable. What is done before the wake is relaxed,
//! so that only the word and the table order it; a lost wake is a deadlock, which loom reports.

use drift_core::prim::AtomicU32;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::Bells;

struct World {
    bells: Bells,
    words: [AtomicU32; 2],
    work: AtomicBool,
    rung: Mutex<[bool; 4]>,
    rings: Condvar,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bells: Bells::new(),
            words: [AtomicU32::new(0), AtomicU32::new(0)],
            work: AtomicBool::new(false),
            rung: Mutex::new([false; 4]),
            rings: Condvar::new(),
        })
    }

    fn wake(&self, word: usize) {
        self.work.store(true, Ordering::Relaxed);
        self.words[word].store(1, Ordering::Release);
        self.bells.ring(&raw const self.words[word], |bell| {
            assert!(bell != 0, "a bell that nobody made");
            self.rung.lock().expect("no model panics with the lock")[bell as usize] = true;
            self.rings.notify_all();
        });
    }

    /// Sleeps while the word is 0; `bell` is a new one.
    fn sleep(&self, word: usize, bell: u32) {
        let word = &self.words[word];
        while word.load(Ordering::Acquire) == 0 {
            let seat = self.bells.sit_down(word, || Some(bell)).expect("a place for each");
            if word.load(Ordering::Acquire) == 0 {
                let mut rung = self.rung.lock().expect("no model panics with the lock");
                while !rung[seat.bell as usize] {
                    rung = self.rings.wait(rung).expect("no model panics with the lock");
                }
                rung[seat.bell as usize] = false;
            }
            self.bells.leave(seat);
        }
    }
}

#[test]
fn a_wake_races_a_sleep_beside_sources_and_is_not_lost() {
    loom::model(|| {
        let world = World::new();
        let theirs = world.clone();
        let other = thread::spawn(move || theirs.wake(0));
        world.sleep(0, 1);
        assert!(world.work.load(Ordering::Relaxed), "the sleep ended before its wake");
        other.join().expect("it does not panic");
    });
}

#[test]
fn a_bell_goes_from_one_to_the_next_and_wakes_both() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let world = World::new();
        let others: [_; 2] = core::array::from_fn(|word| {
            let other = world.clone();
            thread::spawn(move || other.wake(word))
        });
        world.sleep(0, 1);
        world.sleep(1, 2);
        for other in others {
            other.join().expect("it does not panic");
        }
    });
}

/// Who wakes may see an address before its owner is counted, while somebody else is.
#[test]
fn a_bell_is_there_before_it_can_be_rung() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let world = World::new();
        let theirs = world.clone();
        let other = thread::spawn(move || theirs.sleep(1, 2));
        let theirs = world.clone();
        let wakes = thread::spawn(move || [1, 0].into_iter().for_each(|word| theirs.wake(word)));
        world.sleep(0, 1);
        other.join().expect("it does not panic");
        wakes.join().expect("it does not panic");
    });
}
