//! Lists of those who wait for another, virtual threads and OS threads; how one is popped.
//!
//! Who waits has a `Sleeper` in its frame, and a `Waiter` for each list that it waits in (one, but
//! for `select`). A list is part of what a lock protects; the thread that claims the sleeper ends
//! the wait. How they wait is in `wait/wait_queue.rs`.
//!
//! A sleeper in one list is claimed and looked at under that list's lock only. One in several
//! (`select`) is shared by their locks: there the exchange of `claim` decides.
//!
//! | `claim`         | means                             | who writes it                          |
//! |-----------------|-----------------------------------|----------------------------------------|
//! | 0               | waits                             |                                        |
//! | n + 1           | popped from list n of several, or | a popper, under the lock of that list; |
//! |                 | from the only one (1)             | for an OS thread after that            |
//! | HELD + n + 1    | the same, and not let go yet      | the popper of an OS thread, under the  |
//! |                 |                                   | lock                                   |
//! | GIVEN_UP        | deadline, cancel; or not needed   | its owner                              |
//!
//! A popper touches a waiter, and the sleeper of a virtual thread, under the lock only, and their
//! owner leaves the frame only after it has had the lock of each list that it was linked in. A
//! virtual thread that was woken by something else in between has ended the wait of its ticket, and
//! the claim of the task does nothing. An OS thread that is held stays in the frame until it is let
//! go, whatever wakes it: so its popper knows that what it waited in is still there
//! (`wait/wake.rs`). The address of its word is used even afterwards, as a name (futex(2)).
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: linked waiters and their sleepers are alive, as said
//! above; so is the state word of a sleeper, for ever.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr::{self, NonNull};

use crate::link::list::List;
use crate::link::{Link, Linked};
use crate::platform::Platform;
use crate::prim::{AtomicU32, Ordering, SpinLock};
use crate::state::{State, Then, Ticket};

/// In `claim`: an OS thread was popped, and not let go yet.
pub(crate) const HELD: u32 = 1 << 31;

/// What `claim` is when its owner waits no more.
const GIVEN_UP: u32 = HELD - 1;

/// One wait. See the module's head.
#[derive(Debug)]
pub struct Sleeper {
    /// What an OS thread sleeps on.
    pub(crate) claim: AtomicU32,
    /// The state word of the virtual thread that waits, which made this; none for an OS thread.
    pub(crate) task: Option<NonNull<State>>,
    ticket: Ticket,
    /// It waits in several lists.
    is_shared: bool,
    pub(crate) platform: &'static dyn Platform,
}

impl Sleeper {
    /// Of the virtual thread of that state word, in its present wait; or of an OS thread. For one
    /// list, or for several.
    pub(crate) fn of(
        task: Option<NonNull<State>>,
        is_shared: bool,
        platform: &'static dyn Platform,
    ) -> Self {
        // SAFETY: records, and the words in them, are never unmapped.
        let own_ticket = |state: NonNull<State>| unsafe { state.as_ref() }.own_ticket();
        let ticket = task.map_or(Ticket::NONE, own_ticket);
        Self { claim: AtomicU32::new(0), task, ticket, is_shared, platform }
    }

