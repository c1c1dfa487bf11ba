//! The injector against a plain queue, and with threads.

use core::mem::offset_of;
use std::boxed::Box;
use std::collections::VecDeque;
use std::format;
use std::sync::atomic::{AtomicU32 as Counter, AtomicUsize as Count, Ordering::SeqCst};
use std::thread;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::link::Link;

struct InTest;

struct Node {
    link: Link<Node>,
    number: usize,
}

// SAFETY: `link` is a plain field, and nodes stay in their boxes.
unsafe impl Linked<InTest> for Node {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live `Node`.
        unsafe { node.byte_add(offset_of!(Node, link)) }.cast()
    }
}

fn nodes(count: usize) -> Box<[Node]> {
    (0..count).map(|number| Node { link: Link::new(), number }).collect()
}

fn number(node: NonNull<Node>) -> usize {
    // SAFETY: nodes of these tests outlive the queues.
    unsafe { node.as_ref() }.number
}

fn push(injector: &Injector<InTest, Node>, node: &Node) {
    // SAFETY: each node is pushed once.
    unsafe { injector.push(NonNull::from(node)) }
}

fn list<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> List<InTest, Node> {
    let mut list = List::new();
    for node in nodes {
        // SAFETY: each node is pushed once.
        unsafe { list.push_back(NonNull::from(node)) };
    }
    list
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    PushList(usize),
    Pop,
    PopBatch(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Push),
        (0..6_usize).prop_map(Step::PushList),
        Just(Step::Pop),
        (0..9_usize).prop_map(Step::PopBatch),
    ];
    proptest::collection::vec(step, 0..if cfg!(miri) { 20 } else { 100 })
}

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 8 } else { 256 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_injector_does_what_a_plain_queue_does(steps in steps()) {
        let nodes = nodes(600);
        let mut fresh = nodes.iter();
        let injector = Injector::new();
        let mut plain = VecDeque::new();
        for step in steps {
            match step {
                Step::Push => {
                    let node = fresh.next().expect("enough for every step");
                    push(&injector, node);
                    plain.push_back(node.number);
                }
                Step::PushList(count) => {
                    let before = nodes.len() - fresh.len();
                    injector.push_list(list(fresh.by_ref().take(count)));
                    plain.extend(before..before + count);
                }
                Step::Pop => {
                    prop_assert_eq!(injector.pop().map(number), plain.pop_front());
                }
                Step::PopBatch(max) => {
                    let mut batch = injector.pop_batch(max);
                    let taken: Vec<_> =
                        std::iter::from_fn(|| batch.pop_front()).map(number).collect();
                    let expected: Vec<_> = plain.drain(..max.min(plain.len())).collect();
                    prop_assert_eq!(taken, expected);
                }
            }
            prop_assert_eq!(injector.len(), plain.len());
            prop_assert_eq!(injector.is_empty(), plain.is_empty());
        }
    }
}

#[test]
fn with_threads_every_node_is_taken_exactly_once() {
    let total = if cfg!(miri) { 60 } else { 6_000 };
    let nodes = nodes(total);
    let taken: Vec<Counter> = (0..total).map(|_| Counter::new(0)).collect();
    let left = Count::new(total);
    let injector = Injector::new();
    let take = |node| {
        taken[number(node)].fetch_add(1, SeqCst);
        left.fetch_sub(1, SeqCst);
    };
    thread::scope(|scope| {
        let (singles, lists) = nodes.split_at(total / 2);
        let injector = &injector;
        scope.spawn(move || singles.iter().for_each(|node| push(injector, node)));
        scope.spawn(move || {
            lists.chunks(7).for_each(|chunk| injector.push_list(list(chunk)));
        });
        for max in [1, 5] {
            let (left, take) = (&left, &take);
            scope.spawn(move || {
                while left.load(SeqCst) > 0 {
                    injector.pop().into_iter().for_each(take);
                    let mut batch = injector.pop_batch(max);
                    std::iter::from_fn(|| batch.pop_front()).for_each(take);
                    thread::yield_now();
                }
            });
        }
    });
    assert!(taken.iter().all(|times| times.load(SeqCst) == 1));
    assert!(injector.is_empty());
}

#[test]
fn an_injector_shows_how_many_wait() {
    let (nodes, injector) = (nodes(2), Injector::new());
    nodes.iter().for_each(|node| push(&injector, node));
    assert_eq!(format!("{injector:?}"), "Injector { len: 2, .. }");
    while injector.pop().is_some() {}
}
