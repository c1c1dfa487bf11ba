//! What a virtual thread runs and leaves behind: one allocation, shared with its handle.
//!
//! | `phase` | the slot has   | whose it is                                 | becomes        |
//! |---------|----------------|---------------------------------------------|----------------|
//! | PENDING | the closure    | the spawner's; then of who calls `run` or   | DONE, when it  |
//! |         |                | `discard`, which the runtime does once      | has ended      |
//! | DONE    | the outcome    | nobody's                                    | TAKEN, by the  |
//! |         |                |                                             | first join     |
//! | TAKEN   | nothing        | that join's                                 |                |
//!
//! Later joins are `Closed`. If nobody joins, the last owner drops the outcome.
//!
//! | `watcher` | means                           | becomes                                        |
//! |-----------|---------------------------------|------------------------------------------------|
//! | null      | no group watches it             | a box, by `watch`; OVER, at the end            |
//! | a box     | its watcher is told             | OVER, at the end, which takes the box          |
//! | OVER      | it has ended                    |                                                |
//!
//! The virtual thread owns one reference, in its payload: until its end, or until it is discarded.
//! The payload is how the panic hook and `current` find the packet of whoever runs here.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the payload of a virtual thread whose entry runs `run`
//! has what `Arc::into_raw` gave until `run` or `discard` takes it back; `run` leaves none there.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use drift_core::runtime::Runtime;
use drift_core::task::{Entry, Payload};

use crate::drops::drop_quietly;
use crate::error::{ConcurrencyError, Error, Panic};
use crate::sync::channel::Sender;

/// How a closure ended.
pub(super) enum Outcome<T> {
    Value(T),
    /// Rare, and larger than most values.
    Panicked(Box<Panic>),
    Cancelled,
}

enum Slot<F, T> {
    Closure(F),
    Empty,
    Ended(Outcome<T>),
}

const PENDING: u8 = 0;
const DONE: u8 = 1;
const TAKEN: u8 = 2;

const OVER: *mut Watcher = ptr::without_provenance_mut(1);

/// Who is told of the end: a group, and its number there.
pub(super) struct Watcher {
    pub group: Sender<usize>,
    pub index: usize,
}

/// What everybody may know of a virtual thread.
pub(super) struct About {
    pub name: Option<Arc<str>>,
    /// Where it panics, from the hook to the end of the unwinding.
    panic: Mutex<Option<Box<Panic>>>,
    watcher: AtomicPtr<Watcher>,
}

impl About {
    /// Tells `watcher` of the end, at once if that has come. Only one can watch.
    pub(super) fn watch(&self, watcher: Watcher) {
        let boxed = Box::into_raw(Box::new(watcher));
        // Release publishes the watcher; pairs with the swap in `take_watcher`. Acquire pairs with
        // it, too: a group that watches after the end sees the outcome.
        let (order, late) = (Ordering::AcqRel, Ordering::Acquire);
        let before = self.watcher.compare_exchange(ptr::null_mut(), boxed, order, late);
        if let Err(before) = before {
            debug_assert_eq!(before, OVER, "a future is added to one group");
            // SAFETY: made above, and known to nobody else.
            unsafe { Box::from_raw(boxed) }.tell();
        }
    }

    /// The end: from now on who watches is told at once.
    fn take_watcher(&self) -> Option<Box<Watcher>> {
        // AcqRel: as in `watch`; one of the two sees the other.
        let watcher = self.watcher.swap(OVER, Ordering::AcqRel);
        // SAFETY: a box of `watch`'s, and the swap took it out.
        (watcher.addr() > OVER.addr()).then(|| unsafe { Box::from_raw(watcher) })
    }
}

impl Drop for About {
    fn drop(&mut self) {
        let watcher = *self.watcher.get_mut();
        if watcher.addr() > OVER.addr() {
            // SAFETY: a box of `watch`'s, which nobody took out.
            drop(unsafe { Box::from_raw(watcher) });
        }
    }
}

impl Watcher {
    fn tell(self) {
        // The group may be gone.
        let _ = self.group.core().try_send(self.index);
    }
}

