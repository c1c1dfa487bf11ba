//! Channels and selects: every value arrives once, or stays with its sender.

use loom::sync::Arc;

use super::{Channel, Receive, Send};
use crate::error::ConcurrencyError;
use crate::sync::loom::{STAGE, beside, joined, model_of_three};
use crate::sync::select::{Numbered, select};
use crate::sync::stage::{Bounded, Unbounded};
use crate::wait::bounds::Wait;

type Numbers = Channel<Bounded<u32>>;

fn bounded(limit: usize) -> Numbers {
    Channel::new(Bounded::new(limit))
}

/// What is left in it, without waiting.
fn rest(channel: &Numbers) -> std::vec::Vec<u32> {
    std::iter::from_fn(|| channel.try_receive().ok()).collect()
}

#[test]
fn a_value_is_handed_over_without_a_buffer() {
    loom::model(|| {
        let channel = Arc::new(bounded(0));
        let theirs = beside(&channel, |channel| channel.send(7, &STAGE.forever()));
        assert_eq!(channel.receive(&STAGE.forever()), Ok(7));
        assert_eq!(theirs.join().unwrap(), Ok(()));
        assert_eq!(channel.try_receive(), Err(ConcurrencyError::Busy));
    });
}

#[test]
fn values_keep_their_order_through_a_buffer_of_one() {
    loom::model(|| {
        let channel = Arc::new(bounded(1));
        let theirs = beside(&channel, |channel| {
            for value in 1..=3 {
                channel.send(value, &STAGE.forever()).unwrap();
            }
        });
        for value in 1..=3 {
            assert_eq!(channel.receive(&STAGE.forever()), Ok(value));
        }
        theirs.join().unwrap();
        assert_eq!(channel.len(), 0);
    });
}

fn two_senders(limit: usize) {
    let channel = Arc::new(bounded(limit));
    let send = |value| move |channel: &Numbers| channel.send(value, &STAGE.forever()).unwrap();
    let theirs = [beside(&channel, send(1)), beside(&channel, send(2))];
    let received = [(); 2].map(|()| channel.receive(&STAGE.forever()).unwrap());
    assert!(received == [1, 2] || received == [2, 1], "{received:?}");
    joined(theirs);
    assert!(rest(&channel).is_empty());
}

#[test]
fn every_value_of_two_senders_arrives_once() {
    model_of_three(|| two_senders(0));
    model_of_three(|| two_senders(1));
}

#[test]
fn every_value_goes_to_one_of_two_receivers() {
    model_of_three(|| {
        let channel = Arc::new(bounded(1));
        let receive = |channel: &Numbers| channel.receive(&STAGE.forever()).unwrap();
        let theirs = [beside(&channel, receive), beside(&channel, receive)];
        channel.send(1, &STAGE.forever()).unwrap();
        channel.send(2, &STAGE.forever()).unwrap();
        let received = joined(theirs);
        assert!(received == [1, 2] || received == [2, 1], "{received:?}");
    });
}

#[test]
fn a_channel_with_room_for_all_never_makes_a_sender_wait() {
    model_of_three(|| {
        let channel = Arc::new(Channel::new(Unbounded::new()));
        let send =
            |value| move |channel: &Channel<Unbounded<u32>>| channel.try_send(value).unwrap();
        let theirs = [beside(&channel, send(1)), beside(&channel, send(2))];
        let received = [(); 2].map(|()| channel.receive(&STAGE.forever()).unwrap());
        assert!(received == [1, 2] || received == [2, 1], "{received:?}");
        joined(theirs);
        assert!(channel.is_empty());
    });
}

/// A close against a send: the value is in the channel or came back.
fn close_against_send(limit: usize, values: u32) {
    let channel = Arc::new(bounded(limit));
    let theirs = beside(&channel, move |channel| {
        let mut sent = std::vec::Vec::new();
        for value in 0..values {
            match channel.send(value, &STAGE.forever()) {
                Ok(()) => sent.push(value),
                Err(refused) => assert_eq!(refused, (value, ConcurrencyError::Closed)),
            }
        }
        sent
    });
    assert!(channel.close());
    let sent = theirs.join().unwrap();
    assert_eq!(rest(&channel), sent);
    assert_eq!(channel.try_receive(), Err(ConcurrencyError::Closed));
    assert!(!channel.close());
}

