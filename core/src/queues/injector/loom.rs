//! Models: pushers against takers, and the pair with the idle word.

use ::loom::sync::Arc;
use ::loom::thread;
use core::mem::offset_of;
use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::link::Link;
use crate::prim::{AtomicBool, UnsafeCell};

struct InTest;

struct Node {
    link: Link<Node>,
    value: UnsafeCell<u32>,
}

// SAFETY: `link` is a plain field, and nodes stay in their boxes.
unsafe impl Linked<InTest> for Node {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live `Node`.
        unsafe { node.byte_add(offset_of!(Node, link)) }.cast()
    }
}

// SAFETY: a node is its taker's alone; loom checks that.
unsafe impl Sync for Node {}

fn node(value: u32) -> NonNull<Node> {
    let node = Node { link: Link::new(), value: UnsafeCell::new(value) };
    NonNull::from(Box::leak(Box::new(node)))
}

/// Frees a node; its value.
fn take(node: NonNull<Node>) -> u32 {
    // SAFETY: whoever took it out of the queue has it alone.
    let node = unsafe { Box::from_raw(node.as_ptr()) };
    // SAFETY: the same; loom checks it.
    node.value.with_mut(|value| unsafe { *value })
}

fn push(injector: &Injector<InTest, Node>, value: u32) {
    // SAFETY: a new node.
    unsafe { injector.push(node(value)) }
}

fn pop_all(injector: &Injector<InTest, Node>) -> Vec<u32> {
    let mut batch = injector.pop_batch(usize::MAX);
    std::iter::from_fn(|| batch.pop_front()).map(take).collect()
}

#[test]
fn pushes_race_a_pop() {
    ::loom::model(|| {
        let injector = Arc::new(Injector::new());
        let theirs = injector.clone();
        let pusher = thread::spawn(move || {
            push(&theirs, 0);
            push(&theirs, 1);
        });
        let mut taken: Vec<u32> = injector.pop().map(take).into_iter().collect();
        pusher.join().unwrap();
        assert_eq!(injector.len(), 2 - taken.len());
        taken.extend(pop_all(&injector));
        assert_eq!(taken, [0, 1]);
    });
}

#[test]
fn a_pop_races_a_batch() {
    ::loom::model(|| {
        let injector = Arc::new(Injector::new());
        let mut nodes = List::new();
        for value in 0..3 {
            // SAFETY: a new node.
            unsafe { nodes.push_back(node(value)) };
        }
        injector.push_list(nodes);
        let theirs = injector.clone();
        let popper = thread::spawn(move || theirs.pop().map(take));
        let mut batch = injector.pop_batch(2);
        let ours: Vec<u32> = std::iter::from_fn(|| batch.pop_front()).map(take).collect();
        let mut all = ours;
        all.extend(popper.join().unwrap());
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert!(injector.is_empty());
    });
}

/// A pusher pushes and looks for sleepers; a sleeper says so and looks at the queue.
#[test]
fn pusher_and_sleeper_do_not_miss_each_other() {
    ::loom::model(|| {
        let injector = Arc::new(Injector::new());
        let asleep = Arc::new(AtomicBool::new(false));
        let (theirs, word) = (injector.clone(), asleep.clone());
        let sleeper = thread::spawn(move || {
            word.swap(true, Ordering::SeqCst);
            theirs.is_empty()
        });
        push(&injector, 0);
        let sees_sleeper = asleep.load(Ordering::SeqCst);
        let sleeps = sleeper.join().unwrap();
        assert!(sees_sleeper || !sleeps);
        assert_eq!(pop_all(&injector), [0]);
    });
}
