//! Who goes on next: drawn among those that can, and the clock goes on with it.

use std::rc::Rc;

use super::{Status, Thread, World};
use crate::actor::ThreadId;
use crate::faults::Fault;
use crate::log::What;

/// How far a clock may jump.
const LONGEST_JUMP: u64 = 10_000_000_000;

/// How long it takes to look whether somebody else went on.
const SPIN: u64 = 1_000;

impl World {
    /// Who goes on next. Moves the clock.
    pub(super) fn choose(&self) -> Option<ThreadId> {
        let temper = &self.settings.temper;
        self.now.set(self.now.get() + 1 + self.schedule.borrow_mut().below(temper.step));
        if let Some(unwinding) = self.unwinding.get() {
            return Some(self.choose_for(unwinding));
        }
        if self.strikes(Fault::ClockJump) {
            self.now.set(self.now.get() + self.faults.borrow_mut().amount(LONGEST_JUMP));
        }
        loop {
            let threads = self.threads.borrow();
            let now = self.now.get();
            let (mut ready, mut polite, mut next) = (0, 0, None::<u64>);
            for thread in threads.iter() {
                if let Status::Waiting { until: Some(until), .. } = thread.status.get() {
                    if until <= now {
                        thread.status.set(Status::Ready);
                    } else {
                        next = Some(next.map_or(until, |next| next.min(until)));
                    }
                }
                if thread.status.get() == Status::Ready {
                    ready += 1;
                    polite += u64::from(thread.gives_way.get());
                }
            }
            if ready > 0 {
                return Some(self.choose_of(&threads, ready, polite, next));
            }
            self.now.set(next?);
            drop(threads);
            self.note(What::TimePasses);
        }
    }

    /// Who goes on so that `unwinding` can: those that have a lock, in turn; if nobody has, another
    /// one, once.
    fn choose_for(&self, unwinding: ThreadId) -> ThreadId {
        let threads = self.threads.borrow();
        let last = self.last.get().unwrap_or(unwinding);
        let others = (1..=threads.len()).map(|step| (last + step) % threads.len());
        let mut others = others
            .filter(|other| *other != unwinding && threads[*other].status.get() == Status::Ready);
        let one_with_a_lock = others.clone().find(|other| threads[*other].locks.get() > 0);
        let gives_way = threads[unwinding].gives_way.replace(false);
        one_with_a_lock.or_else(|| others.next().filter(|_| gives_way)).unwrap_or(unwinding)
    }

    /// One of `ready` threads, of which `polite` ones would rather wait for another.
    fn choose_of(
        &self,
        threads: &[Rc<Thread>],
        ready: u64,
        polite: u64,
        next: Option<u64>,
    ) -> ThreadId {
        let mut dice = self.schedule.borrow_mut();
        let everybody = ready == polite;
        if everybody {
            // They spin: as on a machine, time goes on meanwhile.
            let spun = self.now.get() + SPIN;
            self.now.set(next.map_or(spun, |next| next.min(spun)));
        }
        let is_ready = |thread: &Thread| {
            thread.status.get() == Status::Ready && (everybody || !thread.gives_way.get())
        };
        if let Some(last) = self.last.get()
            && is_ready(&threads[last])
            && dice.hits(self.settings.temper.sticks)
        {
            threads.iter().for_each(|thread| thread.gives_way.set(false));
            return last;
        }
        let chosen = dice.below(if everybody { ready } else { ready - polite });
        let mut candidates = threads.iter().enumerate().filter(|(_, thread)| is_ready(thread));
        let (chosen, _) = candidates.nth(chosen as usize).expect("so many were counted");
        // Somebody goes on: who gave way may look again.
        threads.iter().for_each(|thread| thread.gives_way.set(false));
        chosen
    }
}
