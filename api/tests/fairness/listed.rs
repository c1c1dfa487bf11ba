//! That no call is left out: the tables against the surface, and what `docs/testing.md` says.
//!
//! | list                        | has                                                          |
//! |-----------------------------|--------------------------------------------------------------|
//! | `api/surface.txt`           | every public function of the crate, and every macro          |
//! | `ffi/symbols.txt`           | every function of C                                          |
//! | the tables of `calls.rs`    | each that can end without waiting                            |
//! | `ffi/tests/fairness.c`      | the same for C: `CALL(name, ..)`, and `FREE(name, "reason")` |
//! | [`FREE`]                    | the others, each with a reason                               |
//! | [`TRAITS`]                  | those of std whose functions are free wherever they are      |
//!
//! With `DRIFT_FAIRNESS_BLESS=1` the test writes the table of `docs/testing.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use crate::calls::TABLES;
use crate::harness::Case;

pub const CASES: &[Case] = cases![no_public_call_is_left_out];

/// What is free, by type or by name, and why.
const FREE: &[(&[&str], &str)] = &[
    (
        &[
            "Barrier::new",
            "Condvar::new",
            "Event::new",
            "FutureGroup::new",
            "LazyLock::new",
            "Mutex::new",
            "Once::new",
            "PollFd::from_raw",
            "OnceLock::new",
            "PollFd::new",
            "ReentrantMutex::new",
            "RwLock::new",
            "Semaphore::new",
            "bounded",
            "unbounded",
        ],
        "makes what nobody else knows yet",
    ),
    (
        &[
            "Mutex::get_mut",
            "Mutex::into_inner",
            "ReentrantMutex::get_mut",
            "ReentrantMutex::into_inner",
            "RwLock::get_mut",
            "RwLock::into_inner",
            "LockError::into_inner",
            "OnceLock::get_mut",
            "OnceLock::into_inner",
            "OnceLock::take",
            "OwnedReadHalf::reunite",
            "OwnedWriteHalf::forget",
            "Permits::forget",
            "Panic::take_payload",
        ],
        "is about what the caller alone has",
    ),
    (
        &[
            "Receiver::into_iter",
            "Receiver::iter",
            "Receiver::try_iter",
            "TcpListener::incoming",
            "TcpStream::into_split",
            "TcpStream::split",
            "UnixListener::incoming",
            "UnixListener::into_iter",
            "UnixStream::into_split",
            "UnixStream::split",
            "VirtualThread::thread",
            "ScopedVirtualThread::thread",
        ],
        "gives another view of it; what that does is paid for",
    ),
    (
        &[
            "FutureGroup::is_empty",
            "FutureGroup::len",
            "PollFd::interest",
            "PollFd::ready",
            "BarrierWaitResult::is_leader",
            "OnceState::is_poisoned",
            "Permits::count",
            "Receiver::capacity",
            "Receiver::same_channel",
            "Sender::capacity",
            "Sender::same_channel",
            "WaitTimeoutResult::timed_out",
            "Thread::id",
            "Thread::name",
            "current",
            "ScopeError::cause",
            "ScopeError::errors",
            "ConcurrencyError::or",
            "Ready::*",
            "Interest::*",
        ],
        "tells what nobody but the caller changes",
    ),
    (
        &["Builder::name", "Builder::new", "Builder::stack_size", "ExecutorPolicy::*"],
        "says what another call is to do",
    ),
    (
        &[
            "TcpStream::read_timeout",
            "UdpSocket::read_timeout",
            "UnixDatagram::read_timeout",
            "UnixStream::read_timeout",
            "*::set_read_timeout",
            "TcpStream::write_timeout",
            "UdpSocket::write_timeout",
            "UnixDatagram::write_timeout",
            "UnixStream::write_timeout",
            "*::set_write_timeout",
            "*::set_nonblocking",
        ],
        "tells or sets a number of the caller's socket",
    ),
    (&["*::flush", "*::into_raw_fd"], "does nothing that could take time"),
    (&["run_with"], "is `Executor::new`, `Executor::default_set` and `run`"),
    (&["Duration::*", "Instant::*"], "reckons, or looks at the clock"),
];

/// Of these, nothing is paid for: they are called where others may not run.
const TRAITS: &[&str] = &[
    "AsFd",
    "AsRawFd",
    "AsRef",
    "Clone",
    "Debug",
    "Default",
    "Deref",
    "DerefMut",
    "Display",
    "Drop",
    "Error",
    "From",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
];

