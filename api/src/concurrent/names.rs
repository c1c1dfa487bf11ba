//! Names for `DRIFT_WATCH`: while the process watches, a spawn keeps the name that it is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Once, PoisonError};

use drift_core::runtime::Runtime;
use drift_core::task::Handle;
use drift_pal::watch;

/// How many names may be there before those of ended virtual threads are looked for.
const FEW: usize = 1024;

static NAMES: Mutex<Option<HashMap<i64, Arc<str>>>> = Mutex::new(None);

/// The virtual thread `handle` has that name, if it has one.
#[inline]
pub(super) fn keep(runtime: &'static Runtime, handle: Handle, name: Option<&Arc<str>>) {
    if let Some(name) = name
        && watch::is_on()
    {
        insert(runtime, handle, name);
    }
}

#[cold]
fn insert(runtime: &'static Runtime, handle: Handle, name: &Arc<str>) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| watch::set_names(find));
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    // Each look at all is paid for by as many that came since the last.
    if names.len() >= FEW && names.len().is_power_of_two() {
        names.retain(|handle, _| !runtime.is_completed(Handle(*handle)));
    }
    names.insert(handle.0, name.clone());
}

/// Calls `tell` with the name that was kept.
fn find(handle: i64, tell: &mut dyn FnMut(&str)) {
    let name = {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        names.as_ref().and_then(|names| names.get(&handle).cloned())
    };
    if let Some(name) = name {
        tell(&name);
    }
}
