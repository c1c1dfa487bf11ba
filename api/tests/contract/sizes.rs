//! Values of any size through a channel: each arrives whole and aligned, comes back whole from a
//! send that fails, and is dropped once.
//!
//! | type                          | why                                                        |
//! |-------------------------------|------------------------------------------------------------|
//! | `Filled<0>`                   | no bytes, but a destructor                                 |
//! | `Filled<1023>`, `1024`        | moved under the lock                                       |
//! | `Filled<1025>`, `65536`       | boxed before the lock is taken                             |
//! | `Aligned<64>`                 | more than an allocator's own alignment, moved              |
//! | `Page<1>`, `Page<4097>`       | a page's alignment, boxed                                  |

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use drift::sync::{Receiver, SendError, Sender, bounded, unbounded};
use drift::{Builder, ConcurrencyError, Duration, VirtualThread, yield_now};

use crate::harness::Case;

pub const CASES: &[Case] = cases![
    values_of_any_size_arrive_whole,
    values_of_any_size_come_back_whole,
    values_of_any_size_are_dropped_once,
];

/// How often the value of each number was dropped; cases run one at a time.
static DROPPED: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];

/// All bytes are its number.
struct Filled<const BYTES: usize>([u8; BYTES]);

/// The same, at a multiple of 64.
#[repr(align(64))]
struct Aligned<const BYTES: usize>(Filled<BYTES>);

/// The same, at a multiple of a page.
#[repr(align(4096))]
struct Page<const BYTES: usize>(Filled<BYTES>);

/// A value that knows its number.
trait Value: Send + 'static {
    fn new(number: u8) -> Self;

    /// Its number; 0 if it has no bytes.
    fn number(&self) -> u8;
}

impl<const BYTES: usize> Value for Filled<BYTES> {
    fn new(number: u8) -> Self {
        Self([number; BYTES])
    }

    fn number(&self) -> u8 {
        let number = self.0.first().copied().unwrap_or(0);
        assert!(self.0.iter().all(|byte| *byte == number), "bytes of several values");
        number
    }
}

impl<const BYTES: usize> Drop for Filled<BYTES> {
    fn drop(&mut self) {
        DROPPED[usize::from(self.number())].fetch_add(1, Ordering::Relaxed);
    }
}

fn is_aligned<T>(value: &T) {
    assert!(ptr::from_ref(value).is_aligned());
}

impl<const BYTES: usize> Value for Aligned<BYTES> {
    fn new(number: u8) -> Self {
        Self(Filled::new(number))
    }

    fn number(&self) -> u8 {
        is_aligned(self);
        self.0.number()
    }
}

impl<const BYTES: usize> Value for Page<BYTES> {
    fn new(number: u8) -> Self {
        Self(Filled::new(number))
    }

    fn number(&self) -> u8 {
        is_aligned(self);
        self.0.number()
    }
}

/// Runs one program for a value of each kind; `made` is how many values it makes, from 1 on. Each
/// of them is dropped once by its end.
macro_rules! of_each_kind {
    ($program:ident, $made:expr) => {
        of_each_kind!(@ $program, $made; Filled<0>, Filled<1023>, Filled<1024>, Filled<1025>,
            Filled<65536>, Aligned<64>, Page<1>, Page<4097>)
    };
    (@ $program:ident, $made:expr; $($kind:ty),*) => {
        $(
            $program::<$kind>();
            settle($made, size_of::<$kind>(), stringify!($kind));
        )*
    };
}

/// Asserts that each value was dropped once, and forgets it.
fn settle(made: u8, bytes: usize, kind: &str) {
    for (number, dropped) in DROPPED.iter().enumerate() {
        let wanted = match (bytes, number) {
            (0, 0) => u32::from(made),
            (0, _) | (_, 0) => 0,
            _ => u32::from(number <= usize::from(made)),
        };
        assert_eq!(dropped.swap(0, Ordering::Relaxed), wanted, "drops of {kind} {number}");
    }
}

/// Spawns `program` on a stack with room for some of the largest values, and returns when it has
/// begun: a program that is cancelled before it begins makes no value.
fn beside<R: Send + 'static>(program: impl FnOnce() -> R + Send + 'static) -> VirtualThread<R> {
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let thread = Builder::new().stack_size(2 << 20).spawn(move || {
        begins.store(true, Ordering::Relaxed);
        program()
    });
    while !begun.load(Ordering::Relaxed) {
        yield_now();
    }
    thread
}

/// The value that arrived is that one.
fn is<T: Value>(value: &T, number: u8) {
    assert_eq!(value.number(), if size_of::<T>() == 0 { 0 } else { number });
}

/// The call gives the same value back.
fn refused<T: Value>(sent: Result<(), SendError<T>>, error: &ConcurrencyError, number: u8) {
    let back = sent.expect_err("it is refused");
    assert_eq!(back.error, *error);
    is(&back.value, number);
}

/// Gives the other virtual thread time to wait in `recv` or `send`. No call tells when it does, and
/// each program ends the same if it does not yet.
fn parked(other: &VirtualThread<()>) {
    for _ in 0..200 {
        yield_now();
    }
    assert!(!other.is_completed());
}