#[test]
fn a_send_that_a_close_ends_has_its_value_back() {
    loom::model(|| close_against_send(0, 1));
    loom::model(|| close_against_send(1, 2));
}

#[test]
fn a_close_ends_a_receive_behind_what_is_in_the_buffer() {
    loom::model(|| {
        let channel = Arc::new(bounded(1));
        let theirs = beside(&channel, |channel| {
            assert_eq!(channel.receive(&STAGE.forever()), Ok(1));
            assert_eq!(channel.receive(&STAGE.forever()), Err(ConcurrencyError::Closed));
        });
        channel.try_send(1).unwrap();
        channel.close();
        theirs.join().unwrap();
    });
}

#[test]
fn a_value_that_comes_as_the_time_of_a_receive_runs_out_is_not_lost() {
    loom::model(|| {
        for limit in 0..2 {
            let channel = Arc::new(bounded(limit));
            let theirs = beside(&channel, |channel| channel.receive(&STAGE.briefly()).ok());
            let sent = channel.try_send(7).ok().map(|()| 7);
            let received = theirs.join().unwrap();
            assert_eq!(received.or_else(|| rest(&channel).pop()), sent);
        }
    });
}

#[test]
fn a_value_whose_send_runs_out_of_time_is_in_one_place() {
    loom::model(|| {
        for limit in 0..2 {
            let channel = Arc::new(bounded(limit));
            if limit == 1 {
                channel.try_send(6).unwrap();
            }
            let theirs = beside(&channel, |channel| channel.send(7, &STAGE.briefly()));
            let mut received: std::vec::Vec<_> = channel.try_receive().into_iter().collect();
            let sent = theirs.join().unwrap();
            received.extend(rest(&channel));
            assert!(sent == Ok(()) || sent == Err((7, ConcurrencyError::Timeout)));
            assert_eq!(received.contains(&7), sent.is_ok());
            assert_eq!(received.len(), limit + usize::from(sent.is_ok()));
        }
    });
}

/// Receives from the first of two; which, and what.
fn select_two(
    [first, second]: [&Numbers; 2],
    wait: &Wait,
) -> Result<(u32, Result<u32, ConcurrencyError>), ConcurrencyError> {
    let (mut first, mut second) = (Receive::new(first), Receive::new(second));
    let chosen = select(&mut [(0, &mut first), (1, &mut second)], wait)?;
    let (chosen_one, other) = if chosen == 0 { (first, second) } else { (second, first) };
    assert_eq!(other.finish(), Err(ConcurrencyError::Closed), "one outcome");
    Ok((chosen, chosen_one.finish()))
}

#[test]
fn a_select_receives_from_one_of_two() {
    model_of_three(|| {
        let channels = Arc::new([bounded(0), bounded(0)]);
        let send = |index: usize| {
            move |channels: &[Numbers; 2]| {
                channels[index].send(index as u32, &STAGE.briefly()).is_ok()
            }
        };
        let theirs = [beside(&channels, send(0)), beside(&channels, send(1))];
        let received = select_two(channels.each_ref(), &STAGE.briefly());
        let sent = joined(theirs);
        match received {
            Ok((index, value)) => {
                assert_eq!(value, Ok(index));
                assert_eq!(sent, [index == 0, index == 1]);
            }
            Err(error) => {
                assert_eq!(error, ConcurrencyError::Timeout);
                assert_eq!(sent, [false, false]);
            }
        }
    });
}

#[test]
fn a_select_misses_no_value_and_takes_only_one() {
    model_of_three(|| {
        let channels = Arc::new([bounded(1), bounded(1)]);
        let send =
            |index: usize| move |channels: &[Numbers; 2]| channels[index].try_send(7).unwrap();
        let theirs = [beside(&channels, send(0)), beside(&channels, send(1))];
        let (chosen, value) = select_two(channels.each_ref(), &STAGE.forever()).unwrap();
        assert_eq!(value, Ok(7));
        joined(theirs);
        assert_eq!(rest(&channels[chosen as usize]), []);
        assert_eq!(rest(&channels[1 - chosen as usize]), [7]);
    });
}

