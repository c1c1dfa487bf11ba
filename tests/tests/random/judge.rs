//! Holds a record against the reference.
//!
//! | what                                                | when                                   |
//! |-----------------------------------------------------|----------------------------------------|
//! | `rests`: whoever still waits may wait for ever      | nobody has anything to do              |
//! | `verdict`: every answer is possible, all has ended  | the program is over                    |
//!
//! Virtual threads are judged one by one. What ties them together, the limits and the order of
//! executors, is in `places.rs`; answers that depend on nothing else are in `answers.rs`.

use drift_core::time::MILLISECOND;

use crate::model::{Phase, Step, Virtual};
use crate::program::{Exec, Fd, Op, Policy, When};
use crate::record::{Actor, Call, Life, Record, Target};
use crate::search::{self, Placed};
use crate::{answers, places};

/// What the platform may do, and the judge has to know.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Things are refused: stacks, carriers.
    pub refuses: bool,
    /// The program's descriptors can be waited for.
    pub has_fds: bool,
    /// Stacks may come late, and so virtual threads out of order.
    pub reorders: bool,
}

/// The first milliseconds that count as a point in time; see `drift_time_now_ms`.
pub const EPOCH: i64 = 1 << 40;

/// Between which instants `ms` has come, for a call that began at `begin` and ended at `end`.
pub fn instants(ms: i64, begin: u64, end: u64) -> (u64, u64) {
    if ms >= EPOCH {
        let instant = (ms - EPOCH) as u64 * MILLISECOND;
        return (instant, instant);
    }
    let span = ms.max(0) as u64 * MILLISECOND;
    (begin.saturating_add(span), end.saturating_add(span))
}

/// The verdict on a record, and what it says of a virtual thread.
struct Judge<'a> {
    record: &'a Record,
    terms: Terms,
}

/// Whether those who still wait may wait for ever; else who may not.
pub fn rests(record: &Record, terms: Terms) -> Result<(), String> {
    let judge = Judge { record, terms };
    record.busy.iter().try_for_each(|actor| waits_well(record, *actor))?;
    for (number, life) in record.lives.iter().enumerate().filter(|(_, life)| life.handle != 0) {
        let is_joined = |call: &Call| {
            let joins = matches!(call.op, Op::Join(_)) && call.target == Target::Virtual(number);
            joins && call.end.is_none()
        };
        let is_joined = record.calls.iter().any(is_joined);
        let is_parked =
            record.pending(Actor::Virtual(number)).is_some_and(|call| matches!(call.op, Op::Park))
                && life.drops.is_none();
        judge.explain(number, "cannot be at rest", |now| match now.phase {
            Phase::New => true,
            Phase::Ready | Phase::Dropping => false,
            Phase::Started => !is_parked || now.may_stay_parked(),
            Phase::Over => !is_joined,
        })?;
    }
    Ok(())
}

/// That an actor that is not at its end is in a call that may last.
fn waits_well(record: &Record, actor: Actor) -> Result<(), String> {
    let Some(call) = record.pending(actor) else {
        return Err(format!("{actor:?} has something to do"));
    };
    let own = |number: usize| actor == Actor::Virtual(number);
    match (call.op, call.target) {
        (Op::Park, Target::Virtual(number)) if own(number) => Ok(()),
        (Op::Join(_), Target::Virtual(number)) if !own(number) => Ok(()),
        _ => Err(format!("{actor:?} is in {:?}, on {:?}", call.op, call.target)),
    }
}

/// Whether all of it was right, at the end, when everything is over.
pub fn verdict(record: &Record, terms: Terms, execs: &[Policy]) -> Result<(), String> {
    if let Some(violation) = record.violations.first() {
        return Err(violation.clone());
    }
    let judge = Judge { record, terms };
    record.calls.iter().try_for_each(|call| answers::check(record, terms, call))?;
    for (number, life) in record.lives.iter().enumerate() {
        if life.handle != 0 {
            judge.explain(number, "has no history", |now| now.phase == Phase::Over)?;
        } else if life.called.is_some() || life.drops.is_some() {
            return Err(format!("virtual thread {number} was refused, and lives"));
        }
    }
    places::check(record, terms, execs)
}

