//! What an arm of `select!` may look like, and where it may stand.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use drift::sync::{Mutex, Receiver, Sender, bounded, select, unbounded};
use drift::{ConcurrencyError, Duration, Instant};

use crate::harness::Case;

pub const CASES: &[Case] = cases![
    a_channel_is_any_expression,
    what_an_arm_borrows_is_given_back_before_the_body,
    default_stands_anywhere,
    the_last_three_stand_alone,
    blocks_need_no_comma,
    trailing_commas_are_allowed,
    patterns_take_values_apart,
    arms_are_evaluated_once_and_in_order,
    many_arms_are_one_selection,
];

/// A channel with one value in it.
fn with(value: u32) -> (Sender<u32>, Receiver<u32>) {
    let (sender, receiver) = unbounded();
    sender.send(value).unwrap();
    (sender, receiver)
}

struct Owner {
    ends: Vec<(Sender<u32>, Receiver<u32>)>,
}

impl Owner {
    fn end(&self, index: usize) -> &Receiver<u32> {
        &self.ends[index].1
    }
}

fn a_channel_is_any_expression() {
    let owner = Owner { ends: vec![with(1), with(2)] };
    assert_eq!(select! { recv(owner.ends[0].1) -> n => n }, Ok(Ok(1)));
    assert_eq!(select! { recv(owner.end(1)) -> n => n }, Ok(Ok(2)));
    assert_eq!(select! { recv(&owner.ends[0].1) -> n => n.is_ok(), default => false }, Ok(false));
    // Made for this selection only.
    assert_eq!(select! { recv(with(3).1) -> n => n }, Ok(Ok(3)));
    assert_eq!(select! { recv({ let ends = with(4); ends.1 }) -> n => n }, Ok(Ok(4)));
    assert_eq!(select! { recv(if true { with(5).1 } else { with(6).1 }) -> n => n }, Ok(Ok(5)));
    let shared = Arc::new(with(7).1);
    assert_eq!(select! { recv(shared) -> n => n }, Ok(Ok(7)));
    let boxed: Box<Receiver<u32>> = Box::new(with(8).1);
    assert_eq!(select! { recv(boxed) -> n => n }, Ok(Ok(8)));
    let by_name = HashMap::from([("nine", with(9))]);
    assert_eq!(select! { recv(by_name["nine"].1) -> n => n }, Ok(Ok(9)));
    assert_eq!(
        select! { recv(by_name.get("nine").unwrap().1.clone()) -> n => n.is_ok(),
        default => false },
        Ok(false)
    );
    let (to, from) = unbounded();
    assert_eq!(select! { send(std::convert::identity(&to), 10) -> sent => sent.is_ok() }, Ok(true));
    assert_eq!(select! { send(&&to.clone(), 11) -> sent => sent.is_ok() }, Ok(true));
    assert_eq!([from.recv(), from.recv()], [Ok(10), Ok(11)]);
    // The value is what the channel carries, also where that takes a coercion.
    let (to, from) = unbounded::<Box<dyn Fn() -> u32 + Send>>();
    assert_eq!(select! { send(to, Box::new(|| 12)) -> sent => sent.is_ok() }, Ok(true));
    assert_eq!(select! { recv(from) -> call => call.unwrap()() }, Ok(12));
}

fn what_an_arm_borrows_is_given_back_before_the_body() {
    let (cell, mutex) = (RefCell::new(vec![with(1).1]), Mutex::new(vec![with(2).1]));
    let first = select! { recv(cell.borrow()[0]) -> n => {
        cell.borrow_mut().clear();
        n
    } };
    let second = select! { recv(mutex.lock().unwrap()[0]) -> n => {
        mutex.lock().unwrap().clear();
        n
    } };
    assert_eq!((first, second), (Ok(Ok(1)), Ok(Ok(2))));
    let nothing = select! {
        recv(mutex.lock().unwrap().first().cloned().unwrap_or_else(|| with(3).1)) -> n => n.ok(),
        default => mutex.lock().unwrap().pop().map(|_| 0),
    };
    assert_eq!(nothing, Ok(Some(3)));
}

