//! What `select!` expands to; see there.

pub use drift_core::sync::select::Arm;
use drift_core::sync::{Wait, channel};

use super::channel::{Receiver, SendError, Sender};
use crate::error::ConcurrencyError;
use crate::runtime::{try_runtime, wait, wait_until};
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
/// `pattern` is bound to what [`Receiver::recv`] or [`Sender::send`] answers. At most one of the
/// last three, as the last arm. If several can happen, any one does. The whole is a
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
#[macro_export]
macro_rules! select {
    // One arm after the other goes into the brackets: a name, what it is, its number, its pattern,
    // its body. Names differ because each comes from a step of its own.
    (@ [$($arms:tt)*] $index:expr;
     recv($from:expr) -> $pattern:pat => $body:expr, $($rest:tt)*) => {
        $crate::select!(@ [$($arms)* (
            arm, $crate::sync::select::Receive::new(&$from), $index, $pattern, $body
        )] $index + 1; $($rest)*)
    };
    (@ [$($arms:tt)*] $index:expr;
     send($to:expr, $value:expr) -> $pattern:pat => $body:expr, $($rest:tt)*) => {
        $crate::select!(@ [$($arms)* (
            arm, $crate::sync::select::Send::new(&$to, $value), $index, $pattern, $body
        )] $index + 1; $($rest)*)
    };
    // The last arm needs no comma.
    (@ [$($arms:tt)*] $index:expr; recv($from:expr) -> $pattern:pat => $body:expr) => {
        $crate::select!(@ [$($arms)*] $index; recv($from) -> $pattern => $body,)
    };
    (@ [$($arms:tt)*] $index:expr; send($to:expr, $value:expr) -> $pattern:pat => $body:expr) => {
        $crate::select!(@ [$($arms)*] $index; send($to, $value) -> $pattern => $body,)
    };
    (@ [$($arms:tt)*] $index:expr; after($time:expr) => $body:expr $(,)?) => {
        $crate::select!(! [$($arms)*]
            $crate::sync::select::Limit::Until($crate::Instant::now() + $time);
            ::core::result::Result::Ok($body))
    };
    (@ [$($arms:tt)*] $index:expr; until($deadline:expr) => $body:expr $(,)?) => {
        $crate::select!(! [$($arms)*] $crate::sync::select::Limit::Until($deadline);
            ::core::result::Result::Ok($body))
    };
    (@ [$($arms:tt)*] $index:expr; default => $body:expr $(,)?) => {
        $crate::select!(! [$($arms)*] $crate::sync::select::Limit::Never;
            ::core::result::Result::Ok($body))
    };
    (@ [$($arms:tt)*] $index:expr;) => {
        $crate::select!(! [$($arms)*]
            $crate::sync::select::Limit::Forever; ::core::unreachable!("it waits for ever"))
    };
    (! [$(($name:ident, $arm:expr, $index:expr, $pattern:pat, $body:expr))*]
     $limit:expr; $else:expr) => {{
        $(let mut $name = $arm;)*
        // A body may leave by `return`, `break` or `continue`.
        #[allow(unreachable_code, clippy::diverging_sub_expression)]
        let selected = match $crate::sync::select::select(&mut [$(&mut $name.0),*], $limit) {
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
            ::core::result::Result::Ok(::core::option::Option::None) => $else,
            ::core::result::Result::Ok(::core::option::Option::Some(done)) => {
                $(if done == $index {
                    let $pattern = $name.finish();
                    ::core::result::Result::Ok($body)
                } else)* {
                    ::core::unreachable!("one of the arms was done")
                }
            }
        };
        selected
    }};
    (@ $($rest:tt)*) => {
        ::core::compile_error!(
            "an arm of `select!` is `recv(from) -> pattern => body` or `send(to, value) -> pattern \
             => body`; `after(time)`, `until(instant)` or `default` may come last"
        )
    };
    (recv $($arms:tt)*) => { $crate::select!(@ [] 0usize; recv $($arms)*) };
    (send $($arms:tt)*) => { $crate::select!(@ [] 0usize; send $($arms)*) };
    ($($other:tt)*) => {
        ::core::compile_error!("`select!` begins with an arm `recv(..)` or `send(..)`")
    };
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
pub struct Receive<'a, T>(pub channel::Receive<'a, super::channel::Queue<T>>);

/// An arm that sends.
#[derive(Debug)]
pub struct Send<'a, T>(pub channel::Send<'a, super::channel::Queue<T>>);

impl<'a, T> Receive<'a, T> {
    /// From `receiver`.
    pub fn new(receiver: &'a Receiver<T>) -> Self {
        Self(channel::Receive::new(receiver.core()))
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
        Self(channel::Send::new(sender.core(), value))
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
pub fn select(arms: &mut [&mut dyn Arm], limit: Limit) -> Result<Option<usize>, ConcurrencyError> {
    use drift_core::error::ConcurrencyError as Core;
    use drift_core::sync::select::{select, try_select};
    let wait = match limit {
        Limit::Never => {
            // Any arm, so that one that always can does not keep the others from it.
            let first = Wait::new(try_runtime()?).random();
            return Ok(try_select(arms, first as usize));
        }
        Limit::Until(deadline) => wait_until(deadline.core())?,
        Limit::Forever => wait()?,
    };
    match select(arms, &wait) {
        Ok(done) => Ok(Some(done)),
        Err(Core::Timeout) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