impl Judge<'_> {
    /// That the steps of one virtual thread have an order.
    fn explain(
        &self,
        number: usize,
        what: &str,
        accepts: impl Fn(Virtual) -> bool,
    ) -> Result<(), String> {
        let life = &self.record.lives[number];
        let mut steps = Vec::new();
        self.own_steps(number, life, &mut steps);
        let target = Target::Virtual(number);
        for call in self.record.calls.iter().filter(|call| call.target == target) {
            self.steps_of(number, call, &mut steps);
        }
        for call in &self.record.calls {
            if let Op::Shutdown(_, true, _) = call.op {
                steps.push(self.placed(call, Step::MaybeCancel));
            }
        }
        if steps.len() > search::MOST || search::has_order(&steps, accepts) {
            return Ok(());
        }
        steps.sort_by_key(|step| step.begin);
        let list: String = steps
            .iter()
            .map(|Placed { step, begin, end }| match *end {
                u64::MAX => format!("\n    {begin:>5} ..       {step:?}"),
                _ => format!("\n    {begin:>5} ..{end:>5} {step:?}"),
            })
            .collect();
        Err(format!("virtual thread {number} (slot {}) {what}:{list}", life.slot))
    }

    fn placed(&self, call: &Call, step: Step) -> Placed {
        let end = call.end.map_or(u64::MAX, |(end, _)| end.place);
        Placed { step, begin: call.begin.place, end }
    }

    /// What the callback tells.
    fn own_steps(&self, number: usize, life: &Life, steps: &mut Vec<Placed>) {
        if let Some(called) = life.called {
            steps.push(Placed { step: Step::Start, begin: 0, end: called });
        }
        if let (Some(drops), None) = (life.drops, life.called) {
            steps.push(Placed { step: Step::Discard, begin: drops, end: drops });
        }
        if let Some(dropped) = life.dropped {
            let end = match life.called {
                Some(_) => u64::MAX,
                None => self.discarder(number, life.drops.unwrap_or(0), dropped),
            };
            steps.push(Placed { step: Step::Complete, begin: dropped, end });
        }
    }

    /// When the call has ended that dropped a callback, if it can be told which it was.
    fn discarder(&self, number: usize, drops: u64, dropped: u64) -> u64 {
        let ends = |call: &&Call| {
            let is_one = match call.op {
                Op::Cancel(_) | Op::Drop(_) => call.target == Target::Virtual(number),
                Op::Shutdown(..) | Op::Submit(..) => true,
                _ => false,
            };
            let end = call.end.map_or(u64::MAX, |(end, _)| end.place);
            is_one && call.begin.place < drops && dropped < end
        };
        let mut calls = self.record.calls.iter().filter(ends);
        match (calls.next(), calls.next()) {
            (Some(call), None) => call.end.map_or(u64::MAX, |(end, _)| end.place),
            _ => u64::MAX,
        }
    }

    /// What a call on this virtual thread did to it. Of calls that have not ended, those that last
    /// have done nothing yet, and there are no others when somebody asks.
    fn steps_of(&self, number: usize, call: &Call, steps: &mut Vec<Placed>) {
        let is_own = call.actor == Actor::Virtual(number);
        let Some((end, answer)) = call.end else { return };
        let (from, to) = instants(call.ms, call.begin.time, end.time);
        let step = match call.op {
            Op::Submit(Exec::Garbage(_), _) => return,
            Op::Submit(exec, _) => {
                let may_fail = self.terms.refuses || self.may_be_closed(exec);
                if answer > 2 && self.may_be_closed(exec) {
                    steps.push(self.placed(call, Step::Submit(0, false)));
                    steps.push(self.placed(call, Step::TakeBack));
                }
                Step::Submit(answer, may_fail)
            }
            Op::Unpark(_) => Step::Unpark,
            Op::Timer(When::Zero | When::Negative, _) => Step::Register(0, true),
            Op::Timer(..) => Step::Register(from, to < u64::MAX),
            Op::Io(fd, writable, _, when) => self.registration(fd, writable, when, from),
            Op::Park if is_own => Step::Park(end.time, u64::MAX),
            Op::ParkUntil(When::In(_) | When::At(_)) if is_own => Step::Park(end.time, from),
            Op::Join(_) if !is_own => Step::Join,
            Op::JoinTimeout(_, ms @ 1..) => {
                let waited = end.time - call.begin.time >= ms as u64 * MILLISECOND;
                match answer {
                    0 => Step::Join,
                    // Of oneself it fails at once.
                    _ => Step::JoinFailed(waited || is_own),
                }
            }
            Op::IsCompleted(_) => Step::IsCompleted(answer),
            Op::Cancel(_) => Step::Cancel(answer),
            Op::Drop(_) => Step::Drop,
            _ => return,
        };
        steps.push(self.placed(call, step));
    }

    /// Whether a submit may find the executor closed, or the default one set to nothing good.
    fn may_be_closed(&self, exec: Exec) -> bool {
        let mut calls = self.record.calls.iter();
        calls.any(|call| match call.op {
            Op::Shutdown(number, ..) => exec == Exec::Default || exec == Exec::Number(number),
            Op::DefaultSet(Exec::Garbage(_)) => exec == Exec::Default,
            _ => false,
        })
    }

    fn registration(&self, fd: Fd, writable: bool, when: When, from: u64) -> Step {
        let by_time = match when {
            When::Zero => u64::MAX,
            When::Negative => return Step::Register(0, true),
            When::In(_) | When::At(_) => from,
        };
        let Fd::Number(number) = fd else { return Step::Register(0, true) };
        if !self.terms.has_fds {
            return Step::Register(0, true);
        }
        let did = |what: Op| self.record.calls.iter().filter(move |call| call.op == what);
        let is_closed = did(Op::Close(number)).next().is_some();
        let is_written = did(Op::Write(number)).next().is_some();
        let may = is_closed || is_written || writable || self.terms.refuses;
        let will = !is_closed && (writable || is_written);
        let earliest = if may { 0 } else { by_time };
        Step::Register(earliest, will || by_time != u64::MAX)
    }
}
