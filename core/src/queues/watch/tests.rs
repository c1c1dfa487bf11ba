use core::ptr::NonNull;
use std::boxed::Box;
use std::vec::Vec;

use super::{MAX_WATCHES, Store, Watch, Watches};
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

/// Retires all but those of `keep`: their sources, newest first.
fn retire(watches: &mut Watches, store: &Store, keep: Ticket) -> Vec<u32> {
    let ended = watches.take_ended(store, keep);
    let retired: Vec<_> = ended.iter(store).collect();
    if let Some(last) = retired.last() {
        watches.keep(ended, *last);
    }
    retired.into_iter().map(|watch| Watch::at(watch).source()).collect()
}

#[test]
fn a_wait_keeps_its_own_watches_and_nothing_else() {
    let (store, mut watches) = (store(5), Watches::new());
    for (source, wait) in [(5, 1), (6, 1), (5, 2), (7, 3), (5, 3)] {
        take(&mut watches, store, source, wait);
    }
    assert_eq!(retire(&mut watches, store, ticket(3)), [5, 6, 5]);
    assert_eq!(retire(&mut watches, store, ticket(3)), []);
    take(&mut watches, store, 8, 3);
    assert_eq!(retire(&mut watches, store, Ticket::NONE), [8, 5, 7]);
    assert_eq!(store.made(), 5, "spare ones are used first");
}

#[test]
fn the_newest_is_known_by_its_source_and_its_wait() {
    let (store, mut watches) = (store(2), Watches::new());
    assert!(watches.newest(store, 5, ticket(1)).is_none());
    let first = take(&mut watches, store, 5, 1);
    assert_eq!(watches.newest(store, 5, ticket(1)), Some(first));
    assert!(watches.newest(store, 6, ticket(1)).is_none());
    assert!(watches.newest(store, 5, ticket(2)).is_none());
    take(&mut watches, store, 6, 1);
    assert!(watches.newest(store, 5, ticket(1)).is_none());
    watches.give_back(store);
    assert_eq!(watches.newest(store, 5, ticket(1)), Some(first));
}

#[test]
fn what_a_task_had_is_the_next_ones() {
    let (store, mut first) = (store(200), Watches::new());
    for round in 1..if cfg!(miri) { 3 } else { 100 } {
        for source in 0..200 {
            take(&mut first, store, source, round);
        }
        assert_eq!(retire(&mut first, store, Ticket::NONE).len(), 200);
        store.give_back(first.take_spare());
        let mut second = Watches::new();
        take(&mut second, store, 7, round);
        second.give_back(store);
    }
    assert_eq!(store.made(), 200);
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