    /// Ends the wait for a popper, who has the list's lock; false if it is over.
    fn claim(&self, tag: u32) -> bool {
        let held = if self.task.is_some() { 0 } else { HELD };
        if !self.is_shared {
            // Release: what the popper did before is seen by the acquire in `block`; a virtual
            // thread looks under the lock.
            self.claim.store(held | 1, Ordering::Release);
            return true;
        }
        // Release: what the popper did before is seen by the owner's acquire, here, in `block`
        // and in `end`. Acquire, to find out: the owner may have given up.
        let claim = held | (tag + 1);
        let claimed = self.claim.compare_exchange(0, claim, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok()
    }

    /// Lets a held OS thread go, which may then end the frame.
    ///
    /// # Safety
    /// The caller has popped it, and not let it go.
    pub(crate) unsafe fn let_go(held: *const Self) {
        // SAFETY: its owner stays in the frame until the store below.
        let sleeper = unsafe { &*held };
        let (claim, platform) = (&raw const sleeper.claim, sleeper.platform);
        // Release: all that the popper did to what was waited in; pairs with the acquire in
        // `forget`.
        sleeper.claim.fetch_sub(HELD, Ordering::Release);
        platform.thread_wake(claim);
    }

    /// Whether it was popped from its one list, whose lock is held.
    #[inline]
    pub(crate) fn is_popped(&self) -> bool {
        self.claim.load(Ordering::Relaxed) != 0
    }

    /// Ends the wait for the owner of a shared one: from which list it was popped, or none if it
    /// was not. From then on nobody claims it.
    pub(crate) fn end(&self) -> Option<u32> {
        let ended = self.claim.compare_exchange(0, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
        ended.err().filter(|claim| *claim != GIVEN_UP).map(|claim| (claim & !HELD) - 1)
    }
}

/// Marks the list of a [`Waiters`].
#[derive(Debug)]
pub(crate) struct InWaiters;

/// A place in one list. Stays where it is while it is linked.
#[derive(Debug)]
pub(crate) struct Waiter {
    link: Link<Waiter>,
    /// Null in the head of a [`Leaving`].
    sleeper: *const Sleeper,
    /// What it waits for, in the words of the list's owner; in one list of several its number.
    pub tag: u32,
    /// Where a popper hands over or takes, in the words of the list's owner.
    value: *mut (),
}

// SAFETY: `link` is a plain field, and a waiter stays in its frame while it is linked.
unsafe impl Linked<InWaiters> for Waiter {
    fn link(node: NonNull<Self>) -> NonNull<Link<Self>> {
        // SAFETY: `node` is a live `Waiter`, so `link` lies inside the same allocation.
        unsafe { node.byte_add(offset_of!(Waiter, link)) }.cast()
    }
}

impl Waiter {
    pub(crate) fn new(sleeper: *const Sleeper, tag: u32, value: *mut ()) -> Self {
        Self { link: Link::new(), sleeper, tag, value }
    }

    /// The head of a [`Leaving`]; nobody waits there.
    pub(crate) fn head() -> Self {
        Self::new(ptr::null(), 0, ptr::null_mut())
    }
}

/// Who waits, in order; behind some lock.
#[derive(Debug)]
pub(crate) struct Waiters(List<InWaiters, Waiter>);

// SAFETY: the pointers in the list lead to waiters, which are touched only under the lock that
// the list is behind.
unsafe impl Send for Waiters {}

/// Someone who was popped, to be set going after the lock is released.
#[must_use]
#[derive(Debug)]
pub(crate) struct Popped {
    pub who: Who,
    /// As the waiter had it.
    pub tag: u32,
    /// The same; good until the lock is released.
    pub value: *mut (),
}

/// Who was popped.
#[derive(Debug)]
pub(crate) enum Who {
    /// A claimed task, to be enqueued.
    Task(NonNull<State>),
    /// An OS thread that is held.
    Thread(*const Sleeper),
    /// A task whose park had ended already; it sees for itself that it was popped.
    Late,
}

impl Waiters {
    pub(crate) const fn new() -> Self {
        Self(List::new())
    }

    /// Links behind all others.
    ///
    /// # Safety
    /// `waiter` and its sleeper stay where they are until `remove`, under the same lock.
    pub(crate) unsafe fn push(&mut self, waiter: NonNull<Waiter>) {
        // SAFETY: it is in no list yet, and stays, as the caller promises.
        unsafe { self.0.push_back(waiter) };
    }

    /// Unlinks, if nobody popped it; from a [`Leaving`] too, where it is never the front.
    ///
    /// # Safety
    /// `waiter` was pushed here, and is the caller's.
    pub(crate) unsafe fn remove(&mut self, waiter: NonNull<Waiter>) {
        // SAFETY: alive, and the lock around this list is held.
        if unsafe { List::is_linked(waiter) } {
            // SAFETY: linked here, or behind the head of a `Leaving`.
            unsafe { self.0.remove(waiter) };
        }
    }

    /// Pops and claims the first who still waits.
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        self.pop_if(|_| true)
    }

    /// Pops and claims the first who still waits, if its tag is accepted.
    pub(crate) fn pop_if(&mut self, accept: impl Fn(u32) -> bool) -> Option<Popped> {
        while let Some(front) = self.0.front() {
            // SAFETY: it is linked, and the lock that `self` is behind keeps its frame in place.
            let waiter = unsafe { front.as_ref() };
            // SAFETY: the same; only the head of a `Leaving` has none.
            let sleeper = unsafe { &*waiter.sleeper };
            // Relaxed: a look only; `claim` decides.
            let waits = sleeper.claim.load(Ordering::Relaxed) == 0;
            if waits && !accept(waiter.tag) {
                return None;
            }
            self.0.pop_front();
            if waits && let Some(popped) = claim(waiter) {
                return Some(popped);
            }
        }
        None
    }

    /// Whether anybody but `own` is linked and still waits.
    pub(crate) fn has_other(&self, own: *const Sleeper) -> bool {
        self.0.iter().any(|waiter| {
            // SAFETY: it is linked, and the lock that `self` is behind keeps its frame in place.
            let waiter = unsafe { waiter.as_ref() };
            // SAFETY: the same.
            // Relaxed: a look only; `claim` decides.
            !ptr::eq(waiter.sleeper, own)
                && unsafe { &*waiter.sleeper }.claim.load(Ordering::Relaxed) == 0
        })
    }

    /// Whether nobody is linked.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are linked. Walks.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn count(&self) -> usize {
        self.0.count()
    }
}

