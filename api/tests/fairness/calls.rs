//! Every public call, repeated by a virtual thread whose carrier somebody else wants.
//!
//! | step           | does                                                                    |
//! |----------------|-------------------------------------------------------------------------|
//! | the harness    | occupies all carriers but one                                           |
//! | the caller     | on that one, makes what the call needs, and a neighbour, which is ready |
//! | the caller     | repeats the call until the neighbour has run [`TURNS`] times            |
//! | more than      | the call has kept its carrier                                           |
//! | [`MANY`] calls |                                                                         |
//!
//! A bound in calls, so neither load nor clock matters. What the call answers does not matter
//! either: entries of one name tell in words how it ends at once. `listed.rs` compares the tables
//! with `api/surface.txt` and `docs/testing.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use drift_core::runtime::Runtime;

use super::programs::all_but_one;

/// How often the neighbour has to run.
const TURNS: u32 = 3;

/// Calls before the caller gives up: a neighbour that is ready waits for 128 of them, and if it has
/// not started, for two yields more.
pub const MANY: usize = 4 * 128 * (TURNS as usize + 1);

/// Whether to call once more.
pub type More<'a> = &'a mut dyn FnMut() -> bool;

/// A name, and what repeats the call.
pub type Call = (&'static str, fn(More<'_>));

/// Names, what is made before, and the call.
macro_rules! calls {
    ($($name:literal, { $($before:tt)* }, $call:expr;)*) => {
        &[$(($name, |more| {
            $($before)*
            while more() {
                let _ = $call;
            }
        })),*]
    };
}

#[path = "calls/io.rs"]
pub mod io;
#[path = "calls/locks.rs"]
pub mod locks;
#[path = "calls/net.rs"]
pub mod net;
#[path = "calls/options.rs"]
pub mod options;
#[path = "calls/spawns.rs"]
pub mod spawns;
#[path = "calls/threads.rs"]
pub mod threads;

/// A case by its name, what runs it, and the calls that it makes.
pub type Table = (&'static str, fn(), &'static [Call]);

/// The case of each table, and the table.
pub const TABLES: &[Table] = &[
    ("no_call_of_a_virtual_thread_keeps_the_carrier", on_threads, threads::CALLS),
    ("no_spawn_keeps_the_carrier", on_spawns, spawns::CALLS),
    ("no_lock_or_channel_keeps_the_carrier", on_locks, locks::CALLS),
    ("no_socket_keeps_the_carrier", on_net, net::CALLS),
    ("no_option_of_a_socket_keeps_the_carrier", on_options, options::CALLS),
    ("no_wait_for_a_descriptor_keeps_the_carrier", on_io, io::CALLS),
];

fn on_threads() {
    try_all(threads::CALLS);
}

fn on_spawns() {
    try_all(spawns::CALLS);
}

fn on_locks() {
    try_all(locks::CALLS);
}

fn on_net() {
    try_all(net::CALLS);
}

fn on_options() {
    try_all(options::CALLS);
}

fn on_io() {
    try_all(io::CALLS);
}

/// Tries each of `calls`, and tells of all that keep the carrier.
fn try_all(calls: &[Call]) {
    let _others = all_but_one();
    let kept = |(name, repeat): &Call| {
        let repeat = *repeat;
        let turns = drift::spawn(move || neighbour_runs(repeat)).join().unwrap();
        (turns < TURNS).then(|| format!("{name}: its neighbour ran {turns} times"))
    };
    let kept: Vec<_> = calls.iter().filter_map(kept).collect();
    assert!(kept.is_empty(), "{} of {} calls keep the carrier: {kept:#?}", kept.len(), calls.len());
}

/// How often a neighbour ran while the caller repeated one call.
fn neighbour_runs(repeat: fn(More<'_>)) -> u32 {
    let turns = Arc::new(AtomicU32::new(0));
    let mut calls = 0;
    repeat(&mut || {
        if calls == 0 {
            let turns = turns.clone();
            drop(drift::spawn(move || {
                while turns.fetch_add(1, Ordering::Relaxed) < TURNS {
                    drift::yield_now();
                }
            }));
        }
        calls += 1;
        calls < MANY && turns.load(Ordering::Relaxed) < TURNS
    });
    let turns = turns.swap(TURNS, Ordering::Relaxed);
    // What the calls have spawned ends before this does, and is in nobody's way.
    drift::uncancellable(|| drift::spawn(|| ()).join()).unwrap();
    turns
}

/// Asks the calling virtual thread to end, which costs nothing: from now on its waits end at once.
pub fn cancel_caller() {
    let runtime = Runtime::here().unwrap();
    runtime.cancel(runtime.current().unwrap());
}

/// Leaves the calling virtual thread a permit, which costs nothing.
pub fn unpark_caller() {
    let runtime = Runtime::here().unwrap();
    runtime.unpark(runtime.current().unwrap());
}
