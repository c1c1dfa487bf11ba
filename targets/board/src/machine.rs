//! A board as a platform: seats of carriers, CPUs, and what the other modules have.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use drift_core::platform::{
    Armed, CarrierId, CarrierMain, Events, Interest, Platform, PlatformError, Poll, Source, Stack,
    StackClass,
};
use drift_core::prim::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use drift_core::time::Instant;
use spin::Mutex;

use crate::arena::{Arena, Memory};
use crate::sources::{self, Sources};
use crate::stacks::Stacks;
use crate::{Board, CARRIERS};

/// Alignment of a table: a page.
const TABLE: usize = 4096;

/// A board with `CPUS` and its sources, as a platform: a static variable.
pub struct Machine<const CPUS: usize, const SOURCES: usize> {
    board: &'static dyn Board,
    memory: Memory,
    stacks: Stacks,
    cpus: [Cpu; CPUS],
    seats: [Seat; CARRIERS],
    /// The CPU that polls, or did so last.
    poller: AtomicUsize,
    sources: Sources<SOURCES>,
    /// Calls of `entropy`.
    asked: AtomicU32,
}

/// A CPU, which runs one carrier at most.
struct Cpu {
    /// It will enter, or has.
    is_here: AtomicBool,
    has_entered: AtomicBool,
    work: Mutex<Work>,
}

/// What a CPU runs, and what next: the same carrier if it is started again before it has ended.
struct Work {
    runs: Option<CarrierId>,
    next: Option<&'static dyn CarrierMain>,
}

impl Work {
    /// Whether it runs that carrier, or will.
    fn has(&self, id: CarrierId) -> bool {
        self.runs == Some(id) || self.next.is_some_and(|next| next.id() == id)
    }
}

/// Where a carrier sleeps.
struct Seat {
    is_woken: AtomicBool,
    /// The CPU on which it sleeps, or did so last.
    cpu: AtomicUsize,
}

impl<const CPUS: usize, const SOURCES: usize> Machine<CPUS, SOURCES> {
    /// A machine that takes its tables and stacks from `arena`. The number of a source is its place
    /// in `sources`.
    #[must_use]
    pub const fn new<const BYTES: usize>(
        board: &'static dyn Board,
        arena: &'static Arena<BYTES>,
        sources: [&'static dyn sources::Source; SOURCES],
    ) -> Self {
        let cpus = [const {
            Cpu {
                is_here: AtomicBool::new(false),
                has_entered: AtomicBool::new(false),
                work: Mutex::new(Work { runs: None, next: None }),
            }
        }; CPUS];
        let seats = [const { Seat { is_woken: AtomicBool::new(false), cpu: AtomicUsize::new(0) } };
            CARRIERS];
        Self {
            board,
            memory: arena.memory(),
            stacks: Stacks::new(),
            cpus,
            seats,
            poller: AtomicUsize::new(0),
            sources: Sources::new(sources),
            asked: AtomicU32::new(0),
        }
    }

    /// Source `source` may be ready. From any CPU, also in an interrupt handler.
    pub fn raise(&self, source: usize) {
        self.sources.raise(source);
        // SeqCst: after the source is raised; pairs with the store in `carrier_sleep`. Either this
        // sees who polls, or that CPU sees the source.
        self.board.kick(self.poller.load(Ordering::SeqCst));
    }

    /// The calling CPU will enter: from now on a carrier may be given to it.
    pub fn announce(&self) {
        self.cpus[self.board.cpu()].is_here.store(true, Ordering::Release);
    }

    /// How many have said so.
    #[must_use]
    pub fn announced(&self) -> usize {
        self.cpus.iter().filter(|cpu| cpu.is_here.load(Ordering::Acquire)).count()
    }

    /// Runs carriers on the calling CPU, for ever.
    ///
    /// # Panics
    /// If this CPU has entered before: a carrier may run here.
    pub fn enter(&'static self) -> ! {
        self.announce();
        let cpu = &self.cpus[self.board.cpu()];
        assert!(!cpu.has_entered.swap(true, Ordering::Relaxed), "a CPU enters once");
        loop {
            let next = {
                let mut work = cpu.work.lock();
                work.runs = work.next.map(CarrierMain::id);
                work.next.take()
            };
            if let Some(carrier) = next {
                // SAFETY: `carrier_start` gave it to this CPU, once, and nothing else runs here.
                unsafe { carrier.run() };
                continue;
            }
            self.board.set_alarm(u64::MAX);
            // A lock that is held is about to have something.
            let is_due = || cpu.work.try_lock().is_none_or(|work| work.next.is_some());
            self.board.idle(&is_due);
        }
    }

    fn limit_of_sources() -> PlatformError {
        PlatformError::Limit { what: "sources of the board, from 0", limit: SOURCES }
    }
}

// SAFETY: the arena gives memory out once; each call of `carrier_start` leads to one `run` in
// `enter`. What lies below a stack is another stack: a board without a guard says so.
unsafe impl<const CPUS: usize, const SOURCES: usize> Platform for Machine<CPUS, SOURCES> {
    fn now(&self) -> Instant {
        Instant(self.board.now())
    }

