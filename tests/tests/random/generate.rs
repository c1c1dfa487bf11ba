//! From a seed to a program. Each seed has a taste of its own: which calls it makes often, seldom
//! or not at all (Groce and others, "Swarm testing", 2012).

use crate::program::{Body, Exec, Fd, Name, Op, Policy, Program, When};

/// A generator of numbers: splitmix64, by Steele, Lea and Flood.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x6472_6966_7421)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn hits(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Kinds of calls, as a taste weighs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Start,
    Spawn,
    Submit,
    Park,
    ParkUntil,
    Unpark,
    Timer,
    Io,
    Write,
    Close,
    Join,
    JoinTimeout,
    IsCompleted,
    Cancel,
    Drop,
    Look,
    Default,
    Create,
    Shutdown,
}

const KINDS: [Kind; 19] = [
    Kind::Start,
    Kind::Spawn,
    Kind::Submit,
    Kind::Park,
    Kind::ParkUntil,
    Kind::Unpark,
    Kind::Timer,
    Kind::Io,
    Kind::Write,
    Kind::Close,
    Kind::Join,
    Kind::JoinTimeout,
    Kind::IsCompleted,
    Kind::Cancel,
    Kind::Drop,
    Kind::Look,
    Kind::Default,
    Kind::Create,
    Kind::Shutdown,
];

/// Who makes the calls that are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Thread,
    Body(usize),
    Drop,
}

struct Maker {
    dice: Dice,
    /// Each kind as often as its weight says.
    taste: Vec<Kind>,
    bodies: usize,
    execs: usize,
    fds: usize,
    /// How often a handle is not what it should be, in percent.
    wrong: usize,
    /// How long things take, in milliseconds.
    longest: usize,
}

/// The program of that seed.
pub fn program(seed: u64) -> Program {
    let mut dice = Dice::new(seed);
    let mut taste: Vec<Kind> = vec![Kind::Start; 3];
    for kind in KINDS {
        let weight = match kind {
            Kind::Start | Kind::Park => dice.one(&[1, 3, 5]),
            Kind::Default | Kind::Create | Kind::Shutdown => dice.one(&[0, 0, 0, 1]),
            _ => dice.one(&[0, 1, 1, 4]),
        };
        taste.extend(std::iter::repeat_n(kind, weight));
    }
    let mut maker = Maker {
        taste,
        bodies: 1 + dice.below(5),
        execs: dice.one(&[0, 0, 1, 1, 2]),
        fds: dice.one(&[0, 0, 1, 2]),
        wrong: dice.one(&[0, 5, 20]),
        longest: dice.one(&[3, 20, 20]),
        dice,
    };
    let carriers = 1 + maker.dice.below(3) as u32;
    let execs = (0..maker.execs).map(|_| maker.policy()).collect();
    let threads = (0..1 + maker.dice.below(3)).map(|_| maker.ops(For::Thread)).collect();
    let bodies = (0..maker.bodies)
        .map(|slot| Body {
            ops: maker.ops(For::Body(slot)),
            drop: if maker.dice.hits(20) { maker.ops(For::Drop) } else { Vec::new() },
        })
        .collect();
    Program { carriers, execs, fds: maker.fds as u8, threads, bodies }
}

impl Maker {
    fn policy(&mut self) -> Policy {
        let max = self.dice.one(&[1, 1, 2, 3]);
        Policy {
            min: self.dice.one(&[1, max, 0]),
            max,
            limit: self.dice.one(&[0, 1, 1, 2, 3]),
            timeout: self.dice.one(&[0, 1, 5]),
            saturation: self.dice.one(&[0, 1]),
        }
    }

    fn ops(&mut self, who: For) -> Vec<Op> {
        let most = match who {
            For::Thread => 10,
            For::Body(_) => 6,
            For::Drop => 3,
        };
        let count = self.dice.below(most + 1);
        let mut ops = Vec::new();
        // A taste may have nothing that this one can do.
        for _ in 0..4 * count {
            if ops.len() >= count {
                break;
            }
            let kind = self.taste[self.dice.below(self.taste.len())];
            self.push(kind, who, &mut ops);
        }
        ops
    }