/// The closure of a virtual thread, and then what it came to.
struct Packet<F, T> {
    about: About,
    phase: AtomicU8,
    /// Dropped by the packet's own drop, so that nothing looks at it twice.
    slot: UnsafeCell<ManuallyDrop<Slot<F, T>>>,
}

// SAFETY: the slot is one thread's at a time, as the table above says; what is in it is sent.
unsafe impl<F: Send, T: Send> Sync for Packet<F, T> {}

/// A packet, as the virtual thread sees it.
pub(super) trait Body: Send + Sync {
    fn run(&self);
    fn discard(&self);
    fn about(&self) -> &About;
}

/// A packet, as its handle sees it.
pub(super) trait Results<T>: Body {
    /// The outcome, once. `VtResultNotAvailable` before there is one.
    fn take(&self) -> Result<Outcome<T>, ConcurrencyError>;
}

/// Nothing of the user's runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F, T> Packet<F, T> {
    /// # Safety
    /// The slot is the caller's, as `phase` has it.
    unsafe fn replace(&self, next: Slot<F, T>) -> Slot<F, T> {
        // SAFETY: as the caller says, and nothing of the user's runs meanwhile.
        std::mem::replace(unsafe { &mut **self.slot.get() }, next)
    }

    /// Leaves the outcome. For the one call of `run` or `discard`.
    fn end(&self, outcome: Outcome<T>) {
        // SAFETY: the caller's until the phase changes.
        let before = unsafe { self.replace(Slot::Ended(outcome)) };
        // Release publishes the outcome; pairs with the exchange in `take`.
        self.phase.store(DONE, Ordering::Release);
        debug_assert!(matches!(before, Slot::Empty), "the closure was taken out before");
        if let Some(watcher) = self.about.take_watcher() {
            watcher.tell();
        }
    }
}

/// What is left in it has nobody to panic to.
impl<F, T> Drop for Packet<F, T> {
    fn drop(&mut self) {
        // Once it is taken, the slot is empty.
        if *self.phase.get_mut() != TAKEN {
            let slot = self.slot.get_mut();
            if !std::mem::needs_drop::<T>() && matches!(**slot, Slot::Ended(Outcome::Value(_))) {
                return;
            }
            // SAFETY: nobody uses it afterwards.
            drop_quietly(unsafe { ManuallyDrop::take(slot) });
        }
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Body for Packet<F, T> {
    fn run(&self) {
        // SAFETY: the runtime calls `run` once, and not `discard`; joins wait for `DONE`.
        let Slot::Closure(closure) = (unsafe { self.replace(Slot::Empty) }) else {
            unreachable!("a virtual thread is started once")
        };
        self.end(match panic::catch_unwind(AssertUnwindSafe(closure)) {
            Ok(value) => Outcome::Value(value),
            Err(thrown) => Outcome::Panicked(Box::new(panic_of(thrown))),
        });
    }

    fn discard(&self) {
        // SAFETY: the runtime calls `discard` once, and not `run`; joins wait for `DONE`.
        let closure = unsafe { self.replace(Slot::Empty) };
        drop_quietly(closure);
        self.end(Outcome::Cancelled);
    }

    fn about(&self) -> &About {
        &self.about
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Results<T> for Packet<F, T> {
    fn take(&self) -> Result<Outcome<T>, ConcurrencyError> {
        // Acquire pairs with the release in `end`.
        match self.phase.compare_exchange(DONE, TAKEN, Ordering::Acquire, Ordering::Relaxed) {
            // SAFETY: done, and this call alone has taken it.
            Ok(_) => match unsafe { self.replace(Slot::Empty) } {
                Slot::Ended(outcome) => Ok(outcome),
                _ => unreachable!("`end` left the outcome"),
            },
            Err(TAKEN) => Err(ConcurrencyError::Closed),
            Err(_) => Err(Error::VtResultNotAvailable.into()),
        }
    }
}

/// Packs `closure`.
pub(super) fn pack<'a, F, T>(closure: F, name: Option<Arc<str>>) -> Arc<dyn Results<T> + 'a>
where
    F: FnOnce() -> T + Send + 'a,
    T: Send + 'a,
{
    static HOOK: Once = Once::new();
    // While this OS thread unwinds, the hook cannot be replaced; the next spawn does it.
    if !thread::panicking() {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                note(info);
                before(info);
            }));
        });
    }
    let about = About { name, panic: Mutex::new(None), watcher: AtomicPtr::new(ptr::null_mut()) };
    let slot = UnsafeCell::new(ManuallyDrop::new(Slot::Closure(closure)));
    Arc::new(Packet { about, phase: AtomicU8::new(PENDING), slot })
}

