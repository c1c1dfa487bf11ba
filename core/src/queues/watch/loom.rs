//! The free watches: each is one's at a time, and none is lost.

use loom::sync::Arc;
use loom::thread;

use super::{Chain, Store, Watch};
use crate::prim::Ordering::Relaxed;
use crate::sync::stage::PLENTY;

fn store() -> Arc<Store> {
    let store = Store::new();
    store.make_room(&PLENTY).expect("memory for a model");
    Arc::new(store)
}

/// Takes two, marks them as this thread's, and gives both back in one chain.
fn take_two_and_give_them_back(store: &Store, mark: u32) {
    let mut chain = Chain(0);
    for _ in 0..2 {
        let number = store.take();
        assert!((1..=4).contains(&number));
        store.at(number).source.store(mark, Relaxed);
        chain.push(store, number);
    }
    let sources = chain.iter(store).map(|watch| Watch::at(watch).source());
    assert!(sources.eq([mark; 2]), "it is somebody else's, too");
    store.give_back(chain);
}

#[test]
fn a_watch_is_ones_at_a_time_and_none_is_lost() {
    loom::model(|| {
        let store = store();
        let theirs = store.clone();
        let other = thread::spawn(move || take_two_and_give_them_back(&theirs, 1));
        take_two_and_give_them_back(&store, 2);
        other.join().expect("it does not panic");
        let made = store.made.load(Relaxed);
        let mut taken: std::vec::Vec<_> = (0..made).map(|_| store.take()).collect();
        taken.sort_unstable();
        assert_eq!(taken, (1..=made).collect::<std::vec::Vec<_>>());
        assert_eq!(store.made.load(Relaxed), made, "all of them were free");
    });
}