    fn push(&mut self, kind: Kind, who: For, ops: &mut Vec<Op>) {
        let op = match kind {
            Kind::Start => {
                let Some(slot) = self.slot_above(who) else { return };
                ops.push(Op::Spawn(slot));
                Op::Submit(self.exec(), Name::Slot(slot))
            }
            Kind::Spawn => match self.slot_above(who) {
                Some(slot) => Op::Spawn(slot),
                None => return,
            },
            Kind::Submit => Op::Submit(self.exec(), self.name()),
            Kind::Park => Op::Park,
            Kind::ParkUntil => Op::ParkUntil(self.when()),
            Kind::Unpark => Op::Unpark(self.name()),
            Kind::Timer => Op::Timer(self.when(), self.own_or_other(who)),
            Kind::Io => {
                let fd = match self.fds {
                    0 => Fd::Garbage(self.dice.below(GARBAGE) as u8),
                    fds => Fd::Number(self.dice.below(fds) as u8),
                };
                Op::Io(fd, self.dice.hits(30), self.own_or_other(who), self.when())
            }
            Kind::Write | Kind::Close if self.fds == 0 => return,
            Kind::Write => Op::Write(self.dice.below(self.fds) as u8),
            Kind::Close => Op::Close(self.dice.below(self.fds) as u8),
            Kind::Join => match (who, self.slot_above(who)) {
                (For::Thread, _) => Op::Join(self.name()),
                (_, Some(slot)) => Op::Join(Name::Slot(slot)),
                _ => return,
            },
            Kind::JoinTimeout => {
                let times = [-1, 0, 1, self.longest as i16];
                Op::JoinTimeout(self.name(), self.dice.one(&times))
            }
            Kind::IsCompleted => Op::IsCompleted(self.name()),
            Kind::Cancel => Op::Cancel(self.name()),
            Kind::Drop => Op::Drop(self.name()),
            Kind::Look => self.dice.one(&[Op::Current, Op::Yield, Op::Now]),
            Kind::Default if self.dice.hits(50) => Op::DefaultGet,
            Kind::Default => Op::DefaultSet(self.exec()),
            Kind::Create => Op::Create(self.dice.below(GARBAGE) as u8),
            Kind::Shutdown if self.execs == 0 => return,
            Kind::Shutdown => {
                let exec = self.dice.below(self.execs) as u8;
                Op::Shutdown(exec, self.dice.hits(70), self.dice.one(&[0, 1, 20]))
            }
        };
        // A destructor that waits would be a program's own trouble.
        if who != For::Drop || !op.blocks() {
            ops.push(op);
        }
    }

    /// A slot that the caller may spawn, and join without a time.
    fn slot_above(&mut self, who: For) -> Option<u8> {
        let from = match who {
            For::Thread => 0,
            For::Body(slot) => slot + 1,
            For::Drop => self.bodies,
        };
        (from < self.bodies).then(|| (from + self.dice.below(self.bodies - from)) as u8)
    }

    fn name(&mut self) -> Name {
        if self.dice.hits(self.wrong) {
            return match self.dice.below(4) {
                0 => Name::Zero,
                1 => Name::Garbage(self.dice.below(GARBAGE) as u8),
                2 => Name::Own,
                _ => Name::Old(self.dice.below(self.bodies) as u8),
            };
        }
        Name::Slot(self.dice.below(self.bodies) as u8)
    }

    fn own_or_other(&mut self, who: For) -> Name {
        match who {
            For::Body(_) if self.dice.hits(70) => Name::Own,
            _ => self.name(),
        }
    }

    fn exec(&mut self) -> Exec {
        if self.dice.hits(self.wrong / 3) {
            return Exec::Garbage(self.dice.below(GARBAGE) as u8);
        }
        match self.execs {
            0 => Exec::Default,
            _ if self.dice.hits(30) => Exec::Default,
            execs => Exec::Number(self.dice.below(execs) as u8),
        }
    }

    fn when(&mut self) -> When {
        let time = self.dice.below(self.longest) as u32;
        match self.dice.below(12) {
            0 => When::Zero,
            1 => When::Negative,
            2..5 => When::At(time),
            _ => When::In(time + 1),
        }
    }
}

/// How many kinds of garbage there are.
pub const GARBAGE: usize = 12;

/// A value that is no handle of a virtual thread or executor, made from one that may be.
pub fn garbage(kind: u8, from: i64) -> i64 {
    match kind {
        0 => 1,
        1 => -1,
        2 => i64::MIN,
        3 => i64::MAX,
        4 => from | 0xff_ffff,
        5 => from ^ (1 << 60),
        6 => from ^ (1 << 56),
        7 => -from,
        8 => 0x7fff_ffff_0000_0000,
        9 => from & 0xff_ffff,
        // A life that the record has not had: of generation 0.
        10 => from & !(0x7fff_ffff << 24),
        _ => 0x1234_5678,
    }
}