/// What a payload has: one reference to the packet, or none any more.
type Held = Option<NonNull<dyn Body>>;

/// What the virtual thread of `body` runs. The entry owns it.
///
/// # Safety
/// What `body` borrows outlives the virtual thread.
pub(super) unsafe fn entry<'a>(body: Arc<dyn Body + 'a>) -> Entry {
    let raw = Arc::into_raw(body).cast_mut();
    // SAFETY: the same type but for a lifetime, which the caller vouches for.
    let raw = unsafe { std::mem::transmute::<*mut (dyn Body + 'a), *mut dyn Body>(raw) };
    let held: Held = NonNull::new(raw);
    Entry { run, discard, payload: Payload::of(held) }
}

/// # Safety
/// `entry` has filled `payload`, and the caller alone reads it.
unsafe fn read(payload: *mut Payload) -> Held {
    // SAFETY: as the caller says.
    unsafe { Payload::read(payload) }
}

/// # Safety
/// As for `read`; once, by `run` or `discard`, to which the runtime gave the payload.
unsafe fn take(payload: *mut Payload) -> Arc<dyn Body> {
    // SAFETY: as the caller says.
    let held = unsafe { read(payload) }.expect("the payload of one that has not ended");
    // SAFETY: it came from `into_raw`, and nobody else takes it back.
    unsafe { Arc::from_raw(held.as_ptr()) }
}

/// On the virtual thread, once.
unsafe fn run(payload: *mut Payload) {
    // SAFETY: `entry` has filled it, and this is the one call of `run`.
    let body = unsafe { take(payload) };
    // Nobody takes the reference out of the payload meanwhile: `here` counts one more.
    body.run();
    let none: Held = None;
    // SAFETY: the payload is the virtual thread's own. From here on `here` finds no packet.
    unsafe { payload.write(Payload::of(none)) };
    // A result that nobody reads is dropped here.
    drop(body);
}

/// For one that will never run.
unsafe fn discard(payload: *mut Payload) {
    // SAFETY: `entry` has filled it, and this is the one call of `discard`.
    let body = unsafe { take(payload) };
    body.discard();
}

/// The packet of the virtual thread that runs here, if it is one of ours and has not ended.
pub(super) fn here(runtime: &'static Runtime) -> Option<Arc<dyn Body>> {
    let (runs, payload) = runtime.entry()?;
    if !std::ptr::fn_addr_eq(runs, run as drift_core::task::Run) {
        return None;
    }
    // SAFETY: an entry that runs `run` was filled by `entry`, and the virtual thread runs here.
    let raw = unsafe { read(payload) }?.as_ptr();
    // SAFETY: the virtual thread owns one reference until its end.
    unsafe { Arc::increment_strong_count(raw) };
    // SAFETY: the one that was just added.
    Some(unsafe { Arc::from_raw(raw) })
}

/// What is known of a panic that was just caught on the virtual thread that runs here; elsewhere
/// its message and payload.
pub(super) fn panic_of(thrown: Box<dyn Any + Send>) -> Panic {
    let message = message(&*thrown);
    let body = Runtime::here().and_then(here);
    let seen = body.and_then(|body| lock(&body.about().panic).clone());
    // Another one, if the hook did not see this: it was resumed, or the hook replaced.
    let seen = seen.filter(|seen| seen.message == message);
    seen.map_or_else(|| Panic::new(message, None), |seen| *seen).with_payload(thrown)
}

/// The hook: keeps where the virtual thread panics.
fn note(info: &PanicHookInfo<'_>) {
    let Some(body) = Runtime::here().and_then(here) else { return };
    let message = message(info.payload());
    let location = info.location().map(ToString::to_string);
    *lock(&body.about().panic) = Some(Box::new(Panic::new(message, location)));
}

fn message(thrown: &(dyn Any + Send)) -> String {
    let text = thrown.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| thrown.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a payload that is no string".to_owned())
}
