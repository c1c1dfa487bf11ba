//! The wheel against a sorted list, and at its edges.

use std::vec::Vec;

use proptest::prelude::*;

use super::model::{Act, NODES, expire, insert, nodes};
use super::*;

/// Nanoseconds in a day.
const DAY: u64 = 86_400_000_000_000;

/// Whether `node` was the one and only to expire.
fn expires(wheel: &mut Wheel, node: &TimerNode, now: u64) -> bool {
    let expired = expire(wheel, Instant(now));
    assert!(expire(wheel, Instant(now)).is_none());
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
        assert!(expire(&mut wheel, Instant(tick * TICK - 1)).is_none(), "not a nanosecond early");
        assert_eq!(wheel.next_expiry(), Some(Instant(tick * TICK)));
        assert!(expires(&mut wheel, &nodes[0], tick * TICK));
        assert!(expire(&mut wheel, Instant(tick * TICK + TICK - 1)).is_none());
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
    assert!(expire(&mut wheel, Instant(now)).is_none());
    for (node, deadline) in nodes.iter().zip([0, now - TICK]) {
        insert(&mut wheel, node, deadline);
        assert!(wheel.next_expiry().unwrap() <= Instant(now));
        assert!(expires(&mut wheel, node, now));
    }
    insert(&mut wheel, &nodes[2], now);
    assert!(expire(&mut wheel, Instant(now)).is_none(), "its tick has not come");
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
        assert!(expire(&mut wheel, Instant(now)).is_none());
        assert!(wheel.next_expiry().unwrap() > Instant(now));
    }
    assert!(expires(&mut wheel, &nodes[2], last_tick));
    assert!(expire(&mut wheel, Instant(u64::MAX - 1)).is_none());
    assert_eq!(wheel.next_expiry(), Some(Instant::FAR));
    assert_eq!(expire(&mut wheel, Instant::FAR), Some(NonNull::from(&nodes[0])));
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
        assert_eq!(
            expire(&mut wheel, Instant(u64::MAX - 1)),
            Some(NonNull::from(node)),
            "bit {bit}"
        );
    }
    assert!(wheel.is_empty());
}

#[test]
fn an_older_now_finds_nothing_and_breaks_nothing() {
    let nodes = nodes(2);
    let mut wheel = Wheel::new();
    assert!(expire(&mut wheel, Instant(DAY)).is_none());
    insert(&mut wheel, &nodes[0], DAY / 2);
    insert(&mut wheel, &nodes[1], DAY + 10 * TICK);
    assert!(expire(&mut wheel, Instant(DAY / 2 + TICK)).is_none());
    assert!(expires(&mut wheel, &nodes[0], DAY));
    assert!(expire(&mut wheel, Instant(0)).is_none());
    assert!(expires(&mut wheel, &nodes[1], DAY + 11 * TICK));
}

#[test]
fn equal_ticks_come_in_order_of_insertion_though_some_cascaded() {
    let nodes = nodes(3);
    let mut wheel = Wheel::new();
    let deadline = DAY - DAY % TICK;
    for (node, before) in nodes.iter().zip([DAY, 70 * TICK, 5 * TICK]) {
        assert!(expire(&mut wheel, Instant(DAY - before)).is_none());
        insert(&mut wheel, node, deadline);
    }
    for node in &nodes {
        assert_eq!(expire(&mut wheel, Instant(DAY)), Some(NonNull::from(node)));
    }
}

/// A step moves one node, and the wheel can be used between any two.
#[test]
fn a_slot_of_many_cascades_node_by_node() {
    let nodes = nodes(65);
    let mut wheel = Wheel::new();
    let deadline = 70 * TICK;
    for node in &nodes[..64] {
        insert(&mut wheel, node, deadline);
    }
    for _ in 0..32 {
        assert_eq!(wheel.advance(Instant(deadline)), Step::Cascaded);
        assert_eq!(wheel.next_expiry(), Some(Instant(64 * TICK)), "the rest cascades first");
    }
    insert(&mut wheel, &nodes[64], deadline);
    for node in &nodes[..64] {
        // SAFETY: in the wheel: some have cascaded, some not.
        unsafe { wheel.remove(NonNull::from(node)) };
    }
    assert!(expires(&mut wheel, &nodes[64], deadline));
    assert!(wheel.is_empty());
}

#[test]
fn a_node_that_is_inserted_during_a_cascade_comes_behind_those_of_its_tick() {
    let nodes = nodes(4);
    let mut wheel = Wheel::new();
    let deadline = 70 * TICK;
    for node in &nodes[..3] {
        insert(&mut wheel, node, deadline);
    }
    assert_eq!(wheel.advance(Instant(deadline)), Step::Cascaded);
    insert(&mut wheel, &nodes[3], deadline);
    for node in &nodes {
        assert_eq!(expire(&mut wheel, Instant(deadline)), Some(NonNull::from(node)));
    }
    assert!(wheel.is_empty());
}

/// From a nanosecond to thirteen days, every magnitude as likely.
fn span() -> impl Strategy<Value = u64> {
    (0..=50_u32, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

/// What is done to a wheel, from when on.
fn program() -> impl Strategy<Value = (u64, Vec<Act>)> {
    let start = prop_oneof![Just(0), 0..u64::MAX / 2, Just(u64::MAX - 30 * DAY)];
    (start, steps())
}

fn steps() -> impl Strategy<Value = Vec<Act>> {
    let step = prop_oneof![
        6 => (0..NODES, span(), prop::bool::weighted(0.9))
            .prop_map(|(node, span, ahead)| Act::Insert(node, span, ahead)),
        2 => (0..NODES, 0..NODES).prop_map(|(node, other)| Act::InsertLike(node, other)),
        1 => (0..NODES).prop_map(Act::InsertFar),
        3 => (0..NODES).prop_map(Act::Remove),
        3 => (span(), prop_oneof![Just(usize::MAX), 0..4_usize])
            .prop_map(|(span, most)| Act::Advance(span, most)),
        2 => any::<bool>().prop_map(Act::AdvanceToNext),
        3 => (span(), 0..8_usize).prop_map(|(span, most)| Act::Nibble(span, most)),
    ];
    proptest::collection::vec(step, 0..if cfg!(miri) { 30 } else { 300 })
}

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 8 } else { 512 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_wheel_does_what_a_sorted_list_does(program in program()) {
        model::compare(program)?;
    }
}

#[test]
fn a_wheel_that_was_emptied_is_as_good_as_before() {
    let nodes = nodes(6);
    let mut wheel = Wheel::new();
    let now = 3 * DAY;
    assert!(expire(&mut wheel, Instant(now)).is_none());
    for (node, deadline) in nodes.iter().zip([now + 5, now + DAY, 0, u64::MAX - 1, now + 5]) {
        insert(&mut wheel, node, deadline);
    }
    let taken: Vec<_> = core::iter::from_fn(|| wheel.take_any()).collect();
    assert!(nodes[..5].iter().all(|node| taken.contains(&NonNull::from(node))));
    assert!(taken.len() == 5 && wheel.is_empty() && wheel.next_expiry().is_none());
    insert(&mut wheel, &nodes[5], now + TICK);
    assert!(expire(&mut wheel, Instant(now)).is_none(), "time has not moved on");
    assert!(expires(&mut wheel, &nodes[5], now + TICK + TICK));
}
