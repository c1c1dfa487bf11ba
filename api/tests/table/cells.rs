//! One row in one column.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use drift::sync::Event;
use drift::{ConcurrencyError, Duration, Error, Instant, Thread, VirtualThread};
use drift::{is_cancelled, park, park_until, sleep, spawn, uncancellable, yield_now};

use crate::Row;
use crate::harness::PURPOSE;

/// What values are: counted.
pub type Token = Arc<()>;

/// What a call answers.
pub type Outcome = Result<(), ConcurrencyError>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    ValueBefore,
    ValueWhile,
    TimeOut,
    CancelBefore,
    CancelWhile,
    Close,
    PanicInHolder,
    OsThread,
    OsTimeOut,
    Unwinding,
}

pub const COLUMNS: [Column; 10] = [
    Column::ValueBefore,
    Column::ValueWhile,
    Column::TimeOut,
    Column::CancelBefore,
    Column::CancelWhile,
    Column::Close,
    Column::PanicInHolder,
    Column::OsThread,
    Column::OsTimeOut,
    Column::Unwinding,
];

/// An outcome in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Fine,
    Closed,
    Cancelled,
    Timeout,
    Panicked,
    Poisoned,
    Unwinding,
    Other,
}

pub fn word(outcome: &Outcome) -> Word {
    match outcome {
        Ok(()) => Word::Fine,
        Err(ConcurrencyError::Closed) => Word::Closed,
        Err(ConcurrencyError::Cancelled) => Word::Cancelled,
        Err(ConcurrencyError::Timeout) => Word::Timeout,
        Err(ConcurrencyError::Failed(Error::Panic(_))) => Word::Panicked,
        Err(ConcurrencyError::Failed(Error::Poisoned)) => Word::Poisoned,
        Err(ConcurrencyError::Failed(Error::Unwinding)) => Word::Unwinding,
        Err(_) => Word::Other,
    }
}

/// Lets one wait go on: of the virtual thread, or of an OS thread.
pub type Satisfy = Box<dyn Fn(Option<&Thread>) + Send + Sync>;

/// Something to wait for, and everything that ends the wait.
pub struct Subject {
    /// The call, without a limit.
    pub wait: Box<dyn Fn() -> Outcome + Send + Sync>,
    /// The call with a limit, or the one that takes one; `timed_gives` when it is over.
    pub timed: Option<Box<dyn Fn(Duration) -> Outcome + Send + Sync>>,
    pub timed_gives: Word,
    /// Lets one wait go on, whether it has begun or not.
    pub satisfy: Satisfy,
    pub close: Option<Box<dyn Fn() + Send + Sync>>,
    /// Who has it panics; then waits answer so.
    pub panic: Option<(Box<dyn Fn() + Send + Sync>, Word)>,
    /// What the call answers somebody else, after a value and after the panic.
    pub next: Word,
    pub next_after_panic: Word,
}

impl Subject {
    pub fn new(
        wait: impl Fn() -> Outcome + Send + Sync + 'static,
        satisfy: impl Fn(Option<&Thread>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            wait: Box::new(wait),
            timed: None,
            timed_gives: Word::Timeout,
            satisfy: Box::new(satisfy),
            close: None,
            panic: None,
            next: Word::Fine,
            next_after_panic: Word::Fine,
        }
    }

    pub fn timed(mut self, timed: impl Fn(Duration) -> Outcome + Send + Sync + 'static) -> Self {
        self.timed = Some(Box::new(timed));
        self
    }

    pub fn close(mut self, close: impl Fn() + Send + Sync + 'static) -> Self {
        self.close = Some(Box::new(close));
        self
    }

    /// With a word for the wait, and one for the next.
    pub fn panic(
        mut self,
        panic: impl Fn() + Send + Sync + 'static,
        gives: Word,
        next: Word,
    ) -> Self {
        self.panic = Some((Box::new(panic), gives));
        self.next_after_panic = next;
        self
    }
}

/// A virtual thread that has something until it is told to give it back, or to panic with it.
pub struct Holder {
    pub go: Arc<Event>,
    panics: Arc<AtomicBool>,
    pub thread: Arc<VirtualThread<Token>>,
}

impl Holder {
    /// `hold` takes it, and then calls what it is given. It has taken it when this returns.
    pub fn new(token: &Token, hold: impl FnOnce(&dyn Fn()) + Send + 'static) -> Self {
        let (held, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let panics = Arc::new(AtomicBool::new(false));
        let (told, waits, may_panic) = (held.clone(), go.clone(), panics.clone());
        let token = token.clone();
        let thread = spawn(move || {
            hold(&|| {
                told.set();
                waits.wait().unwrap();
                assert!(!may_panic.load(Ordering::Relaxed), "{PURPOSE}");
            });
            token
        });
        held.wait().unwrap();
        Self { go, panics, thread: Arc::new(thread) }
    }

    /// Gives it back, and later ones at once.
    pub fn release(&self) -> impl Fn(Option<&Thread>) + Send + Sync + 'static {
        let go = self.go.clone();
        move |_| go.set()
    }

    pub fn panics(&self) -> impl Fn() + Send + Sync + 'static {
        let (go, panics) = (self.go.clone(), self.panics.clone());
        move || {
            panics.store(true, Ordering::Relaxed);
            go.set();
        }
    }
}

const SHORT: Duration = Duration::from_millis(2);

fn is_long_enough(began: Instant, time: Duration) -> bool {
    began.elapsed() >= std::time::Duration::try_from(time).unwrap()
}

