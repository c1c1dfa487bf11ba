//! Makes the calls of a program, through the functions of the C ABI.
//!
//! # Unsafe
//! Invariant of `#![allow(unsafe_code)]`: the object of a callback leads to an `Instance`, which is
//! kept until the program is over.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drift_abi::thread::{
    DRIFT_IFACE_INLINE, DRIFT_IFACE_OWNED, DriftIface, drift_thread_current, drift_thread_spawn,
    drift_vtable,
};
use drift_abi::time::drift_time_now_ms;
use drift_abi::{exec, reactor, testing, thread};
use drift_core::runtime::shutdown::Shutdown;
use drift_core::time::MILLISECOND;
use drift_pal::process;

use crate::generate::garbage;
use crate::program::{Exec, Fd, Name, Op, When};
use crate::record::{Actor, Life, Shared, Target, now};

/// Spawned at most in one run.
const MOST: usize = 24;

/// What a callback leads to.
pub struct Instance {
    world: Arc<World>,
    number: usize,
}

/// A run, and its callbacks.
pub struct World {
    pub shared: Shared,
    #[expect(clippy::vec_box, reason = "the runtime has their addresses")]
    instances: Mutex<Vec<Box<Instance>>>,
    /// Calls of `drift_iface_free`, less those that had to be.
    owned: AtomicUsize,
}

static PLAIN: drift_vtable = drift_vtable { drop: Some(drop_plain), call: Some(call_plain) };
static INLINE: drift_vtable = drift_vtable { drop: Some(drop_inline), call: Some(call_inline) };
static OWNED: drift_vtable = drift_vtable { drop: Some(drop_owned), call: Some(call_plain) };

/// # Safety
/// As the module says; so for all of these.
unsafe extern "C" fn call_plain(object: *mut c_void) {
    // SAFETY: an instance, as the module says.
    unsafe { &*object.cast::<Instance>() }.call();
}

unsafe extern "C" fn drop_plain(object: *mut c_void) {
    // SAFETY: the same.
    unsafe { &*object.cast::<Instance>() }.drop();
}

