//! Virtual threads as a debugger or a simulator sees them: every one, and what it waits for.

use crate::sched::parts::Runtime;
use crate::state::Phase;
use crate::task::handle::Handle;
use crate::task::header::Task;
use crate::task::reason::WaitsFor;

/// Where a virtual thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Spawned, not submitted.
    New,
    /// It runs, or will when its turn comes.
    Active,
    /// It is parked.
    Waits {
        /// For this.
        on: WaitsFor,
        /// Or until a deadline.
        has_deadline: bool,
    },
    /// It has ended; somebody has its handle.
    Ended,
}

/// One virtual thread, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its handle.
    pub handle: Handle,
    /// Where it is.
    pub standing: Standing,
    /// Whether somebody asked it to end.
    pub is_cancelled: bool,
}

impl Task {
    fn view(&self, runtime: &'static Runtime) -> Option<View> {
        let (phase, generation) = self.state.phase_and_generation();
        let standing = match phase {
            Phase::Free => return None,
            Phase::New => Standing::New,
            Phase::Active => Standing::Active,
            Phase::Parked => {
                let (on, has_deadline) = self.reason.get();
                Standing::Waits { on, has_deadline }
            }
            Phase::Dropping | Phase::Completed => Standing::Ended,
        };
        let handle = runtime.tasks.handle(self.index, generation);
        Some(View { handle, standing, is_cancelled: self.is_cancelled() })
    }
}

impl Runtime {
    /// Every virtual thread there is, in the order of their records. Others go on meanwhile: each
    /// is seen at a moment of its own.
    pub fn virtual_threads(&'static self) -> impl Iterator<Item = View> {
        (0..self.tasks.used()).filter_map(move |index| self.tasks.record(index).view(self))
    }
}