fn arrive<T: Value>() {
    let (to, from) = unbounded();
    to.send(T::new(1)).unwrap();
    to.try_send(T::new(2)).unwrap();
    drift::select! { send(to, T::new(3)) -> sent => sent.unwrap() }.unwrap();
    is(&from.recv().unwrap(), 1);
    is(&from.try_recv().unwrap(), 2);
    drift::select! { recv(from) -> value => is(&value.unwrap(), 3) }.unwrap();

    // To a receiver that waits in `recv`, and to a receiver that waits in `select!`.
    let receives = |from: Receiver<T>| {
        is(&from.recv().unwrap(), 4);
        drift::select! { recv(from) -> value => is(&value.unwrap(), 5) }.unwrap();
        is(&from.recv_timeout(Duration::from_secs(60)).unwrap(), 6);
    };
    let other = beside(move || receives(from));
    for number in 4..=6 {
        parked(&other);
        to.send(T::new(number)).unwrap();
    }
    other.join().unwrap();

    // From a sender that waits in `send`, and from a sender that waits in `select!`.
    let (to, from) = bounded(0);
    let sends = |to: Sender<T>| {
        to.send(T::new(7)).unwrap();
        drift::select! { send(to, T::new(8)) -> sent => sent.unwrap() }.unwrap();
        to.send_timeout(T::new(9), Duration::from_secs(60)).unwrap();
    };
    let other = beside(move || sends(to));
    for number in 7..=9 {
        parked(&other);
        is(&from.recv().unwrap(), number);
    }
    other.join().unwrap();
}

fn values_of_any_size_arrive_whole() {
    of_each_kind!(arrive, 9);
}

fn come_back<T: Value>() {
    let brief = Duration::from_millis(1);
    let (to, from) = bounded(1);
    to.send(T::new(1)).unwrap();
    refused(to.try_send(T::new(2)), &ConcurrencyError::Busy, 2);
    refused(to.send_timeout(T::new(3), brief), &ConcurrencyError::Timeout, 3);
    refused(to.send_timeout(T::new(4), Duration::ZERO), &ConcurrencyError::Timeout, 4);
    let sends = to.clone();
    let other = beside(move || {
        refused(sends.send(T::new(5)), &ConcurrencyError::Cancelled, 5);
    });
    parked(&other);
    other.cancel();
    let _ = other.join();

    // Those that wait as it closes; the selection's other arm never happens.
    let (sends, selects) = (to.clone(), to.clone());
    let (_idle, never) = unbounded::<u8>();
    let waits = beside(move || refused(sends.send(T::new(6)), &ConcurrencyError::Closed, 6));
    let chooses = beside(move || {
        drift::select! {
            send(selects, T::new(7)) -> sent => refused(sent, &ConcurrencyError::Closed, 7),
            recv(never) -> _ => unreachable!(),
        }
        .unwrap();
    });
    parked(&waits);
    parked(&chooses);
    to.close();
    waits.join().unwrap();
    chooses.join().unwrap();
    refused(to.send(T::new(8)), &ConcurrencyError::Closed, 8);
    refused(to.try_send(T::new(9)), &ConcurrencyError::Closed, 9);
    is(&from.recv().unwrap(), 1);
}

fn values_of_any_size_come_back_whole() {
    of_each_kind!(come_back, 9);
}

fn dropped_once<T: Value>() {
    // In the buffer, and with a sender that waits, when the last receiver goes.
    let (to, from) = bounded(2);
    to.send(T::new(1)).unwrap();
    to.send(T::new(2)).unwrap();
    let other = beside(move || drop(to.send(T::new(3))));
    parked(&other);
    drop(from);
    other.join().unwrap();

    // With arms that were not chosen, and in a selection that ends by itself.
    let (full, _from) = bounded(0);
    let (number, _numbers) = unbounded();
    drift::select! {
        send(full, T::new(4)) -> _ => unreachable!(),
        send(number, 1_u8) -> sent => sent.unwrap(),
    }
    .unwrap();
    drift::select! { send(full, T::new(5)) -> _ => unreachable!(), default => () }.unwrap();
    let until = Duration::from_millis(1);
    drift::select! { send(full, T::new(6)) -> _ => unreachable!(), after(until) => () }.unwrap();

    // In many blocks of a channel that nobody empties; the senders go last.
    let (to, from) = unbounded();
    (7..=80).for_each(|number| to.send(T::new(number)).unwrap());
    is(&from.recv().unwrap(), 7);
    drop(from);
    // Nobody waits for the senders to go.
    let dropped = DROPPED[if size_of::<T>() == 0 { 0 } else { 80 }].load(Ordering::Relaxed);
    assert_eq!(dropped, if size_of::<T>() == 0 { 80 } else { 1 });
    refused(to.send(T::new(81)), &ConcurrencyError::Closed, 81);

    // The senders first.
    let (to, from) = unbounded();
    (82..=150).for_each(|number| to.send(T::new(number)).unwrap());
    drop(to);
    is(&from.recv().unwrap(), 82);
    drop(from);
}

fn values_of_any_size_are_dropped_once() {
    of_each_kind!(dropped_once, 150);
}
