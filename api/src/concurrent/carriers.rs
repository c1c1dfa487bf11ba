//! How many carriers the default executor has.
//!
//! | who says it                                 | how many                                       |
//! |---------------------------------------------|------------------------------------------------|
//! | a policy: `#[drift::main(carriers = n)]`,   | as it says; the environment is not looked at   |
//! | `run_with`, `Executor::default_set`         |                                                |
//! | the environment: `DRIFT_CARRIERS=n`         | n; what is no such number is an error          |
//! | nobody                                      | one for each CPU that the process may use, by  |
//! |                                             | its affinity and the CPU quota of its cgroup   |
//!
//! The environment is read once, when the default executor is made.

use std::env;
use std::num::NonZero;
use std::thread;

use drift_core::platform::MAX_CARRIERS;

use crate::error::Error;

/// The environment's word.
const NAME: &str = "DRIFT_CARRIERS";

/// The first executor, C's default, has one of them.
const MOST: u32 = MAX_CARRIERS as u32 - 1;

/// What a value must be; keep in step with `MOST`.
const MUST: &str = "be a number from 1 to 1023; unset it for one carrier for each CPU that the \
                    process may use";
const _: () = assert!(MOST == 1023);

/// How many carriers the default executor gets, if no policy says it.
///
/// # Errors
/// `Variable`, if the environment has something else than a number that can be.
///
/// # Source
/// [`std::thread::available_parallelism`]: sched_getaffinity(2), and the quota of cgroups.
pub(super) fn by_default() -> Result<u32, Error> {
    let Some(value) = env::var_os(NAME) else {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        // Executors of the program's own find room in any case.
        return Ok(u32::try_from(cpus).unwrap_or(u32::MAX).min(MOST / 2));
    };
    let number = value.to_str().and_then(|value| value.trim().parse().ok());
    number.filter(|number| (1..=MOST).contains(number)).ok_or_else(|| Error::Variable {
        name: NAME,
        value: value.to_string_lossy().into_owned(),
        must: MUST,
    })
}
