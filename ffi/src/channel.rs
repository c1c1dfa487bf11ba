//! `drift_channel_*`: numbers from senders to receivers, in order; many of each.
//!
//! The buffer is a ring in the caller's memory, behind the channel's lock. Without one, every send
//! meets a receive.
//!
//! # Safety
//! Invariant of `#![allow(unsafe_code)]`: a channel that is passed in was made by
//! `drift_channel_init`, and neither it nor its slots have been moved or reused since.
#![allow(unsafe_code)]

use core::convert::Infallible;

use drift_core::sync::channel::{Buffer, Channel};

use crate::sync::{DRIFT_WAIT_CLOSED, DRIFT_WAIT_FAILED, Limit, answer, code};
use crate::{CALL, pay};

/// A channel. Nothing but `drift_channel_*` may look inside.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct drift_channel_t {
    /// The runtime's.
    pub words: [u64; 10],
}

static_assertions::const_assert!(size_of::<Channel<Slots>>() < size_of::<drift_channel_t>());
static_assertions::const_assert!(align_of::<Channel<Slots>>() <= align_of::<drift_channel_t>());

/// The caller's ring: `len` values from `first` on, going round at `capacity`.
struct Slots {
    slots: *mut u64,
    capacity: usize,
    first: usize,
    len: usize,
}

// SAFETY: the slots are the channel's alone, whoever calls.
unsafe impl Send for Slots {}

impl Slots {
    /// Slot `index` from `first`.
    fn slot(&self, index: usize) -> *mut u64 {
        let to_end = self.capacity - self.first;
        let index = if index < to_end { self.first + index } else { index - to_end };
        // SAFETY: below `capacity`, as the caller of `drift_channel_init` promised.
        unsafe { self.slots.add(index) }
    }
}

impl Buffer for Slots {
    type Item = u64;
    type Room = Infallible;

    fn push(&mut self, item: u64, _: &mut Option<Infallible>) -> Result<(), u64> {
        if self.is_full() {
            return Err(item);
        }
        // SAFETY: a free slot, and the lock is held.
        unsafe { self.slot(self.len).write(item) };
        self.len += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<(u64, Option<Infallible>)> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the first of those that were written, and the lock is held.
        let item = unsafe { self.slot(0).read() };
        self.first = if self.first + 1 == self.capacity { 0 } else { self.first + 1 };
        Some((item, None))
    }

    fn more() -> Infallible {
        unreachable!("a ring that is full stays so")
    }

    fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    fn len(&self) -> usize {
        self.len
    }
}

/// # Safety
/// `channel` was initialised, and lives.
unsafe fn channel<'a>(channel: *mut drift_channel_t) -> &'a Channel<Slots> {
    // SAFETY: the caller's promise; the object begins where the words do.
    unsafe { &*channel.cast() }
}

fn send(channel: &Channel<Slots>, value: u64, limit: Limit) -> i64 {
    pay(CALL);
    let Some(wait) = limit.wait() else { return DRIFT_WAIT_FAILED };
    answer(channel.send(value, &wait).map_err(|(_, error)| error))
}

/// # Safety
/// `value` is where a number can be written.
unsafe fn receive(channel: &Channel<Slots>, value: *mut u64, limit: Limit) -> i64 {
    pay(CALL);
    let Some(wait) = limit.wait() else { return DRIFT_WAIT_FAILED };
    let received = channel.receive(&wait);
    // SAFETY: the caller's promise.
    answer(received.map(|received| unsafe { value.write(received) }))
}

/// Makes an open, empty channel of `channel`, with `capacity` slots from `slots` on; both are the
/// channel's from now on. With a capacity of 0 or below `slots` is not used, and may be null:
/// every send then meets a receive.
///
/// C: `void drift_channel_init(drift_channel_t *channel, uint64_t *slots, int64_t capacity);`
///
/// # Safety
/// `channel` and the slots are the caller's, and in nobody's use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_init(
    channel: *mut drift_channel_t,
    slots: *mut u64,
    capacity: i64,
) {
    let capacity = usize::try_from(capacity).unwrap_or(0);
    let made = Channel::new(Slots { slots, capacity, first: 0, len: 0 });
    // SAFETY: the caller's promise; it is large enough.
    unsafe { channel.cast::<Channel<Slots>>().write(made) };
}