    fn entropy(&self) -> u64 {
        // Sets CPUs, carriers and calls apart; no more is needed.
        let asked = u64::from(self.asked.fetch_add(1, Ordering::Relaxed));
        let mixed = (self.board.now() ^ asked << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }

    unsafe fn carrier_start(&self, carrier: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        if usize::from(carrier.id().0) >= CARRIERS {
            let what = "carriers of a machine, those of executors that ended among them (CARRIERS)";
            return Err(PlatformError::Limit { what, limit: CARRIERS });
        }
        // One that has not ended yet goes on where it is.
        let has_it = |cpu: &Cpu| cpu.work.lock().has(carrier.id());
        let starts = |cpu: &Cpu| {
            let mut work = cpu.work.lock();
            let is_free =
                work.next.is_none() && (work.runs.is_none() || work.runs == Some(carrier.id()));
            let starts = is_free && cpu.is_here.load(Ordering::Acquire);
            if starts {
                work.next = Some(carrier);
            }
            starts
        };
        let at = self.cpus.iter().position(|cpu| has_it(cpu) && starts(cpu));
        let Some(cpu) = at.or_else(|| self.cpus.iter().position(starts)) else {
            let what = "CPUs of the board, each of which runs one carrier";
            return Err(PlatformError::Limit { what, limit: self.announced() });
        };
        self.board.kick(cpu);
        Ok(())
    }

    unsafe fn carrier_is_gone(&self, id: CarrierId) -> bool {
        self.cpus.iter().all(|cpu| !cpu.work.lock().has(id))
    }

    fn carrier_sleep(&self, id: CarrierId, until: Option<Instant>, ready: Option<&mut Events>) {
        let (seat, cpu) = (&self.seats[usize::from(id.0)], self.board.cpu());
        let (until, polls) = (until.map_or(u64::MAX, |until| until.0), ready.is_some());
        // Both SeqCst: before the looks below; pair with the loads in `carrier_wake` and `raise`.
        seat.cpu.store(cpu, Ordering::SeqCst);
        if polls {
            self.poller.store(cpu, Ordering::SeqCst);
        }
        let is_due = || {
            seat.is_woken.load(Ordering::SeqCst)
                || polls && self.sources.is_raised()
                || until != u64::MAX && self.board.now() >= until
        };
        if !is_due() {
            self.board.set_alarm(until);
            while !is_due() {
                self.board.idle(&is_due);
            }
        }
        // Acquire pairs with the release in `carrier_wake`, also if it came after the last look.
        seat.is_woken.swap(false, Ordering::Acquire);
        if let Some(events) = ready {
            self.sources.collect(events);
        }
    }

    fn carrier_wake(&self, id: CarrierId) {
        // One without a seat never started.
        let Some(seat) = self.seats.get(usize::from(id.0)) else { return };
        // SeqCst, also a release: what the waker did before is seen by the carrier.
        seat.is_woken.store(true, Ordering::SeqCst);
        // SeqCst: after the store; pairs with the store in `carrier_sleep`.
        self.board.kick(seat.cpu.load(Ordering::SeqCst));
    }

    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>) {
        self.thread_poll(word, value, until, &[]);
    }

    fn thread_poll(
        &self,
        word: &AtomicU32,
        value: u32,
        until: Option<Instant>,
        sources: &[Poll],
    ) -> bool {
        // Only code beside the carriers waits so, at the start of an image: it looks again and
        // again.
        let until = until.map_or(u64::MAX, |until| until.0);
        loop {
            let is_ready = |poll: &Poll| self.sources.poll(&mut [*poll]) != Some(0);
            if sources.iter().any(is_ready) {
                return true;
            }
            if word.load(Ordering::Acquire) != value || self.board.now() >= until {
                return false;
            }
            core::hint::spin_loop();
        }
    }

    fn thread_wake(&self, _: *const AtomicU32) {}

    fn thread_yield(&self, _: u32) {
        core::hint::spin_loop();
    }

    fn io_arm(&self, source: Source, token: u64, on: Interest) -> Result<Armed, PlatformError> {
        let armed = self.sources.arm(source.0, token, on).ok_or(Self::limit_of_sources())?;
        self.board.kick(self.poller.load(Ordering::SeqCst));
        Ok(armed)
    }

    fn io_register(&self, source: Source, token: u64) -> Result<(), PlatformError> {
        self.sources.register(source.0, token).ok_or(Self::limit_of_sources())?;
        self.board.kick(self.poller.load(Ordering::SeqCst));
        Ok(())
    }

    fn io_deregister(&self, source: Source) {
        self.sources.deregister(source.0);
    }

    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        self.sources.poll(polls).ok_or(Self::limit_of_sources())
    }

    fn stack_reserve(&self, class: StackClass) -> Result<(), PlatformError> {
        self.stacks.reserve(&self.memory, class)
    }

    fn stack_unreserve(&self, class: StackClass) {
        self.stacks.unreserve(class);
    }

    fn stack_alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        self.stacks.take(class)
    }

    unsafe fn stack_free(&self, stack: Stack) {
        self.stacks.give_back(&stack);
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        let layout = Layout::from_size_align(bytes, TABLE);
        let place = layout.ok().and_then(|layout| self.memory.take_zeroed(layout));
        let what = "memory of the board for the runtime's tables (its Arena)";
        place.ok_or(PlatformError::Limit { what, limit: self.memory.left() })
    }
}

impl<const CPUS: usize, const SOURCES: usize> fmt::Debug for Machine<CPUS, SOURCES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("board", &self.board).finish_non_exhaustive()
    }
}
