//! Models: the owner against thieves, on a ring of four.

use ::loom::cell::UnsafeCell;
use ::loom::model::Builder;
use ::loom::sync::Arc;
use ::loom::thread::{self, JoinHandle};
use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::prim::AtomicBool;

/// A task: what is written before the push must be there after the pop.
type Item = UnsafeCell<u32>;

/// Where the counts of the model start: they wrap while it runs.
const START: u32 = u32::MAX - 1;

fn queue() -> Arc<RunQueue<Item>> {
    let queue = RunQueue::new(false);
    queue.head.store(START, Ordering::Relaxed);
    queue.tail.store(START, Ordering::Relaxed);
    Arc::new(queue)
}

/// Pushes a new task with this number; false when full. Only by the owner.
fn push(queue: &RunQueue<Item>, number: u32) -> bool {
    let item = NonNull::from(Box::leak(Box::new(UnsafeCell::new(0))));
    // SAFETY: not published yet.
    unsafe { item.as_ref() }.with_mut(|value| unsafe { *value = number });
    // SAFETY: the owner's thread.
    let pushed = unsafe { queue.push(item) };
    if let Err(item) = pushed {
        take(item);
    }
    pushed.is_ok()
}

/// Frees a task; its number.
fn take(item: NonNull<Item>) -> u32 {
    // SAFETY: whoever got it from a queue has it alone; loom checks that.
    let item = unsafe { Box::from_raw(item.as_ptr()) };
    // SAFETY: the same.
    item.with_mut(|value| unsafe { *value })
}

fn pop(queue: &RunQueue<Item>) -> Option<u32> {
    // SAFETY: the owner's thread.
    unsafe { queue.pop() }.map(take)
}

fn drain(queue: &RunQueue<Item>) -> Vec<u32> {
    std::iter::from_fn(|| pop(queue)).collect()
}

/// A thief that steals once and runs what it got; in order of the queue, as it must.
fn thief(victim: &Arc<RunQueue<Item>>) -> JoinHandle<Vec<u32>> {
    let victim = victim.clone();
    thread::spawn(move || {
        let mine = queue();
        // SAFETY: the owner of `mine`.
        let first = unsafe { victim.steal_into(&mine) }.map(take);
        let mut taken: Vec<u32> = first.into_iter().collect();
        taken.extend(drain(&mine));
        assert!(taken.is_sorted());
        taken
    })
}

/// For three threads: all their interleavings take minutes.
fn bounded() -> Builder {
    let mut model = Builder::new();
    model.preemption_bound = Some(3);
    model
}

/// Every number from 0 on is there, once.
fn assert_each_once(parts: impl IntoIterator<Item = Vec<u32>>, count: u32) {
    let mut all: Vec<u32> = parts.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, Vec::from_iter(0..count));
}

#[test]
fn owner_races_one_thief() {
    ::loom::model(|| {
        let queue = queue();
        let thief = thief(&queue);
        assert!(push(&queue, 0));
        assert!(push(&queue, 1));
        let mut ours: Vec<u32> = pop(&queue).into_iter().collect();
        assert!(push(&queue, 2));
        ours.extend(drain(&queue));
        assert!(ours.is_sorted());
        assert_each_once([ours, thief.join().unwrap()], 3);
    });
}

#[test]
fn owner_races_two_thieves() {
    bounded().check(|| {
        let queue = queue();
        for number in 0..3 {
            assert!(push(&queue, number));
        }
        let thieves = [thief(&queue), thief(&queue)];
        let ours = drain(&queue);
        let theirs = thieves.map(|thief| thief.join().unwrap());
        assert_each_once(theirs.into_iter().chain([ours]), 3);
    });
}

#[test]
fn owner_fills_the_slots_again_while_a_thief_reads_them() {
    ::loom::model(|| {
        let queue = queue();
        for number in 0..4 {
            assert!(push(&queue, number));
        }
        let thief = thief(&queue);
        // Twice around: slots that the thief may be reading are taken and written again.
        let mut ours: Vec<u32> = pop(&queue).into_iter().collect();
        let mut next = 4;
        while next < 6 && push(&queue, next) {
            next += 1;
        }
        ours.extend(drain(&queue));
        assert_each_once([ours, thief.join().unwrap()], next);
    });
}

/// A task goes from its pusher to a thief and on to the next, who has never met the pusher.
#[test]
fn what_was_stolen_can_be_stolen_again() {
    bounded().check(|| {
        let (first, second) = (queue(), queue());
        let (victim, mine) = (first.clone(), second.clone());
        let middle = thread::spawn(move || {
            // SAFETY: this thread owns `mine`.
            unsafe { victim.steal_into(&mine) }.map(take)
        });
        let last = thief(&second);
        for number in 0..3 {
            assert!(push(&first, number));
        }
        let stolen = middle.join().unwrap().into_iter().collect();
        let again = last.join().unwrap();
        // The other threads are over, so their queues are this one's.
        assert_each_once([stolen, again, drain(&second), drain(&first)], 3);
    });
}

/// The owner pushes two, pops one and looks for sleepers; a sleeper says so and looks at the queue.
#[test]
fn owner_and_sleeper_do_not_miss_each_other() {
    ::loom::model(|| {
        let queue = queue();
        let asleep = Arc::new(AtomicBool::new(false));
        let (theirs, word) = (queue.clone(), asleep.clone());
        let sleeper = thread::spawn(move || {
            word.swap(true, Ordering::SeqCst);
            theirs.is_empty()
        });
        assert!(push(&queue, 0));
        assert!(push(&queue, 1));
        assert_eq!(pop(&queue), Some(0));
        let sees_sleeper = asleep.load(Ordering::SeqCst);
        let sleeps = sleeper.join().unwrap();
        assert!(sees_sleeper || !sleeps);
        assert_eq!(drain(&queue), [1]);
    });
}

/// The same, with an owner that leaves what it pushed for later.
#[test]
fn an_owner_that_does_not_pop_publishes() {
    ::loom::model(|| {
        let queue = queue();
        let asleep = Arc::new(AtomicBool::new(false));
        let (theirs, word) = (queue.clone(), asleep.clone());
        let sleeper = thread::spawn(move || {
            word.swap(true, Ordering::SeqCst);
            theirs.is_empty()
        });
        assert!(push(&queue, 0));
        // SAFETY: the owner.
        unsafe { queue.publish() };
        let sees_sleeper = asleep.load(Ordering::SeqCst);
        let sleeps = sleeper.join().unwrap();
        assert!(sees_sleeper || !sleeps);
        assert_eq!(drain(&queue), [0]);
    });
}

/// The same, with a thief that moves `head` on, and leaves one behind.
#[test]
fn a_thief_does_not_come_between_owner_and_sleeper() {
    bounded().check(|| {
        let queue = queue();
        let asleep = Arc::new(AtomicBool::new(false));
        let (theirs, word) = (queue.clone(), asleep.clone());
        let sleeper = thread::spawn(move || {
            word.swap(true, Ordering::SeqCst);
            theirs.is_empty()
        });
        let thief = thief(&queue);
        for number in 0..3 {
            assert!(push(&queue, number));
        }
        let mut ours: Vec<u32> = pop(&queue).into_iter().collect();
        let sees_sleeper = asleep.load(Ordering::SeqCst);
        let sleeps = sleeper.join().unwrap();
        let stolen = thief.join().unwrap();
        let rest = drain(&queue);
        assert!(sees_sleeper || !sleeps || rest.is_empty());
        ours.extend(rest);
        assert_each_once([ours, stolen], 3);
    });
}
