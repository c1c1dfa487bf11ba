//! What a hold of a wheel's lock does at most.

use std::vec::Vec;

use super::*;
use crate::queues::wheel::model::{insert, nodes};
use crate::queues::wheel::{TICK, TimerNode, Wheel};

/// Of one slot.
const NODES: usize = 200;

/// What `docs/locks.md` promises.
const AT_MOST: usize = 64;

/// 200 nodes of one tick.
fn one_slot(nodes: &[TimerNode], tick: u64) -> Wheel {
    let mut wheel = Wheel::new();
    nodes.iter().for_each(|node| insert(&mut wheel, node, tick * TICK));
    wheel
}

/// The nodes that each hold gives, until nothing is left.
fn holds(wheel: &mut Wheel, now: Instant) -> Vec<Vec<NonNull<TimerNode>>> {
    let mut holds = Vec::new();
    loop {
        let mut given = Vec::new();
        let is_over = advance(wheel, now, |node| given.push(node));
        holds.push(given);
        if is_over {
            return holds;
        }
    }
}

#[test]
fn a_hold_gives_64_nodes_at_most_and_the_next_goes_on() {
    let nodes = nodes(NODES);
    let mut wheel = one_slot(&nodes, 5);
    let holds = holds(&mut wheel, Instant(5 * TICK));
    let given: Vec<_> = holds.iter().map(Vec::len).collect();
    assert_eq!(given, [AT_MOST, AT_MOST, AT_MOST, NODES % AT_MOST]);
    let all: Vec<_> = nodes.iter().map(NonNull::from).collect();
    assert_eq!(holds.concat(), all, "each once, in order");
    assert!(wheel.is_empty());
}

/// A node on level 1 takes two steps: it cascades, then it is due.
#[test]
fn a_step_of_a_cascade_counts_as_one_that_gives_a_node() {
    let nodes = nodes(NODES);
    let mut wheel = one_slot(&nodes, 100);
    let holds = holds(&mut wheel, Instant(100 * TICK));
    assert!(holds.iter().all(|given| given.len() <= AT_MOST));
    assert_eq!(holds.len(), 2 * NODES / AT_MOST + 1, "400 steps");
    assert!(holds[..NODES / AT_MOST].iter().all(Vec::is_empty), "the slot cascades first");
    let all: Vec<_> = nodes.iter().map(NonNull::from).collect();
    assert_eq!(holds.concat(), all, "each once, in order");
}
