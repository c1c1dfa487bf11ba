//! A board as a platform: seats of carriers, and what the other modules have.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use drift_core::prim::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use drift_core::platform::{
    Armed, CarrierId, CarrierMain, Events, Interest, Platform, PlatformError, Poll, Source, Stack,
    StackClass,
};
use drift_core::time::Instant;
use spin::Mutex;

use crate::Board;
use crate::arena::{Arena, Memory};
use crate::sources::{self, Sources};
use crate::stacks::Stacks;

/// Alignment of a table: a carrier's, which is the largest.
const TABLE: usize = 128;

/// No carrier.
const NOBODY: usize = usize::MAX;

/// A board with `CPUS` and its sources, as a platform: a static variable.
pub struct Machine<const CPUS: usize, const SOURCES: usize> {
    board: &'static dyn Board,
    memory: Memory,
    stacks: Stacks,
    cpus: [Cpu; CPUS],
    /// The CPU whose carrier polls.
    poller: AtomicUsize,
    sources: Sources<SOURCES>,
}

/// A CPU, which runs one carrier at most.
struct Cpu {
    /// It has entered.
    is_here: AtomicBool,
    /// The number of its carrier, or `NOBODY`.
    carrier: AtomicUsize,
    /// What to run next.
    next: Mutex<Option<&'static dyn CarrierMain>>,
    woken: AtomicBool,
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
                carrier: AtomicUsize::new(NOBODY),
                next: Mutex::new(None),
                woken: AtomicBool::new(false),
            }
        }; CPUS];
        Self {
            board,
            memory: arena.memory(),
            stacks: Stacks::new(),
            cpus,
            poller: AtomicUsize::new(0),
            sources: Sources::new(sources),
        }
    }

    /// Source `source` may be ready. From its interrupt handler, on any CPU.
    pub fn raise(&self, source: usize) {
        self.sources.raise(source);
        self.board.kick(self.poller.load(Ordering::Relaxed));
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
    pub fn enter(&'static self) -> ! {
        self.announce();
        let cpu = &self.cpus[self.board.cpu()];
        loop {
            let next = cpu.next.lock().take();
            if let Some(carrier) = next {
                // SAFETY: `carrier_start` gave it to this CPU, once.
                unsafe { carrier.run() };
                cpu.carrier.store(NOBODY, Ordering::Release);
                continue;
            }
            self.board.set_alarm(u64::MAX);
            self.board.idle(&|| cpu.next.try_lock().is_none_or(|next| next.is_some()));
        }
    }

    /// The CPU that a carrier runs on.
    fn cpu_of(&self, id: CarrierId) -> Option<usize> {
        let is_its = |cpu: &Cpu| cpu.carrier.load(Ordering::Acquire) == usize::from(id.0);
        self.cpus.iter().position(is_its)
    }
}

// SAFETY: the arena gives memory out once, all zero; each call of `carrier_start` leads to one
// `run` in `enter`. What lies below a stack is another stack: a board without a guard says so.
unsafe impl<const CPUS: usize, const SOURCES: usize> Platform for Machine<CPUS, SOURCES> {
    fn now(&self) -> Instant {
        Instant(self.board.now())
    }

    fn entropy(&self) -> u64 {
        // Splits CPUs, carriers and runs apart; no more is needed.
        (self.board.now() ^ self.board.cpu() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    unsafe fn carrier_start(&self, carrier: &'static dyn CarrierMain) -> Result<(), PlatformError> {
        let id = usize::from(carrier.id().0);
        let claims = |cpu: &Cpu| {
            let (new, old) = (Ordering::AcqRel, Ordering::Relaxed);
            let is_here = cpu.is_here.load(Ordering::Acquire);
            is_here && cpu.carrier.compare_exchange(NOBODY, id, new, old).is_ok()
        };
        let Some(cpu) = self.cpus.iter().position(claims) else {
            let what = "CPUs of the board, each of which runs one carrier";
            return Err(PlatformError::Limit { what, limit: self.announced() });
        };
        *self.cpus[cpu].next.lock() = Some(carrier);
        self.board.kick(cpu);
        Ok(())
    }

    fn carrier_sleep(&self, id: CarrierId, until: Option<Instant>, ready: Option<&mut Events>) {
        let cpu = &self.cpus[self.board.cpu()];
        debug_assert_eq!(cpu.carrier.load(Ordering::Relaxed), usize::from(id.0));
        let until = until.map_or(u64::MAX, |until| until.0);
        let polls = ready.is_some();
        if polls {
            // Relaxed: a handler that sees the CPU of before kicks that one, which is awake.
            self.poller.store(self.board.cpu(), Ordering::Relaxed);
        }
        let is_due = || {
            cpu.woken.load(Ordering::Acquire)
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
        cpu.woken.swap(false, Ordering::Acquire);
        if let Some(events) = ready {
            self.sources.collect(events);
        }
    }

    fn carrier_wake(&self, id: CarrierId) {
        let Some(cpu) = self.cpu_of(id) else { return };
        // Release: what the waker did before is seen by the carrier.
        self.cpus[cpu].woken.store(true, Ordering::Release);
        self.board.kick(cpu);
    }

    fn thread_wait(&self, word: &AtomicU32, value: u32, until: Option<Instant>) {
        let until = until.map_or(u64::MAX, |until| until.0);
        let is_due = || word.load(Ordering::Acquire) != value || self.board.now() >= until;
        while !is_due() {
            core::hint::spin_loop();
        }
    }

    fn thread_wake(&self, _: *const AtomicU32) {}

    fn thread_yield(&self, _: u32) {
        core::hint::spin_loop();
    }

    fn io_arm(&self, source: Source, token: u64, on: Interest) -> Result<Armed, PlatformError> {
        let what = "sources of the board";
        let armed = self.sources.arm(source.0, token, on);
        self.board.kick(self.poller.load(Ordering::Relaxed));
        armed.ok_or(PlatformError::Limit { what, limit: SOURCES })
    }

    fn io_poll(&self, polls: &mut [Poll]) -> Result<usize, PlatformError> {
        let what = "sources of the board";
        self.sources.poll(polls).ok_or(PlatformError::Limit { what, limit: SOURCES })
    }

    fn stack_reserve(&self, class: StackClass) -> Result<(), PlatformError> {
        self.stacks.reserve(&self.memory, class)
    }

    fn stack_alloc(&self, class: StackClass) -> Result<Stack, PlatformError> {
        self.stacks.take(class)
    }

    unsafe fn stack_free(&self, stack: Stack) {
        self.stacks.give_back(&stack);
    }

    fn table(&self, bytes: usize) -> Result<NonNull<u8>, PlatformError> {
        let layout =
            Layout::from_size_align(bytes, TABLE).map_err(|_| PlatformError::Unsupported)?;
        let what = "memory of the board for the runtime's tables (its Arena)";
        let limit = self.memory.left();
        self.memory.take(layout).ok_or(PlatformError::Limit { what, limit })
    }
}

impl<const CPUS: usize, const SOURCES: usize> fmt::Debug for Machine<CPUS, SOURCES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("board", &self.board).finish_non_exhaustive()
    }
}
