//! The wheel against a sorted list, and at its edges.

use std::boxed::Box;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Nanoseconds in a day.
const DAY: u64 = 86_400_000_000_000;

fn nodes(count: usize) -> Box<[TimerNode]> {
    (0..count).map(|_| TimerNode::new(Kind::Task)).collect()
}

fn insert(wheel: &mut Wheel, node: &TimerNode, deadline: u64) {
    // SAFETY: nodes of these tests outlive the wheel, and are inserted only while in none.
    unsafe { wheel.insert(NonNull::from(node), Instant(deadline)) }
}

/// Whether `node` was the one and only to expire.
fn expires(wheel: &mut Wheel, node: &TimerNode, now: u64) -> bool {
    let expired = wheel.expire(Instant(now));
    assert!(wheel.expire(Instant(now)).is_none());
    expired == Some(NonNull::from(node))
}

#[test]
fn a_wheel_is_small() {
    assert!(size_of::<Wheel>() <= 8 << 10);
    assert!(size_of::<TimerNode>() <= 32);
}

#[test]
fn a_deadline_on_a_tick_comes_at_that_tick_and_the_next_nanosecond_a_tick_later() {
    for tick in [1, 63, 64, 65, 4095, 4096, 1 << 30, (1 << 48) - 2] {
        let nodes = nodes(2);
        let mut wheel = Wheel::new();
        insert(&mut wheel, &nodes[0], tick * TICK);
        insert(&mut wheel, &nodes[1], tick * TICK + 1);
        assert!(wheel.expire(Instant(tick * TICK - 1)).is_none(), "not a nanosecond early");
        assert_eq!(wheel.next_expiry(), Some(Instant(tick * TICK)));
        assert!(expires(&mut wheel, &nodes[0], tick * TICK));
        assert!(wheel.expire(Instant(tick * TICK + TICK - 1)).is_none());
        assert!(expires(&mut wheel, &nodes[1], tick * TICK + TICK));
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_expiry(), None);
    }
}

#[test]
fn a_deadline_that_is_over_comes_at_once() {
    let nodes = nodes(3);
    let mut wheel = Wheel::new();
    let now = 5 * DAY + 12_345;
    assert!(wheel.expire(Instant(now)).is_none());
    for (node, deadline) in nodes.iter().zip([0, now - TICK]) {
        insert(&mut wheel, node, deadline);
        assert!(wheel.next_expiry().unwrap() <= Instant(now));
        assert!(expires(&mut wheel, node, now));
    }
    insert(&mut wheel, &nodes[2], now);
    assert!(wheel.expire(Instant(now)).is_none(), "its tick has not come");
    assert!(expires(&mut wheel, &nodes[2], now + TICK));
}

#[test]
fn the_end_of_time_comes_only_at_the_end_of_time() {
    let nodes = nodes(3);
    let mut wheel = Wheel::new();
    let last_tick = u64::MAX - (TICK - 1);
    insert(&mut wheel, &nodes[0], u64::MAX);
    insert(&mut wheel, &nodes[1], last_tick + 1);
    insert(&mut wheel, &nodes[2], last_tick);
    for now in [0, DAY, 1 << 63, last_tick - 1] {
        assert!(wheel.expire(Instant(now)).is_none());
        assert!(wheel.next_expiry().unwrap() > Instant(now));
    }
    assert!(expires(&mut wheel, &nodes[2], last_tick));
    assert!(wheel.expire(Instant(u64::MAX - 1)).is_none());
    assert_eq!(wheel.next_expiry(), Some(Instant::FAR));
    assert_eq!(wheel.expire(Instant::FAR), Some(NonNull::from(&nodes[0])));
    assert!(expires(&mut wheel, &nodes[1], u64::MAX));
    assert!(wheel.is_empty());
    insert(&mut wheel, &nodes[0], DAY);
    assert!(expires(&mut wheel, &nodes[0], u64::MAX), "the wheel works at the end, too");
}

/// 2^48 ticks: a wheel that went through them one by one would not return.
#[test]
fn a_step_over_all_of_time_stops_only_where_something_is() {
    let nodes = nodes(64);
    let mut wheel = Wheel::new();
    for (bit, node) in nodes.iter().enumerate() {
        insert(&mut wheel, node, 1 << bit);
    }
    for (bit, node) in nodes.iter().enumerate() {
        assert_eq!(wheel.expire(Instant(u64::MAX - 1)), Some(NonNull::from(node)), "bit {bit}");
    }
    assert!(wheel.is_empty());
}

