//! Every blocking call of the crate, in every way in which a wait ends.
//!
//! | column            | what ends the wait                      | the call answers       |
//! |-------------------|-----------------------------------------|------------------------|
//! | `value before`    | what it waits for is there              | the value              |
//! | `value while`     | what it waits for comes                 | the value              |
//! | `time-out`        | its time                                | `Timeout`, never early |
//! | `cancel before`   | the caller was cancelled                | `Cancelled`            |
//! | `cancel while`    | the caller is cancelled                 | `Cancelled`            |
//! | `close`           | the other end                           | `Closed`               |
//! | `panic in holder` | who has it panics                       | the row says           |
//! | `OS thread`       | as `value while`, for a plain OS thread | the value              |
//! | `OS time-out`     | as `time-out`, for a plain OS thread    | `Timeout`, never early |
//! | `unwinding`       | the caller unwinds from a panic         | `Failed(Unwinding)`    |
//!
//! After each cell the caller sleeps and parks: both last as long as they should, and an unpark
//! is worth one park. Then somebody else uses what was waited for, and in the end no value is
//! left anywhere. A cell that makes no sense says why.
//!
//! "While" never depends on luck: with several carriers the cause may come before the wait, and
//! the answer is the same.

#[macro_use]
mod harness;
#[path = "table/cells.rs"]
mod cells;
#[path = "table/channels.rs"]
mod channels;
#[path = "table/locks.rs"]
mod locks;
#[path = "table/threads.rs"]
mod threads;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cells::{COLUMNS, Column};

/// One call: how each test of it is made.
struct Row {
    name: &'static str,
    make: fn(&cells::Token) -> cells::Subject,
    /// Why a column does not apply.
    without: &'static [(Column, &'static str)],
}

static RAN: AtomicUsize = AtomicUsize::new(0);
static LEFT_OUT: Mutex<BTreeMap<String, &'static str>> = Mutex::new(BTreeMap::new());

fn rows() -> Vec<Row> {
    [threads::rows(), locks::rows(), channels::rows()].into_iter().flatten().collect()
}

fn run(row: &Row) {
    for column in COLUMNS {
        if let Some((_, why)) = row.without.iter().find(|(without, _)| *without == column) {
            LEFT_OUT.lock().unwrap().insert(format!("{} x {column:?}", row.name), why);
            continue;
        }
        cells::run(row, column);
        RAN.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> ExitCode {
    let rows: &'static [Row] = rows().leak();
    let cases: Vec<_> = rows.iter().map(|row| (row.name, move || run(row))).collect();
    let code = harness::main(&[1, 2], &cases);
    println!(
        "{} cells ran; not applicable on any number of carriers:",
        RAN.load(Ordering::Relaxed)
    );
    for (cell, why) in &*LEFT_OUT.lock().unwrap() {
        println!("    {cell}: {why}");
    }
    code
}