/// All waiters of a list at one time. A thread takes them out in one step and then wakes them one
/// by one; waiters that come to the list later are not among them. The head lies in the frame of
/// that thread, and the lock of the list protects all of it.
#[derive(Debug)]
pub(crate) struct Leaving<'a> {
    /// Its front is the head.
    list: List<InWaiters, Waiter>,
    is_empty: bool,
    head: PhantomData<&'a mut Waiter>,
}

impl<'a> Leaving<'a> {
    /// Nobody, behind that head.
    pub(crate) fn new(head: &'a mut Waiter) -> Self {
        let mut list = List::new();
        // SAFETY: in no list, and borrowed for as long as `list` is used.
        unsafe { list.push_back(NonNull::from(head)) };
        Self { list, is_empty: true, head: PhantomData }
    }

    /// Moves all who wait in `waiters` here, at the cost of one.
    pub(crate) fn take(&mut self, waiters: &mut Waiters) {
        self.is_empty = false;
        self.list.append(&mut waiters.0);
    }

    /// Pops and claims the first who still waits.
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        while let Some(first) = self.list.iter().nth(1) {
            // SAFETY: linked behind the head, and the lock around the list is held.
            unsafe { List::unlink(first) };
            // SAFETY: it was linked, and that lock keeps its frame in place.
            if let Some(popped) = claim(unsafe { first.as_ref() }) {
                return Some(popped);
            }
        }
        self.is_empty = true;
        None
    }
}

/// Nobody may be linked behind a head that is gone: a panic in between aborts.
impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        assert!(self.is_empty, "all that leave a list are woken");
    }
}

/// Ends the wait of a waiter that was just unlinked, under the lock of its list; none if it has
/// ended.
fn claim(waiter: &Waiter) -> Option<Popped> {
    // SAFETY: its owner leaves the frame, where the sleeper is too, after it had that lock.
    let sleeper = unsafe { &*waiter.sleeper };
    let popped = || Popped { who: who(sleeper), tag: waiter.tag, value: waiter.value };
    sleeper.claim(waiter.tag).then(popped)
}

/// How to set a claimed sleeper going.
fn who(sleeper: &Sleeper) -> Who {
    let Some(task) = sleeper.task else { return Who::Thread(sleeper) };
    // SAFETY: records are never unmapped; the ticket says whether it is still the same wait.
    match unsafe { task.as_ref() }.wake_inside(sleeper.ticket) {
        Then::Enqueue => Who::Task(task),
        Then::Nothing => Who::Late,
    }
}

/// A list of waiters with nothing but a lock.
pub(crate) type WaitQueue = SpinLock<Waiters>;

/// The whole of a `WaitQueue`, where a list is asked for.
pub(crate) fn all(waiters: &mut Waiters) -> &mut Waiters {
    waiters
}
