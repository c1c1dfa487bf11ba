//! Lists against a plain queue.

use core::mem::offset_of;
use core::ptr::NonNull;
use std::boxed::Box;
use std::collections::VecDeque;
use std::format;
use std::vec::Vec;

use proptest::prelude::*;

use super::list::List;
use super::{Link, Linked};

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
    // SAFETY: nodes of these tests outlive the lists.
    unsafe { node.as_ref() }.number
}

fn push(list: &mut List<InTest, Node>, node: &Node) {
    // SAFETY: the tests push only what is in no list.
    unsafe { list.push_back(NonNull::from(node)) }
}

fn drain(list: &mut List<InTest, Node>) -> Vec<usize> {
    std::iter::from_fn(|| list.pop_front()).map(number).collect()
}

#[test]
fn a_list_is_one_word() {
    assert_eq!(size_of::<List<InTest, Node>>(), size_of::<usize>());
    assert_eq!(size_of::<Link<Node>>(), 2 * size_of::<usize>());
}

#[test]
fn a_node_alone_in_a_list_is_linked() {
    let nodes = nodes(1);
    let node = NonNull::from(&nodes[0]);
    let mut list = List::new();
    // SAFETY: here and below, alive, and the list is this function's alone.
    assert!(!unsafe { List::is_linked(node) });
    push(&mut list, &nodes[0]);
    // SAFETY: as above.
    assert!(unsafe { List::is_linked(node) });
    assert_eq!(list.front(), Some(node));
    // SAFETY: it was just pushed.
    unsafe { list.remove(node) };
    // SAFETY: as above.
    assert!(!unsafe { List::is_linked(node) });
    assert!(list.is_empty());
    push(&mut list, &nodes[0]);
    assert_eq!(drain(&mut list), [0], "a removed node can be linked again");
}

#[test]
fn front_middle_and_back_can_be_removed() {
    for gone in 0..3 {
        let nodes = nodes(3);
        let mut list = List::new();
        nodes.iter().for_each(|node| push(&mut list, node));
        // SAFETY: all of them were pushed.
        unsafe { list.remove(NonNull::from(&nodes[gone])) };
        let left: Vec<_> = (0..3).filter(|&number| number != gone).collect();
        assert_eq!(list.count(), 2);
        assert_eq!(drain(&mut list), left);
    }
}

#[test]
fn append_keeps_the_order_and_empties_the_other() {
    for (ours, theirs) in [(0, 0), (0, 2), (2, 0), (1, 1), (3, 2)] {
        let nodes = nodes(ours + theirs);
        let (mut list, mut other) = (List::new(), List::new());
        nodes[..ours].iter().for_each(|node| push(&mut list, node));
        nodes[ours..].iter().for_each(|node| push(&mut other, node));
        list.append(&mut other);
        assert!(other.is_empty());
        assert_eq!(list.count(), ours + theirs);
        assert_eq!(drain(&mut list), (0..ours + theirs).collect::<Vec<_>>());
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Put the node in the list, if it is in none.
    Push(usize, usize),
    Pop(usize),
    /// Take the node out of its list.
    Remove(usize),
    /// Move everything behind the other list.
    Append(usize),
}

const NODES: usize = 12;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..2_usize, 0..NODES).prop_map(|(list, node)| Step::Push(list, node)),
        2 => (0..2_usize).prop_map(Step::Pop),
        2 => (0..NODES).prop_map(Step::Remove),
        1 => (0..2_usize).prop_map(Step::Append),
    ];
    proptest::collection::vec(step, 0..if cfg!(miri) { 40 } else { 200 })
}

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 8 } else { 256 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn two_lists_do_what_two_queues_do(steps in steps()) {
        let nodes = nodes(NODES);
        let mut lists = [List::new(), List::new()];
        let mut queues = [VecDeque::new(), VecDeque::new()];
        for step in steps {
            match step {
                Step::Push(list, node) => {
                    if !queues.iter().any(|queue| queue.contains(&node)) {
                        push(&mut lists[list], &nodes[node]);
                        queues[list].push_back(node);
                    }
                }
                Step::Pop(list) => {
                    prop_assert_eq!(lists[list].pop_front().map(number), queues[list].pop_front());
                }
                Step::Remove(node) => {
                    for list in 0..2 {
                        if let Some(at) = queues[list].iter().position(|&other| other == node) {
                            queues[list].remove(at);
                            // SAFETY: the model says that it is in this list.
                            unsafe { lists[list].remove(NonNull::from(&nodes[node])) };
                        }
                    }
                }
                Step::Append(list) => {
                    let mut moved = lists[1 - list].take();
                    lists[list].append(&mut moved);
                    let moved = std::mem::take(&mut queues[1 - list]);
                    queues[list].extend(moved);
                }
            }
            for (list, queue) in lists.iter().zip(&queues) {
                prop_assert_eq!(list.count(), queue.len());
                prop_assert_eq!(list.is_empty(), queue.is_empty());
                prop_assert_eq!(list.front().map(number), queue.front().copied());
            }
            for node in &nodes {
                // SAFETY: alive, and both lists are this function's.
                let linked = unsafe { List::is_linked(NonNull::from(node)) };
                let queued = queues.iter().any(|queue| queue.contains(&node.number));
                prop_assert_eq!(linked, queued);
            }
        }
        for (list, queue) in lists.iter_mut().zip(&queues) {
            prop_assert_eq!(drain(list), Vec::from_iter(queue.iter().copied()));
        }
    }
}

#[test]
fn a_list_shows_that_it_is_one() {
    let nodes = nodes(1);
    let mut list = List::<InTest, Node>::new();
    push(&mut list, &nodes[0]);
    assert!(format!("{list:?}").starts_with("List { front: Some("));
    assert_eq!(format!("{:?}", nodes[0].link), "Link");
    let _ = list.pop_front();
}
