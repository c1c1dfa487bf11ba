//! What programs are made of: their names, threads that run no virtual threads, a census.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drift_sim::Faults;

/// A program: its name, what runs, and what goes wrong with every fourth seed.
pub type Scenario = (&'static str, fn(), Faults);

/// Names become scenarios that must bear what no program need notice; or, in braces, other faults.
#[macro_export]
macro_rules! scenarios {
    (@) => { drift_sim::Faults::QUIET };
    (@ $faults:expr) => { $faults };
    ($($name:ident $({ $faults:expr })?),* $(,)?) => {
        &[$((stringify!($name), $name as fn(), $crate::scenarios!(@ $($faults)?))),*]
    };
}

/// A thread that runs no virtual threads, of the world that calls.
pub struct OsThread(Kind);

enum Kind {
    Real(std::thread::JoinHandle<()>),
    World(drift_sim::thread::JoinHandle<()>),
}

/// Starts one.
pub fn os_thread(body: impl FnOnce() + Send + 'static) -> OsThread {
    OsThread(match drift_sim::is_inside() {
        true => Kind::World(drift_sim::thread::spawn(body)),
        false => Kind::Real(std::thread::spawn(body)),
    })
}

impl OsThread {
    /// Waits for its end.
    pub fn join(self) {
        match self.0 {
            Kind::Real(thread) => thread.join().unwrap(),
            Kind::World(thread) => thread.join(),
        }
    }
}

/// Counts values that are alive, and how many there ever were.
#[derive(Default)]
pub struct Census {
    born: AtomicUsize,
    dead: AtomicUsize,
}

/// One of them.
pub struct Citizen(Arc<Census>);

impl Census {
    pub fn new() -> Arc<Self> {
        std::sync::Arc::default()
    }

    pub fn citizen(self: &Arc<Self>) -> Citizen {
        self.born.fetch_add(1, Ordering::SeqCst);
        Citizen(self.clone())
    }

    /// Every one that was born has died, once.
    pub fn check(&self) {
        let (born, dead) = (self.born.load(Ordering::SeqCst), self.dead.load(Ordering::SeqCst));
        assert_eq!(born, dead, "born and dropped");
    }

    /// Whether nobody is alive.
    pub fn is_empty(&self) -> bool {
        self.born.load(Ordering::SeqCst) == self.dead.load(Ordering::SeqCst)
    }
}

impl Drop for Citizen {
    fn drop(&mut self) {
        let dead = self.0.dead.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(dead <= self.0.born.load(Ordering::SeqCst), "dropped twice");
    }
}
