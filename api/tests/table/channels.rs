//! Channels and `select!`.

use drift::ConcurrencyError;
use drift::sync::{bounded, select};

use super::Row;
use super::cells::{Column, Subject, Token};

const NO_HOLDER: (Column, &str) = (Column::PanicInHolder, "nobody has a channel");

pub fn rows() -> Vec<Row> {
    let free: &[_] = &[NO_HOLDER];
    vec![
        Row { name: "Sender::send", make: send, without: free },
        Row { name: "Sender::send, a meeting", make: send_meeting, without: free },
        Row { name: "Receiver::recv", make: receive, without: free },
        Row { name: "Receiver::recv, a meeting", make: receive_meeting, without: free },
        Row { name: "select! recv", make: select_receive, without: free },
        Row { name: "select! send", make: select_send, without: free },
        Row { name: "select! of both", make: select_both, without: free },
    ]
}

/// Full, so that a send waits.
fn send(token: &Token) -> Subject {
    let (sender, receiver) = bounded(1);
    sender.send(token.clone()).unwrap();
    sends(token, sender, receiver.clone(), move || drop(receiver.recv()))
}

/// A send meets a receive, which another virtual thread does.
fn send_meeting(token: &Token) -> Subject {
    let (sender, receiver) = bounded(0);
    let other = receiver.clone();
    sends(token, sender, receiver, move || {
        let receiver = other.clone();
        drop(drift::spawn(move || receiver.recv()));
    })
}

fn sends(
    token: &Token,
    sender: drift::sync::Sender<Token>,
    receiver: drift::sync::Receiver<Token>,
    satisfy: impl Fn() + Send + Sync + 'static,
) -> Subject {
    let (timed, sent, other) = (sender.clone(), token.clone(), token.clone());
    Subject::new(
        move || sender.send(sent.clone()).map_err(|refused| refused.error),
        move |_| {
            satisfy();
        },
    )
    .timed(move |time| timed.send_timeout(other.clone(), time).map_err(|refused| refused.error))
    .close(move || receiver.close())
}

fn receive(token: &Token) -> Subject {
    receives(token, 1)
}

fn receive_meeting(token: &Token) -> Subject {
    receives(token, 0)
}

fn receives(token: &Token, limit: usize) -> Subject {
    let (sender, receiver) = bounded(limit);
    let (timed, closes, sent) = (receiver.clone(), sender.clone(), token.clone());
    let satisfy = move |_: Option<&_>| {
        let (sender, sent) = (sender.clone(), sent.clone());
        drop(drift::spawn(move || sender.send(sent)));
    };
    Subject::new(move || receiver.recv().map(drop), satisfy)
        .timed(move |time| timed.recv_timeout(time).map(drop))
        .close(move || closes.close())
}

fn select_receive(token: &Token) -> Subject {
    let (sender, receiver) = bounded(1);
    let (never, nothing) = bounded::<Token>(1);
    let (timed, timed_nothing, never_closed) = (receiver.clone(), nothing.clone(), never);
    let (closes, sent) = (sender.clone(), token.clone());
    let wait = move || {
        select! {
            recv(nothing) -> _value => unreachable!("nobody sends there"),
            recv(receiver) -> value => value.map(drop),
        }?
    };
    Subject::new(wait, move |_| drop(sender.send(sent.clone())))
        .timed(move |time| {
            select! {
                recv(timed) -> value => value.map(drop),
                recv(timed_nothing) -> _value => unreachable!("nobody sends there"),
                after(time) => Err(ConcurrencyError::Timeout),
            }?
        })
        .close(move || {
            let _kept = &never_closed;
            closes.close();
        })
}

fn select_send(token: &Token) -> Subject {
    let (sender, receiver) = bounded(1);
    sender.send(token.clone()).unwrap();
    let (timed, closes) = (sender.clone(), sender.clone());
    let (sent, other) = (token.clone(), token.clone());
    let wait = move || {
        select! {
            send(sender, sent.clone()) -> done => done.map_err(|refused| refused.error),
        }?
    };
    Subject::new(wait, move |_| drop(receiver.recv()))
        .timed(move |time| {
            select! {
                send(timed, other.clone()) -> done => done.map_err(|refused| refused.error),
                until(drift::Instant::now() + time) => Err(ConcurrencyError::Timeout),
            }?
        })
        .close(move || closes.close())
}

/// Sends to one and receives from another; both are ready when it is let go on.
fn select_both(token: &Token) -> Subject {
    let (into, out_of) = bounded(1);
    let (sender, receiver) = bounded(1);
    into.send(token.clone()).unwrap();
    let (timed_in, timed_from, closes) = (into.clone(), receiver.clone(), sender.clone());
    let (sent, other, more) = (token.clone(), token.clone(), token.clone());
    let wait = move || {
        select! {
            send(into, sent.clone()) -> done => done.map_err(|refused| refused.error),
            recv(receiver) -> value => value.map(drop),
        }?
    };
    Subject::new(wait, move |_| {
        let _ = sender.try_send(more.clone());
        drop(out_of.try_recv());
    })
    .timed(move |time| {
        select! {
            send(timed_in, other.clone()) -> done => done.map_err(|refused| refused.error),
            recv(timed_from) -> value => value.map(drop),
            after(time) => Err(ConcurrencyError::Timeout),
        }?
    })
    .close(move || closes.close())
}
