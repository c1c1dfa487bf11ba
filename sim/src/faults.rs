//! What a platform may refuse or disturb, and how often.

use crate::dice::Dice;

/// How often each thing goes wrong, in parts per million of the times that it could.
///
/// Every one of these happens on real machines: memory and threads run out, a call is ended early,
/// a sleep ends for no reason or late, a clock jumps when a virtual machine was stopped.
///
/// # Examples
/// ```
/// use drift_sim::{Faults, Sim};
///
/// // Every tenth start of a thread fails, and nothing else.
/// let sim = Sim::new(7).faults(Faults { thread_start: 100_000, ..Faults::NONE });
/// sim.run(|| ());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Address space for one more stack is refused, at `spawn`.
    pub stack_reserve: u32,
    /// Memory for a stack's guard is refused, at the start of a virtual thread.
    pub stack_alloc: u32,
    /// Address space for a table is refused.
    pub table: u32,
    /// A carrier's OS thread cannot be started.
    pub thread_start: u32,
    /// A descriptor cannot be waited for.
    pub io_arm: u32,
    /// A read or write moves less than it could, and no event tells of the rest.
    pub short_call: u32,
    /// A sleep or wait ends without a cause.
    pub spurious_wake: u32,
    /// A sleep or wait ends up to a tenth of a second late.
    pub late_wake: u32,
    /// The clock jumps forward by up to ten seconds between two steps.
    pub clock_jump: u32,
}

impl Faults {
    /// None at all.
    pub const NONE: Self = Self {
        stack_reserve: 0,
        stack_alloc: 0,
        table: 0,
        thread_start: 0,
        io_arm: 0,
        short_call: 0,
        spurious_wake: 0,
        late_wake: 0,
        clock_jump: 0,
    };

    /// Disturbances that no program need notice: wakes without a cause, late ones, and memory for
    /// guards that comes a little later.
    pub const QUIET: Self =
        Self { stack_alloc: 50_000, spurious_wake: 50_000, late_wake: 20_000, ..Self::NONE };

    /// Everything.
    pub const ALL: Self = Self {
        stack_reserve: 20_000,
        table: 20_000,
        thread_start: 50_000,
        io_arm: 20_000,
        short_call: 20_000,
        clock_jump: 1_000,
        ..Self::QUIET
    };
}

/// A kind of fault, as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields of `Faults` by the same names say what they are")]
pub enum Fault {
    StackReserve,
    StackAlloc,
    Table,
    ThreadStart,
    IoArm,
    ShortCall,
    SpuriousWake,
    LateWake,
    ClockJump,
}

impl Fault {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::StackReserve,
        Self::StackAlloc,
        Self::Table,
        Self::ThreadStart,
        Self::IoArm,
        Self::ShortCall,
        Self::SpuriousWake,
        Self::LateWake,
        Self::ClockJump,
    ];
}

/// Decides for one world.
#[derive(Debug)]
pub(crate) struct Injector {
    rates: Faults,
    dice: Dice,
}

impl Injector {
    pub(crate) fn new(rates: Faults, dice: Dice) -> Self {
        Self { rates, dice }
    }

    /// Whether `fault` happens now.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let rate = match fault {
            Fault::StackReserve => self.rates.stack_reserve,
            Fault::StackAlloc => self.rates.stack_alloc,
            Fault::Table => self.rates.table,
            Fault::ThreadStart => self.rates.thread_start,
            Fault::IoArm => self.rates.io_arm,
            Fault::ShortCall => self.rates.short_call,
            Fault::SpuriousWake => self.rates.spurious_wake,
            Fault::LateWake => self.rates.late_wake,
            Fault::ClockJump => self.rates.clock_jump,
        };
        self.dice.hits(rate)
    }

    /// How much, below `bound`.
    pub(crate) fn amount(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }
}
