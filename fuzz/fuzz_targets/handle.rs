//! Handles of any bits, next to some that are good: nobody else is touched, and every answer is
//! the one that a plain table of the living gives.
//!
//! A call that need not wait may let the others run first, if the caller has made many of them: so
//! each virtual thread tells by itself that it has run, and the table looks at that after a call.
#![no_main]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::rc::Rc;

use drift_abi::exec::{drift_exec_default_get, drift_exec_submit};
use drift_abi::thread::{
    DriftIface, drift_thread_cancel, drift_thread_current, drift_thread_drop,
    drift_thread_is_completed, drift_thread_join, drift_thread_join_timeout, drift_thread_spawn,
    drift_thread_unpark, drift_thread_yield, drift_vtable,
};
use drift_sim::Sim;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// Which bits.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Name {
    Any(i64),
    /// Of one that was spawned, alive or not.
    Spawned(u8),
    /// The same with one bit wrong.
    Near(u8, u8),
}

#[derive(Arbitrary, Debug)]
enum Call {
    Spawn,
    Submit(Option<Name>, Name),
    Unpark(Name),
    Cancel(Name),
    IsCompleted(Name),
    Join(Name),
    TimedJoin(Name, i64),
    Drop(Name),
    Yield,
}

/// Of one that its handle still names. `Dropped` is `Ready` for whom nobody can join any more: it
/// is gone when it has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    New,
    Ready,
    Dropped,
    Over,
}

/// What a virtual thread runs tells of itself.
#[derive(Default)]
struct Object {
    has_run: Cell<bool>,
    drops: Cell<usize>,
}

#[derive(Default)]
struct Table {
    living: BTreeMap<i64, (Life, Rc<Object>)>,
    spawned: Vec<i64>,
    objects: Vec<Rc<Object>>,
}

static VTABLE: drift_vtable = drift_vtable { drop: Some(drop_object), call: Some(call) };

unsafe extern "C" fn call(object: *mut c_void) {
    // SAFETY: of an `Rc` of `spawn`, whose drop comes after this.
    unsafe { &*object.cast::<Object>() }.has_run.set(true);
}

unsafe extern "C" fn drop_object(object: *mut c_void) {
    // SAFETY: the table keeps each object to its end.
    let object = unsafe { &*object.cast::<Object>() };
    object.drops.set(object.drops.get() + 1);
}

fuzz_target!(|calls: Vec<Call>| {
    Sim::new(0).carriers(1).run(move || {
        let mut table = Table::default();
        calls.iter().for_each(|call| {
            table.call(call);
            table.look();
        });
        table.end();
    });
});

impl Table {
    fn bits(&self, name: Name) -> i64 {
        let spawned = |number: u8| match self.spawned.len() {
            0 => 0,
            len => self.spawned[usize::from(number) % len],
        };
        let bits = match name {
            Name::Any(bits) => bits,
            Name::Spawned(number) => spawned(number),
            Name::Near(number, bit) => spawned(number) ^ 1 << (bit % 64),
        };
        // Who makes the calls has a handle as well, and is not in the table.
        if bits == drift_thread_current() { 0 } else { bits }
    }

    fn life(&self, handle: i64) -> Option<Life> {
        self.living.get(&handle).map(|(life, _)| *life)
    }

    fn change(&mut self, handle: i64, life: Life) {
        self.living.get_mut(&handle).expect("it is alive").0 = life;
    }

    /// Which have run.
    fn look(&mut self) {
        self.living.retain(|_, (life, object)| *life != Life::Dropped || !object.has_run.get());
        for (life, object) in self.living.values_mut() {
            if *life == Life::Ready && object.has_run.get() {
                *life = Life::Over;
            }
        }
    }

    fn spawn(&mut self) {
        let object = Rc::<Object>::default();
        let iface = DriftIface {
            data: Rc::as_ptr(&object).cast_mut().cast(),
            vtable: &raw const VTABLE,
            inline_storage: [0; 4],
            flags: 0,
        };
        // SAFETY: an object that lasts, and whose drop is counted, on this thread, the only one.
        let handle = unsafe { drift_thread_spawn(&raw const iface, 0) };
        assert!(handle > 0, "nothing is refused here");
        self.objects.push(Rc::clone(&object));
        let before = self.living.insert(handle, (Life::New, object));
        assert!(before.is_none(), "given out twice");
        self.spawned.push(handle);
    }

