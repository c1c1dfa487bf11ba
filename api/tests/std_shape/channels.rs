//! As `std::sync::mpsc`.

use drift::sync::{Receiver, Sender, bounded, unbounded};
use drift::{ConcurrencyError, Duration, spawn};

use crate::everywhere;

#[test]
fn a_reference_to_a_receiver_is_iterated() {
    everywhere(|| {
        let (to, from) = unbounded();
        let sender = spawn(move || (0..100).for_each(|n| to.send(n).unwrap()));
        let mut all = Vec::new();
        for n in &from {
            all.push(n);
        }
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        // The receiver is still there.
        assert_eq!(from.recv(), Err(ConcurrencyError::Closed));
        sender.join().unwrap();
    });
}

#[test]
fn try_iter_takes_what_is_there() {
    everywhere(|| {
        let (to, from) = unbounded();
        assert_eq!(from.try_iter().count(), 0);
        (0..3).for_each(|n| to.send(n).unwrap());
        assert_eq!(from.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        to.send(3).unwrap();
        drop(to);
        assert_eq!(from.try_iter().collect::<Vec<_>>(), [3], "also after the last sender");
        assert_eq!(from.try_iter().next(), None);
        // Of senders that wait, too.
        let (to, from) = bounded(0);
        let other = spawn(move || to.send(7));
        while from.try_iter().next() != Some(7) {
            drift::yield_now();
        }
        other.join().unwrap().unwrap();
    });
}

#[test]
fn iterators_go_on_from_each_other() {
    everywhere(|| {
        let (to, from) = unbounded();
        (0..4).for_each(|n| to.send(n).unwrap());
        drop(to);
        assert_eq!(from.iter().next(), Some(0));
        assert_eq!(from.try_iter().next(), Some(1));
        assert_eq!((&from).into_iter().next(), Some(2));
        assert_eq!(from.into_iter().collect::<Vec<_>>(), [3]);
    });
}

#[test]
fn ends_tell_how_much_room_there_is() {
    fn told<T>(to: &Sender<T>, from: &Receiver<T>) -> (Option<usize>, usize, bool, bool) {
        let told = (to.capacity(), to.len(), to.is_empty(), to.is_full());
        assert_eq!(told, (from.capacity(), from.len(), from.is_empty(), from.is_full()));
        told
    }
    let (to, from) = bounded(2);
    assert_eq!(told(&to, &from), (Some(2), 0, true, false));
    to.send(1).unwrap();
    assert_eq!(told(&to, &from), (Some(2), 1, false, false));
    to.send(2).unwrap();
    assert_eq!(told(&to, &from), (Some(2), 2, false, true));
    assert_eq!(to.try_send(3).unwrap_err().error, ConcurrencyError::Busy);
    let (to, from) = bounded::<u8>(0);
    assert_eq!(told(&to, &from), (Some(0), 0, true, true));
    let (to, from) = unbounded();
    to.send(1).unwrap();
    assert_eq!(told(&to, &from), (None, 1, false, false));
}

#[test]
fn ends_know_their_channel() {
    let ((to, from), (other_to, other_from)) = (bounded::<u8>(1), bounded::<u8>(1));
    assert!(to.same_channel(&to.clone()) && from.same_channel(&from.clone()));
    assert!(!to.same_channel(&other_to) && !from.same_channel(&other_from));
}

#[test]
fn results_go_on_as_those_of_std() {
    everywhere(|| {
        fn all(from: &Receiver<u32>) -> Result<u32, Box<dyn std::error::Error>> {
            let first = from.recv()?;
            let second = from.recv_timeout(Duration::from_secs(60))?;
            let third = from.try_recv()?;
            Ok(first + second + third + from.recv()?)
        }
        let (to, from) = unbounded();
        (1..=3).for_each(|n| to.send(n).unwrap());
        drop(to);
        assert_eq!(all(&from).unwrap_err().to_string(), ConcurrencyError::Closed.to_string());
        let (to, _) = unbounded();
        let unsent = to.send(5).unwrap_err();
        assert_eq!(unsent.value, 5);
    });
}
