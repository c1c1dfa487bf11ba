//! A try that finds nothing, and an event meanwhile.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::Direction;

#[test]
fn data_that_comes_after_a_try_is_never_cleared_away() {
    loom::model(|| {
        let read = Arc::new(Direction::new());
        let data = Arc::new(AtomicBool::new(false));
        read.register();
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
