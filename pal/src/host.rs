//! `Host`: what the runtime asks of the world, answered by the kernel below.
//!
//! # Safety
//!
//! A host is written once into memory of its own and never moved, or changed except through its
//! atomics and locks. It ends only by `give_back`, before anybody else has seen it.
//! The parking table, the seats and the bells are mappings of zeros of their own, and zero is the
//! first state of each.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::{fmt, mem, slice};

use drift_core::platform::CarrierMain;
use drift_core::platform::{
    Armed, CarrierId, Events, Interest, MAX_CARRIERS, Platform, PlatformError, Poll, Source, Stack,
    StackClass, ThreadWords,
};
use drift_core::prim::{self, AtomicBool, AtomicU32, Ordering, SpinLock};
use drift_core::time::{Instant, MILLISECOND};

use crate::bells::Bells;
use crate::parking::{Bed, Parking};
use crate::stack_cache::StackCache;
use crate::sys::poll::Poller;
use crate::sys::stack::{Beyond, Guards, unmap};
use crate::sys::thread::Seat;
use crate::sys::{clock, level, park, thread};
use crate::table::Table;

/// Tables that a host can give back: its own, and what a runtime asks for while it is made. Those
/// above it, if any, are for ever.
const TABLES: usize = 16;

/// How often an OS thread looks at sources that it cannot sleep beside, in nanoseconds.
const LOOK_EVERY: u64 = 10 * MILLISECOND;

/// Sources for which an OS thread waits without a table of its own, and one more.
const FEW: usize = 16;

type Few = heapless::Vec<Poll, FEW>;

/// The platform of the machine we are compiled for.
pub struct Host {
    /// One word for each carrier there can be.
    parking: &'static [Parking; MAX_CARRIERS],
    /// Which OS thread each of them has, or had last.
    seats: &'static [Seat; MAX_CARRIERS],
    poller: Poller,
    /// OS threads that wait for sources themselves.
    bells: &'static Bells,
    stacks: StackCache,
    /// Where the three above lie, and what `table` gave.
    tables: SpinLock<heapless::Vec<Table, TABLES>>,
    /// This is the child of a fork(2). Poller and bell are the parent's, too, and so is what is
    /// registered: what the child deleted would be gone there.
    left_behind: AtomicBool,
}

impl Host {
    /// A host of its own, for ever: an address range, and two descriptors, both close-on-exec.
    ///
    /// # Errors
    /// `Unsupported` where there is no port; the kernel's code when it has no descriptors or no
    /// address space left.
    pub fn new() -> Result<&'static Self, PlatformError> {
        // SAFETY: written, and never given back; shared only from here on.
        Self::make().map(|host| unsafe { host.as_ref() })
    }

    /// A host that may be given back.
    pub(crate) fn make() -> Result<NonNull<Self>, PlatformError> {
        let poller = Poller::new()?;
        let guards = Guards::probe()?;
        let beyond = guards.limit().and_then(|_| Beyond::probe());
        let stacks = StackCache::new(guards, beyond)?;
        let for_parking = Table::map(size_of::<[Parking; MAX_CARRIERS]>())?;
        // SAFETY: as large as the table, page-aligned, mapped as long as the host; zero is a state.
        let parking = unsafe { for_parking.start().cast().as_ref() };
        let for_seats = Table::map(size_of::<[Seat; MAX_CARRIERS]>())?;
        // SAFETY: the same.
        let seats = unsafe { for_seats.start().cast().as_ref() };
        let for_bells = Table::map(size_of::<Bells>())?;
        // SAFETY: the same.
        let bells = unsafe { for_bells.start().cast().as_ref() };
        let tables = SpinLock::new([for_parking, for_seats, for_bells].into_iter().collect());
        let left_behind = AtomicBool::new(false);
        let place = Table::map(size_of::<Self>())?;
        prim::set_cpu_yield(thread::give_way);
        let host = place.start().cast::<Self>();
        // SAFETY: mapped just now, large enough, page-aligned.
        unsafe { host.write(Self { parking, seats, poller, bells, stacks, tables, left_behind }) };
        mem::forget(place);
        Ok(host)
    }

    /// Gives back a host, its descriptors, and the tables that it gave.
    ///
    /// # Safety
    /// `make` made it; nobody uses it, or what lies in its tables, or a stack of it.
    pub(crate) unsafe fn give_back(host: NonNull<Self>) {
        // SAFETY: `make` wrote it, and the caller is the last who knows it.
        unsafe { host.drop_in_place() };
        // SAFETY: its place, as `make` mapped it.
        unsafe { unmap(host.cast(), size_of::<Self>()) };
    }

    /// The poller, if it is this process's own.
    fn present(&self) -> Result<&Poller, PlatformError> {
        // Relaxed: set before anything else runs in the child.
        match self.left_behind.load(Ordering::Relaxed) {
            false => Ok(&self.poller),
            true => Err(PlatformError::LeftBehind),
        }
    }

    fn sleep_on_futex(&self, parking: &Parking, until: Option<Instant>) {
        if is_over(until) || !parking.fall_asleep(Bed::Futex) {
            return;
        }
        loop {
            park::wait_while(parking.word(), Bed::Futex.asleep(), until);
            if !parking.is_asleep(Bed::Futex) || is_over(until) {
                break;
            }
        }
        parking.wake_up();
    }

    fn sleep_in_poller(&self, parking: &Parking, until: Option<Instant>, ready: &mut Events) {
        if is_over(until) || !parking.fall_asleep(Bed::Poller) {
            return self.poller.wait(Some(Instant::ZERO), ready);
        }
        loop {
            self.poller.wait(until, ready);
            if !ready.is_empty() || !parking.is_asleep(Bed::Poller) || is_over(until) {
                break;
            }
        }
        parking.wake_up();
    }

    /// `thread_poll` without a bell, or where the kernel refuses so many sources: a sleep on the
    /// futex for a while, and a look.
    #[cold]
    fn look_now_and_then(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        let soon = clock::now() + LOOK_EVERY;
        park::wait_while(word, value, Some(until.map_or(soon, |until| until.min(soon))));
        let mut polls = Few::new();
        sources.chunks(FEW).any(|some| {
            polls.clear();
            polls.extend_from_slice(some).expect("a chunk of them");
            self.poller.look(&mut polls) != Ok(0)
        })
    }
}

