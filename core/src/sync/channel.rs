//! Values from senders to receivers, in order; many of each.
//!
//! A channel is a buffer, of whatever kind, and two lists of waiters under one lock. The buffer's
//! owner decides how much it holds: nothing (every send meets a receive), a number, or all.
//!
//! | event   | waiting       | buffer   | does                                               |
//! |---------|---------------|----------|----------------------------------------------------|
//! | send    | a receiver    | (empty)  | hands the value over                               |
//! | send    | no receiver   | has room | puts it in                                         |
//! | send    | no receiver   | full     | waits with it                                      |
//! | receive | any           | has some | takes the first; the first sender's goes in behind |
//! | receive | a sender      | empty    | takes it from the sender (a buffer without room)   |
//! | receive | no sender     | empty    | waits for it; `Closed` if it is                    |
//! | close   | both          | any      | all go on: senders with their values, and without  |
//! |         |               |          | any for receivers                                  |
//!
//! Values are moved under the lock, and never dropped there. Large ones are their owner's to box: a
//! move under a lock is as long as the value.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the `value` of a linked waiter leads to an
//! `Option<B::Item>` in the frame of who waits, which is theirs again once it is unlinked.
#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use crate::error::ConcurrencyError;
use crate::prim::{SpinGuard, SpinLock, UnsafeCell, const_unless_loom};
use crate::queues::waiters::{Popped, Sleeper, Waiter, Waiters};
use crate::sync::select::{Arm, Link};
use crate::task::reason::WaitsFor;
use crate::wait::bounds::Wait;
use crate::wait::wait_queue::{Queue, Waited};
use crate::wait::wake;

/// What a channel keeps values in: first in, first out. Its calls run under a lock: they move
/// values and links, and neither drop, allocate nor free.
pub trait Buffer {
    /// What it keeps.
    type Item;
    /// Room that was made outside the lock, or is not needed any more and freed outside.
    type Room;

    /// Puts `item` in; takes `room` if it needs some.
    ///
    /// # Errors
    /// The item, if it is full, or needs room and was given none.
    fn push(&mut self, item: Self::Item, room: &mut Option<Self::Room>) -> Result<(), Self::Item>;

    /// Takes the first out, and room that is not needed any more.
    fn pop(&mut self) -> Option<(Self::Item, Option<Self::Room>)>;

    /// Makes room, without the lock.
    fn more() -> Self::Room;

    /// Whether it takes another item, given room.
    fn is_full(&self) -> bool;

    /// How many it has.
    fn len(&self) -> usize;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A value that could not be sent, and why: `Closed`, `Cancelled`, `Timeout`, or `Busy` for a
/// full buffer.
pub type Refused<T> = (T, ConcurrencyError);

/// See the module's head.
pub struct Channel<B: Buffer>(SpinLock<State<B>>);

struct State<B: Buffer> {
    buffer: B,
    is_closed: bool,
    receivers: Waiters,
    senders: Waiters,
    /// They go from thread to thread, also through a buffer that keeps none: so both must be
    /// `Send` for a channel to be shared.
    moved: PhantomData<(B::Item, B::Room)>,
}

/// Where a waiter has, or wants, a value.
///
/// # Safety
/// `popped` came from one of this channel's lists, whose lock is still held.
unsafe fn place<T>(popped: &Popped) -> *mut Option<T> {
    popped.value.cast()
}

/// What one look at a channel came to.
enum Seen<T> {
    /// Done; somebody has to be set going, and room freed, after the unlock.
    Done(T, Option<Popped>),
    Closed,
    /// The buffer needs room, to be made without the lock.
    Grows,
    /// It has to wait.
    Waits,
}

impl<B: Buffer> State<B> {
    /// Sends what `item` holds, unless it has to wait.
    fn send(&mut self, item: &mut Option<B::Item>, room: &mut Option<B::Room>) -> Seen<()> {
        if self.is_closed {
            return Seen::Closed;
        }
        let own = item.take().expect("a send has something to send");
        if let Some(popped) = self.receivers.pop() {
            // SAFETY: just popped, under the lock.
            let place = unsafe { place(&popped) };
            // SAFETY: a waiting receiver's place, which is empty.
            unsafe { ptr::write(place, Some(own)) };
            return Seen::Done((), Some(popped));
        }
        match self.buffer.push(own, room) {
            Ok(()) => Seen::Done((), None),
            Err(own) => {
                *item = Some(own);
                if self.buffer.is_full() { Seen::Waits } else { Seen::Grows }
            }
        }
    }