    /// The caller has waited: all that were ready have run.
    fn have_run(&mut self) {
        self.look();
        let waits = |life: &Life| matches!(life, Life::Ready | Life::Dropped);
        assert!(!self.living.values().any(|(life, _)| waits(life)), "all were let run");
    }

    fn call(&mut self, call: &Call) {
        match *call {
            Call::Spawn => self.spawn(),
            Call::Submit(exec, name) => self.submit(exec, name),
            Call::Unpark(name) => drift_thread_unpark(self.bits(name)),
            Call::Cancel(name) => {
                let handle = self.bits(name);
                let object = self.living.get(&handle).map(|(_, object)| Rc::clone(object));
                let answer = drift_thread_cancel(handle);
                self.look();
                let is_over = self.life(handle).is_none_or(|life| life == Life::Over);
                assert_eq!(answer == 1, is_over, "{handle:#x}");
                let is_dropped = object.is_none_or(|object| object.drops.get() == 1);
                assert!(is_dropped, "{handle:#x} is over now, or was");
                match self.life(handle) {
                    Some(Life::New | Life::Ready) => self.change(handle, Life::Over),
                    Some(Life::Dropped) => drop(self.living.remove(&handle)),
                    Some(Life::Over) | None => {}
                }
            }
            Call::IsCompleted(name) => {
                let handle = self.bits(name);
                let answer = drift_thread_is_completed(handle) == 1;
                self.look();
                let is_over = self.life(handle).is_none_or(|life| life == Life::Over);
                assert_eq!(answer, is_over && handle != 0, "{handle:#x}");
            }
            Call::Join(name) => {
                let handle = self.bits(name);
                // Of one that nobody submits, it would last.
                if self.life(handle) != Some(Life::New) {
                    drift_thread_join(handle);
                    let life = self.living.remove(&handle).map(|(life, _)| life);
                    if let Some(Life::Ready | Life::Dropped) = life {
                        self.have_run();
                    }
                }
            }
            Call::TimedJoin(name, ms) => self.timed_join(self.bits(name), ms % 50),
            Call::Drop(name) => {
                let handle = self.bits(name);
                drift_thread_drop(handle);
                self.look();
                match self.life(handle) {
                    Some(Life::Ready) => self.change(handle, Life::Dropped),
                    Some(Life::New | Life::Over) => drop(self.living.remove(&handle)),
                    Some(Life::Dropped) | None => {}
                }
            }
            Call::Yield => {
                drift_thread_yield();
                self.have_run();
            }
        }
    }

    fn submit(&mut self, exec: Option<Name>, name: Name) {
        let (exec, handle) = (exec.map(|name| self.bits(name)), self.bits(name));
        let answer = drift_exec_submit(exec.unwrap_or(0), handle);
        self.look();
        let is_exec = exec.is_none_or(|exec| [0, drift_exec_default_get()].contains(&exec));
        match self.life(handle) {
            Some(life) if is_exec => {
                assert_eq!(answer, 0, "{exec:?} {handle:#x}");
                if life == Life::New {
                    self.change(handle, Life::Ready);
                }
            }
            // Given up, but a queue still has it: nothing happens, which is no mistake.
            None if answer == 0 && is_exec && self.spawned.contains(&handle) => {}
            _ => assert!(answer >= 3, "{exec:?} {handle:#x}: {answer}"),
        }
    }

    /// For a moment of the world's time, or for none.
    fn timed_join(&mut self, handle: i64, ms: i64) {
        let answer = drift_thread_join_timeout(handle, ms);
        if handle == 0 || ms <= 0 {
            assert_eq!(answer, i64::from(handle != 0), "{handle:#x}");
            return;
        }
        let life = self.life(handle);
        assert_eq!(answer == 1, life == Some(Life::New), "{handle:#x}: {answer}");
        // It waits for one that is not over, and the others run.
        if !matches!(life, Some(Life::Over) | None) {
            self.have_run();
        }
        if answer == 0 {
            self.living.remove(&handle);
        }
    }

    fn end(mut self) {
        for handle in std::mem::take(&mut self.living).into_keys() {
            drift_thread_drop(handle);
        }
        drift_thread_yield();
        assert!(self.objects.iter().all(|object| object.drops.get() == 1), "each is dropped once");
    }
}
