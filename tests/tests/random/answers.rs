//! Answers that depend on nothing but the question: of handles that are none, of one's own, of
//! the clock.

use drift_core::time::MILLISECOND;

use crate::judge::{EPOCH, Terms, instants};
use crate::program::{Exec, Op, When};
use crate::record::{Actor, Call, Record, Stamp, Target};

/// Whether the answer of this call is one of those that it may have.
pub fn check(record: &Record, terms: Terms, call: &Call) -> Result<(), String> {
    let Some((end, answer)) = call.end else { return Ok(()) };
    let is_good = match call.op {
        Op::Spawn(_) => answer > 0 || answer == 0 && terms.refuses,
        Op::Submit(exec, _) => is_submit_good(call, exec, answer),
        Op::ParkUntil(when) => is_sleep_good(call, when, end),
        Op::JoinTimeout(_, ms) => is_timed_join_good(call, i64::from(ms), answer),
        Op::IsCompleted(_) => match call.target {
            Target::Zero => answer == 0,
            Target::Garbage => answer == 1,
            Target::Virtual(_) => (0..=1).contains(&answer),
        },
        Op::Cancel(_) => match call.target {
            Target::Zero | Target::Garbage => answer == 1,
            Target::Virtual(_) => (0..=1).contains(&answer),
        },
        Op::Current => match call.actor {
            Actor::Thread(_) | Actor::Keeper => answer == 0,
            Actor::Virtual(number) => answer == record.lives[number].handle,
            Actor::Drop(_) => true,
        },
        Op::Now => {
            let ms = |time: u64| EPOCH + time.div_ceil(MILLISECOND) as i64;
            (ms(call.begin.time)..=ms(end.time)).contains(&answer)
        }
        Op::DefaultGet => answer != 0,
        Op::Create(_) => answer >= 0,
        _ => true,
    };
    if is_good { Ok(()) } else { Err(format!("a wrong answer: {call:?}")) }
}

fn is_submit_good(call: &Call, exec: Exec, answer: i64) -> bool {
    match (exec, call.target) {
        (Exec::Garbage(_), _) | (_, Target::Zero | Target::Garbage) => answer >= 3,
        _ => answer >= 0,
    }
}

/// A thread that runs no virtual thread sleeps.
fn is_sleep_good(call: &Call, when: When, end: Stamp) -> bool {
    let sleeps =
        matches!(call.actor, Actor::Thread(_)) && matches!(when, When::In(_) | When::At(_));
    !sleeps || end.time >= instants(call.ms, call.begin.time, end.time).0
}

fn is_timed_join_good(call: &Call, ms: i64, answer: i64) -> bool {
    match call.target {
        Target::Zero => answer == 0,
        _ if ms <= 0 => answer == 1,
        Target::Garbage => answer == 0,
        // It would wait for itself.
        Target::Virtual(number) if call.actor == Actor::Virtual(number) => answer == 1,
        Target::Virtual(_) => (0..=1).contains(&answer),
    }
}