/// The caller's next waits are its own.
fn waits_are_whole() {
    uncancellable(|| {
        let began = Instant::now();
        sleep(SHORT).unwrap();
        assert!(is_long_enough(began, SHORT), "a sleep was cut short");
        let Some(own) = drift::current() else { return };
        let began = Instant::now();
        park_until(began + SHORT).unwrap();
        assert!(is_long_enough(began, SHORT), "a wake was left over");
        own.unpark();
        own.unpark();
        park().unwrap();
        let began = Instant::now();
        park_until(began + SHORT).unwrap();
        assert!(is_long_enough(began, SHORT), "two unparks are one");
    });
}

/// Calls from a virtual thread; `meanwhile` is done by the test, when the call is about to be made.
fn on_virtual_thread(
    subject: &Arc<Subject>,
    before: impl FnOnce() + Send + 'static,
    call: impl FnOnce(&Subject) -> Outcome + Send + 'static,
    meanwhile: impl FnOnce(&VirtualThread<Outcome>),
) -> Outcome {
    let (began, tells) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let (subject, told, waits) = (subject.clone(), began.clone(), tells.clone());
    let caller = spawn(move || {
        told.set();
        before();
        let outcome = call(&subject);
        drop(subject);
        waits_are_whole();
        uncancellable(|| waits.wait()).unwrap();
        outcome
    });
    began.wait().unwrap();
    // On one carrier it waits after this: whoever comes later runs after it.
    spawn(yield_now).join().unwrap();
    meanwhile(&caller);
    tells.set();
    caller.join().unwrap()
}

fn on_os_thread(
    subject: &Arc<Subject>,
    call: impl FnOnce(&Subject) -> Outcome + Send + 'static,
    meanwhile: impl FnOnce(),
) -> Outcome {
    let subject = subject.clone();
    let caller = thread::spawn(move || {
        let outcome = call(&subject);
        waits_are_whole();
        outcome
    });
    spawn(yield_now).join().unwrap();
    meanwhile();
    caller.join().unwrap()
}

fn timed(subject: &Subject) -> Outcome {
    let timed = subject.timed.as_ref().expect("a row without a time-out says why");
    let began = Instant::now();
    let outcome = timed(SHORT);
    assert!(is_long_enough(began, SHORT), "it came early");
    outcome
}

/// Calls while it unwinds.
fn while_unwinding(subject: &Subject) -> Outcome {
    struct Calls<'a>(&'a Subject, &'a mut Option<Outcome>);
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            *self.1 = Some((self.0.wait)());
        }
    }
    let mut outcome = None;
    let thrown = panic::catch_unwind(AssertUnwindSafe(|| {
        let _calls = Calls(subject, &mut outcome);
        panic!("{PURPOSE}");
    }));
    assert!(thrown.is_err() && !thread::panicking());
    outcome.expect("it was called")
}

/// Runs it. Panics if anything is not as it should be.
pub fn run(row: &Row, column: Column) {
    let token = Token::default();
    let subject = Arc::new((row.make)(&token));
    let (outcome, expected) = call(&subject, column);
    let what = format!("{} x {column:?}", row.name);
    assert_eq!(word(&outcome), expected, "{what}: {outcome:?}");
    let next = match column {
        Column::Close => Word::Closed,
        Column::PanicInHolder => subject.next_after_panic,
        Column::ValueBefore | Column::ValueWhile | Column::OsThread => subject.next,
        _ => Word::Fine,
    };
    let other = subject.clone();
    let others = spawn(move || (other.wait)());
    spawn(yield_now).join().unwrap();
    if column != Column::Close {
        // What is closed answers by itself; with help another arm of a `select!` may be ready too.
        (subject.satisfy)(Some(others.thread()));
    }
    let others = others.join().unwrap();
    assert_eq!(word(&others), next, "{what}, somebody else: {others:?}");
    drop(subject);
    while Arc::strong_count(&token) > 1 {
        // What was detached is about to end; the harness has an eye on the time.
        sleep(Duration::from_millis(1)).unwrap();
    }
}

fn call(subject: &Arc<Subject>, column: Column) -> (Outcome, Word) {
    let satisfied = |caller: &VirtualThread<_>| (subject.satisfy)(Some(caller.thread()));
    let wait = |subject: &Subject| (subject.wait)();
    match column {
        Column::ValueBefore => {
            let gate = Arc::new(Event::new());
            let (waits, opens) = (gate.clone(), gate);
            let before = move || waits.wait().unwrap();
            let meanwhile = |caller: &VirtualThread<_>| {
                satisfied(caller);
                opens.set();
            };
            (on_virtual_thread(subject, before, wait, meanwhile), Word::Fine)
        }
        Column::ValueWhile => (on_virtual_thread(subject, || (), wait, satisfied), Word::Fine),
        Column::TimeOut => (on_virtual_thread(subject, || (), timed, |_| ()), subject.timed_gives),
        Column::CancelBefore => {
            let before = || {
                while !is_cancelled() {
                    yield_now();
                }
            };
            (on_virtual_thread(subject, before, wait, VirtualThread::cancel), Word::Cancelled)
        }
        Column::CancelWhile => {
            (on_virtual_thread(subject, || (), wait, VirtualThread::cancel), Word::Cancelled)
        }
        Column::Close => {
            let close = subject.close.as_ref().expect("a row without a close says why");
            (on_virtual_thread(subject, || (), wait, |_| close()), Word::Closed)
        }
        Column::PanicInHolder => {
            let (panic, word) = subject.panic.as_ref().expect("a row without a holder says why");
            (on_virtual_thread(subject, || (), wait, |_| panic()), *word)
        }
        Column::OsThread => (on_os_thread(subject, wait, || (subject.satisfy)(None)), Word::Fine),
        Column::OsTimeOut => (on_os_thread(subject, timed, || ()), subject.timed_gives),
        Column::Unwinding => {
            (on_virtual_thread(subject, || (), while_unwinding, |_| ()), Word::Unwinding)
        }
    }
}
