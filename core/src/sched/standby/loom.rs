//! Whoever runs has a standby, or another carrier awake: whatever ends meanwhile.

use loom::sync::Arc;
use loom::thread;

use crate::prim::{AtomicBool, AtomicU32, Ordering, fence};
use crate::sched::crew::Crew;
use crate::sched::idle::Idle;

/// An executor that may have two carriers. The first stays; the second is `runs_second` while it
/// has an OS thread, as `Carrier::life` has it.
struct Model {
    idle: Idle,
    crew: Crew,
    runs_second: AtomicBool,
    /// Standbys that were started.
    started: AtomicU32,
}

impl Model {
    /// The first carrier sleeps, and the second is on: it takes part, or stands by.
    fn new(stands_by: bool) -> Arc<Self> {
        let model = Self {
            idle: Idle::new(),
            crew: Crew::new(),
            runs_second: AtomicBool::new(true),
            started: AtomicU32::new(0),
        };
        model.idle.fall_asleep(false);
        model.crew.join_in();
        match stands_by {
            true => assert!(model.crew.take_standby()),
            false => model.crew.join_in(),
        }
        Arc::new(model)
    }

    /// As `Executor::grow`.
    fn grow(&self) {
        if self.crew.active() >= 2 {
            return;
        }
        let start = || {
            let claim = (Ordering::SeqCst, Ordering::Relaxed);
            self.runs_second.compare_exchange(false, true, claim.0, claim.1).ok()?;
            self.started.fetch_add(1, Ordering::Relaxed);
            Some(Ok(()))
        };
        self.crew.appoint(start, || !self.runs_second.load(Ordering::SeqCst));
    }

    /// The first carrier wakes and finds work, as `Carrier::sleep` and `Carrier::found_work`.
    fn wake_up(&self) {
        self.idle.wake_up();
        if self.crew.wants_standby(2) {
            self.grow();
        }
    }

    /// The end of `Carrier::run_between`.
    fn stop(&self, stood_by: bool) {
        self.runs_second.store(false, Ordering::Release);
        if stood_by {
            self.crew.leave_standby();
        }
        fence(Ordering::SeqCst);
        if self.crew.lacks_standby(&self.idle, 2) {
            self.grow();
        }
    }
}

/// The first carrier wakes beside the second, which `ends` unless it says that it stays.
fn nobody_is_left_alone(stands_by: bool, ends: fn(&Model) -> bool) {
    loom::model(move || {
        let model = Model::new(stands_by);
        let first = Arc::clone(&model);
        let first = thread::spawn(move || first.wake_up());
        let stays = !ends(&model);
        first.join().unwrap();
        let started = model.started.load(Ordering::Relaxed);
        assert_eq!(started, u32::from(!stays), "the first runs alone, or there are too many");
    });
}

#[test]
fn one_that_joined_in_does_not_leave_another_alone() {
    // As `Carrier::idle_turn` and `Carrier::end`.
    nobody_is_left_alone(false, |model| {
        let ends = !model.crew.relies_on_one(&model.idle);
        if ends {
            model.crew.drop_out();
            model.stop(false);
        }
        ends
    });
}

#[test]
fn a_standby_that_ends_does_not_leave_another_alone() {
    // As `Carrier::stand_by`, at its last look.
    nobody_is_left_alone(true, |model| {
        let ends = model.idle.are_asleep(model.crew.active());
        if ends {
            model.stop(true);
        }
        ends
    });
}
