//! The run queue against a plain one, and with threads.

use std::collections::VecDeque;
use std::format;
use std::sync::atomic::{AtomicU32 as Counter, AtomicUsize as Count, Ordering::SeqCst};
use std::thread;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// An empty queue whose counts are about to wrap.
fn queue_at(position: u32, solo: bool) -> RunQueue<usize> {
    let queue = RunQueue::new(solo);
    queue.head.store(position, Ordering::Relaxed);
    queue.tail.store(position, Ordering::Relaxed);
    queue
}

fn read(item: NonNull<usize>) -> usize {
    // SAFETY: items outlive the queues of these tests.
    *unsafe { item.as_ref() }
}

/// What tells a queue of these tests apart is that one thread has it.
fn push(queue: &RunQueue<usize>, item: &usize) -> bool {
    // SAFETY: the calling thread owns the queue.
    unsafe { queue.push(NonNull::from(item)) }.is_ok()
}

fn pop(queue: &RunQueue<usize>) -> Option<usize> {
    // SAFETY: the calling thread owns the queue.
    unsafe { queue.pop() }.map(read)
}

fn steal(victim: &RunQueue<usize>, mine: &RunQueue<usize>) -> Option<usize> {
    // SAFETY: the calling thread owns `mine`.
    unsafe { victim.steal_into(mine) }.map(read)
}

#[test]
fn a_full_queue_gives_the_task_back() {
    for solo in [false, true] {
        let items: Vec<usize> = (0..=CAPACITY).collect();
        let queue = queue_at(u32::MAX - 3, solo);
        assert!(items[..CAPACITY].iter().all(|item| push(&queue, item)));
        let last = NonNull::from(&items[CAPACITY]);
        // SAFETY: the only thread.
        assert_eq!(unsafe { queue.push(last) }, Err(last));
        assert_eq!(queue.len(), CAPACITY);
        assert_eq!(pop(&queue), Some(0));
        assert!(push(&queue, &items[CAPACITY]), "room for one again");
        assert!((1..=CAPACITY).all(|item| pop(&queue) == Some(item)));
        assert_eq!(pop(&queue), None);
    }
}

#[test]
fn a_thief_takes_half_rounded_up_and_keeps_the_order() {
    for (waiting, taken) in [(1, 1), (2, 1), (3, 2), (4, 2), (CAPACITY, CAPACITY / 2)] {
        let items: Vec<usize> = (0..waiting).collect();
        let (victim, mine) = (queue_at(u32::MAX, false), queue_at(u32::MAX - 1, false));
        assert!(items.iter().all(|item| push(&victim, item)));
        assert_eq!(steal(&victim, &mine), Some(0));
        assert_eq!((mine.len(), victim.len()), (taken - 1, waiting - taken));
        assert!((1..taken).all(|item| pop(&mine) == Some(item)));
        assert!((taken..waiting).all(|item| pop(&victim) == Some(item)));
    }
}

#[test]
fn nothing_is_stolen_from_a_solo_queue() {
    let (victim, mine) = (queue_at(0, true), queue_at(0, false));
    assert!(push(&victim, &7));
    assert_eq!(steal(&victim, &mine), None);
    assert_eq!(pop(&victim), Some(7));
}

