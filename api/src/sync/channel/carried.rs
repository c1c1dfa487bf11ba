//! The core's channel for values of any size: large ones lie in boxes.
//!
//! A channel moves values under its lock, and whoever wants the lock meanwhile spins. So a value of
//! more than [`MAX_MOVED`] bytes is put into a box before the lock is taken, and the box is moved.

use drift_core::error::ConcurrencyError as CoreError;
use drift_core::sync::channel::{Channel, Receive, Refused, Send};
use drift_core::sync::select::Arm;
use drift_core::wait::Wait;

use super::segments::Segments;

/// Bytes of a value that are moved under the lock; to copy them takes about as long as a box.
const MAX_MOVED: usize = 1024;

/// A channel of values, or of boxes with one value each; which of them `T` alone decides.
#[derive(Debug)]
pub enum Carried<T> {
    Moved(Channel<Segments<T>>),
    Boxed(Channel<Segments<Box<T>>>),
}

use Carried::{Boxed, Moved};

fn unboxed<T>((item, error): Refused<Box<T>>) -> Refused<T> {
    (*item, error)
}

impl<T> Carried<T> {
    pub fn new(limit: usize) -> Self {
        if size_of::<T>() > MAX_MOVED {
            return Boxed(Channel::new(Segments::new(limit)));
        }
        Moved(Channel::new(Segments::new(limit)))
    }

    pub fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        match self {
            Moved(channel) => channel.try_send(item),
            Boxed(channel) => channel.try_send(Box::new(item)).map_err(unboxed),
        }
    }

    pub fn send(&self, item: T, wait: &Wait) -> Result<(), Refused<T>> {
        match self {
            Moved(channel) => channel.send(item, wait),
            Boxed(channel) => channel.send(Box::new(item), wait).map_err(unboxed),
        }
    }

    pub fn try_receive(&self) -> Result<T, CoreError> {
        match self {
            Moved(channel) => channel.try_receive(),
            Boxed(channel) => channel.try_receive().map(|item| *item),
        }
    }

    pub fn receive(&self, wait: &Wait) -> Result<T, CoreError> {
        match self {
            Moved(channel) => channel.receive(wait),
            Boxed(channel) => channel.receive(wait).map(|item| *item),
        }
    }

    pub fn close(&self) -> bool {
        match self {
            Moved(channel) => channel.close(),
            Boxed(channel) => channel.close(),
        }
    }

    pub fn is_closed(&self) -> bool {
        match self {
            Moved(channel) => channel.is_closed(),
            Boxed(channel) => channel.is_closed(),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Moved(channel) => channel.len(),
            Boxed(channel) => channel.len(),
        }
    }
}

/// An arm for one of the two.
#[derive(Debug)]
pub enum Either<M, B> {
    Moved(M),
    Boxed(B),
}

/// To receive, as an arm of a `select!`.
pub type ReceiveArm<'a, T> = Either<Receive<'a, Segments<T>>, Receive<'a, Segments<Box<T>>>>;

/// To send, as an arm of a `select!`.
pub type SendArm<'a, T> = Either<Send<'a, Segments<T>>, Send<'a, Segments<Box<T>>>>;

impl<'a, T> ReceiveArm<'a, T> {
    pub fn new(from: &'a Carried<T>) -> Self {
        match from {
            Moved(channel) => Either::Moved(Receive::new(channel)),
            Boxed(channel) => Either::Boxed(Receive::new(channel)),
        }
    }

    pub fn finish(self) -> Result<T, CoreError> {
        match self {
            Either::Moved(arm) => arm.finish(),
            Either::Boxed(arm) => arm.finish().map(|item| *item),
        }
    }
}

impl<'a, T> SendArm<'a, T> {
    pub fn new(to: &'a Carried<T>, item: T) -> Self {
        match to {
            Moved(channel) => Either::Moved(Send::new(channel, item)),
            Boxed(channel) => Either::Boxed(Send::new(channel, Box::new(item))),
        }
    }

    pub fn finish(self) -> Result<(), Refused<T>> {
        match self {
            Either::Moved(arm) => arm.finish(),
            Either::Boxed(arm) => arm.finish().map_err(unboxed),
        }
    }
}

impl<M: Arm, B: Arm> Either<M, B> {
    pub fn core(&mut self) -> &mut dyn Arm {
        match self {
            Self::Moved(arm) => arm,
            Self::Boxed(arm) => arm,
        }
    }
}

#[cfg(test)]
mod tests {
    use drift_core::sync::channel::Buffer;

    use super::*;

    /// Bytes that are moved under the lock for one value of `T`, in any of the channel's calls.
    fn moved<T>() -> usize {
        fn item<B: Buffer>(_: &Channel<B>) -> usize {
            size_of::<B::Item>()
        }
        match Carried::<T>::new(1) {
            Moved(channel) => item(&channel),
            Boxed(channel) => item(&channel),
        }
    }

    #[test]
    fn nothing_above_a_kibibyte_is_moved_under_the_lock() {
        #[repr(align(4096))]
        struct Page(#[expect(dead_code, reason = "only its size and alignment count")] u8);

        // As they are, without a box of their own.
        assert_eq!([moved::<()>(), moved::<u8>(), moved::<[u64; 4]>()], [0, 1, 32]);
        assert_eq!([moved::<[u8; 1023]>(), moved::<[u8; 1024]>()], [1023, 1024]);
        // What leads to them.
        let boxed = [moved::<[u8; 1025]>(), moved::<[u8; 64 << 10]>(), moved::<Page>()];
        assert_eq!(boxed, [size_of::<usize>(); 3]);
    }
}
