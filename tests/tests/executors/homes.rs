//! Which carrier becomes a home, on the host: `sim/tests/homes.rs` has the rest, over seeds.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drift_core::runtime::shutdown::Shutdown;
use drift_core::task::Handle;
use drift_core::time::Instant;

use crate::stay::{os_thread, staying};
use crate::world::{CARRIERS, World, spawn, submit, wait_until};

/// How many have started where.
#[derive(Clone, Default)]
struct Homes {
    started: Arc<AtomicUsize>,
    of: Arc<Mutex<HashMap<PathBuf, usize>>>,
}

impl Homes {
    fn settle(&self) {
        *self.of.lock().unwrap().entry(os_thread()).or_insert(0) += 1;
        self.started.fetch_add(1, Ordering::SeqCst);
    }

    /// The fewest that a carrier has, of so many carriers, and how many there are.
    fn fewest(&self, carriers: u32) -> (usize, usize) {
        let of = self.of.lock().unwrap();
        let fewest = of.values().min().copied().unwrap_or(0);
        let fewest = if of.len() < carriers as usize { 0 } else { fewest };
        (fewest, of.values().sum())
    }
}

/// As an accept loop: one more each time that something comes. However slowly the machine lets
/// carriers run, they come to be even.
#[test]
fn connections_are_spread() {
    for threads in CARRIERS {
        let world = World::new();
        let runtime = world.runtime;
        let executor = staying(&world, threads, threads);
        let homes = Homes::default();
        let all = Arc::new(Mutex::new(Vec::new()));
        let (of, connections) = (homes.clone(), all.clone());
        let acceptor = world.start(executor, move || {
            let is_even = |(fewest, count)| count >= 100 && 2 * fewest * threads as usize >= count;
            while !is_even(of.fewest(threads)) {
                let one = of.clone();
                let connection = spawn(runtime, move || {
                    one.settle();
                    runtime.park(Instant::FAR);
                });
                submit(executor, connection).unwrap();
                let mut connections = connections.lock().unwrap();
                connections.push(connection);
                assert!(connections.len() < 3000, "{threads}: {:?}", of.of.lock().unwrap());
                drop(connections);
                runtime.park(runtime.platform().now() + 200_000);
            }
        });
        world.join_all([acceptor]);
        let all: Vec<Handle> = std::mem::take(&mut *all.lock().unwrap());
        wait_until(&homes.started, all.len());
        all.iter().for_each(|connection| runtime.unpark(*connection));
        world.join_all(all);
        let handle = runtime.executor_handle(executor);
        runtime.shutdown(handle, Shutdown::Drain, Instant::FAR).unwrap();
        world.assert_at_baseline();
    }
}
