//! Runs a program and judges it: under a simulator, or on the machine.
//!
//! ```text
//! threads, virtual threads:  act ........ wait for what never comes
//! keeper:                    look .. look: all at rest?  -> cancel all -> drop all -> verdict
//! ```
//!
//! A random program waits for much that never comes. The keeper, an OS thread, looks until nobody
//! has anything to do; whoever then waits must be one who may wait for ever. It cancels every
//! virtual thread until all have ended, gives the handles up, and looks whether all is as before.

use std::sync::{Arc, Mutex};

use drift_abi::exec::{drift_exec_create, drift_exec_default_set};
use drift_abi::testing::drift_test_eventfd_create;
use drift_abi::thread::{
    drift_thread_current, drift_thread_is_completed, drift_thread_park, drift_thread_park_until,
    drift_thread_unpark,
};
use drift_abi::time::drift_time_now_ms;
use drift_core::runtime::Standing;
use drift_core::runtime::shutdown::Shutdown;
use drift_core::time::{Instant, MILLISECOND};
use drift_pal::process;
use drift_sim::{Faults, Sim};

use crate::act::World;
use crate::judge::{self, Terms};
use crate::program::{Name, Op, Policy, Program};
use crate::record::{Actor, Shared, Target, now};

/// Steps of a world, of which an ordinary program takes some thousand.
const LIMIT: u64 = 3_000_000;

/// How often the keeper looks, and for how long at least, before it says that something hangs.
const LOOKS: u32 = 60;
const PATIENCE: u64 = 20_000 * MILLISECOND;

/// What a run was like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub calls: usize,
    pub steps: u64,
}

/// Faults of the world of that seed: none, those that nobody notices, all.
fn faults(seed: u64) -> Faults {
    match seed % 4 {
        0 | 1 => Faults::NONE,
        2 => Faults::QUIET,
        _ => Faults::ALL,
    }
}

/// Under the simulator, with that seed.
pub fn simulate(program: &Program, seed: u64) -> Result<Stats, String> {
    let faults = faults(seed);
    let terms = Terms {
        refuses: faults.stack_reserve + faults.table + faults.thread_start + faults.io_arm > 0,
        has_fds: false,
        reorders: faults.stack_alloc > 0,
    };
    let sim = Sim::new(seed).carriers(program.carriers).faults(faults).limit(LIMIT);
    let run = sim.try_run(|| {
        let root = drift_thread_current();
        let result = Arc::new(Mutex::new(None));
        let (place, program) = (Arc::clone(&result), program.clone());
        let keeper = drift_sim::thread::spawn(move || {
            let start = |body: Box<dyn FnOnce() + Send>| drop(drift_sim::thread::spawn(body));
            let played = play(program, terms, start);
            *place.lock().expect("nobody panics with it") = Some(played);
            drift_thread_unpark(root);
        });
        while result.lock().expect("nobody panics with it").is_none() {
            drift_thread_park(0);
        }
        keeper.join();
        result.lock().expect("nobody panics with it").take().expect("just seen")
    });
    let run = run.map_err(|failure| failure.to_string())?;
    run.value.map(|calls| Stats { calls, steps: run.steps })
}

/// On the machine, on the runtime of the process; one at a time.
pub fn real(program: &Program) -> Result<Stats, String> {
    let terms = Terms { refuses: false, has_fds: true, reorders: false };
    let start = |body: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(body));
    let calls = play(program.clone(), terms, start)?;
    drift_exec_default_set(0);
    Ok(Stats { calls, steps: 0 })
}