fn default_stands_anywhere() {
    let (_never, nothing) = bounded::<u32>(0);
    let none: fn() -> u32 = || unreachable!("nobody sends");
    assert_eq!(select! { default => 1, recv(nothing) -> _n => none() }, Ok(1));
    assert_eq!(
        select! {
            recv(nothing) -> _n => none(),
            default => 2,
            recv(nothing) -> _n => none(),
        },
        Ok(2)
    );
    let (_sender, some) = with(3);
    let got = select! {
        after(Duration::from_secs(600)) => none(),
        recv(some) -> n => n.unwrap(),
        recv(nothing) -> _n => none(),
    };
    assert_eq!(got, Ok(3));
    let late = select! {
        until(Instant::now() + Duration::from_millis(1)) => 4,
        recv(nothing) -> _n => none(),
    };
    assert_eq!(late, Ok(4));
}

fn the_last_three_stand_alone() {
    assert_eq!(select! { default => 1 }, Ok(1));
    assert_eq!(select! { default => { 2 } }, Ok(2));
    let began = Instant::now();
    assert_eq!(select! { after(Duration::from_millis(2)) => 3 }, Ok(3));
    assert_eq!(select! { until(began + Duration::from_millis(4)) => 4, }, Ok(4));
    assert!(began.elapsed() >= std::time::Duration::from_millis(4));
}

fn blocks_need_no_comma() {
    let ((to, from), (_never, nothing)) = (with(1), bounded::<u32>(0));
    let got = select! {
        recv(nothing) -> _n => { 0 }
        recv(from) -> n => { n.unwrap() }
        default => { 9 }
    };
    assert_eq!(got, Ok(1));
    let sent = select! {
        send(to, 2) -> sent => { sent.unwrap(); 2 }
        recv(nothing) -> _n => { 0 },
        after(Duration::from_secs(600)) => 9
    };
    assert_eq!(sent, Ok(2));
    let mut count = 0;
    loop {
        select! {
            recv(from) -> _n => { count += 1 }
            default => { break }
        }
        .unwrap();
    }
    assert_eq!(count, 1);
}

fn trailing_commas_are_allowed() {
    let (to, from) = unbounded();
    assert_eq!(select! { send(to, 1,) -> sent => sent.is_ok(), }, Ok(true));
    assert_eq!(
        select! { recv(from,) -> n => n, default => Err(ConcurrencyError::Busy), },
        Ok(Ok(1))
    );
    let none =
        select! { recv(from,) -> n => n.is_ok(), after(Duration::from_millis(1),) => false, };
    assert_eq!(none, Ok(false));
    assert_eq!(select! { until(Instant::now(),) => true, }, Ok(true));
}

fn patterns_take_values_apart() {
    let (to, from) = unbounded();
    to.send(ConcurrencyError::Busy).unwrap();
    let got = select! { recv(from) -> Ok(error) | Err(error) => error };
    assert_eq!(got, Ok(ConcurrencyError::Busy));
    assert_eq!(select! { send(to, ConcurrencyError::Busy) -> _ => 1 }, Ok(1));
    let counted =
        select! { recv(from) -> mut got => { got = got.and(Err(ConcurrencyError::Closed)); got } };
    assert_eq!(counted, Ok(Err(ConcurrencyError::Closed)));
}

fn arms_are_evaluated_once_and_in_order() {
    let seen = RefCell::new(Vec::new());
    let see = |what, ends: (Sender<u32>, Receiver<u32>)| {
        seen.borrow_mut().push(what);
        ends
    };
    let value = |what, value: u32| {
        seen.borrow_mut().push(what);
        value
    };
    let _ = select! {
        recv(see("first", with(1)).1) -> _n => (),
        send(see("second", bounded(0)).0, value("its value", 2)) -> _sent => (),
        recv(see("third", with(3)).1) -> _n => (),
    };
    assert_eq!(*seen.borrow(), ["first", "second", "its value", "third"]);
}

fn many_arms_are_one_selection() {
    let (_never, nothing) = bounded::<u32>(0);
    let (_sender, some) = with(12);
    let got = select! {
        recv(nothing) -> n => n, recv(nothing) -> n => n, recv(nothing) -> n => n,
        recv(nothing) -> n => n, recv(nothing) -> n => n, recv(nothing) -> n => n,
        recv(nothing) -> n => n, recv(nothing) -> n => n, recv(nothing) -> n => n,
        recv(nothing) -> n => n, recv(nothing) -> n => n, recv(some) -> n => n,
        recv(nothing) -> n => n, recv(nothing) -> n => n, recv(nothing) -> n => n,
    };
    assert_eq!(got, Ok(Ok(12)));
}