    /// Receives, unless it has to wait. Room that is not needed any more goes to `room`.
    fn receive(&mut self, room: &mut Option<B::Room>) -> Seen<B::Item> {
        let first = self.buffer.pop();
        let sender = self.senders.pop();
        let theirs = sender.as_ref().and_then(|popped| {
            // SAFETY: just popped, under the lock.
            let place = unsafe { place::<B::Item>(popped) };
            // SAFETY: a waiting sender's place, which has its value.
            unsafe { &mut *place }.take()
        });
        match (first, theirs) {
            (Some((item, freed)), theirs) => {
                *room = freed;
                if let Some(theirs) = theirs {
                    let pushed = self.buffer.push(theirs, room);
                    assert!(pushed.is_ok(), "one was taken out, so there is room for one");
                }
                Seen::Done(item, sender)
            }
            (None, Some(item)) => Seen::Done(item, sender),
            (None, None) if self.is_closed => Seen::Closed,
            (None, None) => Seen::Waits,
        }
    }
}

fn receivers<B: Buffer>(state: &mut State<B>) -> &mut Waiters {
    &mut state.receivers
}

fn senders<B: Buffer>(state: &mut State<B>) -> &mut Waiters {
    &mut state.senders
}

/// Sets going who was popped, without the lock.
fn resume(popped: Option<Popped>) {
    if let Some(popped) = popped {
        popped.resume();
    }
}

impl<B: Buffer> Channel<B> {
    const_unless_loom! {
        /// Open, with what is in `buffer`.
        pub fn new(buffer: B) -> Self {
            let (receivers, senders) = (Waiters::new(), Waiters::new());
            let is_closed = false;
            Self(SpinLock::new(State { buffer, is_closed, receivers, senders, moved: PhantomData }))
        }
    }

    fn lock(&self) -> SpinGuard<'_, State<B>> {
        self.0.lock()
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// The item, with `Busy` if it would have to wait, or `Closed`.
    pub fn try_send(&self, item: B::Item) -> Result<(), Refused<B::Item>> {
        let mut item = Some(item);
        let refused = |item: Option<_>, error| Err((item.expect("it was not sent"), error));
        match self.send_now(&mut item) {
            Seen::Done((), _) => Ok(()),
            Seen::Closed => refused(item, ConcurrencyError::Closed),
            Seen::Grows | Seen::Waits => refused(item, ConcurrencyError::Busy),
        }
    }

    /// Sends, and waits for room.
    ///
    /// # Errors
    /// The item, with `Closed`, `Cancelled` or `Timeout`.
    pub fn send(&self, item: B::Item, wait: &Wait) -> Result<(), Refused<B::Item>> {
        let mut item = Some(item);
        let queue = Queue::new(WaitsFor::Send, &self.0, senders);
        let sent = loop {
            match self.send_now(&mut item) {
                Seen::Done((), _) => return Ok(()),
                Seen::Closed => break Err(ConcurrencyError::Closed),
                Seen::Grows | Seen::Waits => {}
            }
            let place = &raw mut item;
            let mut grows = false;
            let mut receiver = None;
            let waits = |state: &mut State<B>| {
                // SAFETY: the place is this call's own while it is not linked.
                match state.send(unsafe { &mut *place }, &mut None) {
                    Seen::Done((), popped) => receiver = popped,
                    Seen::Closed => {}
                    Seen::Grows => grows = true,
                    Seen::Waits => return Some(0),
                }
                None
            };
            let waited = queue.wait_and(wait, place.cast(), waits, || {}, |_, _| {});
            resume(receiver);
            if !grows {
                break waited.map(|_| ());
            }
        };
        match (item, sent) {
            (None, _) => Ok(()),
            (Some(item), Err(error)) => Err((item, error)),
            // Popped with its value: by `close`.
            (Some(item), Ok(())) => Err((item, ConcurrencyError::Closed)),
        }
    }