#[test]
fn a_select_that_runs_out_of_time_leaves_the_value() {
    loom::model(|| {
        let channels = Arc::new([bounded(0), bounded(1)]);
        let theirs = beside(&channels, |channels| {
            (channels[0].try_send(1).is_ok(), channels[1].try_send(2).is_ok())
        });
        let received = select_two(channels.each_ref(), &STAGE.briefly());
        let sent = theirs.join().unwrap();
        assert!(sent.1);
        match received {
            Ok((0, value)) => assert!(value == Ok(1) && sent.0 && rest(&channels[1]) == [2]),
            Ok((_, value)) => assert!(value == Ok(2) && !sent.0 && rest(&channels[1]).is_empty()),
            Err(_) => assert!(!sent.0 && rest(&channels[1]) == [2]),
        }
    });
}

#[test]
fn a_close_ends_a_select() {
    loom::model(|| {
        let channels = Arc::new([bounded(0), bounded(1)]);
        let theirs = beside(&channels, |channels| {
            select_two(channels.each_ref(), &STAGE.forever()).unwrap()
        });
        channels[1].close();
        assert_eq!(theirs.join().unwrap(), (1, Err(ConcurrencyError::Closed)));
    });
}

/// Sends `value` to one or receives from the other, whichever comes first: whether it sent, and
/// what it received.
fn exchange(to: &Numbers, value: u32, from: &Numbers, wait: &Wait) -> (bool, Option<u32>) {
    let (mut send, mut receive) = (Send::new(to, value), Receive::new(from));
    let arms: &mut [Numbered<'_>] = &mut [(0, &mut send), (1, &mut receive)];
    match select(arms, wait) {
        Ok(0) => {
            assert!(receive.finish().is_err(), "one outcome");
            assert!(send.finish().is_ok());
            (true, None)
        }
        Ok(_) => {
            assert_eq!(send.finish().map_err(|(item, _)| item), Err(value), "one outcome");
            (false, receive.finish().ok())
        }
        Err(error) => {
            assert_eq!(error, ConcurrencyError::Timeout);
            assert!(send.finish().is_err() && receive.finish().is_err(), "no outcome");
            (false, None)
        }
    }
}

#[test]
fn two_selects_on_crossed_channels_meet_in_one_of_them() {
    loom::model(|| {
        let channels = Arc::new([bounded(0), bounded(0)]);
        let theirs =
            beside(&channels, |[first, second]| exchange(second, 2, first, &STAGE.forever()));
        let ours = exchange(&channels[0], 1, &channels[1], &STAGE.forever());
        match (ours, theirs.join().unwrap()) {
            ((true, None), (false, Some(1))) | ((false, Some(2)), (true, None)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_select_does_not_meet_itself() {
    loom::model(|| {
        let channel = Arc::new(bounded(0));
        assert_eq!(exchange(&channel, 1, &channel, &STAGE.briefly()), (false, None));
        let theirs = beside(&channel, |channel| channel.receive(&STAGE.briefly()).ok());
        let ours = exchange(&channel, 1, &channel, &STAGE.briefly());
        let theirs = theirs.join().unwrap();
        assert_eq!(ours, (theirs.is_some(), None));
        assert!(theirs.is_none_or(|value| value == 1));
    });
}

#[test]
fn two_selects_on_both_ends_of_one_channel_meet() {
    loom::model(|| {
        let channel = Arc::new(bounded(0));
        let theirs = beside(&channel, |channel| exchange(channel, 2, channel, &STAGE.forever()));
        let ours = exchange(&channel, 1, &channel, &STAGE.forever());
        match (ours, theirs.join().unwrap()) {
            ((true, None), (false, Some(1))) | ((false, Some(2)), (true, None)) => {}
            other => panic!("{other:?}"),
        }
    });
}
