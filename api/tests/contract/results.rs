//! Results and captures are dropped exactly once.

use std::sync::Arc;

use drift::sync::Event;
use drift::{Duration, VirtualThread, spawn};

use crate::harness::{Case, Counted, Occupied, Tally};

pub const CASES: &[Case] = cases![
    dropped_once_in_any_order,
    dropped_once_in_any_order_if_not_started,
    dropped_once_by_a_group,
    dropped_once_if_refused,
    a_handle_that_is_dropped_detaches,
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

fn a_handle_that_is_dropped_detaches() {
    let (sender, receiver) = drift::sync::unbounded();
    drop(spawn(move || sender.send(1).unwrap()));
    assert_eq!(receiver.recv(), Ok(1));
}
