//! A call that finds nothing, or less than it asked for, and an event meanwhile.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;

use super::{Direction, ShortCount};

#[test]
fn data_that_comes_after_a_call_is_never_cleared_away() {
    loom::model(|| {
        let read = Arc::new(Direction::new());
        let data = Arc::new(AtomicBool::new(false));
        read.register(ShortCount::Exhausts);
        let (theirs, comes) = (read.clone(), data.clone());
        let kernel = thread::spawn(move || {
            comes.store(true, Ordering::SeqCst);
            theirs.ready(false);
        });
        let seen = read.look();
        let found = data.load(Ordering::SeqCst);
        if !found {
            read.clear(seen);
        }
        kernel.join().unwrap();
        assert!(found || read.look().is_ready(), "the data is there and nobody would look");
    });
}

/// Three bytes, an urgent mark and three more: a read stops at the mark, and again at the end.
#[test]
fn what_lies_behind_an_urgent_mark_is_never_cleared_away() {
    loom::model(|| {
        let read = Arc::new(Direction::new());
        let come = Arc::new(AtomicU32::new(0));
        read.register(ShortCount::Exhausts);
        let (theirs, comes) = (read.clone(), come.clone());
        let kernel = thread::spawn(move || {
            comes.store(6, Ordering::SeqCst);
            theirs.ready(true);
        });
        let mut taken = 0;
        loop {
            let seen = read.look();
            if !seen.is_ready() {
                break;
            }
            let there = come.load(Ordering::SeqCst) - taken;
            let moved = there.min(3);
            taken += moved;
            match moved {
                0 => read.clear(seen),
                _ => read.clear_short(seen),
            }
        }
        kernel.join().unwrap();
        assert!(taken == 6 || read.look().is_ready(), "{taken} of 6, and nobody would look");
    });
}
