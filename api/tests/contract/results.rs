//! Results and captures are dropped exactly once.

use std::sync::Arc;

use drift::concurrent::Completed;
use drift::sync::Event;
use drift::{ConcurrencyError, Duration, FutureGroup, VirtualThread, spawn, spawn_future};

use crate::harness::{Case, Counted, Occupied, PURPOSE, Tally};

const CANCELLED: ConcurrencyError = ConcurrencyError::Cancelled;

pub const CASES: &[Case] = cases![
    dropped_once_in_any_order,
    dropped_once_in_any_order_if_not_started,
    dropped_once_by_a_group,
    dropped_once_if_refused,
    a_handle_that_is_dropped_detaches,
    groups_hear_of_those_that_never_ran,
    groups_tell_in_the_order_of_the_ends,
    groups_fail_with_the_worst,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Cancel,
    Finish,
    Join,
    Drop,
}

/// All orders of all subsets of the steps.
fn orders() -> Vec<Vec<Step>> {
    let mut orders = vec![vec![]];
    let mut at = 0;
    while at < orders.len() {
        for step in [Step::Cancel, Step::Finish, Step::Join, Step::Drop] {
            let before = orders[at].clone();
            if !before.contains(&step) {
                orders.push([before, vec![step]].concat());
            }
        }
        at += 1;
    }
    orders
}

/// Takes the steps; the gate is open afterwards, and the handle gone.
fn take(order: &[Step], thread: VirtualThread<Counted>, finish: &mut dyn FnMut()) {
    let mut thread = Some(thread);
    for step in order {
        match (step, &thread) {
            (Step::Cancel, Some(thread)) => thread.cancel(),
            (Step::Finish, _) => finish(),
            (Step::Join, Some(thread)) => drop(thread.join_timeout(Duration::from_millis(1))),
            (Step::Drop, _) => thread = None,
            (_, None) => {}
        }
    }
    finish();
}

fn dropped_once_in_any_order() {
    for order in orders() {
        let (results, captures) = (Tally::default(), Tally::default());
        let (gate, began) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (waits, tells, capture, makes) =
            (gate.clone(), began.clone(), captures.one(), results.clone());
        let thread = spawn(move || {
            let _capture = capture;
            tells.set();
            let _ = waits.wait();
            makes.one()
        });
        began.wait().unwrap();
        take(&order, thread, &mut || gate.set());
        captures.settle();
        while results.made() == 0 {
            drift::sleep(Duration::from_millis(1)).unwrap();
        }
        results.settle();
        assert_eq!((results.made(), captures.made()), (1, 1), "{order:?}");
    }
}

fn dropped_once_in_any_order_if_not_started() {
    for order in orders() {
        let (results, captures) = (Tally::default(), Tally::default());
        let mut occupied = Some(Occupied::default());
        let (capture, makes) = (captures.one(), results.clone());
        let thread = spawn(move || {
            let _capture = capture;
            makes.one()
        });
        take(&order, thread, &mut || drop(occupied.take()));
        captures.settle();
        // Whatever was in the queue has begun; what began is about to end.
        drop(Occupied::default());
        results.settle();
        assert_eq!(captures.dropped(), 1, "{order:?}");
        if order.first() == Some(&Step::Cancel) {
            assert_eq!(results.made(), 0, "it never ran: {order:?}");
        }
    }
}

fn dropped_once_by_a_group() {
    let results = Tally::default();
    for selected in 0..4 {
        let mut group = drift::FutureGroup::new();
        for _ in 0..3 {
            let makes = results.clone();
            group.add(drift::spawn_future(move || makes.one()));
        }
        for _ in 0..selected {
            drop(group.select().unwrap_or(drift::concurrent::Completed {
                index: 0,
                result: Err(drift::ConcurrencyError::Closed),
            }));
        }
        if selected == 1 {
            assert_eq!(group.join_all().unwrap().len(), 2);
        }
    }
    // Those of a group that is gone run on, and may not have begun.
    while results.made() < 12 {
        drift::sleep(Duration::from_millis(1)).unwrap();
    }
    results.settle();
    assert_eq!(results.made(), 12);
}

fn dropped_once_if_refused() {
    let policy = crate::harness::policy().queue_limit(crate::harness::carriers());
    let executor = drift::Executor::new(policy).unwrap();
    let _occupied = Occupied::of(&executor, crate::harness::carriers());
    let captures = Tally::default();
    let capture = captures.one();
    assert!(drift::spawn_on(&executor, move || drop(capture)).is_err());
    assert_eq!(captures.dropped(), 1, "before the error is told");
}

fn groups_hear_of_those_that_never_ran() {
    let _occupied = Occupied::default();
    let mut group = FutureGroup::new();
    let future = spawn_future(|| 1);
    future.cancel();
    group.add(future);
    assert_eq!(group.join_any(), Err(CANCELLED));
    let late = spawn(|| 2);
    let cancelled = late.thread().clone();
    group.add(late.into());
    assert_eq!(group.select(), Ok(Completed { index: 0, result: Err(CANCELLED) }));
    // The other one waits for a carrier: nobody can cancel it but a drop, which detaches.
    let short = Duration::from_millis(1);
    assert_eq!(group.join_any_timeout(short), Err(ConcurrencyError::Timeout));
    drop((group, cancelled));

    let (joined, joiner) = (spawn_future(|| 3), FutureGroup::<u8>::new());
    joined.cancel();
    assert_eq!((joined.join(), joiner.is_empty()), (Err(CANCELLED), true));
    assert_eq!(FutureGroup::<u8>::new().join_any(), Err(ConcurrencyError::Closed));
}

fn groups_tell_in_the_order_of_the_ends() {
    let gates: Vec<_> = (0..4).map(|_| Arc::new(Event::new())).collect();
    let mut group = FutureGroup::new();
    for (n, gate) in gates.iter().enumerate() {
        let gate = gate.clone();
        assert_eq!(group.add(spawn_future(move || gate.wait().map(|()| n).unwrap())), n);
    }
    for (left, n) in [2, 0, 3, 1].into_iter().enumerate() {
        gates[n].set();
        assert_eq!(group.join_any(), Ok(&n));
        assert_eq!(group.select(), Ok(Completed { index: n, result: Ok(n) }));
        assert_eq!(group.len(), 3 - left);
    }
    assert_eq!(group.select(), Err(ConcurrencyError::Closed));
    assert_eq!(group.join_all(), Ok(vec![]));
}

fn groups_fail_with_the_worst() {
    let mut group = FutureGroup::new();
    let cancelled = {
        let _occupied = Occupied::default();
        let future = spawn_future(|| 1);
        future.cancel();
        future
    };
    group.add(cancelled);
    group.add(spawn_future(|| 2));
    group.add(spawn_future(|| panic!("{PURPOSE}")));
    let ended = Tally::default();
    let late = ended.clone();
    group.add(spawn_future(move || {
        let _one = late.one();
        drift::sleep(Duration::from_millis(3)).map_or(0, |()| 3)
    }));
    let failed = group.join_all();
    let is_panic = matches!(failed, Err(ConcurrencyError::Failed(drift::Error::Panic(_))));
    assert!(is_panic, "{failed:?}");
    assert_eq!((ended.made(), ended.dropped()), (1, 1), "all have ended");
}

fn a_handle_that_is_dropped_detaches() {
    let (sender, receiver) = drift::sync::unbounded();
    drop(spawn(move || sender.send(1).unwrap()));
    assert_eq!(receiver.recv(), Ok(1));
}
