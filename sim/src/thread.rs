//! Threads of a world that run no virtual threads: what an OS thread is on a machine.

use std::ptr;
use std::sync::{Arc, Mutex};

use crate::actor::{Body, On, ThreadId};
use crate::log::Who;
use crate::world::{World, current};

/// A thread of the world; dropping it lets the thread go on.
#[derive(Debug)]
pub struct JoinHandle<T> {
    /// Only to tell it from others.
    world: usize,
    thread: ThreadId,
    result: Arc<Mutex<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// Waits for its end, and takes what it returned. Blocks the carrier if a virtual thread
    /// calls, as the join of an OS thread does.
    ///
    /// # Panics
    /// Outside of its world. A panic of the thread itself ends the world.
    pub fn join(self) -> T {
        let world = current().filter(|world| ptr::from_ref(*world).addr() == self.world);
        let world = world.expect("a thread is joined in its world");
        while !world.is_over(self.thread) {
            world.wait(On::End(self.thread), None);
        }
        let mut result = self.result.lock().expect("nobody panics with it");
        result.take().expect("a thread that is over has returned")
    }
}

/// Starts a thread in the world that calls. If it panics the world has failed, joined or not.
///
/// # Panics
/// Outside of a world, and if the machine has no stack for it.
///
/// # Examples
/// ```
/// use drift_sim::{Sim, thread};
///
/// assert_eq!(Sim::new(1).run(|| thread::spawn(|| 6 * 7).join()), 42);
/// ```
pub fn spawn<T: 'static>(body: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    let world = current().expect("threads of a world are started in one: inside `Sim::run`");
    let _calm = world.calm();
    let stack = world.pool.borrow_mut().stack(World::THREAD_STACK);
    let stack = stack.unwrap_or_else(|error| panic!("no stack for a thread: {error}"));
    let result = Arc::new(Mutex::new(None));
    let place = Arc::clone(&result);
    let number = world.next_thread();
    let run = move || {
        let value = body();
        *place.lock().expect("nobody panics with it") = Some(value);
    };
    let thread = world.start(Who::Thread(number), stack, Body::Program(Box::new(run)));
    JoinHandle { world: ptr::from_ref(world).addr(), thread, result }
}
