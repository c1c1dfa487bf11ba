//! `cargo xtask demo`: the runtime under load, from C and from Rust.
//!
//! ```text
//!  this process ──stdin: names of phases──▶ a server        ▲
//!               ◀─stdout: lines──────────── of its own      │ loopback
//!               ◀─stdout: JSON lines─────── demo/client.rs ─┘
//! ```
//!
//! | `--server` | file      | servers                                               | load      |
//! |------------|-----------|-------------------------------------------------------|-----------|
//! | `c`        | `c.rs`    | `server.c`: connections, sleepers, rings; `threads.c` | echo      |
//! | `rust`     | `rust.rs` | `http` of `examples/rust`                             | HTTP/1.1  |
//!
//! The client is this program again, in a process of its own. Everything is bounded in time, and
//! whatever was started is ended by its process id when this process leaves [`run`].

mod build;
mod c;
mod client;
mod process;
mod report;
mod rust;
mod talk;

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use process::{Program, number};
use report::Figures;

/// How long a program may take to say that it is ready.
const READY: Duration = Duration::from_secs(40);
/// How long a program that is running may be silent: it speaks each second.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the server may take to join everything.
const FINISH: Duration = Duration::from_secs(20);
/// How long the others run before there is any load: longer than their longest sleep.
const QUIET: Duration = Duration::from_secs(2);

/// Which server is shown.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// An echo in C over the archive, beside one with OS threads.
    C,
    /// HTTP/1.1 in Rust.
    Rust,
    /// One after the other.
    Both,
}

/// Serves a load with virtual threads, and shows what it took.
#[derive(clap::Args, Clone, Debug)]
pub struct DemoArguments {
    /// The server to show.
    #[arg(long, value_enum, default_value_t = Server::Both)]
    server: Server,
    /// Seconds of load to measure, for each server.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections of the client, each with one message under way.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=19_000))]
    connections: u32,
    /// Further virtual threads that sleep and park in the same process, in C.
    #[arg(long, default_value_t = 100_000)]
    virtual_threads: u32,
    /// Carriers of the server [default: as many as there are CPUs].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    carriers: Option<u32>,
    /// An archive to link instead of building one.
    #[arg(long, value_name = "FILE")]
    archive: Option<std::path::PathBuf>,
    /// Be the client of the server on this port.
    #[arg(long, hide = true, value_name = "PORT")]
    client: Option<u16>,
}

impl DemoArguments {
    fn carriers(&self) -> u32 {
        let cpus = || thread::available_parallelism().map_or(1, usize::from);
        self.carriers.unwrap_or_else(|| u32::try_from(cpus()).unwrap_or(1))
    }
}

/// Runs the demo.
///
/// # Errors
/// When a program could not be built or run, and when anything was lost.
pub fn run(args: DemoArguments) -> Result<()> {
    process::raise_open_files(u64::from(args.connections) + 64)?;
    if let Some(port) = args.client {
        let time = Duration::from_secs(args.seconds);
        return client::run(port, args.connections, time, args.server == Server::Rust);
    }
    let wanted = |server| args.server == server || args.server == Server::Both;
    // A server that does not build is told before the other has run.
    let c = wanted(Server::C).then(|| build::c(args.archive.as_deref())).transpose()?;
    let rust = wanted(Server::Rust).then(build::rust).transpose()?;

    let mut shown = Vec::new();
    shown.extend(c.map(|programs| c::show(&args, programs)).transpose()?);
    shown.extend(rust.map(|http| rust::show(&args, http)).transpose()?);
    for part in &shown {
        println!("\n{}", part.table);
    }
    let losses: Vec<_> = shown.into_iter().flat_map(|part| part.losses).collect();
    if losses.is_empty() {
        println!("Nothing was lost.");
        return Ok(());
    }
    bail!("lost: {}", losses.join("; "))
}

/// What came of a server.
struct Shown {
    table: String,
    losses: Vec<String>,
}

/// Runs the client against `server`, shows what happens, and gives what was measured.
fn load(
    args: &DemoArguments,
    server: &mut Program,
    port: f64,
    language: &str,
) -> Result<(Figures, Vec<String>)> {
    let memory_before = server.memory()?;
    let mut client = Command::new(std::env::current_exe().context("the name of this program")?);
    client.args(["demo", "--client", &port.to_string(), "--server", language]);
    client.args(["--connections", &args.connections.to_string()]);
    client.args(["--seconds", &args.seconds.to_string()]);
    let mut client = Program::start("client", client, process::json)?;

    let (mut measured, mut from, mut progress) = (Measured::default(), None, Value::Null);
    let result = loop {
        let line = match client.next(SILENCE) {
            Ok(line) => line,
            // A server that died says more than the client that misses it.
            Err(error) => return Err(server.fault().unwrap_or(error)),
        };
        progress = server.latest("alive").unwrap_or(progress);
        match line["phase"].as_str() {
            Some("measuring") => from = Some(server.cpu()?),
            Some("measured") => {
                let before = from.context("the client measured before it began")?;
                measured.cpu = server.cpu()? - before;
                measured.memory = server.memory()?;
                measured.os_threads = server.os_threads()?;
            }
            Some("asleep") => {
                measured.asleep = (server.os_threads()?, server.memory()?);
            }
            _ if line.get("second").is_some() => show(&line, &progress, server.memory()?),
            _ if line.get("requests").is_some() => break line,
            _ => {}
        }
    };
    client.close();
    let status = client.wait(FINISH)?;
    ensure!(status.success(), "the client ended with {status}");

    let mut losses = Vec::new();
    for (key, what) in [
        ("unanswered", "requests unanswered"),
        ("wrong", "replies with wrong bytes"),
        ("broken", "connections broken"),
    ] {
        note(&mut losses, number(&result, key), what);
    }
    if number(&result, "requests") == 0.0 {
        losses.push("no request was answered".to_owned());
    }
    let grown = measured.memory.saturating_sub(memory_before);
    Ok((Figures { result, measured, grown }, losses))
}

fn note(losses: &mut Vec<String>, count: f64, what: &str) {
    if count != 0.0 {
        losses.push(format!("{} {what}", report::grouped(count)));
    }
}

/// What is measured from outside the server, over the measured seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    cpu: Duration,
    memory: u64,
    os_threads: u64,
    /// OS threads and memory while every connection waits for its reply, where they do.
    asleep: (u64, u64),
}

/// One line of progress: a second of the client's beside the latest of the server's.
fn show(second: &Value, progress: &Value, memory: u64) {
    let alive = match progress.get("alive") {
        Some(_) => {
            format!("{:>9} virtual threads alive  ", report::grouped(number(progress, "alive")))
        }
        None => String::new(),
    };
    println!(
        "  {:>2.0} s  {:>9} req/s  {alive}{:>6} MiB",
        number(second, "second"),
        report::grouped(number(second, "answered")),
        report::grouped((memory >> 20) as f64)
    );
}