/// Sends `value`: to the first receiver that waits, else into the buffer; waits while it is full,
/// in the order in which others came. Returns 0; or, and then nothing was sent,
/// `DRIFT_WAIT_CLOSED`, or `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread
/// was asked to end.
///
/// C: `int64_t drift_channel_send(drift_channel_t *channel, uint64_t value);`
///
/// # Safety
/// `channel` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_send(channel: *mut drift_channel_t, value: u64) -> i64 {
    // SAFETY: the caller's promise.
    send(unsafe { self::channel(channel) }, value, Limit::None)
}

/// Sends `value` if it need not wait: 0, `DRIFT_WAIT_CLOSED` or `DRIFT_WAIT_BUSY`.
///
/// C: `int64_t drift_channel_try_send(drift_channel_t *channel, uint64_t value);`
///
/// # Safety
/// `channel` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_try_send(channel: *mut drift_channel_t, value: u64) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    let sent = unsafe { self::channel(channel) }.try_send(value);
    answer(sent.map_err(|(_, error)| error))
}

/// As `drift_channel_send`, and waits at most until `deadline_ms`, as in `drift_mutex_lock_until`;
/// then `DRIFT_WAIT_TIMEOUT`.
///
/// C: `int64_t drift_channel_send_until(drift_channel_t *channel, uint64_t value,
/// int64_t deadline_ms);`
///
/// # Safety
/// `channel` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_send_until(
    channel: *mut drift_channel_t,
    value: u64,
    deadline_ms: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    send(unsafe { self::channel(channel) }, value, Limit::At(deadline_ms))
}

/// Receives into `value`; waits while there is nothing, in the order in which others came.
/// Returns 0; or, and then `value` is as it was, `DRIFT_WAIT_CLOSED` if it was closed and nothing
/// is left, or `DRIFT_WAIT_CANCELLED` if it would have to wait and the virtual thread was asked to
/// end.
///
/// C: `int64_t drift_channel_receive(drift_channel_t *channel, uint64_t *value);`
///
/// # Safety
/// `channel` was initialised, and `value` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_receive(
    channel: *mut drift_channel_t,
    value: *mut u64,
) -> i64 {
    // SAFETY: the caller's promise.
    let channel = unsafe { self::channel(channel) };
    // SAFETY: the same.
    unsafe { receive(channel, value, Limit::None) }
}

/// Receives if it need not wait: 0, `DRIFT_WAIT_CLOSED` or `DRIFT_WAIT_BUSY`.
///
/// C: `int64_t drift_channel_try_receive(drift_channel_t *channel, uint64_t *value);`
///
/// # Safety
/// `channel` was initialised, and `value` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_try_receive(
    channel: *mut drift_channel_t,
    value: *mut u64,
) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    match unsafe { self::channel(channel) }.try_receive() {
        Ok(received) => {
            // SAFETY: the same.
            unsafe { value.write(received) };
            0
        }
        Err(error) => code(error),
    }
}

/// As `drift_channel_receive`, and waits at most until `deadline_ms`, as in
/// `drift_mutex_lock_until`; then `DRIFT_WAIT_TIMEOUT`.
///
/// C: `int64_t drift_channel_receive_until(drift_channel_t *channel, uint64_t *value,
/// int64_t deadline_ms);`
///
/// # Safety
/// `channel` was initialised, and `value` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_receive_until(
    channel: *mut drift_channel_t,
    value: *mut u64,
    deadline_ms: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    let channel = unsafe { self::channel(channel) };
    // SAFETY: the same.
    unsafe { receive(channel, value, Limit::At(deadline_ms)) }
}

/// From now on nothing is sent; what is in the buffer can still be received. All who wait go on.
/// Returns 0, or `DRIFT_WAIT_CLOSED` if it was closed before.
///
/// C: `int64_t drift_channel_close(drift_channel_t *channel);`
///
/// # Safety
/// `channel` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_close(channel: *mut drift_channel_t) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    let was_open = unsafe { self::channel(channel) }.close();
    if was_open { 0 } else { DRIFT_WAIT_CLOSED }
}

/// How many values are in the buffer just now.
///
/// C: `int64_t drift_channel_len(drift_channel_t *channel);`
///
/// # Safety
/// `channel` was initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drift_channel_len(channel: *mut drift_channel_t) -> i64 {
    pay(CALL);
    // SAFETY: the caller's promise.
    unsafe { self::channel(channel) }.len() as i64
}
