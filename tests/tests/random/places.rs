//! What ties virtual threads together: places at an executor, and who comes first.
//!
//! Only what is certain is judged. A refusal is wrong if, with everybody counted who may have had
//! a place, there was one left; an admission is wrong if, with only those counted who surely had a
//! place all the time, there was none.

use drift_core::time::MILLISECOND;

use crate::judge::Terms;
use crate::program::{Exec, Op, Policy};
use crate::record::{Actor, Call, Life, Record, Target};

/// That limits were kept, and virtual threads of one carrier began in order.
pub fn check(record: &Record, terms: Terms, execs: &[Policy]) -> Result<(), String> {
    for call in &record.calls {
        let Op::Submit(Exec::Number(number), _) = call.op else { continue };
        let policy = &execs[usize::from(number)];
        let Some((end, answer)) = call.end else { continue };
        let waited = end.time - call.begin.time;
        let is_good = match answer {
            0 => !is_surely_full(record, call, number, policy),
            1 => policy.saturation != 0 && may_be_full(record, call, number, policy),
            2 => {
                let wait = policy.timeout.max(0) as u64 * MILLISECOND;
                policy.saturation == 0 && wait > 0 && waited >= wait && policy.limit > 0
            }
            _ => true,
        };
        if !is_good {
            return Err(format!("a wrong answer at the limit: {call:?}"));
        }
    }
    if terms.reorders { Ok(()) } else { in_order(record, execs) }
}

fn submits(record: &Record, number: u8) -> impl Iterator<Item = &Call> {
    let to = move |call: &&Call| match call.op {
        Op::Submit(Exec::Number(exec), _) => exec == number,
        Op::Submit(Exec::Default, _) => true,
        _ => false,
    };
    record.calls.iter().filter(to)
}

fn end_of(call: &Call) -> u64 {
    call.end.map_or(u64::MAX, |(end, _)| end.place)
}

/// Whether the limit may have been reached at some moment of this call.
fn may_be_full(record: &Record, call: &Call, number: u8, policy: &Policy) -> bool {
    let may_count = |other: &&Call| {
        let is_before = other.begin.place < end_of(call) && other.begin.place != call.begin.place;
        is_before && !has_surely_ended(record, other.target, call.begin.place)
    };
    let counted = submits(record, number).filter(may_count).count();
    policy.limit > 0 && counted as i64 >= policy.limit
}

/// Whether somebody knew before that place that it had ended.
fn has_surely_ended(record: &Record, target: Target, place: u64) -> bool {
    record.calls.iter().any(|call| {
        let Some((end, answer)) = call.end else { return false };
        let Target::Virtual(number) = target else { return true };
        let knows = match call.op {
            Op::Join(_) => call.actor != Actor::Virtual(number),
            Op::JoinTimeout(..) => answer == 0,
            Op::IsCompleted(_) | Op::Cancel(_) => answer == 1,
            _ => false,
        };
        knows && call.target == target && end.place < place
    })
}

/// Whether the limit was surely reached at every moment of this call, which has admitted one more.
fn is_surely_full(record: &Record, call: &Call, number: u8, policy: &Policy) -> bool {
    let surely = |(index, life): (usize, &Life)| {
        call.target != Target::Virtual(index) && has_surely_place(record, call, number, index, life)
    };
    let counted = record.lives.iter().enumerate().filter(|life| surely(*life)).count();
    // One that was submitted before has no need of a place.
    let is_again = record.calls.iter().any(|other| {
        let is_other = other.begin.place != call.begin.place;
        let ends =
            matches!(other.op, Op::Submit(..) | Op::Cancel(_) | Op::Drop(_) | Op::Shutdown(..));
        let same = other.target == call.target || matches!(other.op, Op::Shutdown(..));
        is_other && ends && same && other.begin.place < end_of(call)
    });
    policy.limit > 0 && !is_again && counted as i64 >= policy.limit
}

/// Whether a virtual thread was ready or running all the time of this call.
fn has_surely_place(record: &Record, call: &Call, number: u8, index: usize, life: &Life) -> bool {
    let target = Target::Virtual(index);
    let mut own = record.calls.iter().filter(|other| other.target == target);
    let mut submitted = submits(record, number).filter(|other| other.target == target);
    let is_in = submitted.any(|other| {
        let is_named = matches!(other.op, Op::Submit(Exec::Number(_), _));
        is_named && matches!(other.end, Some((end, 0)) if end.place < call.begin.place)
    });
    let only = own.all(|other| match other.op {
        Op::Submit(exec, _) => exec == Exec::Number(number),
        Op::Cancel(_) | Op::Drop(_) => other.begin.place > end_of(call),
        _ => true,
    });
    let is_shut = record.calls.iter().any(|other| matches!(other.op, Op::Shutdown(..)));
    if !is_in || !only || is_shut {
        return false;
    }
    let Some(called) = life.called else { return life.drops.is_none_or(|at| at > end_of(call)) };
    let runs = called < call.begin.place && life.drops.is_none_or(|at| at > end_of(call));
    let waits = record.calls.iter().any(|other| {
        let is_own = other.actor == Actor::Virtual(index) && other.op.blocks();
        is_own && other.begin.place < end_of(call) && end_of(other) > call.begin.place
    });
    // Whose park has been ended is counted before its call returns: not to be seen from here.
    called > end_of(call) || runs && !waits
}

/// That virtual threads of an executor with one carrier began in the order of their submits.
fn in_order(record: &Record, execs: &[Policy]) -> Result<(), String> {
    let mut starts = Vec::new();
    for (index, life) in record.lives.iter().enumerate() {
        let target = Target::Virtual(index);
        let mut submits = record
            .calls
            .iter()
            .filter(|call| matches!(call.op, Op::Submit(..)) && call.target == target);
        let (Some(called), Some(submit), None) = (life.called, submits.next(), submits.next())
        else {
            continue;
        };
        let (Op::Submit(Exec::Number(number), _), Some((_, 0))) = (submit.op, submit.end) else {
            continue;
        };
        if execs[usize::from(number)].max <= 1 {
            starts.push((number, submit, called));
        }
    }
    for (number, one, called) in &starts {
        for (other, two, later) in &starts {
            if number == other && end_of(one) < two.begin.place && later < called {
                return Err(format!("out of order: {one:?} began after {two:?}"));
            }
        }
    }
    Ok(())
}
