//! Whether what happened to one virtual thread could have happened to the reference: a search for
//! an order of the steps, each at some moment between its begin and its end, that the reference
//! allows (Wing and Gong, "Testing and verifying concurrent objects", 1993).

use std::collections::HashSet;

use crate::model::{Step, Virtual};

/// A step, and between which places it happened.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub step: Step,
    pub begin: u64,
    pub end: u64,
}

/// Steps that one search can hold.
pub const MOST: usize = 128;

/// Whether there is such an order, and `accepts` what it leads to.
pub fn has_order(steps: &[Placed], accepts: impl Fn(Virtual) -> bool) -> bool {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|step| step.begin);
    let mut search = Search { steps: &steps, seen: HashSet::new(), accepts: &accepts };
    search.goes_on(0, Virtual::new())
}

struct Search<'a> {
    steps: &'a [Placed],
    seen: HashSet<(u128, Virtual)>,
    accepts: &'a dyn Fn(Virtual) -> bool,
}

impl Search<'_> {
    /// `done` are the steps that have happened.
    fn goes_on(&mut self, done: u128, now: Virtual) -> bool {
        if !self.seen.insert((done, now)) {
            return false;
        }
        let steps = self.steps;
        let left = || steps.iter().enumerate().filter(|(index, _)| done >> index & 1 == 0);
        let Some(first_end) = left().map(|(_, step)| step.end).min() else {
            return (self.accepts)(now);
        };
        left().filter(|(_, placed)| placed.begin <= first_end).any(|(index, placed)| {
            let mut nexts = now.after(placed.step).into_iter().flatten();
            nexts.any(|next| self.goes_on(done | 1 << index, next))
        })
    }
}