#[test]
fn an_older_now_finds_nothing_and_breaks_nothing() {
    let nodes = nodes(2);
    let mut wheel = Wheel::new();
    assert!(wheel.expire(Instant(DAY)).is_none());
    insert(&mut wheel, &nodes[0], DAY / 2);
    insert(&mut wheel, &nodes[1], DAY + 10 * TICK);
    assert!(wheel.expire(Instant(DAY / 2 + TICK)).is_none());
    assert!(expires(&mut wheel, &nodes[0], DAY));
    assert!(wheel.expire(Instant(0)).is_none());
    assert!(expires(&mut wheel, &nodes[1], DAY + 11 * TICK));
}

#[test]
fn equal_ticks_come_in_order_of_insertion_though_some_cascaded() {
    let nodes = nodes(3);
    let mut wheel = Wheel::new();
    let deadline = DAY - DAY % TICK;
    for (node, before) in nodes.iter().zip([DAY, 70 * TICK, 5 * TICK]) {
        assert!(wheel.expire(Instant(DAY - before)).is_none());
        insert(&mut wheel, node, deadline);
    }
    for node in &nodes {
        assert_eq!(wheel.expire(Instant(DAY)), Some(NonNull::from(node)));
    }
}

#[derive(Clone, Debug)]
enum Step {
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
}

const NODES: usize = 24;

/// From a nanosecond to thirteen days, every magnitude as likely.
fn span() -> impl Strategy<Value = u64> {
    (0..=50_u32, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..NODES, span(), prop::bool::weighted(0.9))
            .prop_map(|(node, span, ahead)| Step::Insert(node, span, ahead)),
        2 => (0..NODES, 0..NODES).prop_map(|(node, other)| Step::InsertLike(node, other)),
        1 => (0..NODES).prop_map(Step::InsertFar),
        3 => (0..NODES).prop_map(Step::Remove),
        3 => (span(), prop_oneof![Just(usize::MAX), 0..4_usize])
            .prop_map(|(span, most)| Step::Advance(span, most)),
        2 => any::<bool>().prop_map(Step::AdvanceToNext),
    ];
    proptest::collection::vec(step, 0..if cfg!(miri) { 30 } else { 300 })
}

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
            prop_assert_eq!(self.wheel.expire(Instant(self.now)), expected);
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

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 8 } else { 512 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_wheel_does_what_a_sorted_list_does(
        start in prop_oneof![Just(0), 0..u64::MAX / 2, Just(u64::MAX - 30 * DAY)],
        steps in steps(),
    ) {
        let nodes = nodes(NODES);
        let wheel = Wheel::new();
        let mut pair =
            Pair { nodes: &nodes, wheel, armed: Vec::new(), elapsed: 0, inserted: 0, now: 0 };
        pair.advance(start, usize::MAX)?;
        for step in steps {
            match step {
                Step::Insert(node, span, true) => pair.insert(node, pair.now.saturating_add(span)),
                Step::Insert(node, span, false) => pair.insert(node, pair.now.saturating_sub(span)),
                Step::InsertLike(node, other) => pair.insert(node, nodes[other].deadline().0),
                Step::InsertFar(node) => pair.insert(node, u64::MAX - node as u64 % 2),
                Step::Remove(node) => pair.remove(node),
                Step::Advance(span, most) => {
                    // The last instant is a test of its own.
                    let to = pair.now.saturating_add(span).min(u64::MAX - 1);
                    pair.advance(to, most)?;
                }
                Step::AdvanceToNext(short) => {
                    if let Some(next) = pair.wheel.next_expiry() {
                        let to = (next.0 - u64::from(short && next.0 > 0)).min(u64::MAX - 1);
                        pair.advance(to.max(pair.now), usize::MAX)?;
                    }
                }
            }
            pair.check()?;
        }
    }
}

#[test]
fn a_wheel_that_was_emptied_is_as_good_as_before() {
    let nodes = nodes(6);
    let mut wheel = Wheel::new();
    let now = 3 * DAY;
    assert!(wheel.expire(Instant(now)).is_none());
    for (node, deadline) in nodes.iter().zip([now + 5, now + DAY, 0, u64::MAX - 1, now + 5]) {
        insert(&mut wheel, node, deadline);
    }
    let taken: Vec<_> = core::iter::from_fn(|| wheel.take_any()).collect();
    assert!(nodes[..5].iter().all(|node| taken.contains(&NonNull::from(node))));
    assert!(taken.len() == 5 && wheel.is_empty() && wheel.next_expiry().is_none());
    insert(&mut wheel, &nodes[5], now + TICK);
    assert!(wheel.expire(Instant(now)).is_none(), "time has not moved on");
    assert!(expires(&mut wheel, &nodes[5], now + TICK + TICK));
}
