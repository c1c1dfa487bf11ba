//! What `select!` expands to; see there.

use drift_core::sync::select::Arm;
pub use drift_core::sync::select::Numbered;
use drift_core::wait::Wait;

use super::channel::carried::{ReceiveArm, SendArm};
use super::channel::{Receiver, SendError, Sender};
use crate::error::ConcurrencyError;
use crate::runtime::{CALL, pay, try_runtime, wait, wait_until};
use crate::time::Instant;

/// Waits for several channels at once and does what can be done first.
///
/// | arm                                      | happens when                                     |
/// |------------------------------------------|--------------------------------------------------|
/// | `recv(receiver) -> pattern => body`      | a value came, or the channel is closed and empty |
/// | `send(sender, value) -> pattern => body` | it was sent, or the channel is closed            |
/// | `after(time) => body`                    | nothing else did for so long                     |
/// | `until(instant) => body`                 | nothing else did until then                      |
/// | `default => body`                        | nothing else can at once                         |
///
/// `pattern` is bound to what [`Receiver::recv`] or [`Sender::send`] answers. `receiver`, `sender`
/// and the others are any expressions, evaluated once, in the order in which they stand; what they
/// borrow for the selection is given back before a body runs, and a value that was not sent is
/// dropped then. Arms stand in any order; of the last three there is at most one, which may be the
/// only arm. A body that is a block needs no comma.
///
/// If several can happen, any one does, each with the same chance. The whole is a
/// `Result<_, ConcurrencyError>`: `Ok` of the body's value; `Err(Cancelled)` if the calling virtual
/// thread was cancelled first, and then nothing was received or sent.
///
/// # Source
/// Beyond Drift's `std.concurrent`; Go's `select`.
///
/// # Examples
/// ```
/// use drift::{Duration, select, sync::unbounded};
///
/// let (numbers, from_numbers) = unbounded();
/// let (_words, from_words) = unbounded::<&str>();
/// numbers.send(7).unwrap();
/// let got = select! {
///     recv(from_numbers) -> n => format!("number {}", n.unwrap()),
///     recv(from_words) -> word => format!("word {}", word.unwrap()),
///     after(Duration::from_secs(1)) => "nothing".to_owned(),
/// };
/// assert_eq!(got.unwrap(), "number 7");
/// ```
///
/// At most one of the last three, and no selection of nothing:
/// ```compile_fail
/// let _ = drift::select! { default => 1, after(drift::Duration::from_secs(1)) => 2 };
/// ```
/// ```compile_fail
/// let _: Result<(), _> = drift::select! {};
/// ```
#[macro_export]
macro_rules! select {
    // `@arm` reads the head of an arm, `@body` what it does, and `@put` adds it to the brackets: to
    // the first a channel's (what it is, its number, its pattern, its body, and two names, which
    // differ because each comes from a step of its own), to the second the last three of the table.
    (@arm $arms:tt $last:tt $index:expr;) => { $crate::select!(@end $arms $last) };
    (@arm $arms:tt $last:tt $index:expr;
     recv($from:expr $(,)?) -> $pattern:pat => $($rest:tt)+) => {
        $crate::select!(@body $arms $last $index;
            (channel (match &$from { from => $crate::sync::select::Receive::new(from) }) ($pattern))
            $($rest)+)
    };
    (@arm $arms:tt $last:tt $index:expr;
     send($to:expr, $value:expr $(,)?) -> $pattern:pat => $($rest:tt)+) => {
        $crate::select!(@body $arms $last $index;
            (channel (match &$to { to => $crate::sync::select::Send::new(to, $value) }) ($pattern))
            $($rest)+)
    };
    (@arm $arms:tt [] $index:expr; after($time:expr $(,)?) => $($rest:tt)+) => {
        $crate::select!(@body $arms [] $index;
            (last ($crate::sync::select::Limit::Until($crate::Instant::now() + $time))) $($rest)+)
    };
    (@arm $arms:tt [] $index:expr; until($deadline:expr $(,)?) => $($rest:tt)+) => {
        $crate::select!(@body $arms [] $index;
            (last ($crate::sync::select::Limit::Until($deadline))) $($rest)+)
    };
    (@arm $arms:tt [] $index:expr; default => $($rest:tt)+) => {
        $crate::select!(@body $arms [] $index;
            (last ($crate::sync::select::Limit::Never)) $($rest)+)
    };
    (@arm $arms:tt [$($last:tt)+] $index:expr; after $($rest:tt)*) => {
        $crate::select!(@twice)
    };
    (@arm $arms:tt [$($last:tt)+] $index:expr; until $($rest:tt)*) => {
        $crate::select!(@twice)
    };
    (@arm $arms:tt [$($last:tt)+] $index:expr; default $($rest:tt)*) => {
        $crate::select!(@twice)
    };
    (@arm $($rest:tt)*) => {
        ::core::compile_error!(
            "an arm of `select!` is `recv(from) -> pattern => body`, `send(to, value) -> pattern \
             => body`, `after(time) => body`, `until(instant) => body` or `default => body`"
        )
    };
    (@twice) => {
        ::core::compile_error!("a `select!` has at most one of `after`, `until` and `default`")
    };

    // A block ends the arm, as in `match`; anything else ends with a comma, or is the last.
    (@body $arms:tt $last:tt $index:expr; $head:tt $body:block, $($rest:tt)*) => {
        $crate::select!(@put $arms $last $index; $head ($body) $($rest)*)
    };
    (@body $arms:tt $last:tt $index:expr; $head:tt $body:block $($rest:tt)*) => {
        $crate::select!(@put $arms $last $index; $head ($body) $($rest)*)
    };
    (@body $arms:tt $last:tt $index:expr; $head:tt $body:expr, $($rest:tt)*) => {
        $crate::select!(@put $arms $last $index; $head ($body) $($rest)*)
    };
    (@body $arms:tt $last:tt $index:expr; $head:tt $body:expr) => {
        $crate::select!(@put $arms $last $index; $head ($body))
    };

    (@put [$($arms:tt)*] $last:tt $index:expr;
     (channel ($arm:expr) ($pattern:pat)) ($body:expr) $($rest:tt)*) => {
        $crate::select!(@arm
            [$($arms)* (arm, ended, $arm, $index, $pattern, $body)] $last $index + 1; $($rest)*)
    };
    (@put $arms:tt [] $index:expr; (last ($limit:expr)) ($body:expr) $($rest:tt)*) => {
        $crate::select!(@arm $arms [$limit, $body] $index; $($rest)*)
    };

    (@end $arms:tt []) => {
        $crate::select!(@end $arms
            [$crate::sync::select::Limit::Forever, ::core::unreachable!("it waits for ever")])
    };
    (@end [$(($name:ident, $ended:ident, $arm:expr, $index:expr, $pattern:pat, $body:expr))*]
     [$limit:expr, $else:expr]) => {{
        $(let mut $ended = ::core::option::Option::None;)*
        // What the expressions of the arms borrow ends with this statement.
        let done = match ($($arm,)*) {
            ($(mut $name,)*) => {
                let done =
                    $crate::sync::select::select(&mut [$(($index, $name.arm())),*], $limit);
                $(if done == ::core::result::Result::Ok(::core::option::Option::Some($index)) {
                    $ended = ::core::option::Option::Some($name.finish());
                } else)* {}
                done
            }
        };
        // A body may leave by `return`, `break` or `continue`.
        #[allow(unreachable_code, clippy::diverging_sub_expression)]
        let selected = match done {
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
            ::core::result::Result::Ok(::core::option::Option::None) => {
                ::core::result::Result::Ok($else)
            }
            ::core::result::Result::Ok(::core::option::Option::Some(_)) => {
                $(if let ::core::option::Option::Some(ended) = $ended {
                    match ended {
                        $pattern => ::core::result::Result::Ok($body),
                    }
                } else)* {
                    ::core::unreachable!("one of the arms was done")
                }
            }
        };
        selected
    }};

    () => {
        ::core::compile_error!("a `select!` without an arm would wait for ever")
    };
    ($($arms:tt)+) => { $crate::select!(@arm [] [] 0u32; $($arms)+) };
}

