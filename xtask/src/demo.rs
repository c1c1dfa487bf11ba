//! `cargo xtask demo`: the runtime under load, beside one OS thread per connection.
//!
//! ```text
//!  this process ──stdin: names of phases──▶ demo/server.c   connections, sleepers, rings
//!               ◀─stdout: JSON lines─────── (the archive)        ▲
//!               ◀─stdout: JSON lines─────── demo/client.rs ──────┘ loopback
//! ```
//!
//! The client is this program again, in a process of its own. Everything is bounded in time, and
//! whatever was started is ended by its process id when this process leaves [`run`].

mod build;
mod client;
mod process;
mod report;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use process::{Program, number};
use report::{Figures, Others, Report};

/// How long a program may take to say that it is ready.
const READY: Duration = Duration::from_secs(40);
/// How long a program that is running may be silent: it speaks each second.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the server may take to join everything.
const FINISH: Duration = Duration::from_secs(20);
/// How long the others run before there is any load: longer than their longest sleep.
const QUIET: Duration = Duration::from_secs(2);

/// Serves a load with virtual threads and with OS threads, and shows both.
#[derive(clap::Args, Clone, Debug)]
pub struct DemoArguments {
    /// Seconds of load to measure, for each of the two servers.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections of the client, each with one message under way.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=19_000))]
    connections: u32,
    /// Further virtual threads that sleep and park in the same process.
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

/// Runs the demo.
///
/// # Errors
/// When a program could not be built or run, and when anything was lost.
pub fn run(args: DemoArguments) -> Result<()> {
    process::raise_open_files(u64::from(args.connections) + 64)?;
    if let Some(port) = args.client {
        return client::run(port, args.connections, Duration::from_secs(args.seconds));
    }
    let carriers = args.carriers.unwrap_or_else(cpus);
    let programs = build::programs(args.archive.as_deref())?;

    println!("one virtual thread per connection, {carriers} carriers:");
    let (figures, others, mut losses) =
        with_virtual_threads(&args, carriers, Command::new(programs.server))?;
    println!("one OS thread per connection:");
    let (threads, lost) = with_os_threads(&args, Command::new(programs.threads))?;
    losses.extend(lost);

    let report = Report { connections: args.connections, carriers, figures, others, threads };
    println!("\n{}", report.table());
    if losses.is_empty() {
        println!("Nothing was lost.");
        return Ok(());
    }
    bail!("lost: {}", losses.join("; "))
}

fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(1))
}

/// The server of virtual threads: quiet first, then under load, then to its end.
fn with_virtual_threads(
    args: &DemoArguments,
    carriers: u32,
    mut server: Command,
) -> Result<(Figures, Others, Vec<String>)> {
    server.args([carriers.to_string(), args.virtual_threads.to_string()]);
    let mut server = Program::start("server", server)?;
    let ready = server.expect("ready", READY)?;
    println!(
        "  {} virtual threads started in {:.0} ms, {:.0} bytes each",
        report::grouped(number(&ready, "others")),
        number(&ready, "start_ms"),
        number(&ready, "rss_per_vt")
    );
    // What the others cost by themselves; the start has its own figure.
    let (cpu, from) = (server.cpu()?, Instant::now());
    std::thread::sleep(QUIET);
    let quiet_cpu = (server.cpu()? - cpu).as_secs_f64() / from.elapsed().as_secs_f64();
    server.send("quiet")?;
    let quiet = server.expect("phase", SILENCE)?;

    let (figures, mut losses) = load(args, &mut server, number(&ready, "port"))?;
    server.send("load")?;
    let loaded = server.expect("phase", SILENCE)?;
    let from = Instant::now();
    server.close();
    let finished = server.expect("finished", FINISH)?;
    println!(
        "  {} virtual threads joined in {:.0} ms",
        report::grouped(number(&finished, "joined")),
        from.elapsed().as_secs_f64() * 1e3
    );
    let status = server.wait(FINISH)?;

    for (key, what) in [
        ("lost", "virtual threads that could not be joined"),
        ("uneven", "ring members that missed a turn"),
        ("early", "sleepers that woke early"),
        ("refused", "connections refused"),
    ] {
        note(&mut losses, number(&finished, key), what);
    }
    if losses.is_empty() && !status.success() {
        losses.push(format!("the server ended with {status}"));
    }
    if args.virtual_threads > 0 && number(&loaded, "woken") == 0.0 {
        losses.push("no sleeper woke under load".to_owned());
    }
    Ok((figures, Others { ready, quiet, loaded, quiet_cpu }, losses))
}

/// The same load on a thread per connection.
fn with_os_threads(args: &DemoArguments, server: Command) -> Result<(Figures, Vec<String>)> {
    let mut server = Program::start("threads", server)?;
    let ready = server.expect("ready", READY)?;
    let (figures, losses) = load(args, &mut server, number(&ready, "port"))?;
    server.close();
    let status = server.wait(FINISH)?;
    ensure!(status.success(), "the server of OS threads ended with {status}");
    let named = losses.iter().map(|loss| format!("{loss} (OS threads)")).collect();
    Ok((figures, named))
}

/// Runs the client against `server`, shows what happens, and gives what was measured.
fn load(args: &DemoArguments, server: &mut Program, port: f64) -> Result<(Figures, Vec<String>)> {
    let memory_before = server.memory()?;
    let mut client = Command::new(std::env::current_exe().context("the name of this program")?);
    client.args(["demo", "--client", &port.to_string()]);
    client.args(["--connections", &args.connections.to_string()]);
    client.args(["--seconds", &args.seconds.to_string()]);
    let mut client = Program::start("client", client)?;

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
