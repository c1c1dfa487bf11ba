use core::ptr::NonNull;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::vec::Vec;

use super::{AT_ONCE, MAX_WATCHES, Store, Watch, Watches};
use crate::prim::Ordering::Relaxed;
use crate::state::Ticket;
use crate::sync::stage::PLENTY;

/// One with so many places at least, which are never unmapped.
pub(crate) fn store(places: usize) -> &'static Store {
    let store = Box::leak(Box::new(Store::new()));
    for place in 0..places {
        store.table.claim(&PLENTY, place).expect("memory for a test");
    }
    store
}

/// A ticket of the wait of that number.
fn ticket(wait: u64) -> Ticket {
    Ticket::from_bits(wait << 32)
}

fn take(watches: &mut Watches, store: &Store, source: u32, wait: u64) -> NonNull<Watch> {
    let watch = watches.take(store, source).expect("there is room");
    Watch::at(watch).ticket.store(ticket(wait).to_bits(), Relaxed);
    watch
}

fn retire(watches: &mut Watches, store: &Store, keep: Ticket) -> Vec<u32> {
    let mut sources = Vec::new();
    while watches.retire(store, keep, |_, source| sources.push(source)) {}
    sources.sort_unstable();
    sources
}

/// How many watches are passed on the way to that of `source`.
fn depth(watches: &Watches, store: &Store, source: u32) -> usize {
    let (mut place, mut bits, mut depth) = (&watches.root, source, 0);
    loop {
        let own = store.at(place.load(Relaxed));
        if own.source.load(Relaxed) == source {
            return depth;
        }
        place = &own.below[(bits & 1) as usize];
        bits >>= 1;
        depth += 1;
    }
}

#[test]
fn a_watch_of_ten_thousand_is_found_in_a_few_steps() {
    let all = if cfg!(miri) { 100 } else { 10_000 };
    let (store, mut watches) = (store(all as usize), Watches::new());
    for source in 0..all {
        assert!(watches.find(store, source + 5).is_none());
        take(&mut watches, store, source + 5, 1);
    }
    let deepest = (5..all + 5).map(|source| depth(&watches, store, source)).max();
    assert!(deepest <= Some(14), "{deepest:?}");
    assert_eq!(retire(&mut watches, store, Ticket::NONE).len(), all as usize);
}

#[test]
fn no_numbers_lead_deeper_than_they_are_long() {
    let (store, mut watches) = (store(100), Watches::new());
    // All alike in their lower bits.
    let sources: Vec<u32> = (0..100).map(|high: u32| high << 13 | 5).collect();
    for source in &sources {
        take(&mut watches, store, *source, 1);
    }
    assert!(sources.iter().all(|source| depth(&watches, store, *source) <= 20));
}

#[test]
fn watches_are_found_as_in_a_map_whatever_goes() {
    let (store, mut watches) = (store(300), Watches::new());
    let mut expected: BTreeMap<u32, (NonNull<Watch>, u64)> = BTreeMap::new();
    let (mut state, mut wait) = (1_u64, 1);
    for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
        // Knuth's MMIX generator.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let source = (state >> 33) as u32 % 290;
        match state >> 60 {
            0 => {
                watches.give_back_if_found(store, source);
                expected.remove(&source);
            }
            1 => {
                // Another wait keeps what is registered for it, and nothing else.
                let left = retire(&mut watches, store, ticket(wait));
                let (kept, gone) = expected.into_iter().partition(|(_, (_, its))| *its == wait);
                let gone: BTreeMap<_, _> = gone;
                assert_eq!(left, gone.into_keys().collect::<Vec<_>>());
                (expected, wait) = (kept, wait + 1);
            }
            _ => {
                let found = watches.find(store, source);
                assert_eq!(found, expected.get(&source).map(|(watch, _)| *watch));
                if found.is_none() {
                    let watch = take(&mut watches, store, source, wait);
                    expected.insert(source, (watch, wait));
                }
            }
        }
    }
    assert!(store.made.load(Relaxed) <= 290, "spare and free ones are used first");
}

impl Watches {
    fn give_back_if_found(&mut self, store: &Store, source: u32) {
        if self.find(store, source).is_some() {
            self.give_back(store, source);
        }
    }
}

#[test]
fn what_a_task_had_is_the_next_ones() {
    let (store, mut first) = (store(200), Watches::new());
    for round in 1..if cfg!(miri) { 3 } else { 100 } {
        for source in 0..200 {
            take(&mut first, store, source, round);
        }
        assert_eq!(retire(&mut first, store, Ticket::NONE).len(), 200);
        assert!(!first.retire(store, Ticket::NONE, |_, _| unreachable!("none is left")));
        first.empty().give_back(store);
        let mut second = Watches::new();
        take(&mut second, store, 7, round);
        assert_eq!(depth(&second, store, 7), 0, "it has no more than it uses");
        second.give_back(store, 7);
    }
    assert_eq!(store.made.load(Relaxed), 200);
}

#[test]
fn a_lock_is_held_for_so_many_at_once() {
    let (store, mut watches) = (store(1000), Watches::new());
    for source in 0..AT_ONCE + 1 {
        take(&mut watches, store, source, 1);
    }
    let mut retired = 0;
    assert!(watches.retire(store, Ticket::NONE, |_, _| retired += 1));
    assert_eq!(retired, AT_ONCE);
    assert!(!watches.retire(store, Ticket::NONE, |_, _| retired += 1));
    assert_eq!(retired, AT_ONCE + 1);
}

#[test]
fn a_watch_more_than_there_are_is_none_and_changes_nothing() {
    let store = Store::new();
    store.made.store(MAX_WATCHES as u32, Relaxed);
    for _ in 0..3 {
        assert!(Watches::new().take(&store, 1).is_none());
    }
    assert_eq!(store.made.load(Relaxed), MAX_WATCHES as u32);
}