/// How long a `select!` waits.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Not at all.
    Never,
    /// Until then.
    Until(Instant),
    /// As long as it takes.
    Forever,
}

/// An arm that receives.
#[derive(Debug)]
pub struct Receive<'a, T>(ReceiveArm<'a, T>);

/// An arm that sends.
#[derive(Debug)]
pub struct Send<'a, T>(SendArm<'a, T>);

impl<'a, T> Receive<'a, T> {
    /// From `receiver`.
    pub fn new(receiver: &'a Receiver<T>) -> Self {
        Self(ReceiveArm::new(receiver.core()))
    }

    /// What a selection takes.
    pub fn arm(&mut self) -> &mut dyn Arm {
        self.0.core()
    }

    /// If it is the one that was done.
    ///
    /// # Errors
    /// `Closed`.
    pub fn finish(self) -> Result<T, ConcurrencyError> {
        Ok(self.0.finish()?)
    }
}

impl<'a, T> Send<'a, T> {
    /// `value`, to `sender`.
    pub fn new(sender: &'a Sender<T>, value: T) -> Self {
        Self(SendArm::new(sender.core(), value))
    }

    /// What a selection takes.
    pub fn arm(&mut self) -> &mut dyn Arm {
        self.0.core()
    }

    /// If it is the one that was done.
    ///
    /// # Errors
    /// The value, with `Closed`.
    pub fn finish(self) -> Result<(), SendError<T>> {
        self.0.finish().map_err(SendError::from)
    }
}

/// Which arm was done; none if the limit came first.
///
/// # Errors
/// `Cancelled`.
pub fn select(arms: &mut [Numbered<'_>], limit: Limit) -> Result<Option<u32>, ConcurrencyError> {
    use drift_core::error::ConcurrencyError as Core;
    use drift_core::sync::select::{select, try_select};
    pay(CALL);
    let wait = match limit {
        Limit::Never => return Ok(try_select(arms, &Wait::new(try_runtime()?))),
        Limit::Until(deadline) => wait_until(deadline.core())?,
        Limit::Forever => wait()?,
    };
    match select(arms, &wait) {
        Ok(done) => Ok(Some(done)),
        Err(Core::Timeout) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