#[test]
fn a_thief_takes_no_more_than_fits() {
    let items: Vec<usize> = (0..CAPACITY).collect();
    for room in 0..3 {
        let (victim, mine) = (queue_at(0, false), queue_at(u32::MAX - 9, false));
        assert!(items.iter().all(|item| push(&victim, item)));
        assert!(items[room..].iter().all(|item| push(&mine, item)));
        assert_eq!(steal(&victim, &mine), Some(0), "the returned one needs no room");
        assert_eq!((mine.len(), victim.len()), (CAPACITY, CAPACITY - room - 1));
        assert!((room..CAPACITY).all(|item| pop(&mine) == Some(item)));
        assert!((1..=room).all(|item| pop(&mine) == Some(item)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize, usize),
    Pop(usize, usize),
    /// This one steals from the other.
    Steal(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..2_usize, 1..300_usize).prop_map(|(queue, count)| Step::Push(queue, count)),
        2 => (0..2_usize, 1..300_usize).prop_map(|(queue, count)| Step::Pop(queue, count)),
        2 => (0..2_usize).prop_map(Step::Steal),
    ];
    proptest::collection::vec(step, 0..if cfg!(miri) { 4 } else { 60 })
}

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 3 } else { 256 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn two_run_queues_do_what_two_plain_ones_do(
        steps in steps(),
        start in prop_oneof![Just(0), (0..400_u32).prop_map(|back| u32::MAX - back)],
        solo in any::<bool>(),
    ) {
        let items: Vec<usize> = (0..300 * 60).collect();
        let mut fresh = items.iter();
        let queues = [queue_at(start, solo), queue_at(start / 2, solo)];
        let mut plain = [VecDeque::new(), VecDeque::new()];
        for step in steps {
            match step {
                Step::Push(at, count) => {
                    for item in fresh.by_ref().take(count) {
                        let fits = plain[at].len() < CAPACITY;
                        prop_assert_eq!(push(&queues[at], item), fits);
                        if fits {
                            plain[at].push_back(*item);
                        }
                    }
                }
                Step::Pop(at, count) => {
                    for _ in 0..count {
                        prop_assert_eq!(pop(&queues[at]), plain[at].pop_front());
                    }
                }
                Step::Steal(at) => {
                    let stolen = steal(&queues[1 - at], &queues[at]);
                    let half = plain[1 - at].len().div_ceil(2);
                    let fits = CAPACITY - plain[at].len() + 1;
                    let take = if solo { 0 } else { half.min(fits) };
                    let mut moved: VecDeque<_> = plain[1 - at].drain(..take).collect();
                    prop_assert_eq!(stolen, moved.pop_front());
                    plain[at].extend(moved);
                }
            }
            for (queue, plain) in queues.iter().zip(&plain) {
                prop_assert_eq!(queue.len(), plain.len());
                prop_assert_eq!(queue.is_empty(), plain.is_empty());
            }
        }
    }
}

#[test]
fn with_thieves_every_task_is_taken_exactly_once() {
    const THIEVES: usize = 3;
    let total = if cfg!(miri) { 300 } else { 30_000 };
    let items: Vec<usize> = (0..total).collect();
    let taken: Vec<Counter> = (0..total).map(|_| Counter::new(0)).collect();
    let left = Count::new(total);
    let take = |item: usize| {
        taken[item].fetch_add(1, SeqCst);
        left.fetch_sub(1, SeqCst);
    };
    let queues: Vec<_> =
        (0..=THIEVES).map(|number| queue_at(u32::MAX - 100 * number as u32, false)).collect();
    thread::scope(|scope| {
        for thief in 1..=THIEVES {
            let (queues, left, take) = (&queues, &left, &take);
            scope.spawn(move || {
                while left.load(SeqCst) > 0 {
                    let victims = (0..=THIEVES).filter(|&victim| victim != thief);
                    let found = victims.into_iter().find_map(|v| steal(&queues[v], &queues[thief]));
                    found.into_iter().for_each(take);
                    // What stays in it is for the other thieves.
                    (0..3).filter_map(|_| pop(&queues[thief])).for_each(take);
                    thread::yield_now();
                }
            });
        }
        for item in &items {
            while !push(&queues[0], item) {
                pop(&queues[0]).into_iter().for_each(take);
            }
            if item % 3 == 0 {
                pop(&queues[0]).into_iter().for_each(take);
            }
        }
        while left.load(SeqCst) > 0 {
            pop(&queues[0]).into_iter().for_each(take);
            thread::yield_now();
        }
    });
    assert!(taken.iter().all(|times| times.load(SeqCst) == 1));
}

#[test]
fn a_run_queue_shows_how_many_wait() {
    let queue = queue_at(0, false);
    assert!(push(&queue, &1));
    assert_eq!(format!("{queue:?}"), "RunQueue { len: 1, .. }");
}
