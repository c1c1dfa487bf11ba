//! Calls that need not wait: a loop of them lets others run, on whichever carrier.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use drift::sync::{Event, Mutex, bounded, unbounded};
use drift::{Duration, Instant, select, sleep, spawn, yield_now};
use drift_core::prim::AtomicU32 as Word;
use drift_core::time::MILLISECOND;
use drift_pal::process;

use crate::program::Scenario;
use crate::scenarios;

pub const ALL: &[Scenario] = scenarios![
    a_channel_that_never_runs_empty_lets_sleepers_run,
    those_who_try_let_the_holder_go_on,
    who_looks_again_and_again_lets_it_happen,
    many_that_never_wait_take_turns,
];

/// Calls before a loop gives up in a world, far above what it needs: others of its carrier run when
/// its budget is used up, and those of other carriers at each [`PAUSE`].
const MANY: u32 = 200_000;

/// Calls after which a world's other carriers go on, whatever the seed: the loop's own carrier is
/// interrupted, and keeps what it runs.
const PAUSE: u32 = 1_000;

/// How long a loop goes on on the machine.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Calls until it is over, as often as is needed, or until it gives up.
fn until(is_over: impl Fn() -> bool, mut call: impl FnMut()) {
    let begun = Instant::now();
    let mut calls = 0_u32;
    while !is_over() {
        call();
        calls = calls.wrapping_add(1);
        if !calls.is_multiple_of(PAUSE) {
            continue;
        }
        if drift_sim::is_inside() {
            assert!(calls < MANY, "nobody else has run during {MANY} calls");
            let platform = process::runtime().unwrap().platform();
            platform.thread_wait(&Word::new(0), 0, Some(platform.now() + MILLISECOND / 50));
        } else {
            assert!(begun.elapsed() < PATIENCE, "nobody else has run for {PATIENCE:?}");
        }
    }
}

fn a_channel_that_never_runs_empty_lets_sleepers_run() {
    let is_over = Arc::new(AtomicBool::new(false));
    let told = is_over.clone();
    let consumer = spawn(move || {
        let (to, from) = unbounded();
        to.send(0_u32).unwrap();
        until(
            || told.load(Ordering::Relaxed),
            || {
                to.send(1).unwrap();
                from.recv().unwrap();
                // In a world time passes when somebody looks.
                for _ in 0..if drift_sim::is_inside() { 100 } else { 0 } {
                    let _ = Instant::now();
                }
            },
        );
    });
    sleep(Duration::from_millis(1)).unwrap();
    is_over.store(true, Ordering::Relaxed);
    consumer.join().unwrap();
}

/// Who wants the lock asks in vain until its holder has had some turns, and waits for nothing.
fn those_who_try_let_the_holder_go_on() {
    let shared = Arc::new((Mutex::new(false), Event::new()));
    let held = shared.clone();
    let holder = spawn(move || {
        let mut done = held.0.lock().unwrap();
        held.1.set();
        (0..3).for_each(|_| yield_now());
        *done = true;
    });
    shared.1.wait().unwrap();
    let is_done = || shared.0.try_lock().is_ok_and(|done| *done);
    until(is_done, || ());
    holder.join().unwrap();
}

/// What is looked for is done by one that is ready, but for a turn.
fn who_looks_again_and_again_lets_it_happen() {
    let (to, from) = bounded::<u8>(1);
    let event = Arc::new(Event::new());
    let sets = event.clone();
    let worker = spawn(move || {
        yield_now();
        sets.set();
        to.send(1).unwrap();
    });
    until(|| event.is_set(), || ());
    let got = AtomicBool::new(false);
    until(
        || got.load(Ordering::Relaxed),
        || {
            select! {
                recv(from) -> value => got.store(value.is_ok(), Ordering::Relaxed),
                default => (),
            }
            .unwrap();
        },
    );
    until(|| worker.is_completed(), || ());
    worker.join().unwrap();
}

/// Each has a channel of its own that never runs empty, and ends when all have begun.
fn many_that_never_wait_take_turns() {
    const ALL_OF_THEM: u32 = 6;
    let begun = Arc::new(AtomicU32::new(0));
    let all: Vec<_> = (0..ALL_OF_THEM)
        .map(|_| {
            let begun = begun.clone();
            spawn(move || {
                begun.fetch_add(1, Ordering::Relaxed);
                let (to, from) = unbounded();
                until(
                    || begun.load(Ordering::Relaxed) == ALL_OF_THEM,
                    || {
                        to.try_send(()).unwrap();
                        from.try_recv().unwrap();
                    },
                );
            })
        })
        .collect();
    all.iter().for_each(|one| one.join().unwrap());
}