    /// Receives without waiting.
    ///
    /// # Errors
    /// `Busy` if it would have to wait; `Closed` if nothing will come any more.
    pub fn try_receive(&self) -> Result<B::Item, ConcurrencyError> {
        match self.receive_now() {
            Seen::Done(item, _) => Ok(item),
            Seen::Closed => Err(ConcurrencyError::Closed),
            Seen::Grows | Seen::Waits => Err(ConcurrencyError::Busy),
        }
    }

    /// Receives, and waits for a value.
    ///
    /// # Errors
    /// `Closed` if nothing will come any more; `Cancelled` or `Timeout`.
    pub fn receive(&self, wait: &Wait) -> Result<B::Item, ConcurrencyError> {
        match self.receive_now() {
            Seen::Done(item, _) => return Ok(item),
            Seen::Closed => return Err(ConcurrencyError::Closed),
            Seen::Grows | Seen::Waits => {}
        }
        let mut item: Option<B::Item> = None;
        let place = &raw mut item;
        let (mut room, mut sender) = (None, None);
        let queue = Queue::new(WaitsFor::Receive, &self.0, receivers);
        let waits = |state: &mut State<B>| {
            match state.receive(&mut room) {
                Seen::Done(own, popped) => {
                    // SAFETY: the place is this call's own while it is not linked.
                    unsafe { *place = Some(own) };
                    sender = popped;
                }
                Seen::Closed | Seen::Grows => {}
                Seen::Waits => return Some(0),
            }
            None
        };
        let waited = queue.wait_and(wait, place.cast(), waits, || {}, |_, _| {});
        resume(sender);
        match (item, waited) {
            (Some(item), _) => Ok(item),
            (None, Err(error)) => Err(error),
            (None, Ok(Waited::Yes | Waited::No)) => Err(ConcurrencyError::Closed),
        }
    }

    /// Sends nothing more; what is in the buffer can still be received. Who waits goes on. False
    /// if it was closed before.
    pub fn close(&self) -> bool {
        let mut state = self.lock();
        let was_open = !core::mem::replace(&mut state.is_closed, true);
        if was_open {
            // Nobody links itself any more: receivers wait only while the buffer is empty.
            let pop = |state: &mut State<B>| state.receivers.pop().or_else(|| state.senders.pop());
            wake::wake_each(&self.0, state, pop);
        }
        was_open
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Values in the buffer.
    pub fn len(&self) -> usize {
        self.lock().buffer.len()
    }

    /// Whether nothing is in the buffer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One look, with as much room as it takes. Sets going who was popped.
    fn send_now(&self, item: &mut Option<B::Item>) -> Seen<()> {
        let mut room = None;
        loop {
            let seen = self.lock().send(item, &mut room);
            match seen {
                Seen::Done((), popped) => {
                    resume(popped);
                    return Seen::Done((), None);
                }
                Seen::Grows => room = Some(B::more()),
                other => return other,
            }
        }
    }

    /// One look. Sets going who was popped.
    fn receive_now(&self) -> Seen<B::Item> {
        let mut room = None;
        let seen = self.lock().receive(&mut room);
        match seen {
            Seen::Done(item, popped) => {
                resume(popped);
                Seen::Done(item, None)
            }
            other => other,
        }
    }
}

impl<B: Buffer> fmt::Debug for Channel<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Items need not be `Debug`, and the lock is not taken for this.
        f.write_str("Channel")
    }
}

/// A value of an arm, and its waiter. Both are cells: while the waiter is linked, others write to
/// them under the lock of the list, and no `&mut` may claim otherwise.
#[derive(Debug)]
struct Place<T> {
    item: UnsafeCell<Option<T>>,
    waiter: UnsafeCell<Waiter>,
}

impl<T> Place<T> {
    fn new(item: Option<T>) -> Self {
        let waiter = Waiter::new(ptr::null(), 0, ptr::null_mut());
        Self { item: UnsafeCell::new(item), waiter: UnsafeCell::new(waiter) }
    }

    /// While it is not linked: the value, alone.
    fn item(&mut self) -> &mut Option<T> {
        // SAFETY: not linked, as every caller is called only then; so `self` is the one way to it.
        self.item.with_mut(|item| unsafe { &mut *item })
    }

    fn waiter(&self) -> NonNull<Waiter> {
        self.waiter.with_mut(|waiter| NonNull::new(waiter).expect("a field has an address"))
    }