/// Sleeps until the bell is rung or one of `sources` is ready; whether one is.
fn sleep_beside(
    bell: u32,
    until: Option<Instant>,
    sources: &[Poll],
) -> Result<bool, PlatformError> {
    let bell = Poll::new(Source(bell), Interest::READ);
    if sources.len() < FEW {
        let mut polls = Few::new();
        polls.push(bell).expect("it is empty");
        polls.extend_from_slice(sources).expect("fewer than fit");
        return level::wait(&mut polls, until);
    }
    let table = Table::map((sources.len() + 1) * size_of::<Poll>())?;
    let first = table.start().cast::<Poll>().as_ptr();
    // SAFETY: a table of this size, page-aligned, which nobody else has; zeros are such entries.
    let polls = unsafe { slice::from_raw_parts_mut(first, sources.len() + 1) };
    polls[0] = bell;
    polls[1..].copy_from_slice(sources);
    level::wait(polls, until)
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("poller", &self.poller).finish_non_exhaustive()
    }
}

fn is_over(until: Option<Instant>) -> bool {
    match until {
        None | Some(Instant::FAR) => false,
        Some(Instant::ZERO) => true,
        Some(until) => until <= clock::now(),
    }
}

// SAFETY: `StackCache` hands each slot to one owner, from mappings that are never unmapped, with
// a guard that `Guards::probe` has seen fault; `Table` maps anew each time; the clock is
// CLOCK_MONOTONIC; `thread::words` are thread-locals of the C library's.
unsafe impl Platform for Host {
    fn now(&self) -> Instant {
        clock::now()
    }

    fn entropy(&self) -> u64 {
        clock::entropy()
    }

    unsafe fn carrier_start(&self, carrier: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        self.present()?;
        // SAFETY: the caller's; the seat is that carrier's.
        unsafe { thread::start(carrier, &self.seats[usize::from(carrier.id().0)]) }
    }

    unsafe fn carrier_is_gone(&self, id: CarrierId) -> bool {
        // SAFETY: the caller's.
        unsafe { thread::is_gone(&self.seats[usize::from(id.0)]) }
    }

    fn carrier_sleep(&self, id: CarrierId, until: Option<Instant>, ready: Option<&mut Events>) {
        let parking = &self.parking[usize::from(id.0)];
        match ready {
            Some(ready) => self.sleep_in_poller(parking, until, ready),
            None => self.sleep_on_futex(parking, until),
        }
    }

    fn carrier_wake(&self, id: CarrierId) {
        let parking = &self.parking[usize::from(id.0)];
        match parking.notify() {
            None => {}
            Some(Bed::Futex) => park::wake_one(parking.word()),
            Some(Bed::Poller) if self.present().is_ok() => self.poller.ring(),
            // Asleep in another process.
            Some(Bed::Poller) => {}
        }
    }

    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>) {
        park::wait_while(word, value, until);
    }

    fn thread_poll(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        let Some(seat) = self.bells.sit_down(word, || level::new_bell().ok()) else {
            return self.look_now_and_then(word, value, until, sources);
        };
        // Acquire pairs with the release of who changes the word, as in futex(2).
        let slept = match word.load(Ordering::Acquire) == value {
            true => sleep_beside(seat.bell, until, sources),
            false => Ok(false),
        };
        self.bells.leave(seat);
        slept.unwrap_or_else(|_| self.look_now_and_then(word, value, until, sources))
    }

    fn thread_wake(&self, word: *const AtomicU32) {
        park::wake_all(word);
        if self.present().is_ok() {
            self.bells.ring(word, level::ring);
        }
    }

    fn thread_yield(&self, turn: u32) {
        thread::give_way(turn);
    }

    fn thread_words(&self) -> ThreadWords {
        thread::words()
    }

    fn io_arm(&self, source: Source, token: u64, on: Interest) -> Result<Armed, PlatformError> {
        self.present()?.arm(source, token, on)
    }

    fn io_register(&self, source: Source, token: u64) -> Result<(), PlatformError> {
        self.present()?.register(source, token)
    }

    fn io_deregister(&self, source: Source) {
        if let Ok(poller) = self.present() {
            poller.deregister(source);
        }
    }

    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        self.poller.look(polls)
    }

    fn stack_reserve(&self, class: StackClass) -> Result<(), PlatformError> {
        self.stacks.reserve(class)
    }

    fn stack_unreserve(&self, class: StackClass) {
        self.stacks.unreserve(class);
    }

    fn stack_alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        self.stacks.alloc(class)
    }

    unsafe fn stack_free(&self, stack: Stack) {
        // SAFETY: the caller's, word for word.
        unsafe { self.stacks.free(&stack) };
    }

    fn leave_behind(&self) {
        self.left_behind.store(true, Ordering::Relaxed);
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        let table = Table::map(bytes)?;
        let start = table.start();
        self.tables.lock().push(table).unwrap_or_else(mem::forget);
        Ok(start)
    }
}

#[cfg(test)]
mod tests;
