//! The first spawn of a process, by an OS thread that unwinds.
//!
//! One test: the panic hook is replaced once in a process.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift::{ConcurrencyError, Error, spawn};

#[test]
fn the_first_spawn_may_come_while_its_thread_unwinds() {
    struct Spawns(Arc<AtomicU32>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            self.0.store(spawn(|| 7).join().unwrap(), Ordering::Relaxed);
        }
    }
    let got = Arc::new(AtomicU32::new(0));
    let spawns = Spawns(got.clone());
    let thrown = panic::catch_unwind(move || {
        let _spawns = spawns;
        panic!("on purpose");
    });
    assert!(thrown.is_err());
    assert_eq!(got.load(Ordering::Relaxed), 7);
    // From the next spawn on, places are told.
    let Err(ConcurrencyError::Failed(Error::Panic(panic))) = spawn(|| panic!("on purpose")).join()
    else {
        unreachable!("it panics")
    };
    assert!(panic.location.is_some());
}