    /// Links it.
    ///
    /// # Safety
    /// It is not linked, and stays where it is, with the sleeper, until `remove`.
    unsafe fn push(&self, list: &mut Waiters, sleeper: *const Sleeper, tag: u32) {
        let value = self.item.with_mut(<*mut _>::cast);
        // SAFETY: not linked, so nobody else knows it.
        unsafe { self.waiter().write(Waiter::new(sleeper, tag, value)) };
        // SAFETY: the caller's promise.
        unsafe { list.push(self.waiter()) };
    }

    /// Unlinks it, if nobody popped it.
    ///
    /// # Safety
    /// It was pushed to `list`.
    unsafe fn remove(&self, list: &mut Waiters) {
        // SAFETY: the caller's promise.
        unsafe { list.remove(self.waiter()) };
    }
}

/// To receive, as one of the things that a `select` waits for.
#[derive(Debug)]
pub struct Receive<'a, B: Buffer> {
    channel: &'a Channel<B>,
    place: Place<B::Item>,
}

/// To send, as one of the things that a `select` waits for.
#[derive(Debug)]
pub struct Send<'a, B: Buffer> {
    channel: &'a Channel<B>,
    place: Place<B::Item>,
}

impl<'a, B: Buffer> Receive<'a, B> {
    /// From `channel`.
    pub fn new(channel: &'a Channel<B>) -> Self {
        Self { channel, place: Place::new(None) }
    }

    /// After this arm was chosen.
    ///
    /// # Errors
    /// `Closed` if nothing will come any more.
    pub fn finish(mut self) -> Result<B::Item, ConcurrencyError> {
        self.place.item().take().ok_or(ConcurrencyError::Closed)
    }
}

impl<'a, B: Buffer> Send<'a, B> {
    /// `item`, to `channel`.
    pub fn new(channel: &'a Channel<B>, item: B::Item) -> Self {
        Self { channel, place: Place::new(Some(item)) }
    }

    /// After this arm was chosen; or after another was, to have the item back.
    ///
    /// # Errors
    /// The item, if it was not sent.
    pub fn finish(mut self) -> Result<(), Refused<B::Item>> {
        let item = self.place.item().take();
        item.map_or(Ok(()), |item| Err((item, ConcurrencyError::Closed)))
    }
}

// SAFETY: under the channel's lock, `link` pushes or says that it has not, and `unlink` removes.
unsafe impl<B: Buffer> Arm for Receive<'_, B> {
    fn attempt(&mut self) -> bool {
        match self.channel.receive_now() {
            Seen::Done(item, _) => *self.place.item() = Some(item),
            Seen::Closed => {}
            Seen::Grows | Seen::Waits => return false,
        }
        true
    }

    unsafe fn link(&self, sleeper: *const Sleeper, tag: u32) -> Link {
        let mut state = self.channel.lock();
        if !state.buffer.is_empty() || state.senders.has_other(sleeper) || state.is_closed {
            return Link::Ready;
        }
        // SAFETY: the caller keeps the arm in place until `unlink`.
        unsafe { self.place.push(&mut state.receivers, sleeper, tag) };
        Link::Done
    }

    unsafe fn unlink(&self) {
        // SAFETY: `link` pushed it there.
        unsafe { self.place.remove(&mut self.channel.lock().receivers) };
    }
}

// SAFETY: as for `Receive`.
unsafe impl<B: Buffer> Arm for Send<'_, B> {
    fn attempt(&mut self) -> bool {
        !matches!(self.channel.send_now(self.place.item()), Seen::Waits)
    }

    unsafe fn link(&self, sleeper: *const Sleeper, tag: u32) -> Link {
        let mut state = self.channel.lock();
        if !state.buffer.is_full() || state.receivers.has_other(sleeper) || state.is_closed {
            return Link::Ready;
        }
        // SAFETY: the caller keeps the arm in place until `unlink`.
        unsafe { self.place.push(&mut state.senders, sleeper, tag) };
        Link::Done
    }

    unsafe fn unlink(&self) {
        // SAFETY: `link` pushed it there.
        unsafe { self.place.remove(&mut self.channel.lock().senders) };
    }
}

#[cfg(all(test, loom))]
mod loom;
