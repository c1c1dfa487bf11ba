//! A sorted list, which does what the wheel should.

use std::boxed::Box;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

pub(crate) fn nodes(count: usize) -> Box<[TimerNode]> {
    (0..count).map(|_| TimerNode::new(Kind::Task)).collect()
}

pub(crate) fn insert(wheel: &mut Wheel, node: &TimerNode, deadline: u64) {
    // SAFETY: nodes of these tests outlive the wheel, and are inserted only while in none.
    unsafe { wheel.insert(NonNull::from(node), Instant(deadline)) }
}

/// The next node whose deadline has come, however much has to cascade before.
pub(super) fn expire(wheel: &mut Wheel, now: Instant) -> Option<NonNull<TimerNode>> {
    loop {
        match wheel.advance(now) {
            Step::Due(node) => return Some(node),
            Step::Cascaded => {}
            Step::Over => return None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Insert the node, if it is in no wheel, so long from now or ago.
    Insert(usize, u64, bool),
    /// The same, for the deadline of another node.
    InsertLike(usize, usize),
    InsertFar(usize),
    Remove(usize),
    /// Let time pass and take out all that expires, or so many at most.
    Advance(u64, usize),
    /// Let time pass to where the wheel wants to be asked, or a nanosecond before.
    AdvanceToNext(bool),
    /// Let time pass and take so many steps, which may end within a cascade.
    Nibble(u64, usize),
}

pub(super) const NODES: usize = 24;

/// The wheel and what it should do: `armed` has tick, order of insertion, and number of node.
struct Pair<'a> {
    nodes: &'a [TimerNode],
    wheel: Wheel,
    armed: Vec<(u64, usize, usize)>,
    elapsed: u64,
    inserted: usize,
    now: u64,
}

impl Pair<'_> {
    fn insert(&mut self, node: usize, deadline: u64) {
        if self.armed.iter().all(|&(_, _, other)| other != node) {
            insert(&mut self.wheel, &self.nodes[node], deadline);
            let tick = deadline.div_ceil(TICK).max(self.elapsed);
            self.armed.push((tick, self.inserted, node));
            self.armed.sort_unstable();
            self.inserted += 1;
        }
    }

    fn remove(&mut self, node: usize) {
        if let Some(at) = self.armed.iter().position(|&(_, _, other)| other == node) {
            self.armed.remove(at);
            // SAFETY: the model says that it is in the wheel.
            unsafe { self.wheel.remove(NonNull::from(&self.nodes[node])) };
        }
    }

    fn advance(&mut self, to: u64, most: usize) -> Result<(), TestCaseError> {
        self.now = to;
        for _ in 0..most {
            let due = self.armed.first().copied().filter(|&(tick, ..)| tick <= self.now / TICK);
            let expected = due.map(|(.., node)| NonNull::from(&self.nodes[node]));
            prop_assert_eq!(expire(&mut self.wheel, Instant(self.now)), expected);
            let Some((tick, _, node)) = due else {
                self.elapsed = self.now / TICK;
                let next = self.wheel.next_expiry();
                prop_assert!(next.is_none_or(|next| next.0 > self.now), "or it would spin");
                return Ok(());
            };
            let deadline = self.nodes[node].deadline().0;
            prop_assert!(deadline <= self.now, "early");
            self.elapsed = tick;
            self.armed.remove(0);
        }
        Ok(())
    }

    fn nibble(&mut self, to: u64, steps: usize) -> Result<(), TestCaseError> {
        self.now = to;
        for _ in 0..steps {
            let due = self.armed.first().copied().filter(|&(tick, ..)| tick <= self.now / TICK);
            match (self.wheel.advance(Instant(self.now)), due) {
                (Step::Cascaded, _) => {}
                (Step::Due(node), Some((.., number))) => {
                    prop_assert_eq!(node, NonNull::from(&self.nodes[number]));
                    self.armed.remove(0);
                }
                (Step::Over, None) => {}
                (step, due) => prop_assert!(false, "{:?} where {:?} is due", step, due),
            }
        }
        self.elapsed = self.wheel.elapsed;
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.wheel.is_empty(), self.armed.is_empty());
        let next = self.wheel.next_expiry().map(|next| next.0);
        let first = self.armed.first().map(|&(tick, ..)| tick.saturating_mul(TICK));
        prop_assert_eq!(next.is_some(), first.is_some());
        if next != first {
            prop_assert!(next < first, "too late");
            prop_assert!(next.unwrap().is_multiple_of(64 * TICK), "early without a cascade");
        }
        Ok(())
    }
}

/// Does the same to both.
pub(super) fn compare((start, steps): (u64, Vec<Act>)) -> Result<(), TestCaseError> {
    let nodes = nodes(NODES);
    let wheel = Wheel::new();
    let mut pair =
        Pair { nodes: &nodes, wheel, armed: Vec::new(), elapsed: 0, inserted: 0, now: 0 };
    pair.advance(start, usize::MAX)?;
    for step in steps {
        match step {
            Act::Insert(node, span, true) => pair.insert(node, pair.now.saturating_add(span)),
            Act::Insert(node, span, false) => pair.insert(node, pair.now.saturating_sub(span)),
            Act::InsertLike(node, other) => pair.insert(node, nodes[other].deadline().0),
            Act::InsertFar(node) => pair.insert(node, u64::MAX - node as u64 % 2),
            Act::Remove(node) => pair.remove(node),
            Act::Advance(span, most) => {
                // The last instant is a test of its own.
                let to = pair.now.saturating_add(span).min(u64::MAX - 1);
                pair.advance(to, most)?;
            }
            Act::AdvanceToNext(short) => {
                if let Some(next) = pair.wheel.next_expiry() {
                    let to = (next.0 - u64::from(short && next.0 > 0)).min(u64::MAX - 1);
                    pair.advance(to.max(pair.now), usize::MAX)?;
                }
            }
            Act::Nibble(span, steps) => {
                let to = pair.now.saturating_add(span).min(u64::MAX - 1);
                pair.nibble(to, steps)?;
            }
        }
        pair.check()?;
    }
    Ok(())
}

/// For the fuzzer: eight bytes say when it begins, and nine each what is done then.
#[cfg(feature = "fuzzing")]
pub fn fuzz(bytes: &[u8]) {
    let Some((start, bytes)) = bytes.split_first_chunk() else { return };
    let steps = bytes.as_chunks().0.iter().map(decode).collect();
    let start = u64::from_le_bytes(*start).min(u64::MAX - 1);
    compare((start, steps)).expect("the wheel does what the list does");
}

/// The node, and a number whose highest bits say what to do, the next ones how large a span is.
#[cfg(feature = "fuzzing")]
fn decode(&[node, ref number @ ..]: &[u8; 9]) -> Act {
    let number = u64::from_le_bytes(*number);
    let (what, bits) = (number >> 61, (number >> 55) % 51);
    let (node, span) = (usize::from(node) % NODES, number & ((1 << bits) - 1));
    match what {
        0 | 1 => Act::Insert(node, span, true),
        2 => Act::Insert(node, span, false),
        3 => Act::InsertLike(node, span as usize % NODES),
        4 => Act::Remove(node),
        5 => Act::Advance(span, if node < 4 { node } else { usize::MAX }),
        6 if node >= 16 => Act::Nibble(span, node - 16),
        6 => Act::AdvanceToNext(node % 2 == 0),
        _ => Act::InsertFar(node),
    }
}