unsafe extern "C" fn drop_owned(object: *mut c_void) {
    // SAFETY: the same.
    let instance = unsafe { &*object.cast::<Instance>() };
    instance.drop();
    instance.world.owned.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn call_inline(object: *mut c_void) {
    // SAFETY: the first word of the object is the address of an instance.
    let instance = unsafe { *object.cast() };
    // SAFETY: as called, of that instance.
    unsafe { call_plain(instance) };
}

unsafe extern "C" fn drop_inline(object: *mut c_void) {
    // SAFETY: the same.
    let instance = unsafe { *object.cast() };
    // SAFETY: as called, of that instance.
    unsafe { drop_plain(instance) };
}

/// As the array runtime of Drift programs defines it; for callbacks with `DRIFT_IFACE_OWNED`.
///
/// # Safety
/// As the module says.
#[unsafe(no_mangle)]
unsafe extern "C" fn drift_iface_free(object: *mut c_void) {
    // SAFETY: as the module says.
    let instance = unsafe { &*object.cast::<Instance>() };
    let owned = &instance.world.owned;
    if owned.fetch_sub(1, Ordering::Relaxed) == 0 {
        instance.world.shared.violation("freed what was not dropped".into());
    }
}

impl Instance {
    fn call(&self) {
        let shared = &self.world.shared;
        let actor = Actor::Virtual(self.number);
        let slot = {
            let mut record = shared.record();
            let place = record.stamp(0).place;
            record.busy.push(actor);
            let life = &mut record.lives[self.number];
            let seen = (life.called.replace(place), life.drops);
            let slot = life.slot;
            if seen != (None, None) {
                record.violations.push(format!("virtual thread {} runs again", self.number));
            }
            slot
        };
        self.check_current("runs");
        self.world.act(actor, &shared.program.bodies[usize::from(slot)].ops);
        self.check_current("returns");
        shared.record().lives[self.number].returned = true;
    }

    fn drop(&self) {
        let shared = &self.world.shared;
        let (slot, has_run) = {
            let mut record = shared.record();
            let place = record.stamp(0).place;
            let life = &mut record.lives[self.number];
            let (slot, has_run) = (life.slot, life.called.is_some());
            let good = life.drops.replace(place).is_none() && life.returned == has_run;
            if !good {
                record.violations.push(format!("virtual thread {} is dropped badly", self.number));
            }
            (slot, has_run)
        };
        if has_run {
            self.check_current("drops");
        }
        self.world.act(Actor::Drop(self.number), &shared.program.bodies[usize::from(slot)].drop);
        let mut record = shared.record();
        let place = record.stamp(0).place;
        record.lives[self.number].dropped = Some(place);
        let ended = Actor::Virtual(self.number);
        record.busy.retain(|busy| *busy != ended);
    }

    fn check_current(&self, what: &str) {
        let current = drift_thread_current();
        let shared = &self.world.shared;
        let handle = shared.record().lives[self.number].handle;
        if current != handle {
            let number = self.number;
            shared.violation(format!("virtual thread {number} {what} as {current:#x}"));
        }
    }
}

/// A handle that is none, made from what `from` was spawned last.
fn no_handle(kind: u8, from: i64) -> (Target, i64) {
    match garbage(kind, from) {
        0 => (Target::Zero, 0),
        value => (Target::Garbage, value),
    }
}

impl World {
    pub fn new(shared: Shared) -> Arc<Self> {
        let instances = Mutex::new(Vec::new());
        Arc::new(Self { shared, instances, owned: AtomicUsize::new(0) })
    }

    /// Forgets the callbacks, none of which will be called again.
    pub fn forget(&self) {
        let instances = std::mem::take(&mut *self.instances.lock().expect("nobody panics with it"));
        drop(instances);
    }

    /// Callbacks that were dropped and not freed.
    pub fn owned(&self) -> usize {
        self.owned.load(Ordering::Relaxed)
    }

    /// Makes these calls.
    pub fn act(self: &Arc<Self>, actor: Actor, ops: &[Op]) {
        for op in ops {
            match *op {
                Op::Spawn(slot) => self.spawn(actor, slot),
                other => {
                    self.call(actor, other);
                }
            }
        }
    }

    fn spawn(self: &Arc<Self>, actor: Actor, slot: u8) {
        let number = {
            let mut record = self.shared.record();
            if record.lives.len() >= MOST {
                return;
            }
            record.lives.push(Life { slot, ..Life::default() });
            record.lives.len() - 1
        };
        let instance = Box::new(Instance { world: Arc::clone(self), number });
        let object: *const Instance = &raw const *instance;
        self.instances.lock().expect("nobody panics with it").push(instance);
        let mut iface = DriftIface {
            data: object.cast_mut().cast(),
            vtable: &raw const PLAIN,
            inline_storage: [0; 4],
            flags: 0,
        };
        match number % 3 {
            0 => {}
            1 => {
                iface.inline_storage[0] = object.expose_provenance() as i64;
                iface.data = ptr::null_mut();
                iface.vtable = &raw const INLINE;
                iface.flags = DRIFT_IFACE_INLINE;
            }
            _ => {
                iface.vtable = &raw const OWNED;
                iface.flags = DRIFT_IFACE_OWNED;
            }
        }
        let call = self.shared.begin(actor, Op::Spawn(slot), Target::Virtual(number), 0);
        // SAFETY: a callback, as the module says.
        let handle = unsafe { drift_thread_spawn(&raw const iface, 0) };
        self.shared.end(call, handle);
        let mut record = self.shared.record();
        if record.lives.iter().any(|life| life.handle == handle && handle != 0) || handle < 0 {
            record.violations.push(format!("handle {handle:#x} was given out twice"));
        }
        record.lives[number].handle = handle;
        if handle != 0 {
            record.slots[usize::from(slot)].push(number);
        }
    }

    /// What a name stands for now.
    fn find(&self, actor: Actor, name: Name) -> (Target, i64) {
        let record = self.shared.record();
        let own = match actor {
            Actor::Virtual(number) | Actor::Drop(number) => Some(number),
            Actor::Thread(_) | Actor::Keeper => None,
        };
        let last = record.lives.iter().rev().map(|life| life.handle).find(|handle| *handle != 0);
        let found = match name {
            Name::Slot(slot) => record.in_slot(slot, 0),
            Name::Old(slot) => record.in_slot(slot, 1),
            Name::Own => own,
            Name::Zero => None,
            Name::Garbage(kind) => return no_handle(kind, last.unwrap_or(0)),
        };
        found.map_or((Target::Zero, 0), |number| {
            (Target::Virtual(number), record.lives[number].handle)
        })
    }

    fn exec(&self, exec: Exec) -> i64 {
        let execs = &self.shared.record().execs;
        match exec {
            Exec::Default => 0,
            Exec::Number(number) => execs[usize::from(number)],
            Exec::Garbage(kind) => match garbage(kind, execs.first().copied().unwrap_or(0)) {
                0 => 1,
                value => value,
            },
        }
    }

    fn when(&self, when: When) -> i64 {
        match when {
            When::Zero => 0,
            When::Negative => -3,
            When::In(ms) => i64::from(ms),
            When::At(ms) => self.shared.start_ms + i64::from(ms),
        }
    }

    fn fd(&self, fd: Fd) -> i64 {
        match fd {
            Fd::Number(number) => self.shared.record().fds[usize::from(number)],
            Fd::Garbage(kind) => [-1, 1 << 20, i64::MAX, i64::MIN, 1 << 32][usize::from(kind) % 5],
        }
    }

    /// Makes one call, but for `Spawn`; its answer.
    pub fn call(&self, actor: Actor, op: Op) -> i64 {
        let (name, when) = match op {
            Op::Submit(_, name) | Op::Unpark(name) | Op::Join(name) => (name, When::Zero),
            Op::IsCompleted(name) | Op::Cancel(name) | Op::Drop(name) => (name, When::Zero),
            Op::JoinTimeout(name, _) => (name, When::Zero),
            Op::Timer(when, name) | Op::Io(_, _, name, when) => (name, when),
            Op::ParkUntil(when) => (Name::Own, when),
            Op::Park => (Name::Own, When::Zero),
            _ => (Name::Zero, When::Zero),
        };
        let (target, handle) = self.find(actor, name);
        self.call_on(actor, op, target, handle, self.when(when))
    }

    /// The same, of a handle that the caller knows.
    pub fn call_on(&self, actor: Actor, op: Op, target: Target, vt: i64, ms: i64) -> i64 {
        let shared = &self.shared;
        let exec = match op {
            Op::Submit(exec, _) | Op::DefaultSet(exec) => self.exec(exec),
            Op::Shutdown(number, ..) => self.exec(Exec::Number(number)),
            _ => 0,
        };
        let fd = match op {
            Op::Io(fd, ..) => self.fd(fd),
            Op::Write(number) => self.fd(Fd::Number(number)),
            Op::Close(number) => {
                std::mem::replace(&mut shared.record().fds[usize::from(number)], -1)
            }
            _ => -1,
        };
        let call = shared.begin(actor, op, target, ms);
        let answer = answer(op, vt, ms, exec, fd);
        shared.end(call, answer);
        if let (Op::Create(_), 1..) = (op, answer) {
            shared.record().execs.push(answer);
        }
        answer
    }
}

/// The answer; 0 for those that have none.
fn answer(op: Op, vt: i64, ms: i64, exec: i64, fd: i64) -> i64 {
    match op {
        Op::Spawn(_) => unreachable!("`spawn` does that"),
        Op::Submit(..) => return exec::drift_exec_submit(exec, vt),
        Op::Park => thread::drift_thread_park(0),
        Op::ParkUntil(_) => thread::drift_thread_park_until(ms),
        Op::Unpark(_) => thread::drift_thread_unpark(vt),
        Op::Timer(..) => reactor::drift_reactor_register_timer(ms, vt),
        Op::Io(_, writable, ..) => {
            let interest = if writable { 4 } else { 1 };
            reactor::drift_reactor_register_io(fd, interest, vt, ms);
        }
        Op::Write(_) => testing::drift_test_eventfd_write(fd, 1),
        Op::Close(_) => close(fd),
        Op::Join(_) => thread::drift_thread_join(vt),
        Op::JoinTimeout(_, ms) => return thread::drift_thread_join_timeout(vt, i64::from(ms)),
        Op::IsCompleted(_) => return thread::drift_thread_is_completed(vt),
        Op::Cancel(_) => return thread::drift_thread_cancel(vt),
        Op::Drop(_) => thread::drift_thread_drop(vt),
        Op::Current => return drift_thread_current(),
        Op::Yield => thread::drift_thread_yield(),
        Op::Now => return drift_time_now_ms(),
        Op::DefaultGet => return exec::drift_exec_default_get(),
        Op::DefaultSet(_) => exec::drift_exec_default_set(exec),
        Op::Create(kind) => {
            let odd = garbage(kind, i64::from(kind) << 24);
            return exec::drift_exec_create(odd, odd, odd, odd, odd);
        }
        Op::Shutdown(_, cancels, ms) => return shutdown(exec, cancels, u64::from(ms)),
    }
    0
}

/// No function of the ABI, but of the same runtime. Negative: the caller's mistake.
fn shutdown(exec: i64, cancels: bool, ms: u64) -> i64 {
    let Ok(runtime) = process::runtime() else { return -1 };
    let until = drift_core::time::Instant(now() + ms * MILLISECOND);
    let how = if cancels { Shutdown::Cancel } else { Shutdown::Drain };
    runtime.shutdown(exec, how, until).map_or(-1, |report| report.timed_out as i64)
}

fn close(fd: i64) {
    if fd >= 0 {
        // SAFETY: it was taken out of the record, so this is its only close.
        drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd as i32) });
    }
}