fn no_public_call_is_left_out() {
    let tried: BTreeSet<&str> = TABLES
        .iter()
        .flat_map(|(_, _, calls)| calls.iter())
        .map(|(name, _)| name.split(", ").next().unwrap())
        .collect();
    let public = public(&read("api/surface.txt"));
    let left_out: Vec<_> = public
        .iter()
        .filter(|name| !tried.contains(name.as_str()) && free(name).is_none())
        .collect();
    assert!(
        left_out.is_empty(),
        "in no table of api/tests/fairness/calls, nor free for a reason (listed.rs): {left_out:#?}"
    );
    let gone: Vec<_> = tried.iter().filter(|name| !public.contains(**name)).collect();
    assert!(gone.is_empty(), "not in api/surface.txt any more: {gone:?}");
    let paid_and_free: Vec<_> = tried.iter().filter(|name| free(name).is_some()).collect();
    assert!(paid_and_free.is_empty(), "both tried and free: {paid_and_free:?}");

    let symbols: BTreeSet<String> = read("ffi/symbols.txt").lines().map(str::to_owned).collect();
    let program = read("ffi/tests/fairness.c");
    let (calls, reasons) = (named(&program, "CALL("), named(&program, "FREE("));
    let both: BTreeSet<String> = calls.iter().chain(&reasons).cloned().collect();
    let missing: Vec<_> = symbols.difference(&both).collect();
    assert!(missing.is_empty(), "neither CALL nor FREE in ffi/tests/fairness.c: {missing:?}");
    assert_eq!(both.difference(&symbols).next(), None, "no function of C");
    assert_eq!(calls.intersection(&reasons).next(), None, "both CALL and FREE");
    compare_docs(&calls);
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Why the function is free.
fn free(name: &str) -> Option<&'static str> {
    let (of, what) = name.split_once("::").unwrap_or(("", name));
    let is = |listed: &&str| match listed.split_once("::") {
        Some(("*", listed)) => listed == what,
        Some((listed, "*")) => listed == of,
        _ => *listed == name,
    };
    FREE.iter().find(|(names, _)| names.iter().any(is)).map(|(_, why)| *why)
}

/// The names in the first arguments of a macro in a C program.
fn named(program: &str, call: &str) -> BTreeSet<String> {
    let begin = program.lines().filter_map(|line| line.trim().strip_prefix(call));
    begin
        .filter_map(|rest| rest.split([',', ')']).next())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// `Type::function`, or the name alone, of every public function and macro.
fn public(surface: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut is_free = false;
    for line in surface.lines() {
        if let Some(header) = line.strip_prefix("impl") {
            let header = plain(header);
            let of = header.split(" for ").next().filter(|_| header.contains(" for "));
            is_free = of.is_some_and(|of| TRAITS.contains(&of.rsplit("::").next().unwrap().trim()));
        } else if let Some(name) = line.strip_prefix("pub macro ") {
            all.insert(name.rsplit("::").next().unwrap().to_owned());
        } else if let Some(at) = line.find("fn ").filter(|_| line.starts_with("pub ")) {
            let path = plain(line[at + 3..].split('(').next().unwrap()).replace('&', "");
            let parts: Vec<&str> = path.split("::").collect();
            let of = parts.iter().rev().nth(1).filter(|of| of.starts_with(char::is_uppercase));
            match of {
                None => _ = all.insert(parts.last().unwrap().to_string()),
                Some(of) if !is_free => _ = all.insert(format!("{of}::{}", parts.last().unwrap())),
                Some(_) => {}
            }
        }
    }
    all.retain(|name| !name.starts_with("OwnedFd::"));
    all
}

/// Without what is between angle brackets.
fn plain(text: &str) -> String {
    let mut depth = 0;
    let mut out = String::new();
    let mut before = ' ';
    for letter in text.chars() {
        match letter {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
        before = letter;
    }
    out
}

const BEGIN: &str = "<!-- fairness: written by api/tests/fairness/listed.rs -->\n";
const END: &str = "<!-- end of fairness -->\n";

/// The table of the docs is what the tables of the test say.
fn compare_docs(c: &BTreeSet<String>) {
    let mut rows: BTreeMap<(String, &str), BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for (case, _, calls) in TABLES {
        for (entry, _) in *calls {
            let (name, how) = entry.split_once(", ").unwrap_or((entry, ""));
            let (of, function) = name.split_once("::").unwrap_or(("functions", name));
            let row = rows.entry((of.to_owned(), case)).or_default();
            row.entry(function).or_default().extend((!how.is_empty()).then_some(how));
        }
    }
    let mut table =
        String::from("| of | calls, and how they end at once | test |\n|---|---|---|\n");
    for ((of, case), functions) in rows {
        let functions = functions.iter().map(|(name, how)| match how.is_empty() {
            true => format!("`{name}`"),
            false => format!("`{name}` ({})", how.join("; ")),
        });
        let functions: Vec<_> = functions.collect();
        let of = if of == "functions" { of } else { format!("`{of}`") };
        writeln!(table, "| {of} | {} | `{case}` |", functions.join(", ")).unwrap();
    }
    let names: Vec<_> = c.iter().map(|name| format!("`{name}`")).collect();
    writeln!(table, "| C | {} | `ffi/tests/fairness.c` |", names.join(", ")).unwrap();
    let docs = read("docs/testing.md");
    let (before, rest) = docs.split_once(BEGIN).expect("docs/testing.md has the table's begin");
    let (_, after) = rest.split_once(END).expect("and its end");
    let wanted = format!("{before}{BEGIN}{table}{END}{after}");
    if env::var_os("DRIFT_FAIRNESS_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/testing.md");
        fs::write(path, wanted).unwrap();
    } else {
        assert!(
            docs == wanted,
            "docs/testing.md says something else than the tables: \
             DRIFT_FAIRNESS_BLESS=1 cargo test -p drift --test fairness"
        );
    }
}
