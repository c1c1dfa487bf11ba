//! The reference: one virtual thread as its callers may see it, and what each call does to it.
//!
//! | step                 | in state                       | becomes                              |
//! |----------------------|--------------------------------|--------------------------------------|
//! | submit, 0            | New                            | Ready                                |
//! |                      | any other                      | unchanged                            |
//! | submit, busy/timeout | New                            | unchanged                            |
//! | submit, failed       | Over and released, or allowed  | unchanged                            |
//! | take back            | Ready                          | New, or unchanged                    |
//! | start                | Ready                          | Started                              |
//! | cancel, 0            | New, Ready                     | Dropping                             |
//! |                      | Started                        | cancelled                            |
//! |                      | Dropping                       | unchanged                            |
//! | cancel, 1            | Over                           | unchanged                            |
//! | drop                 | New                            | Dropping and released                |
//! |                      | any other                      | released                             |
//! | unpark               | New, Ready, Started            | permit                               |
//! | register             | New, Ready, Started            | a wake is due                        |
//! | park                 | Started, with a cause          | no permit, no wake due               |
//! | complete             | Dropping, Started              | Over                                 |
//! | join; timed, 0       | Over                           | released                             |
//! | timed join, 1        | not Over, and the time is over | unchanged, or released               |
//! | is completed         | Over (1), any other (0)        | unchanged                            |
//!
//! Causes of a park: a permit, a cancel request, a wake whose time has come, the park's own
//! deadline. Running and parked are one state: nobody can see the difference.

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    New,
    Ready,
    Started,
    Dropping,
    Over,
}

/// One virtual thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Virtual {
    pub phase: Phase,
    pub released: bool,
    pub permit: bool,
    pub cancelled: bool,
    /// A registration will wake it.
    pub due: bool,
    /// When a registration may, at the earliest.
    pub earliest: u64,
}

/// Something that happens to it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The answer, and whether a failure needs no reason in its state.
    Submit(i64, bool),
    /// A submit found the executor closed after it had queued.
    TakeBack,
    Start,
    Cancel(i64),
    /// A shutdown asks; it may have looked before or after.
    MaybeCancel,
    Drop,
    Unpark,
    /// From when on it may wake, and whether it will.
    Register(u64, bool),
    /// A park that returned then, and its own deadline.
    Park(u64, u64),
    /// The drop of a callback that did not run begins.
    Discard,
    Complete,
    Join,
    /// It answered that the time was over; whether it was.
    JoinFailed(bool),
    IsCompleted(i64),
}

impl Virtual {
    pub fn new() -> Self {
        Self {
            phase: Phase::New,
            released: false,
            permit: false,
            cancelled: false,
            due: false,
            earliest: u64::MAX,
        }
    }

    fn is_alive(self) -> bool {
        matches!(self.phase, Phase::New | Phase::Ready | Phase::Started)
    }

    fn to(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Whether a park without a deadline may last for ever.
    pub fn may_stay_parked(self) -> bool {
        !self.permit && !self.cancelled && !self.due
    }

    /// What it may be after `step`; nothing if that cannot happen now.
    pub fn after(self, step: Step) -> [Option<Self>; 2] {
        let released = Self { released: true, ..self };
        let (first, second) = match step {
            Step::TakeBack => (Some(self), self.take_back()),
            Step::MaybeCancel => (Some(self), self.cancel()),
            Step::JoinFailed(true) if self.phase != Phase::Over => (Some(self), Some(released)),
            Step::JoinFailed(_) => (None, None),
            other => (self.exactly(other), None),
        };
        [first, second]
    }

    fn take_back(self) -> Option<Self> {
        (self.phase == Phase::Ready).then_some(self.to(Phase::New))
    }

    fn cancel(self) -> Option<Self> {
        match self.phase {
            Phase::New | Phase::Ready => Some(self.to(Phase::Dropping)),
            Phase::Started => Some(Self { cancelled: true, ..self }),
            Phase::Dropping => Some(self),
            Phase::Over => None,
        }
    }

    fn exactly(self, step: Step) -> Option<Self> {
        let released = Self { released: true, ..self };
        let is_over = self.phase == Phase::Over;
        match step {
            Step::Submit(0, _) if self.phase == Phase::New => Some(self.to(Phase::Ready)),
            Step::Submit(0, _) => Some(self),
            Step::Submit(1 | 2, _) => (self.phase == Phase::New).then_some(self),
            Step::Submit(_, may_fail) => (may_fail || is_over && self.released).then_some(self),
            Step::Start => (self.phase == Phase::Ready).then_some(self.to(Phase::Started)),
            Step::Cancel(0) => self.cancel(),
            Step::Cancel(_) => is_over.then_some(self),
            Step::Drop if self.phase == Phase::New => Some(released.to(Phase::Dropping)),
            Step::Drop => Some(released),
            Step::Unpark => Some(Self { permit: self.permit || self.is_alive(), ..self }),
            Step::Register(from, surely) if self.is_alive() => {
                let earliest = self.earliest.min(from);
                Some(Self { earliest, due: self.due || surely, ..self })
            }
            Step::Register(..) => Some(self),
            Step::Park(at, deadline) => {
                let caused = self.permit || self.cancelled || self.earliest.min(deadline) <= at;
                let next = Self { permit: false, due: false, earliest: u64::MAX, ..self };
                (caused && self.phase == Phase::Started).then_some(next)
            }
            Step::Discard => (self.phase == Phase::Dropping).then_some(self),
            Step::Complete => {
                let ends = matches!(self.phase, Phase::Dropping | Phase::Started);
                ends.then_some(self.to(Phase::Over))
            }
            Step::Join => is_over.then_some(released),
            Step::IsCompleted(answer) => (is_over == (answer == 1)).then_some(self),
            Step::TakeBack | Step::MaybeCancel | Step::JoinFailed(_) => {
                unreachable!("`after` has these")
            }
        }
    }
}