/// Plays and judges; the number of calls.
fn play(
    program: Program,
    terms: Terms,
    start: impl Fn(Box<dyn FnOnce() + Send>),
) -> Result<usize, String> {
    let before = alive();
    let execs = program.execs.iter().map(|policy| {
        let create = || {
            let Policy { min, max, limit, timeout, saturation } = *policy;
            drift_exec_create(min, max, limit, timeout, saturation)
        };
        // Refused at random, if at all.
        let exec = (0..100).map(|_| create()).find(|exec| *exec != 0);
        exec.ok_or_else(|| format!("no executor with {policy:?}"))
    });
    let execs = execs.collect::<Result<Vec<i64>, String>>()?;
    let fd = |_| if terms.has_fds { drift_test_eventfd_create() } else { -1 };
    let fds = (0..program.fds).map(fd).collect();
    let world = World::new(Shared::new(program, drift_time_now_ms(), execs, fds));
    for number in 0..world.shared.program.threads.len() {
        let world = Arc::clone(&world);
        start(Box::new(move || {
            let actor = Actor::Thread(number);
            world.act(actor, &world.shared.program.threads[number]);
            world.shared.is_over(actor);
        }));
    }
    let kept = keep(&world, terms, before);
    match kept {
        Ok(()) => world.forget(),
        // Something may still run in it.
        Err(_) => std::mem::forget(Arc::clone(&world)),
    }
    kept.map(|()| world.shared.record().calls.len())
}

/// Records in use; not those of virtual threads that end just now.
fn alive() -> usize {
    let views = process::runtime().into_iter().flat_map(|runtime| runtime.virtual_threads());
    views.filter(|view| view.standing != Standing::Ended).count()
}

/// The keeper's part.
fn keep(world: &Arc<World>, terms: Terms, before: usize) -> Result<(), String> {
    let shared = &world.shared;
    wait_until(|| judge::rests(&shared.record(), terms))?;
    wait_until(|| end_all(world))?;
    let handles = shared.record().handles();
    for (number, handle) in handles.into_iter().enumerate().filter(|(_, handle)| *handle != 0) {
        world.call_on(Actor::Keeper, Op::Drop(Name::Own), Target::Virtual(number), handle, 0);
    }
    let execs = shared.record().execs.clone();
    shut_down(&execs)?;
    wait_until(|| match alive() {
        left if left == before => Ok(()),
        left => Err(format!("{left} virtual threads at the end, {before} before")),
    })?;
    if world.owned() != 0 {
        return Err(format!("{} callbacks were dropped and not freed", world.owned()));
    }
    for fd in 0..shared.program.fds {
        world.call(Actor::Keeper, Op::Close(fd));
    }
    judge::verdict(&shared.record(), terms, &shared.program.execs)
}

/// Looks again and again, with longer and longer sleeps between.
fn wait_until(mut look: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let start = now();
    let mut looks = 0;
    loop {
        let Err(what) = look() else { return Ok(()) };
        looks += 1;
        if looks > LOOKS && now() > start + PATIENCE {
            return Err(format!("hangs: {what}"));
        }
        drift_thread_park_until(1 << looks.min(9) >> 1);
    }
}

/// Cancels all that has not ended.
fn end_all(world: &Arc<World>) -> Result<(), String> {
    let handles = world.shared.record().handles();
    let mut left = 0;
    for (number, handle) in handles.iter().copied().enumerate() {
        if handle != 0 && drift_thread_is_completed(handle) == 0 {
            left += 1;
            let target = Target::Virtual(number);
            world.call_on(Actor::Keeper, Op::Cancel(Name::Own), target, handle, 0);
        }
    }
    let record = world.shared.record();
    match (left, record.busy.first()) {
        (0, None) if record.handles() == handles => Ok(()),
        (0, None) => Err("who was cancelled spawns for ever".into()),
        (left, busy) => Err(format!("{left} do not end when cancelled; {busy:?}")),
    }
}

fn shut_down(execs: &[i64]) -> Result<(), String> {
    let Ok(runtime) = process::runtime() else { return Ok(()) };
    for exec in execs {
        let until = runtime.platform().now() + PATIENCE;
        match runtime.shutdown(*exec, Shutdown::Cancel, Instant(until.0)) {
            Ok(report) if report.timed_out == 0 => {}
            other => return Err(format!("shutdown of {exec:#x}: {other:?}")),
        }
    }
    Ok(())
}
