//! The reactor at its limits.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed};
use std::boxed::Box;
use std::mem::take;
use std::sync::{Mutex, OnceLock};
use std::vec::Vec;

use crate::error::ConcurrencyError;
use crate::platform::CarrierMain;
use crate::platform::{
    Armed, CarrierId, Events, Interest, Platform, PlatformError, Poll, Source, Stack, StackClass,
};
use crate::prim::AtomicU32;
use crate::sched::parts::Runtime;
use crate::source::readiness::ShortCount;
use crate::source::slot::Ask;
use crate::source::{MAX_SOURCES, Sources};
use crate::sync::stage::EMPTY;
use crate::task::handle::Handle;
use crate::task::header::{Entry, Payload};
use crate::time::Instant;
use crate::wait::bounds::Wait;
use crate::wait::readiness::poll_many::Place;

#[test]
fn a_source_beyond_the_table_has_no_slot() {
    let sources = Sources::new();
    for source in [MAX_SOURCES as u32, u32::MAX] {
        assert!(sources.slot(source).is_none());
        match sources.slot_for(&EMPTY, Source(source)) {
            Err(PlatformError::Limit { what, limit: MAX_SOURCES }) => {
                assert!(what.contains("MAX_SOURCES"), "{what}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A platform of tables, on which nothing runs, and no source ever becomes ready.
#[derive(Debug, Default)]
struct Still {
    /// Sources that are ready: those below this.
    ready: u32,
    /// How many sources each call of `io_poll` named.
    asked: Mutex<Vec<usize>>,
    /// What happens beside the next call of `io_arm`, before it returns.
    beside: Mutex<Option<fn()>>,
    /// How many registrations it takes before it refuses.
    room: Mutex<u32>,
}

// SAFETY: each table is an allocation of its own, of zeros, for ever; no stack is given out.
unsafe impl Platform for Still {
    fn now(&self) -> Instant {
        Instant(1)
    }

    fn entropy(&self) -> u64 {
        1
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        // Of a small alignment: then zeros are the kernel's, and cost nothing until they are used.
        let layout = Layout::from_size_align(bytes + 4096, 16).expect("a size that there is");
        // SAFETY: no table is empty.
        let start = unsafe { alloc_zeroed(layout) };
        // SAFETY: less than a page further, of which there is one more.
        let aligned = unsafe { start.add(start.align_offset(4096)) };
        NonNull::new(aligned).ok_or(PlatformError::Unsupported)
    }

    fn io_arm(&self, _: Source, _: u64, _: Interest) -> Result<Armed, PlatformError> {
        let beside = self.beside.lock().expect("no caller panics").take();
        beside.inspect(|beside| beside());
        Ok(Armed::New)
    }

    fn io_register(&self, _: Source, _: u64) -> Result<(), PlatformError> {
        let mut room = self.room.lock().expect("no caller panics");
        *room = room.checked_sub(1).ok_or(PlatformError::Unsupported)?;
        Ok(())
    }

    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        self.asked.lock().expect("no caller panics").push(polls.len());
        Ok(polls.iter().filter(|poll| poll.source().0 < self.ready).count())
    }

    fn stack_reserve(&self, _: StackClass) -> Result<(), PlatformError> {
        Ok(())
    }

    unsafe fn carrier_start(&self, _: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        Err(PlatformError::Unsupported)
    }

    fn thread_yield(&self, _: u32) {}

    fn carrier_sleep(&self, _: CarrierId, _: Option<Instant>, _: Option<&mut Events>) {
        unreachable!("no carrier here")
    }

    fn carrier_wake(&self, _: CarrierId) {
        unreachable!("no carrier here")
    }

    fn thread_wait(&self, _: &AtomicU32, _: u32, _: Option<Instant>) {
        unreachable!("nobody waits")
    }

    fn thread_wake(&self, _: *const AtomicU32) {
        unreachable!("nobody waits")
    }

    fn stack_alloc(&self, _: StackClass) -> Result<Stack, PlatformError> {
        unreachable!("nothing runs")
    }

    unsafe fn stack_free(&self, _: Stack) {
        unreachable!("nothing runs")
    }
}

/// One on which sources below `ready` are so.
fn still(ready: u32) -> &'static Still {
    Box::leak(Box::new(Still { ready, ..Still::default() }))
}

#[test]
#[cfg_attr(miri, ignore = "it counts calls, and takes minutes")]
fn a_look_at_many_descriptors_is_one_call_of_the_platform() {
    const SOURCES: u32 = 1_000;
    for ready in [0, 1, SOURCES] {
        let platform = still(ready);
        // SAFETY: the platform is the test's own.
        let runtime = unsafe { Runtime::new(platform, 0) }.expect("there is memory for tables");
        let mut polls: Vec<_> =
            (0..SOURCES).map(|source| Poll::new(Source(source), Interest::READ)).collect();
        let mut places: Vec<_> = polls.iter().map(|_| Place::default()).collect();
        let look = Wait::of_thread(platform).until(Instant::ZERO);
        let found = runtime.poll_many(&mut polls, &mut places, &look);
        match ready {
            0 => assert_eq!(found, Err(ConcurrencyError::Timeout)),
            _ => assert_eq!(found, Ok(ready as usize)),
        }
        let asked = take(&mut *platform.asked.lock().expect("no caller panics"));
        assert_eq!(asked, [SOURCES as usize], "{ready} are ready");
    }
}

/// A descriptor is taken over while a question about it is under way, which replaces its
/// registration; the platform refuses to have that back. Whoever waits for a level looks anew.
#[test]
#[cfg_attr(miri, ignore = "the word of a carrier is read by assembly")]
fn a_registration_that_cannot_be_restored_leaves_nobody_asleep() {
    const SOURCE: Source = Source(3);
    static WORLD: OnceLock<(&Runtime, [Handle; 2])> = OnceLock::new();
    fn world() -> (&'static Runtime, [Handle; 2]) {
        *WORLD.get().expect("it is made first")
    }
    let platform = still(0);
    *platform.room.lock().expect("no caller panics") = 1;
    // SAFETY: the platform is the test's own.
    let runtime = unsafe { Runtime::new(platform, 0) }.expect("there is memory for tables");
    assert!(WORLD.set((runtime, [(); 2].map(|()| begin(runtime)))).is_ok(), "made once");
    *platform.beside.lock().expect("no caller panics") = Some(|| {
        let (runtime, [_, looks]) = world();
        assert!(runtime.register(SOURCE, ShortCount::Nothing).is_ok(), "there is room for one");
        runtime.unpark_ready(looks, SOURCE, Interest::READ, Instant::FAR);
        assert_eq!(asks(runtime), Ask::Look(Interest::READ), "nothing is ready, so it waits");
    });
    let (_, [asker, _]) = world();
    runtime.unpark_ready(asker, SOURCE, Interest::READ, Instant::FAR);
    assert_eq!(*platform.room.lock().expect("no caller panics"), 0, "it was registered");
    assert_eq!(asks(runtime), Ask::Nothing, "nobody is told of events, and somebody waits");

    fn asks(runtime: &'static Runtime) -> Ask {
        runtime.sources.slot(SOURCE.0).expect("it was asked for").state.lock().ask()
    }
}

unsafe fn nothing(_: *mut Payload) {}

/// A virtual thread that is not submitted.
fn begin(runtime: &'static Runtime) -> Handle {
    let entry = Entry { run: nothing, discard: nothing, payload: Payload::EMPTY };
    // SAFETY: neither function touches the payload.
    unsafe { runtime.spawn(entry, StackClass::K64) }.expect("there is room")
}

/// Tasks that registered for a wait and ended leave nothing behind, whichever record they had.
#[test]
#[cfg_attr(miri, ignore = "the word of a carrier is read by assembly")]
fn the_watches_of_a_task_that_ended_are_the_next_ones() {
    const SOURCES: u32 = 50;
    // SAFETY: the platform is the test's own.
    let runtime = unsafe { Runtime::new(still(0), 0) }.expect("there is memory for tables");
    // So many at once that each has a record of its own, and each has its turn.
    let all: Vec<_> = (0..50).map(|_| begin(runtime)).collect();
    for handle in all {
        for source in 0..SOURCES {
            // The second call is for the watch of the first.
            runtime.unpark_ready(handle, Source(source), Interest::READ, Instant::FAR);
            runtime.unpark_ready(handle, Source(source), Interest::BOTH, Instant::FAR);
        }
        runtime.abandon(handle);
    }
    assert_eq!(runtime.sources.watches.made(), SOURCES, "as many as were in use at once");
}
